from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from implicit import SPEC, implicit

from imitax.artifacts import load_policy, save_policy
from imitax.errors import CheckpointError, ConfigError
from imitax.networks import (
    ActionRange,
    EnergyConfig,
    Langevin,
    Normalizer,
    Policy,
    PolicyConfig,
    TanhGaussian,
    with_inference,
)
from imitax.spaces import Spec

KINDS = ("dfo", "langevin", "actor_mean", "actor_polish")


@pytest.mark.parametrize("residual", [False, True])
def test_the_implicit_density_integrates_to_one(residual):
    """f is a network of one state and one action on an asymmetric range within the box."""
    spec = Spec.flat(1, (-0.3,), (1.2,))
    part = ActionRange(jnp.array([-0.1]), jnp.array([1.0]))
    model = implicit(searched=part, spec=spec, residual=residual)
    steeper = jax.tree.map(lambda w: 3 * w, model.energy)
    model = eqx.tree_at(lambda m: m.energy, model, steeper)
    action = jnp.linspace(-0.1, 1.0, 2001)
    logp = model.log_prob(jnp.full((2001, 1), 0.7), action[:, None])
    assert float(logp.max() - logp.min()) > 0.5
    assert np.trapezoid(np.exp(logp), action) == pytest.approx(1.0, abs=0.1 if residual else 0.05)


def test_a_residual_adds_to_the_amortised_log_density():
    """A network that is 0 everywhere leaves the amortised policy: its mode is the highest point, its density f."""
    model = implicit("dfo", ActionRange.box(SPEC), residual=True, samples=512, iterations=10)
    model = eqx.tree_at(lambda m: m.energy, model, jax.tree.map(jnp.zeros_like, model.energy))
    obs = jr.normal(jr.key(0), (5, 3))
    action, logp = model.amortised.sample(obs, jr.key(1))
    f = [model.at_one(o)(model.range.unit(a)[None])[0] for o, a in zip(obs, action, strict=True)]
    np.testing.assert_allclose(f, logp, rtol=1e-4, atol=1e-4)
    narrow = replace(model, amortised=TanhGaussian(SPEC, PolicyConfig((16, 16), log_std_max=-3.0), key=jr.key(2)))
    np.testing.assert_allclose(narrow.mode(obs), narrow.amortised.mode(obs), atol=0.05)


@pytest.mark.parametrize("kind", KINDS)
def test_every_inference_stays_in_the_box(kind):
    model = implicit(kind, ActionRange.box(SPEC), langevin=Langevin(3), actor_samples=1)
    obs = 30 * jr.normal(jr.key(0), (40, 3))
    mode = model.mode(obs)
    sample, logp = model.sample(obs, jr.key(1))
    assert np.isfinite(logp).all()
    for action in (mode, sample):
        assert action.shape == (40, 2)
        assert (np.asarray(action) >= np.float32(SPEC.action_low)).all()
        assert (np.asarray(action) <= np.float32(SPEC.action_high)).all()
    np.testing.assert_array_equal(mode, model.mode(obs))
    np.testing.assert_allclose(mode[::-1], model.mode(obs[::-1]), atol=1e-5)  # of its state alone
    assert not np.allclose(sample, model.sample(obs, jr.key(2))[0])
    if kind == "actor_mean":
        np.testing.assert_array_equal(mode, model.amortised.mode(obs))
        np.testing.assert_array_equal(logp, model.amortised.sample(obs, jr.key(1))[1])


def test_the_policy_is_a_file(tmp_path):
    policy = Policy(Normalizer(jnp.ones(3), 2 * jnp.ones(3)), implicit("actor_polish"))
    save_policy(tmp_path / "policy.safetensors", policy, {"env": "X"})
    again, about = load_policy(tmp_path / "policy.safetensors")
    assert about == {"env": "X"}
    assert again.actor.inference == policy.actor.inference
    obs = np.random.default_rng(0).normal(size=(6, 3))
    a, b = (p.act(obs, jr.key(0), "mode") for p in (policy, again))
    np.testing.assert_array_equal(a, b)
    a, b = (with_inference(p, "actor_mean").act(obs, jr.key(0), "mode") for p in (policy, again))
    np.testing.assert_array_equal(a, b)
    with pytest.raises(ConfigError, match="inference is one of dfo"):
        with_inference(policy, "magic")
    explicit = Policy(policy.normalizer, policy.actor.amortised)
    save_policy(tmp_path / "other.safetensors", explicit, {})
    with pytest.raises(ConfigError, match="no inference to choose"):
        with_inference(load_policy(tmp_path / "other.safetensors")[0], "dfo")
    (tmp_path / "other.safetensors").write_bytes(b"nonsense")
    with pytest.raises(CheckpointError):
        load_policy(tmp_path / "other.safetensors")


@pytest.mark.parametrize("bound", [0.0, -1.0])
def test_a_bound_is_positive(bound):
    with pytest.raises(ConfigError, match=r"energy\.bound must be positive"):
        EnergyConfig(bound=bound)
