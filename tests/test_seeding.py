"""Random keys and environment seeds: what one number decides."""

import jax.random as jr
import numpy as np

from imitax import seeding
from imitax.seeding import Purpose


def test_keys_of_a_seed_do_not_depend_on_the_others():
    for purpose in Purpose:
        together, alone = seeding.keys((3, 5), purpose)[1], seeding.key(5, purpose)
        np.testing.assert_array_equal(jr.key_data(together), jr.key_data(alone))
