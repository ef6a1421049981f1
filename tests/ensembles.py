"""Transitions of known dynamics, and ensembles that predict known numbers."""

import dataclasses

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from imitax.networks import Dynamics, DynamicsConfig
from imitax.spaces import Spec
from imitax.types import Transition

SPEC = Spec.flat(2, (-1.0,), (1.0,))
SMALL = DynamicsConfig(hidden=(16,), members=4, elites=2, termination="learned")
NOISE = 0.05


def linear(count, seed=0):
    """s' = s + (a / 2, -s_0 / 4) + noise, reward s_1, the end where s_0 > 1."""
    rng = np.random.default_rng(seed)
    obs = rng.normal(size=(count, 2)).astype(np.float32)
    action = rng.uniform(-1, 1, (count, 1)).astype(np.float32)
    change = np.concatenate([action / 2, -obs[:, :1] / 4], 1) + NOISE * rng.normal(size=(count, 2))
    next_obs = (obs + change).astype(np.float32)
    return Transition(obs, action, obs[:, 1], next_obs, next_obs[:, 0] > 1, np.zeros(count, bool))


def constant(means, log_vars=None):
    """An ensemble whose members predict one number each for everything."""
    members = len(means)
    cfg = dataclasses.replace(SMALL, members=members, elites=members)
    d = Dynamics(SPEC, cfg, None, key=jr.key(0))
    last = jnp.zeros_like(d.mlp.weights[-1])
    bias = jnp.zeros_like(d.mlp.biases[-1]).at[:, :3].set(jnp.asarray(means)[:, None])
    if log_vars is not None:
        bias = bias.at[:, 3:6].set(jnp.asarray(log_vars)[:, None])
    return eqx.tree_at(lambda x: (x.mlp.weights, x.mlp.biases), d, ((d.mlp.weights[0], last), (d.mlp.biases[0], bias)))
