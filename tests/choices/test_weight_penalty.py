import equinox as eqx
import jax
import jax.random as jr
import numpy as np
import pytest

from imitax.choices.weight_penalty import l2
from imitax.networks import MLP


def test_l2_by_hand_and_its_gradient():
    net = MLP((2, 3, 1), key=jr.key(0))
    leaves = jax.tree.leaves(eqx.filter(net, eqx.is_inexact_array))
    assert len(leaves) == 4  # two weights, two biases
    assert float(l2(net)) == pytest.approx(sum(float((np.asarray(p) ** 2).sum()) for p in leaves) / 2, rel=1e-6)
    for g, p in zip(jax.tree.leaves(eqx.filter_grad(l2)(net)), leaves, strict=True):
        np.testing.assert_allclose(g, p, rtol=1e-6)
