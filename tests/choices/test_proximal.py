import jax
import jax.numpy as jnp
import numpy as np
import pytest

from imitax.choices.proximal import Proximal, change
from imitax.errors import ConfigError

ADAPTIVE = Proximal("adaptive", weight=0.1, target=1.0, tolerance=1.5, factor=2.0, weight_min=0.06, weight_max=0.15)


def test_the_change_by_hand_and_its_gradient():
    new, old = jnp.array([1.0, -1.0, 2.0, 5.0]), jnp.array([1.0, 1.0, 0.0, 4.0])  # 0, 2, 2, 1
    assert float(change(new, old)) == pytest.approx(1.5)
    np.testing.assert_allclose(jax.grad(change)(new, old), np.array([0, -2, 2, 1]) / (4 * 1.5), rtol=1e-5)
    assert (jax.grad(change)(old, old) == 0).all()


@pytest.mark.parametrize(
    ("cfg", "moved", "before", "after"),
    [
        (ADAPTIVE, 1.6, 0.07, 0.14),  # above x times the target
        (ADAPTIVE, 0.6, 0.14, 0.07),  # below a part of x of it
        (ADAPTIVE, 1.4, 0.07, 0.07),
        (ADAPTIVE, 0.7, 0.07, 0.07),
        (ADAPTIVE, 9.0, 0.14, 0.15),  # within its limits
        (ADAPTIVE, 0.0, 0.07, 0.06),
        (Proximal("fixed", weight=0.1), 9.0, 0.1, 0.1),
        (Proximal(), 9.0, 0.0, 0.0),
    ],
)
def test_the_weight_follows_the_change(cfg, moved, before, after):
    assert float(cfg.update(jnp.asarray(before), jnp.asarray(moved))) == pytest.approx(after)


def test_the_weight_at_the_start():
    assert [float(Proximal(kind, weight=0.2).create()) for kind in ("none", "fixed", "adaptive")] == pytest.approx(
        [0.0, 0.2, 0.2]
    )
    with pytest.raises(ConfigError, match=r"proximal\.factor must be at least 1"):
        Proximal("adaptive", factor=0.5)
