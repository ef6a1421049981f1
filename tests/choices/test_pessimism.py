"""What an ensemble is unsure of, and what that costs."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ensembles import constant

from imitax.choices.pessimism import Pessimism
from imitax.choices.temperature import LogScalar
from imitax.errors import ConfigError
from imitax.networks import Prediction

STDS = (jnp.array([2.0, 4.0, 9.0]), jnp.array([1.0, 2.0, 7.0]))  # an output's unit is half an observation's
UNITS = eqx.tree_at(lambda d: (d.input_std, d.output_std), constant([0.0, 0.0]), STDS)
MEANS = jnp.array([[[0.0, 1.0, 99.0]], [[2.0, 1.0, -99.0]]])  # the reward, last, does not count
PREDICTION = Prediction(MEANS, jnp.log(jnp.array([[[1.0, 4.0, 9.0]], [[9.0, 4.0, 1.0]]])), jnp.zeros((2, 1)))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("max_norm", np.sqrt(9 / 4 + 4 / 4)),
        ("ensemble_variance", ((5 + 1) / 4 + 4 / 4) / 2),
        ("ensemble_std", (np.sqrt(6 / 4) + 1) / 2),
    ],
)
def test_uncertainty(kind, value):
    np.testing.assert_allclose(Pessimism(kind).uncertainty(UNITS, PREDICTION), [value], rtol=1e-6)


def test_a_tuned_weight_settles_where_the_penalty_is_its_target():
    cfg = Pessimism(weight=1.0, tuned=True, target=3.0, lr=0.1)
    u = jnp.array([0.5, 1.5])
    end, _ = jax.lax.scan(lambda w, _: (cfg.update(w, u), None), LogScalar.learner(1.0, cfg.lr), None, 300)
    np.testing.assert_allclose(end.net(), 3.0, rtol=1e-2)
    fixed = dataclasses.replace(cfg, tuned=False)
    assert fixed.update(LogScalar.learner(1.0, cfg.lr), u).net() == 1.0


def test_contradictions_are_refused():
    with pytest.raises(ConfigError, match=r"pessimism\.weight must be positive"):
        Pessimism(weight=0.0)
