"""A model whose truth is known, and buffers of counted states."""

from dataclasses import replace

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr

from imitax.buffers import Buffer, Stored
from imitax.networks import Dynamics, DynamicsConfig, Termination
from imitax.spaces import Spec

SPEC = Spec.flat(1, (-1.0,), (1.0,))
NEVER = Termination((-float("inf"),), (float("inf"),))


def model(step=1.0, termination=NEVER, members=2):
    """A model in which the observation grows by `step`, whatever is done, and the reward is 7."""
    cfg = DynamicsConfig(hidden=(8,), members=members, elites=members, log_var_min=-40.0)
    d = Dynamics(SPEC, cfg, termination, key=jr.key(0))
    bias = jnp.zeros_like(d.mlp.biases[-1]).at[:, :2].set(jnp.array([step, 7.0])[None]).at[:, 2:4].set(-40.0)
    weights = (d.mlp.weights[0], jnp.zeros_like(d.mlp.weights[-1]))
    return eqx.tree_at(lambda x: (x.mlp.weights, x.mlp.biases), d, (weights, (d.mlp.biases[0], bias)))


def buffer(values):
    """A full buffer of steps from these states to the next numbers, all else zero."""
    x = jnp.asarray(values, jnp.float32)[:, None]
    data = Stored.zeros(SPEC, len(x))._replace(obs=x, next_obs=x + 1)
    return replace(Buffer.empty(len(x), SPEC), data=data, size=jnp.asarray(len(x)))
