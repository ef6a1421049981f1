import implied
import jax.numpy as jnp
import numpy as np

from imitax.networks import Normalizer
from imitax.types import Batch


def test_the_absorbing_state_is_zero_after_normalisation():
    normalizer = Normalizer(jnp.array([5.0, -3.0]), jnp.array([0.1, 2.0]))
    t = normalizer.batch(Batch(replay=implied.ENDS)).replay
    np.testing.assert_array_equal(t.obs[2], [0, 0])
    np.testing.assert_array_equal(t.next_obs[2], [0, 0])
    np.testing.assert_allclose(t.obs[:2], [[-40, 2.5], [-20, 3.5]], rtol=1e-5)
    np.testing.assert_allclose(t.next_obs[1], [40, 2], rtol=1e-5)  # the true observation at the end


def test_observations_are_standardised_and_missing_parts_stay_away():
    normalizer = Normalizer(jnp.array([5.0, -3.0]), jnp.array([0.1, 2.0]))
    np.testing.assert_allclose(normalizer(jnp.array([[5.0, 1.0]])), [[0, 2]], rtol=1e-6)
    batch = normalizer.batch(Batch(replay=implied.ENDS))
    assert batch.expert is batch.offline is batch.rollouts is batch.initial is None
    np.testing.assert_array_equal(batch.replay.action, implied.ENDS.action)
    x = jnp.array([[5.0, 1.0]])
    np.testing.assert_array_equal(Normalizer.identity(2)(x), x)
