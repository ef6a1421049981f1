import numpy as np

from imitax.sources import initial_buffer


def test_demonstrations_start_where_they_start(demos):
    buffer = initial_buffer([demos, demos], action_dim=2)
    starts = np.stack([e.observations[0] for e in demos.episodes])
    np.testing.assert_array_equal(buffer.data.obs[1], starts)
    assert buffer.size.tolist() == [len(demos.episodes)] * 2
