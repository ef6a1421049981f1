"""Rollouts in a model whose truth is known, the ring that remembers them, and a model that turns against its policy."""

import dataclasses
from types import SimpleNamespace

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from imitax.choices import imagination
from imitax.choices.adversarial_model import AdversarialModel, normalised
from imitax.choices.dynamics_loss import DynamicsFit
from imitax.choices.imagination import Imagination
from imitax.choices.pessimism import Pessimism
from imitax.datasets import pool
from imitax.errors import ConfigError
from imitax.learner import Learner, OptimizerConfig
from imitax.networks import Dynamics, DynamicsConfig, Normalizer, Policy, PolicyConfig, TanhGaussian, Termination
from imitax.sources import Buffer, ImaginedBuffer, ImaginedSource, episode_buffer
from imitax.types import Spec, Transition

SPEC = Spec(1, 1, (-1.0,), (1.0,))
NEVER = Termination((-float("inf"),), (float("inf"),))
NONE = Pessimism("none")


def counting(step=1.0, termination=NEVER, members=2):
    """A model in which the observation grows by `step`, whatever is done, and the reward is 7."""
    cfg = DynamicsConfig(hidden=(8,), members=members, elites=members, log_var_min=-40.0)
    d = Dynamics(SPEC, cfg, termination, key=jr.key(0))
    bias = jnp.zeros_like(d.mlp.biases[-1]).at[:, :2].set(jnp.array([step, 7.0])[None]).at[:, 2:4].set(-40.0)
    weights = (d.mlp.weights[0], jnp.zeros_like(d.mlp.weights[-1]))
    return eqx.tree_at(lambda x: (x.mlp.weights, x.mlp.biases), d, (weights, (d.mlp.biases[0], bias)))


@pytest.fixture(scope="module")
def policy():
    return Policy(Normalizer.identity(1), TanhGaussian(SPEC, PolicyConfig(hidden=(4,)), key=jr.key(1)))


def rows_of(dynamics, policy, starts, horizon, cfg, pessimism=NONE):
    t, valid = cfg.rollouts(dynamics, policy, pessimism, jnp.asarray(starts)[:, None], horizon, jr.key(2))
    return [np.asarray(x)[np.asarray(valid)] for x in (t.obs[..., 0], t.next_obs[..., 0], t.reward, t.terminated)]


def test_rollouts_follow_the_model(policy):
    obs, next_obs, reward, ended = rows_of(counting(), policy, [0.0, 10.0], 3, Imagination(limit=None))
    assert sorted(np.round(obs)) == [0, 1, 2, 10, 11, 12]
    np.testing.assert_allclose(next_obs, obs + 1, atol=1e-3)
    np.testing.assert_allclose(reward, 7, atol=1e-3)
    assert not ended.any()


def test_rollouts_end_with_the_task(policy):
    model = counting(termination=Termination((-100.0,), (11.5,)))
    obs, _, _, ended = rows_of(model, policy, [0.0, 10.0], 4, Imagination(limit=None))
    assert sorted(np.round(obs)) == [0, 1, 2, 3, 10, 11]
    assert np.round(obs[ended]).tolist() == [11]
    obs, _, _, ended = rows_of(model, policy, [10.0], 4, Imagination(limit=None, stop_at_end=False))
    assert np.round(obs).tolist() == [10, 11, 12, 13]
    assert ended.tolist() == [False, True, True, True]


def test_rollouts_stop_where_the_model_was_never_fitted(policy):
    obs, next_obs, _, ended = rows_of(counting(), policy, [0.0, 10.0], 9, Imagination(limit=12.5))
    assert sorted(np.round(obs)) == [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11]
    assert next_obs.max() < 12.5  # the step that leaves is dropped, and is no end of the task
    assert not ended.any()
    wild = counting(step=float("nan"))
    assert not len(rows_of(wild, policy, [0.0], 3, Imagination(limit=None))[0])


def test_an_observation_far_from_zero_can_be_an_end(policy):
    cfg = Imagination(limit=None, end_beyond=11.5)
    obs, _, _, ended = rows_of(counting(), policy, [0.0, 10.0, -13.0], 3, cfg)
    assert sorted(np.round(obs)) == [-13, 0, 1, 2, 10, 11]  # the rollout stops, its last step is kept
    assert sorted(np.round(obs[ended])) == [-13, 11]
    obs, _, _, ended = rows_of(counting(), policy, [10.0], 4, dataclasses.replace(cfg, stop_at_end=False))
    assert ended.tolist() == [False, True, True, True]
    obs, *_ = rows_of(counting(), policy, [10.0], 4, dataclasses.replace(cfg, limit=11.5))
    assert np.round(obs).tolist() == [10]  # what the model knows nothing of is dropped all the same


