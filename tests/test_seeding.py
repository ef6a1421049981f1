"""Random keys and environment seeds: what one number decides."""

import jax.random as jr
import numpy as np

from imitax import seeding
from imitax.seeding import Purpose, environment_seed


def test_keys_of_a_seed_do_not_depend_on_the_others():
    for purpose in Purpose:
        together, alone = seeding.keys((3, 5), purpose)[1], seeding.key(5, purpose)
        np.testing.assert_array_equal(jr.key_data(together), jr.key_data(alone))


def test_seeds_of_different_uses_never_meet():
    blocks = [
        {environment_seed(purpose, seed, index) for seed in range(50) for index in range(50)}
        for purpose in (Purpose.TRAINING, Purpose.EVALUATION, Purpose.COLLECTION)
    ]
    assert len(set.union(*blocks)) == sum(map(len, blocks))
    assert max(map(max, blocks)) < 2**31
    assert len({environment_seed(Purpose.TRAINING, 7, index) for index in range(1000)}) == 1000
