"""Random keys and environment seeds: what one number decides."""

import jax.random as jr
import numpy as np
import pytest

from imitax import seeding
from imitax.errors import ConfigError
from imitax.seeding import Purpose, environment_seed


def test_keys_of_a_seed_do_not_depend_on_the_others():
    for purpose in Purpose:
        together, alone = seeding.keys((3, 5), purpose)[1], seeding.key(5, purpose)
        np.testing.assert_array_equal(jr.key_data(together), jr.key_data(alone))


@pytest.mark.parametrize("seed", [-1, 2**32, 2**70])
def test_seeds_beyond_32_bits_are_refused(seed):
    with pytest.raises(ConfigError, match=r"seed must (not be negative|be at most 4294967295)"):
        seeding.key(seed, Purpose.COLLECTION)
    largest, zero = (jr.key_data(seeding.key(seed, Purpose.ACTING)) for seed in (2**32 - 1, 0))
    assert (np.asarray(largest) != np.asarray(zero)).any()


def test_seeds_of_different_uses_never_meet():
    blocks = [
        {environment_seed(purpose, seed, index) for seed in range(50) for index in range(50)}
        for purpose in (Purpose.TRAINING, Purpose.EVALUATION, Purpose.COLLECTION)
    ]
    assert len(set.union(*blocks)) == sum(map(len, blocks))
    assert max(map(max, blocks)) < 2**31
    assert len({environment_seed(Purpose.TRAINING, 7, index) for index in range(1000)}) == 1000


def test_a_models_stream_is_none_that_splitting_another_gives():
    # split(k)[i] equals fold_in(k, i) in JAX, so numbered streams of one key can meet its splits
    split = np.asarray(jr.key_data(jr.split(seeding.key(0, Purpose.INITIALISATION), 8)))
    assert not (np.asarray(jr.key_data(seeding.key(0, Purpose.MODEL_INITIALISATION))) == split).all(-1).any()
    streams = [tuple(np.asarray(jr.key_data(seeding.key(0, purpose))).tolist()) for purpose in Purpose]
    assert len(set(streams)) == len(Purpose)
