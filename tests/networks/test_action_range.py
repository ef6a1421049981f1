import jax.numpy as jnp
import jax.random as jr
import numpy as np
from implicit import PART, SPEC

from imitax.networks import ActionRange


def test_ranges():
    seen = ActionRange.nothing(SPEC).seen(jnp.array([[0.0, -1.0], [0.6, 0.4]])).seen(jnp.array([[0.1, -1.0]]))
    np.testing.assert_allclose(seen.low, [0.0, -1.0])
    np.testing.assert_allclose(seen.high, [0.6, 0.4])
    wide = seen.widened(0.1, SPEC)
    np.testing.assert_allclose(wide.low, [-0.06, -1.14], rtol=1e-5)
    np.testing.assert_allclose(wide.high, [0.66, 0.5], rtol=1e-5)  # the box ends at 0.5
    still = ActionRange.nothing(SPEC).seen(jnp.array([[0.2, 0.1]])).widened(0.05, SPEC)
    np.testing.assert_allclose(2 * still.half, [0.015, 0.025], rtol=1e-4)
    np.testing.assert_allclose(PART.unit(jnp.array([[-0.2, 0.25], [0.4, -1.0]])), [[-1, 1], [0, -1]], atol=1e-6)
    points = jr.uniform(jr.key(0), (5, 4, 2))
    np.testing.assert_allclose(PART.action(PART.unit(points)), points, atol=1e-6)
