"""A model that turns against its policy."""

import dataclasses

import counting
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from imitax.agents.adversarial_model import (
    AdversarialModel,
    adversarial_loss,
    adversarial_phase,
    member_batches,
    normalised,
)
from imitax.agents.learned_model import ModelConfig
from imitax.agents.model_rollouts import ModelRollouts
from imitax.buffers import Buffers
from imitax.choices.dynamics_loss import DynamicsFit
from imitax.errors import ConfigError
from imitax.learner import Learner, OptimizerConfig
from imitax.networks import Normalizer, Policy, PolicyConfig, TanhGaussian
from imitax.types import Transition


@pytest.fixture(scope="module")
def policy():
    return Policy(Normalizer.identity(1), TanhGaussian(counting.SPEC, PolicyConfig(hidden=(4,)), key=jr.key(1)))


def test_normalised_advantages():
    a = normalised(jnp.array([1.0, 3.0, 99.0]), jnp.array([True, True, False]), 10.0)
    np.testing.assert_allclose(a, [-1, 1, 0], atol=1e-5)
    assert np.asarray(normalised(jnp.array([0.0] * 99 + [1.0]), jnp.ones(100, bool), 2.0)).max() == 2
    assert np.isfinite(np.asarray(normalised(jnp.ones(4), jnp.zeros(4, bool), 2.0))).all()


def test_advantages_without_a_clip():
    a = normalised(jnp.array([0.0] * 99 + [1.0]), jnp.ones(100, bool), None)
    assert float(a[-1]) == pytest.approx(99**0.5, rel=1e-4)


def test_the_log_density_by_hand():
    """That of the elites' mixture, summed over the D = 2 outputs in RAMBO's code, their mean by default."""
    rng = np.random.default_rng(0)
    model = counting.model()
    bias = model.mlp.biases[-1].at[:, 2:4].set(0.0) + jnp.asarray(rng.normal(0, 0.3, (2, 4)), jnp.float32)
    model = eqx.tree_at(lambda d: d.mlp.biases[-1], model, bias)
    obs, following, reward, a = (jnp.asarray(rng.normal(size=5), jnp.float32) for _ in range(4))
    flags = jnp.zeros(5, bool)
    t = Transition(obs[:, None], obs[:, None], reward, following[:, None], flags, flags)
    p = jax.tree.map(np.asarray, model.predict(t.obs, t.action))
    error = np.stack([following - obs, reward], 1) - p.mean  # [M B D]
    logs = (-(error**2) * np.exp(-p.log_var) - p.log_var - np.log(2 * np.pi)).sum(-1) / 2
    expected = float((np.asarray(a) * np.log(np.exp(logs).mean(0))).mean())
    data, fit = jax.tree.map(lambda x: jnp.stack([x, x]), t), DynamicsFit()
    for kind, count in (("sum", 1), ("mean", 2)):
        cfg = AdversarialModel(weight=0.5, log_density=kind)
        loss, metrics = adversarial_loss(model, t, a, data, fit, cfg)
        assert float(metrics["model_adversarial"]) == pytest.approx(expected / count, rel=1e-4)
        assert float(loss - fit.loss(model, data)[0]) == pytest.approx(expected / count / 2, rel=1e-3, abs=1e-4)


def test_an_adversarial_model_moves_away_from_what_is_good(policy):
    """Larger next states are better: the model must predict smaller ones, and does nothing at weight 0."""
    model = counting.model(step=0.0)
    model = eqx.tree_at(lambda d: d.mlp.biases, model, (model.mlp.biases[0], jnp.zeros_like(model.mlp.biases[-1])))

    def mean(weight):
        cfg = AdversarialModel(steps=30, weight=weight, horizon=2, batch_size=64)
        learner = Learner.create(model, OptimizerConfig(lr=0.01))
        fit = DynamicsFit(bound_weight=0.0, decay=(0.0,))
        real = counting.buffer(np.zeros(20))
        still = dataclasses.replace(real, data=real.data._replace(next_obs=real.data.obs))  # the data stand still
        settings = (cfg, ModelConfig(fit=fit, model_rollouts=ModelRollouts(limit=None)))
        learner, metrics = adversarial_phase(
            learner, settings, policy, lambda t, _: t.next_obs[:, 0], Buffers(offline=still), jr.key(0)
        )
        assert all(np.isfinite(v) for v in metrics.values())
        return float(learner.net.predict(jnp.zeros((1, 1)), jnp.zeros((1, 1))).mean[..., 0].mean())

    assert mean(10.0) < -0.05
    assert abs(mean(0.0)) < 0.02


@pytest.mark.parametrize(("shared", "reached"), [(True, [0, 1]), (False, [0, 1, 2, 3])])
def test_adversarial_rollouts_stop_with_the_policys_or_go_on(policy, shared, reached):
    """What counts as an end is the same for both."""
    asked = []

    def advantage(t, _):
        jax.debug.callback(lambda obs, ended: asked.append((obs[:, 0], ended)), t.obs, t.terminated)
        return jnp.zeros(len(t.obs))

    cfg = AdversarialModel(steps=8, weight=0.0, horizon=4, batch_size=4, shared_stop=shared)
    given = Buffers(offline=counting.buffer(np.zeros(20)))
    learner = Learner.create(counting.model(), OptimizerConfig(lr=0.0))
    settings = (cfg, ModelConfig(model_rollouts=ModelRollouts(limit=None, end_beyond=1.5)))
    learner, _ = adversarial_phase(learner, settings, policy, advantage, given, jr.key(0))
    jax.block_until_ready(learner.opt_state)
    jax.effects_barrier()
    obs, ended = (np.concatenate(x) for x in zip(*asked, strict=True))
    assert sorted(set(np.round(obs))) == reached
    np.testing.assert_array_equal(ended, np.round(obs) >= 1)


def test_each_member_has_a_batch_of_its_own():
    t = member_batches(counting.buffer(range(1000)), 3, 50, jr.key(0))
    assert t.obs.shape == (3, 50, 1)
    assert t.reward.shape == (3, 50)
    assert len({tuple(row) for row in np.asarray(t.obs[..., 0])}) == 3
    assert np.asarray(t.obs).max() < 1000


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": 0}, r"adversary\.steps must be at least 1"),
        ({"weight": -1.0}, r"adversary\.weight must not be negative"),
    ],
)
def test_contradictions_are_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        AdversarialModel(**change)
