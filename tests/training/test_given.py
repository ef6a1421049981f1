"""What a run takes from other runs: learned rewards in place of the environment's."""

import json
import shutil
from pathlib import Path

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
import toy

import imitax
from imitax.algorithms import adversarial, bc, sac
from imitax.artifacts import save_reward
from imitax.choices.terminal import Terminal
from imitax.config import override
from imitax.errors import CheckpointError, ConfigError
from imitax.sources.online import read_shard
from imitax.training.begin import rewards_above_end
from imitax.types import Transition

pytestmark = pytest.mark.usefixtures("no_figures")

COMMON = {"env": toy.ENV, "chunk": 2, "eval_every": 10, "eval_episodes": 2, "checkpoint_every": 10, "quiet": True}
SAC = toy.shrink(sac.Config())


def config(kind):
    return toy.shrink(adversarial.Config(), terminal=Terminal(kind))


@pytest.fixture(scope="module")
def learned(demos, tmp_path_factory):
    folder = tmp_path_factory.mktemp("learned") / "run"
    return imitax.train(config("absorbing"), demos=demos, out=folder, steps=30, **COMMON)


def test_a_policy_gets_the_learned_reward(learned, tmp_path):
    run = imitax.train(SAC, reward=learned.folder, out=tmp_path / "given", steps=30, **COMMON)
    plain = imitax.train(SAC, out=tmp_path / "plain", steps=30, **COMMON)
    # files keep the environment's reward: the warm-up's random steps are the same in both runs
    mine, theirs = run.replay().transitions(), plain.replay().transitions()
    np.testing.assert_array_equal(mine.reward[:10], theirs.reward[:10])
    reward = learned.load_reward()
    chunk, _ = read_shard(run.folder / "replay" / "000000000-000000010.safetensors")
    t = Transition(*chunk[:5], absorbing=np.zeros(10, bool))
    expected = reward(t.obs, t.action, t.next_obs, t.terminated) - reward.absorbing()
    np.testing.assert_allclose(rewards_above_end(reward, t, 0.9), expected, rtol=1e-4, atol=1e-6)
    assert not np.allclose(run.load_policy().actor.mlp.weights[0], plain.load_policy().actor.mlp.weights[0])
    assert run.config["reward"] is not None


def test_ends_of_their_own_count_with_the_learners_discount(demos, tmp_path):
    """One end is worth what a step in it is for ever, above the zero observation's end."""
    run = imitax.train(config("stay"), demos=demos, out=tmp_path / "run", steps=30, **COMMON)
    reward, x = run.load_reward(), np.arange(6, dtype=np.float32).reshape(3, 2)
    ended = np.array([False, True, True])
    t = Transition(x, x, x[:, 0], x[::-1], ended, ended & False)
    rewards = np.asarray(reward(t.obs, t.action, t.next_obs, t.terminated))
    above = rewards_above_end(reward, t, 0.75)
    assert above[2] - above[1] == pytest.approx(4 * (rewards[2] - rewards[1]), rel=1e-3)
    given = imitax.train(SAC, reward=run.folder, out=tmp_path / "given", steps=30, **COMMON)
    assert given.config["config"]["terminal"]["kind"] == "mask"
    with pytest.raises(ConfigError, match="what follows its ends is endless at gamma=1"):
        imitax.train(override(SAC, gamma=1.0), reward=run.folder, out=tmp_path / "never", steps=30, **COMMON)


def test_a_run_with_a_learned_reward_resumes_exactly(learned, tmp_path):
    file = Path(shutil.copy(learned.folder / "reward.safetensors", tmp_path))
    options = COMMON | {"reward": file}
    whole = imitax.train(SAC, out=tmp_path / "whole", steps=40, **options)
    imitax.train(SAC, out=tmp_path / "part", steps=20, **options)
    part = imitax.resume(tmp_path / "part", steps=40)
    assert eqx.tree_equal(whole.load_policy(), part.load_policy())
    config = json.loads((tmp_path / "part" / "config.json").read_text())
    (tmp_path / "part" / "config.json").write_text(json.dumps(config | {"reward_end": None}))
    with pytest.raises(CheckpointError, match="by an earlier version"):
        imitax.resume(tmp_path / "part", steps=60)
    (tmp_path / "part" / "config.json").write_text(json.dumps(config))
    save_reward(file, eqx.tree_at(lambda r: r.normalizer.mean, learned.load_reward(), jnp.ones(2)), {})
    with pytest.raises(CheckpointError, match="has changed since the run started from it"):
        imitax.resume(tmp_path / "part", steps=60)


@pytest.mark.parametrize("own", ["mask", "none"])
def test_the_end_counts_as_where_the_reward_was_learned(own, learned, tmp_path):
    """Rewards that hold what follows the end must not be bootstrapped past it too."""
    cfg = override(SAC, terminal=Terminal(own))
    run = imitax.train(cfg, reward=learned.folder, out=tmp_path / "run", steps=20, **COMMON)
    assert run.config["config"]["terminal"]["kind"] == "mask"


def test_refusals(learned, demos, tmp_path):
    def start(cfg, reward, **options):
        imitax.train(cfg, reward=reward, out=tmp_path / "never", steps=30, **COMMON | options)

    with pytest.raises(CheckpointError, match=r"there is no reward\.safetensors; only runs that learn a reward"):
        start(SAC, tmp_path)
    with pytest.raises(ConfigError, match="adversarial learns its own"):
        start(config("mask"), learned.folder, demos=demos)
    with pytest.raises(ConfigError, match="--reward is for algorithms that learn from rewards"):
        start(toy.shrink(bc.Config()), learned.folder, demos=demos)
    with pytest.raises(ConfigError, match="has other shapes or bounds"):
        start(SAC, learned.folder, env="ImitaxCounter-v0")
    with pytest.raises(CheckpointError, match="not an imitax reward file"):
        start(SAC, learned.folder / "policy.safetensors")
    none = config("none")
    two = imitax.train(none, demos=demos, seeds=(0, 1), out=tmp_path / "two", steps=20, **COMMON)
    with pytest.raises(CheckpointError, match=r"it has several seeds, name one: .*seed-0"):
        start(SAC, two.folder)
    start(SAC, two.folder / "seed-1")  # learned with the end bootstrapped through, and so it is used
    assert float(two.load_reward(1).absorbing()) == 0
    with pytest.raises(CheckpointError, match="sac learns none"):
        imitax.Run(tmp_path / "never").load_reward()
    for kind in ("reward_flag", "closed_form", "absorbing", "stay"):
        with pytest.raises(ConfigError, match="is for learned rewards"):
            override(SAC, terminal=Terminal(kind))
