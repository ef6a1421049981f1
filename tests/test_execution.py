"""What a policy remembers while it acts, by hand: open loop, temporal ensembling, episodes that begin apart."""

import numpy as np
import pytest

from imitax.errors import ConfigError
from imitax.execution import Execution, Memory
from imitax.networks import ActionChunks
from imitax.spaces import FiniteActions, History, Leaf, ObservationSpace, Spec


class Counted:
    """Predicts 3 actions for 2 environments at call c: c.0, c.1, c.2 and the same plus 100."""

    def __init__(self):
        self.calls = 0

    def __call__(self):
        one = self.calls + np.array([0.0, 0.1, 0.2])
        self.calls += 1
        return np.stack([one, one + 100]).astype(np.float32)


def test_open_loop():
    execution, predict = Execution(ActionChunks(action_horizon=3, action_execute=2)), Counted()
    actions = np.concatenate([execution(predict) for _ in range(5)], axis=1)
    np.testing.assert_allclose(actions[0], [0.0, 0.1, 1.0, 1.1, 2.0])
    np.testing.assert_allclose(actions[1], actions[0] + 100, rtol=1e-6)
    assert predict.calls == 3  # nothing is predicted that is not carried out


def test_open_loop_of_episodes_that_begin_apart():
    execution, predict = Execution(ActionChunks(action_horizon=3)), Counted()
    first = execution(predict)
    execution.begin([1])  # the second environment needs a new prediction, the first goes on
    actions = np.concatenate([first, *(execution(predict) for _ in range(3))], axis=1)
    np.testing.assert_allclose(actions[0], [0.0, 0.1, 0.2, 2.0])
    np.testing.assert_allclose(actions[1], [100, 101, 101.1, 101.2], rtol=1e-6)


def test_temporal_ensembling():
    """ACT: the oldest prediction has the weight 1, the next exp(-m), and so on; the first steps have fewer."""
    execution, predict = Execution(ActionChunks(action_horizon=3, action_ensemble=True, ensemble_decay=0.5)), Counted()
    actions = [execution(predict)[0, 0] for _ in range(4)]
    w = np.exp(-0.5 * np.arange(3))
    expected = [
        0.0,
        (w[0] * 0.1 + w[1] * 1.0) / w[:2].sum(),
        (w[0] * 0.2 + w[1] * 1.1 + w[2] * 2.0) / w.sum(),
        (w[0] * 1.2 + w[1] * 2.1 + w[2] * 3.0) / w.sum(),
    ]
    np.testing.assert_allclose(actions, expected, rtol=1e-6)
    execution.begin(0)
    both = execution(predict)[:, 0]
    np.testing.assert_allclose(both[0], 4.0)
    np.testing.assert_allclose(both[1] - 100, (w[0] * 2.2 + w[1] * 3.1 + w[2] * 4.0) / w.sum(), rtol=1e-4)


def test_one_action_at_a_time_is_passed_on():
    execution, actions = Execution(ActionChunks()), np.ones((2, 3))
    assert execution(lambda: actions) is actions


def test_settings_that_contradict_each_other():
    with pytest.raises(ConfigError, match=r"action_execute must be at most action_horizon \(4\), got 5"):
        ActionChunks(action_horizon=4, action_execute=5)
    with pytest.raises(ConfigError, match="action_ensemble predicts at every step: leave action_execute out"):
        ActionChunks(action_horizon=4, action_execute=2, action_ensemble=True)
    with pytest.raises(ConfigError, match="give action_horizon above 1"):
        ActionChunks(action_ensemble=True)
    assert (ActionChunks(action_horizon=4).executed, ActionChunks(action_horizon=4, action_execute=1).executed) == (
        4,
        1,
    )


FLAT = ObservationSpace((Leaf((1,)),))


def test_a_memory_of_observations_and_one_hot_actions():
    history = History(2, True, FLAT)
    memory = Memory(Spec(ObservationSpace((Leaf((5,)),)), FiniteActions((3,), (5,)), history), ActionChunks())
    shown = []

    def predict(seen):
        shown.append(seen)
        return np.full((len(seen), 1), 6)

    for t in (1.0, 2.0):
        memory.act(np.full((2, 1), t), predict)
    np.testing.assert_array_equal(shown[0], [[1, 1, 0, 0, 0]] * 2)
    np.testing.assert_array_equal(shown[1], [[1, 2, 0, 1, 0]] * 2)
    memory.begin([True, False])
    memory.act(np.full((2, 1), 3.0), predict)
    np.testing.assert_array_equal(shown[2], [[3, 3, 0, 0, 0], [2, 3, 0, 1, 0]])
    with pytest.raises(ConfigError, match=r"acts in 2 environments since its reset, and got observations of 3"):
        memory.act(np.zeros((3, 1)), predict)
    with pytest.raises(ConfigError, match=r"reset\(5\): the policy acts in 2 environments"):
        memory.begin(5)
    memory.begin()
    memory.act(np.zeros((3, 1)), predict)
    np.testing.assert_array_equal(shown[-1], np.zeros((3, 5)))
