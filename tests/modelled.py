"""What the tests of imitation in a learned model share: settings, states, and the data of a known episode."""

import counting
import equinox as eqx
import implied
import jax.numpy as jnp
import jax.random as jr
from implied import transitions

from imitax.agents.model_rollouts import ModelRollouts
from imitax.agents.start import Start
from imitax.algorithms import omlirl, rmirl
from imitax.buffers import Buffer, RolloutBuffer, Stored
from imitax.choices.gradient_penalty import GradientPenalty
from imitax.choices.pessimism import Pessimism
from imitax.choices.temperature import Temperature
from imitax.choices.terminal import Terminal
from imitax.config import override
from imitax.networks import Dynamics, DynamicsConfig, Normalizer, RewardConfig
from imitax.types import Batch

MODEL = DynamicsConfig(hidden=(8,), members=2, elites=2, termination="learned")
COMMON = {
    **implied.SMALL,
    "batch_size": 8,
    "ema": 0.0,
    "terminal": Terminal("mask"),
    "temperature": Temperature("fixed", initial=implied.NO_ENTROPY),
    "model_rollouts": ModelRollouts(limit=None),
    "dynamics": MODEL,
}
REWARD = {"reward": RewardConfig(hidden=(8,)), "gradient_penalty": GradientPenalty("none")}
PRICED = Pessimism("ensemble_std", weight=3.0)
CONFIGS = {module: override(module.Config(), **COMMON, **REWARD, pessimism=PRICED) for module in (omlirl, rmirl)}
LINEAR = {"reward": RewardConfig(hidden=(), bound=None)}
NORMALIZER = Normalizer(jnp.array([1.0, -1.0]), jnp.array([2.0, 0.5]))
SCALED = Normalizer(jnp.array([10.0]), jnp.array([5.0]))
"""Of counted states."""

ENDS = {1: 2, 2: 3, 3: 4, 10: 11, 11: 12, 20: 21, 21: 22, 22: 22}
"""Three episodes: the first terminates after 3, the second is cut off, the last one stands still when it is."""


def start(module, cfg, normalizer=None, spec=implied.SPEC, model=None):
    """A state with a model."""
    model = Dynamics(spec, MODEL, None, key=jr.key(9)) if model is None else model
    normalizer = Normalizer.identity(spec.obs_dim) if normalizer is None else normalizer
    return module.init(cfg, Start(spec, normalizer, jr.key(0), model))


def with_reward(state, *weights):
    """A state whose reward is `h = w . (s, a[, flag])`."""
    layer = ((jnp.asarray(weights, jnp.float32)[:, None],), (jnp.zeros(1),))
    return eqx.tree_at(lambda s: (s.discriminator.net.mlp.weights, s.discriminator.net.mlp.biases), state, layer)


def moved(before, after):
    """Names of the networks that differ."""
    nets = {"dynamics": lambda s: s.model.dynamics.net, "penalty_weight": lambda s: s.model.penalty_weight.net}
    if hasattr(before, "discriminator"):
        nets["reward"] = lambda s: s.discriminator.net
    changed = {name for name, net in nets.items() if not eqx.tree_equal(net(before), net(after))}
    return implied.moved(before, after) | changed


def data(absorbing=0):
    """Eight demonstrated and recorded transitions, and three of the model, with some of the absorbing state."""
    rollouts = transitions(3, absorbing=absorbing, seed=2)
    rollouts = eqx.tree_at(
        lambda t: t.uncertainty, rollouts, jnp.array([0.1, 0.2, 0.6, 5.0]), is_leaf=lambda x: x is None
    )
    return Batch(expert=transitions(8), offline=transitions(8, seed=1), rollouts=rollouts)


def recorded(samples_absorbing=False):
    """The episodes of ENDS, their actions 0.5, in a buffer that has room for more."""
    x, following = (jnp.asarray(list(v), jnp.float32)[:, None] for v in (ENDS.keys(), ENDS.values()))
    steps = Stored(x, jnp.full_like(x, 0.5), jnp.full(len(x), 7.0), following, x[:, 0] == 3)
    return Buffer.empty(12, counting.SPEC, samples_absorbing).write(steps, 0)


def rolled_out(values=(-5.0, -6.0)):
    """Model transitions of these states."""
    x = jnp.asarray(values)
    t = Stored(x[:, None], x[:, None] / 10, x, x[:, None], jnp.zeros(len(x), bool), jnp.abs(x))
    return RolloutBuffer.empty(5, counting.SPEC).write(t, jnp.ones(len(x), bool))
