"""Early stopping: what is kept, by which loss, and what a run makes of it."""

from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import toy

import imitax
from imitax.agents.early_stopping import NONE, Kept, held_out_loss
from imitax.agents.start import Start
from imitax.algorithms import bc
from imitax.buffers import Buffers
from imitax.envs import Task
from imitax.networks import Normalizer, Policy, PolicyConfig, TanhGaussian
from imitax.sources.offline import episode_buffer
from imitax.stacking import unstack


def test_the_lower_loss_stays():
    kept = Kept.none({"w": jnp.zeros(2)})
    np.testing.assert_array_equal(kept.or_else({"w": jnp.ones(2)})["w"], 1)
    for value, loss in ((1.0, 0.5), (2.0, 0.7), (3.0, jnp.nan), (4.0, 0.4), (5.0, 0.4)):
        kept = kept.compared({"w": jnp.full(2, value)}, jnp.asarray(loss))
    assert float(kept.loss) == pytest.approx(0.4)
    np.testing.assert_array_equal(kept.or_else({"w": jnp.ones(2)})["w"], 4)


def test_every_seed_keeps_its_own():
    nets, losses = jnp.arange(6.0).reshape(2, 3), jnp.array([NONE, 1.0])
    chosen = Kept(nets, losses).or_else(nets + 10)
    np.testing.assert_array_equal(chosen, [[10, 11, 12], [3, 4, 5]])


def test_the_loss_is_the_error_of_the_deterministic_action(demos):
    space = Task.create(toy.ENV).spec
    policy = Policy(Normalizer.identity(2), TanhGaussian(space, PolicyConfig(hidden=(8,)), key=jr.key(0)))
    unseen = unstack(episode_buffer([demos], (0,), space.action), 0)
    t = demos.transitions()
    wrong = np.abs(np.asarray(policy.act(t.obs, jr.key(1), "mode")) - t.action).mean()
    found = float(held_out_loss(policy, unseen, jr.key(2)))
    assert found == pytest.approx(float(wrong), rel=0.05)  # 1,024 evenly spaced rows, so that some count twice


def test_a_worse_policy_does_not_act(demos):
    """Parameters that explain held-out actions worse are not those of the policy that acts."""
    cfg = replace(toy.shrink(bc.Config()), early_stopping=20)
    task = Task.create(toy.ENV)
    state = bc.init(cfg, Start(task.spec, Normalizer.identity(2), jr.key(0)))
    buffers = Buffers(held_out=unstack(episode_buffer([demos], (0,), task.spec.action), 0))
    state, first = bc.compare(state, buffers, cfg, jr.key(1))
    worse = eqx.tree_at(lambda s: s.ema, state, jax.tree.map(lambda x: 50 * x if eqx.is_array(x) else x, state.ema))
    after, second = bc.compare(worse, buffers, cfg, jr.key(1))
    assert second["held_out_loss"] > first["held_out_loss"] == second["kept_loss"]
    acting = [jax.tree.leaves(eqx.filter(bc.policy(s).actor, eqx.is_array)) for s in (state, after)]
    for one, other in zip(*acting, strict=True):
        np.testing.assert_array_equal(one, other)
    assert bc.compare(worse, Buffers(), cfg, jr.key(1)) == (worse, {})


@pytest.mark.parametrize(
    ("cfg", "options", "count"),
    [
        (bc.Config(), {}, 1),
        (bc.Config(), {"episodes": 5}, 1),
        (bc.Config(), {"episodes": 4}, 0),
        (bc.Config(), {"validation_episodes": 0}, 0),
        (bc.Config(early_stopping=0), {}, 0),
        (bc.PRESETS["cleanil"], {}, 0),
    ],
)
def test_a_tenth_is_held_out(tmp_path, demos, cfg, options, count):
    short = {"steps": 50, "eval_every": 50, "checkpoint_every": 50, "eval_episodes": 1, "quiet": True}
    run = imitax.train(toy.shrink(cfg), env=toy.ENV, demos=demos, out=tmp_path / "run", **short | options)
    assert len(run.config["data"]["validation_episodes"]["0"]) == count
