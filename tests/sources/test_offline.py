import dataclasses

import numpy as np

from imitax.datasets import Dataset
from imitax.sources import episode_buffer, initial_buffer


def test_demonstrations_start_where_they_start(demos):
    buffer = initial_buffer([demos, demos], action_dim=2)
    starts = np.stack([e.observations[0] for e in demos.episodes])
    np.testing.assert_array_equal(buffer.data.obs[1], starts)
    assert buffer.size.tolist() == [len(demos.episodes)] * 2


def test_actions_that_were_not_recorded_are_zeros(demos):
    states = Dataset(tuple(dataclasses.replace(e, actions=None) for e in demos.episodes))
    buffer = episode_buffer([states], (0,), action_dim=2)
    np.testing.assert_array_equal(buffer.data.action, np.zeros((1, int(demos.lengths.sum()), 2)))
    np.testing.assert_array_equal(buffer.data.obs, episode_buffer([demos], (0,), action_dim=2).data.obs)