def test_blocks_change_nothing_but_the_noise(policy, monkeypatch):
    monkeypatch.setattr(imagination, "BLOCK", 4)
    obs, *_ = rows_of(counting(), policy, np.arange(10) * 100.0, 2, Imagination(limit=None))
    assert sorted(np.round(obs)) == sorted([x + i for x in range(0, 1000, 100) for i in (0, 1)])


def test_the_horizon_grows():
    cfg = Imagination(horizon=15, horizon_first=1, horizon_from=20, horizon_to=100)
    assert [cfg.horizon_at(s) for s in (0, 20, 60, 100, 500)] == [1, 1, 8, 15, 15]
    assert Imagination(horizon=4).horizon_at(0) == 4


def transitions(values, uncertainty=0.5):
    x = jnp.asarray(values, jnp.float32)
    n = len(x)
    ended = x % 3 == 0
    return Transition(
        x[:, None], x[:, None], x, x[:, None] + 1, ended, jnp.zeros(n, bool), jnp.full(n, uncertainty) * x
    )


def test_the_ring_keeps_the_newest_valid_rows():
    ring = ImaginedBuffer.empty(5, SPEC)
    ring = ring.write(transitions(range(6)), jnp.array([True, False, True, True, False, True]))  # 0 2 3 5
    assert (int(ring.written), int(ring.buffer.size)) == (4, 4)
    assert np.asarray(ring.buffer.rows[:4, 0]).tolist() == [0, 2, 3, 5]
    assert float(ring.buffer.absorbing) == 2  # 0 and 3 ended
    ring = ring.write(transitions([7, 8, 9]), jnp.array([True, True, True]))
    assert (int(ring.written), int(ring.buffer.size)) == (7, 5)
    assert np.asarray(ring.buffer.rows[:, 0]).tolist() == [8, 9, 3, 5, 7]
    assert float(ring.buffer.absorbing) == 2  # 3 and 9
    taken = ring.take(jnp.array([0, 4]))
    assert np.asarray(taken.uncertainty).tolist() == [4.0, 3.5]
    assert np.asarray(taken.next_obs[:, 0]).tolist() == [9, 8]
    ring = ring.write(transitions(range(20, 32)), jnp.ones(12, bool))  # more than there are places
    assert sorted(np.asarray(ring.buffer.rows[:, 0])) == [27, 28, 29, 30, 31]
    assert set(np.asarray(ring.draw(100, jr.key(0)))) == set(range(5))


def test_a_full_ring_can_be_written_for_ever():
    ring = ImaginedBuffer.empty(5, SPEC)
    for first in range(0, 40, 4):
        ring = ring.write(transitions(range(first, first + 4)), jnp.ones(4, bool))
        assert int(ring.written) < 10
        newest = range(max(first - 1, 0), first + 4)
        assert {int(x): int(at) for at, x in enumerate(ring.buffer.rows[: len(newest), 0])} == {
            i: i % 5 for i in newest
        }


def buffer(values):
    x = jnp.asarray(values, jnp.float32)[:, None]
    return dataclasses.replace(
        Buffer.empty(len(x), 1, 1), rows=jnp.concatenate([x, 0 * x, 0 * x, x + 1, 0 * x], 1), size=jnp.asarray(len(x))
    )


def test_starts_are_demonstrated_and_other_states():
    buffers = SimpleNamespace(expert=buffer([5.0] * 3), offline=buffer([1.0] * 7), replay=None)
    starts = np.asarray(Imagination(expert_starts=0.25).start_states(buffers, 4000, jr.key(0)))
    assert abs((starts == 5).mean() - 0.25) < 0.03
    assert set(starts.ravel()) == {1, 5}
    online = SimpleNamespace(expert=None, offline=None, replay=buffer([2.0]))
    assert (np.asarray(Imagination().start_states(online, 9, jr.key(0))) == 2).all()


