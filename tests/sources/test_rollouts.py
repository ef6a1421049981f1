"""Rollouts of several seeds, each in its own model and ring."""

import counting
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from imitax.agents.learned_model import ModelConfig
from imitax.agents.model_rollouts import ModelRollouts
from imitax.buffers import Buffers
from imitax.choices.pessimism import Pessimism
from imitax.networks import Normalizer, Policy, PolicyConfig, TanhGaussian
from imitax.sources import RolloutSource


def test_the_source_rolls_out_every_seed():
    policy = Policy(Normalizer.identity(1), TanhGaussian(counting.SPEC, PolicyConfig(hidden=(4,)), key=jr.key(1)))
    rollouts = ModelRollouts(starts=6, horizon=2, keep=50, limit=None)
    cfg = ModelConfig(model_rollouts=rollouts, pessimism=Pessimism("max_norm"))
    source = RolloutSource(cfg, counting.SPEC, 2, samples_absorbing=False)
    two = [
        jax.tree.map(lambda *x: jnp.stack(x) if eqx.is_array(x[0]) else x[0], x, x) for x in (counting.model(), policy)
    ]
    real = jax.tree.map(lambda *x: jnp.stack(x), counting.buffer([1.0]), counting.buffer([50.0]))
    buffers = Buffers(offline=real)
    metrics = source.advance(*two, buffers, jr.split(jr.key(0), 2), 0)
    assert np.asarray(source.buffer.written).tolist() == [12, 12]
    assert np.asarray(metrics["rollout_length"]).tolist() == [2, 2]
    assert sorted(set(np.round(np.asarray(source.buffer.buffer.data.obs[1, :12, 0])))) == [50, 51]
    source.advance(*two, buffers, jr.split(jr.key(0), 2), 5)
    assert np.asarray(source.buffer.written).tolist() == [24, 24]
    assert np.asarray(metrics["rollout_terminated"]).tolist() == [0, 0]
    assert (np.asarray(metrics["rollout_uncertainty"]) > 0).all()
    np.testing.assert_allclose(source.buffer.buffer.data.reward[:, :24], 7, atol=1e-3)
