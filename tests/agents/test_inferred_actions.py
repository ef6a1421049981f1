"""Actions of demonstrations that have none: what is inferred, by hand, and that it is enough to learn from."""

from dataclasses import replace

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import toy

import imitax
from imitax.agents.inferred_actions import InferredActions, infer, inverse_loss
from imitax.agents.start import Start
from imitax.algorithms import adversarial, bc, iq_learn, ls_iq, recoil
from imitax.choices.gradient_penalty import GradientPenalty
from imitax.choices.temperature import Temperature
from imitax.config import override
from imitax.errors import ConfigError, DataError
from imitax.learner import OptimizerConfig
from imitax.networks import CriticConfig, Normalizer, PolicyConfig, RewardConfig
from imitax.spaces import FiniteActions, Leaf, ObservationSpace, Spec
from imitax.types import Batch, Transition

ON = InferredActions(True, inverse=PolicyConfig(hidden=(16,)), inverse_optimizer=OptimizerConfig(lr=1e-2))
BOX = Spec.flat(2, (-1.0, -1.0), (1.0, 1.0))
CHOICE = Spec(ObservationSpace((Leaf((2,)),)), FiniteActions((3,), (0,)))


def steps(spec, seed, count=64):
    """Transitions `s' = s + a` of a box, and of choices `s' = s + (a, 0)` with a in -1, 0, 1; the last is absorbing."""
    rng = np.random.default_rng(seed)
    obs = rng.normal(size=(count, 2))
    if spec.is_finite:
        choice = rng.integers(0, 3, (count, 1))
        action, moved = spec.action.encode(choice), np.c_[choice - 1, 0 * choice]
    else:
        action = moved = rng.uniform(-0.9, 0.9, (count, 2))
    absorbing = np.arange(count) == count - 1
    action = action * ~absorbing[:, None]
    arrays = [jnp.asarray(x, jnp.float32) for x in (obs, action, np.zeros(count), obs + moved)]
    return Transition(*arrays, jnp.asarray(absorbing), jnp.asarray(absorbing))


def test_the_loss_is_the_likelihood_of_all_but_absorbing_steps():
    t = steps(BOX, 0, 4)
    net = ON.create(Start(BOX, Normalizer(jnp.zeros(2), jnp.ones(2)), jr.key(0)), "float32").net
    logp = net.log_prob((t.obs, t.next_obs), t.action)
    assert float(inverse_loss(net, t)[0]) == pytest.approx(-float(logp[:3].mean()), rel=1e-6)


@pytest.mark.parametrize("spec", [BOX, CHOICE], ids=["box", "choice"])
def test_actions_are_inferred_from_what_they_did(spec):
    inverse = ON.create(Start(spec, Normalizer(jnp.zeros(2), jnp.ones(2)), jr.key(0)), "float32")
    replay, truth = steps(spec, 1), steps(spec, 2)
    blank = replace(truth, action=jnp.zeros_like(truth.action))
    step = eqx.filter_jit(infer)
    found = blank
    for i in range(250):
        inverse, batch, _ = step(inverse, Batch(expert=blank, replay=replay), jr.key(i))
        found = batch.expert
    error = spec.action.error(found.action[:-1], truth.action[:-1])
    assert float(error) < 0.1
    assert not found.action[-1].any()  # the absorbing state's
    assert batch.replay is replay or eqx.tree_equal(batch.replay, replay)


def test_without_the_setting_nothing_changes():
    batch = Batch(expert=steps(BOX, 1), replay=steps(BOX, 2))
    assert InferredActions().create(Start(BOX, Normalizer(jnp.zeros(2), jnp.ones(2)), jr.key(0)), "float32") is None
    inverse, same, metrics = infer(None, batch, jr.key(0))
    assert (inverse, metrics) == (None, {})
    assert same is batch


@pytest.fixture(scope="module")
def observations(demos):
    """The toy task's demonstrations without their actions."""
    return replace(demos, episodes=tuple(replace(e, actions=None) for e in demos.episodes), name="seen")


IMITATION = {
    "gamma": 0.9,
    "polyak": 0.02,
    "batch_size": 64,
    "warmup_steps": 300,
    "ema": 0.98,
    "policy": PolicyConfig(hidden=(16, 16)),
    "critic": CriticConfig(hidden=(16, 16)),
    "critic_optimizer": OptimizerConfig(lr=3e-3),
}
INVERSE = {"inverse": PolicyConfig(hidden=(16, 16)), "inverse_optimizer": OptimizerConfig(lr=3e-3)}
PENALTY = {"gradient_penalty": GradientPenalty("hinge", weight=10.0, margin=20.0, at="both", norm="linf")}
REWARDS = {
    "reward": RewardConfig(hidden=(16, 16), inputs="state_next"),
    "reward_optimizer": OptimizerConfig(lr=1e-3),
    "temperature": Temperature("tuned", initial=0.2, lr=3e-3),
    "policy_optimizer": OptimizerConfig(lr=3e-3),
    "expert_share": 0.0,
}
SLOW = {"policy_optimizer": OptimizerConfig(lr=1e-3)} | INVERSE


@pytest.mark.long
@pytest.mark.usefixtures("no_figures")
@pytest.mark.parametrize(
    ("name", "preset", "changes"),
    [
        ("ls_iq", "observations", SLOW),
        ("iq_learn", "observations", SLOW),
        ("recoil_online", "observations", SLOW | PENALTY),
        ("adversarial", "gaifo", REWARDS),
    ],
)
def test_observations_are_enough_to_reach_the_expert(name, preset, changes, observations, demos, tmp_path):
    cfg = imitax.preset_config(name, preset)
    small = override(cfg, **IMITATION, **changes)
    length = {"steps": 1500, "eval_every": 1500, "checkpoint_every": 1500, "quiet": True}
    run = imitax.train(small, env=toy.ENV, demos=observations, out=tmp_path / "run", **length)
    assert run.summary["last"]["per_seed"][0]["return_mean"] > 0.85 * demos.returns.mean()


@pytest.mark.parametrize(
    ("cfg", "message"),
    [
        (bc.Config(), "seen cannot be used .* no actions, which bc needs, because it clones them; docs/spaces.md"),
        (ls_iq.Config(), r"which ls_iq needs, because .*--infer-actions"),
        (adversarial.Config(), r"which adversarial needs, because .*reward.inputs=state_next"),
        (iq_learn.PRESETS["offline"], "which iq_learn needs, because .*regime=offline has no others"),
    ],
)
def test_what_needs_actions_says_why(cfg, message, observations, tmp_path):
    with pytest.raises(DataError, match=message):
        imitax.train(cfg, env=toy.ENV, demos=observations, out=tmp_path / "run")


def test_what_cannot_be_inferred_or_measured(observations, demos, tmp_path):
    with pytest.raises(ConfigError, match="regime=offline has none"):
        replace(iq_learn.PRESETS["offline"], inferred=ON)
    with pytest.raises(ConfigError, match="share_encoder"):
        InferredActions(True, inverse=PolicyConfig(share_encoder=True))
    other = replace(demos, name="other")
    with pytest.raises(DataError, match="seen has no actions, and without an environment errors"):
        imitax.train(
            recoil.PRESETS["observations"], env=None, demos=observations, offline_data=other, out=tmp_path / "run"
        )