def test_the_source_rolls_out_every_seed(policy):
    cfg = Imagination(starts=6, horizon=2, keep=50, limit=None)
    source = ImaginedSource(cfg, Pessimism("max_norm"), SPEC, 2, absorbing_rows=False)
    two = [jax.tree.map(lambda *x: jnp.stack(x) if eqx.is_array(x[0]) else x[0], x, x) for x in (counting(), policy)]
    real = jax.tree.map(lambda *x: jnp.stack(x), buffer([1.0]), buffer([50.0]))
    buffers = SimpleNamespace(expert=None, offline=real, replay=None)
    from imitax.loop import Buffers

    metrics = source.advance(*two, Buffers(None, None, None, buffers.offline), jr.split(jr.key(0), 2), 0)
    assert np.asarray(source.buffer.written).tolist() == [12, 12]
    assert np.asarray(metrics["imagined_length"]).tolist() == [2, 2]
    assert sorted(set(np.round(np.asarray(source.buffer.buffer.rows[1, :12, 0])))) == [50, 51]
    source.advance(*two, Buffers(None, None, None, buffers.offline), jr.split(jr.key(0), 2), 5)
    assert np.asarray(source.buffer.written).tolist() == [24, 24]


def test_demonstrations_join_the_data_as_often_as_they_are_told(demos):
    def of(copies):
        return episode_buffer([pool(demos, demos, copies)], 1, (0,), absorbing_rows=True)

    assert [int(of(c).size[0]) for c in (0, 1, 3)] == [demos.transition_count * (1 + c) for c in (0, 1, 3)]
    ends = sum(e.terminated for e in demos.episodes)
    assert float(of(3).absorbing[0]) == 4 * ends


def test_normalised_advantages():
    a = normalised(jnp.array([1.0, 3.0, 99.0]), jnp.array([True, True, False]), 10.0)
    np.testing.assert_allclose(a, [-1, 1, 0], atol=1e-5)
    assert np.asarray(normalised(jnp.array([0.0] * 99 + [1.0]), jnp.ones(100, bool), 2.0)).max() == 2
    assert np.isfinite(np.asarray(normalised(jnp.ones(4), jnp.zeros(4, bool), 2.0))).all()


def test_an_adversarial_model_moves_away_from_what_is_good(policy):
    """Larger next states are better: the model must predict smaller ones, and does nothing at weight 0."""
    model = counting(step=0.0)
    model = eqx.tree_at(lambda d: d.mlp.biases, model, (model.mlp.biases[0], jnp.zeros_like(model.mlp.biases[-1])))
    buffers = SimpleNamespace(expert=None, offline=buffer(np.zeros(20)), replay=None)

    def mean(weight):
        cfg = AdversarialModel(steps=30, weight=weight, horizon=2, batch_size=64)
        learner = Learner.create(model, OptimizerConfig(lr=0.01))
        fit = DynamicsFit(bound_weight=0.0, decay=(0.0,))
        quiet = eqx.tree_at(lambda b: b.rows, buffers.offline, buffers.offline.rows * 0)  # the data stand still
        given = SimpleNamespace(expert=None, offline=quiet, replay=None)
        learner, metrics = cfg(
            learner, fit, Imagination(limit=None), policy, lambda t, _: t.next_obs[:, 0], given, jr.key(0)
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
    given = SimpleNamespace(expert=None, offline=buffer(np.zeros(20)), replay=None)
    learner = Learner.create(counting(), OptimizerConfig(lr=0.0))
    stop = Imagination(limit=None, end_beyond=1.5)
    learner, _ = cfg(learner, DynamicsFit(), stop, policy, advantage, given, jr.key(0))
    jax.block_until_ready(learner.opt_state)
    jax.effects_barrier()
    obs, ended = (np.concatenate(x) for x in zip(*asked, strict=True))
    assert sorted(set(np.round(obs))) == reached
    np.testing.assert_array_equal(ended, np.round(obs) >= 1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Imagination(horizon=0), "horizon must be at least 1"),
        (lambda: Imagination(horizon=3, horizon_first=4), "horizon_first must lie in 1 to horizon"),
        (lambda: Imagination(horizon_from=5, horizon_to=5), "must lie before"),
        (lambda: Imagination(expert_starts=1.5), "expert_starts must lie in"),
        (lambda: Imagination(end_beyond=0.0), "end_beyond must be positive"),
        (lambda: AdversarialModel(steps=0), "steps must be at least 1"),
        (lambda: AdversarialModel(weight=-1.0), "weight must not be negative"),
    ],
)
def test_contradictions_are_refused(make, message):
    with pytest.raises(ConfigError, match=message):
        make()
