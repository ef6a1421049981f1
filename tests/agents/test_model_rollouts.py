"""Rollouts in a model whose truth is known."""

import dataclasses

import counting
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from imitax.agents import model_rollouts
from imitax.agents.model_rollouts import ModelRollouts, roll_out, start_states
from imitax.buffers import Buffers
from imitax.choices.pessimism import Pessimism
from imitax.errors import ConfigError
from imitax.networks import Normalizer, Policy, PolicyConfig, TanhGaussian, Termination

NONE = Pessimism("none")


@pytest.fixture(scope="module")
def policy():
    return Policy(Normalizer.identity(1), TanhGaussian(counting.SPEC, PolicyConfig(hidden=(4,)), key=jr.key(1)))


def steps_of(dynamics, policy, starts, horizon, cfg, pessimism=NONE):
    t, mask = roll_out(cfg, dynamics, policy, pessimism, (jnp.asarray(starts)[:, None], horizon), jr.key(2))
    return [np.asarray(x)[np.asarray(mask)] for x in (t.obs[..., 0], t.next_obs[..., 0], t.reward, t.terminated)]


def test_rollouts_follow_the_model(policy):
    obs, next_obs, reward, ended = steps_of(counting.model(), policy, [0.0, 10.0], 3, ModelRollouts(limit=None))
    assert sorted(np.round(obs)) == [0, 1, 2, 10, 11, 12]
    np.testing.assert_allclose(next_obs, obs + 1, atol=1e-3)
    np.testing.assert_allclose(reward, 7, atol=1e-3)
    assert not ended.any()


def test_rollouts_end_with_the_task(policy):
    model = counting.model(termination=Termination((-100.0,), (11.5,)))
    obs, _, _, ended = steps_of(model, policy, [0.0, 10.0], 4, ModelRollouts(limit=None))
    assert sorted(np.round(obs)) == [0, 1, 2, 3, 10, 11]
    assert np.round(obs[ended]).tolist() == [11]
    obs, _, _, ended = steps_of(model, policy, [10.0], 4, ModelRollouts(limit=None, stop_at_end=False))
    assert np.round(obs).tolist() == [10, 11, 12, 13]
    assert ended.tolist() == [False, True, True, True]


def test_rollouts_stop_where_the_model_was_never_fitted(policy):
    obs, next_obs, _, ended = steps_of(counting.model(), policy, [0.0, 10.0], 9, ModelRollouts(limit=12.5))
    assert sorted(np.round(obs)) == [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11]
    assert next_obs.max() < 12.5  # the step that leaves is dropped, and is no end of the task
    assert not ended.any()
    wild = counting.model(step=float("nan"))
    assert not len(steps_of(wild, policy, [0.0], 3, ModelRollouts(limit=None))[0])


def test_an_observation_far_from_zero_can_be_an_end(policy):
    cfg = ModelRollouts(limit=None, end_beyond=11.5)
    obs, _, _, ended = steps_of(counting.model(), policy, [0.0, 10.0, -13.0], 3, cfg)
    assert sorted(np.round(obs)) == [-13, 0, 1, 2, 10, 11]  # the rollout stops, its last step is kept
    assert sorted(np.round(obs[ended])) == [-13, 11]
    obs, _, _, ended = steps_of(counting.model(), policy, [10.0], 4, dataclasses.replace(cfg, stop_at_end=False))
    assert ended.tolist() == [False, True, True, True]
    obs, *_ = steps_of(counting.model(), policy, [10.0], 4, dataclasses.replace(cfg, limit=11.5))
    assert np.round(obs).tolist() == [10]  # what the model knows nothing of is dropped all the same


def test_blocks_change_nothing_but_the_noise(policy, monkeypatch):
    monkeypatch.setattr(model_rollouts, "BLOCK", 4)
    obs, *_ = steps_of(counting.model(), policy, np.arange(10) * 100.0, 2, ModelRollouts(limit=None))
    assert sorted(np.round(obs)) == sorted([x + i for x in range(0, 1000, 100) for i in (0, 1)])


def test_the_horizon_grows():
    cfg = ModelRollouts(horizon=15, horizon_first=1, horizon_from=20, horizon_to=100)
    assert [cfg.horizon_at(s) for s in (0, 20, 60, 100, 500)] == [1, 1, 8, 15, 15]
    assert ModelRollouts(horizon=4).horizon_at(0) == 4


def test_starts_are_demonstrated_and_other_states():
    buffers = Buffers(expert=counting.buffer([5.0] * 3), offline=counting.buffer([1.0] * 7))
    starts = np.asarray(start_states(ModelRollouts(expert_starts=0.25), buffers, 4000, jr.key(0)))
    assert abs((starts == 5).mean() - 0.25) < 0.03
    assert set(starts.ravel()) == {1, 5}
    online = Buffers(replay=counting.buffer([2.0]))
    assert (np.asarray(start_states(ModelRollouts(), online, 9, jr.key(0))) == 2).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ModelRollouts(horizon=0), "horizon must be at least 1"),
        (lambda: ModelRollouts(horizon=3, horizon_first=4), "horizon_first must lie in 1 to horizon"),
        (lambda: ModelRollouts(horizon_from=5, horizon_to=5), "horizon_from must lie before"),
        (lambda: ModelRollouts(expert_starts=1.5), "expert_starts must lie in"),
        (lambda: ModelRollouts(end_beyond=0.0), "end_beyond must be positive"),
    ],
)
def test_contradictions_are_refused(make, message):
    with pytest.raises(ConfigError, match=message):
        make()
