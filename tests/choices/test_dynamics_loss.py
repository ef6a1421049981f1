"""The loss that an ensemble is fitted by."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ensembles import constant, linear

from imitax.choices.dynamics_loss import DynamicsFit
from imitax.errors import ConfigError


def test_members_do_not_share_their_decay():
    d = constant([0.0, 0.0])
    cfg = DynamicsFit(decay=(1.0, 0.5), bound_weight=0.0)
    t = jax.tree.map(lambda x: jnp.stack([jnp.asarray(x)] * 2), linear(4))
    with_decay, without = (c.loss(d, t)[0] for c in (cfg, dataclasses.replace(cfg, decay=(0.0,))))
    norms = [(w**2).sum() for w in d.mlp.weights]
    np.testing.assert_allclose(with_decay - without, norms[0] / 2 + norms[1] / 4, rtol=1e-4)


def test_the_loss_by_hand():
    """Members predict 0 and 1 for each of three outputs; the end has a logit of 0, whose loss is log 2 a member."""
    d = constant([0.0, 1.0], [0.0, -1.0])
    t = jax.tree.map(lambda x: jnp.stack([jnp.asarray(x)] * 2), linear(50))
    loss, metrics = DynamicsFit(decay=(0.0,), bound_weight=0.0).loss(d, t)
    log_var = np.asarray(d.predict(t.obs, t.action).log_var)[:, 0, 0]  # within its bounds
    out = np.concatenate([t.next_obs - t.obs, np.asarray(t.reward)[..., None]], -1)
    square = np.stack([out[0] ** 2, (out[1] - 1) ** 2]).mean((1, 2))
    nll = square * np.exp(-log_var) + log_var
    assert float(loss) == pytest.approx(nll.sum() + 2 * np.log(2), rel=1e-4)
    known = {"model_nll": nll.mean(), "model_mse": square.mean()}
    assert {k: float(v) for k, v in metrics.items()} == pytest.approx(known, rel=1e-4)
    wide = DynamicsFit(decay=(0.0,), bound_weight=0.1).loss(d, t)[0]
    assert float(wide - loss) == pytest.approx(0.1 * 2 * 3 * 10.5, rel=1e-3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"holdout": 0.0}, r"fit.holdout must lie in \(0, 1\), got 0.0"),
        ({"epochs": 0}, "fit.epochs must be at least 1, got 0"),
        ({"decay": ()}, "fit.decay is empty"),
    ],
)
def test_contradictions_are_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        DynamicsFit(**change)
