"""The comparison of an export with its original finds what differs, and how much."""

import exported
import jax.numpy as jnp
import numpy as np
import pytest

from imitax import export
from imitax.acting import Acting
from imitax.export.check import difference, difference_in_episodes, draw
from imitax.history import newest


def original(policy):
    """What acts as the policy does."""
    acting = Acting(policy)
    return lambda obs: acting(obs, None)


def test_an_offset_is_found_in_half_widths():
    policy = exported.policy("flat")
    act, obs = original(policy), draw(policy, 60)
    assert difference(policy, act, obs, alone=2) < 1e-6
    offset = np.array([0.0, 0.125])  # the second action has 2.5 for a range
    assert difference(policy, lambda o: act(o) + offset, obs, alone=2) == pytest.approx(0.1, abs=1e-6)

    def wrong_alone(o):
        return act(o) + (offset if o.ndim == 1 else 0)

    assert difference(policy, wrong_alone, obs, alone=2) == pytest.approx(0.1, abs=1e-6)
    assert difference(policy, wrong_alone, obs, alone=0) < 1e-6
    assert difference(policy, lambda o: act(o) * np.nan, obs, alone=0) == np.inf


def test_what_is_remembered_otherwise_is_found(tmp_path, monkeypatch):
    policy = exported.remembering("flat", 2, True, action_horizon=3, action_ensemble=True)
    made, obs = export._write_numpy(policy, {}, tmp_path), newest(policy.actor.spec.history, draw(policy, 60))
    assert difference_in_episodes(policy, made, obs, 30) < 1e-5
    made.memory.chunk["decay"] = 0.5
    assert difference_in_episodes(policy, made, obs, 30) > 1e-3
    made.memory.chunk["decay"] = 0.01
    monkeypatch.setattr(made, "reset", lambda lanes=None: made.memory.reset() if lanes is None else None)
    assert difference_in_episodes(policy, made, obs, 30) > 1e-3


def test_a_worse_choice_costs_its_log_probability():
    policy = exported.policy("factors")
    act, obs = original(policy), draw(policy, 40)
    assert difference(policy, act, obs, alone=1) == 0
    x = policy.normalizer(jnp.asarray(obs))
    logp = np.asarray(policy.actor.log_probs(x))[:, 2:]
    expected = (logp.max(1) - logp[:, 0]).max()
    assert difference(policy, lambda o: act(o) * [1, 0] + [0, 5], obs, alone=0) == pytest.approx(expected, rel=1e-5)


def test_what_is_drawn_fits_the_space():
    policy = exported.policy("mixed")
    obs = draw(policy, 400)
    assert obs["camera"].dtype == np.uint8
    assert set(np.unique(obs["switch"])) == {0, 1}
    assert [sorted(set(column)) for column in obs["where"][1].T] == [[0, 1], [-1, 0, 1]]
    flat = draw(exported.policy("flat"), 4000)
    np.testing.assert_allclose(flat[:2000].mean(0), [1, -20, 0], atol=0.6)
    np.testing.assert_allclose(flat[:2000].std(0), [0.5, 8, 1e-3], rtol=0.1)
    np.testing.assert_allclose(flat[2000:].std(0), [1.5, 24, 3e-3], rtol=0.1)
