"""What the tests of datasets share."""

import numpy as np

from imitax.datasets import Dataset, Episode

N = 6
OBS = np.arange(1.0, N + 1)[:, None] * [1.0, 2.0]
NO = np.zeros(N, bool)
FLAT = {"observations": OBS, "actions": OBS[:, :1], "rewards": np.ones(N), "terminals": NO, "timeouts": NO}
NEXT = np.concatenate([OBS[1:], [[9.0, 9.0]]])


def but(**changes):
    """The flat arrays with some of them changed, or left out where the change is None."""
    return {key: value for key, value in (FLAT | changes).items() if value is not None}


def assert_same(actual: Dataset, expected: Dataset):
    assert len(actual.episodes) == len(expected.episodes)
    for a, e in zip(actual.episodes, expected.episodes, strict=True):
        for key in ("observations", "actions", "rewards"):
            np.testing.assert_array_equal(getattr(a, key), getattr(e, key))
        assert (a.terminated, a.truncated) == (e.terminated, e.truncated)
    assert actual.hash() == expected.hash()


def counted(*lengths, terminated=True):
    """Episodes whose observation t is 100 times the episode's number plus t."""
    return Dataset(
        tuple(
            Episode(100 * i + np.arange(n + 1.0)[:, None], np.zeros((n, 1)), np.arange(float(n)), terminated, False)
            for i, n in enumerate(lengths)
        )
    )
