"""What the tests of the methods with an implied reward share: transitions, critics of one value, a small MDP."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from imitax.agents.actor_critic import SoftActorCritic, create
from imitax.agents.start import Start
from imitax.choices.temperature import Temperature
from imitax.choices.terminal import Terminal
from imitax.learner import OptimizerConfig
from imitax.networks import CriticConfig, Normalizer, PolicyConfig
from imitax.spaces import Spec
from imitax.types import Transition, concat

SPEC = Spec.flat(2, (-1.0,), (0.5,))
STILL = OptimizerConfig(lr=0.0)
SMALL = {"gamma": 0.5, "policy": PolicyConfig(hidden=(8,)), "critic": CriticConfig(hidden=(8,))}
NO_ENTROPY = 1e-7


def transitions(count=4, *, terminated=False, absorbing=0, seed=0):
    """Ordinary transitions, then absorbing ones."""
    rng = np.random.default_rng(seed)
    obs, following = (jnp.asarray(rng.normal(size=(count, 2)), jnp.float32) for _ in range(2))
    action = jnp.asarray(rng.uniform(-1, 0.5, (count, 1)), jnp.float32)
    full = jnp.full(count, terminated)
    t = Transition(obs, action, jnp.zeros(count), following, full, full & False)
    if not absorbing:
        return t
    n = absorbing
    zeros, ones = jnp.zeros((n, 2)), jnp.ones(n, bool)
    return concat(t, Transition(zeros, jnp.zeros((n, 1)), jnp.zeros(n), zeros, ones, ones))


def transition(obs, action, next_obs, terminated, absorbing=None, reward=0.0):
    """Transitions from lists."""
    obs, action, next_obs = (jnp.asarray(x, jnp.float32) for x in (obs, action, next_obs))
    n = len(obs)
    absorbing = [False] * n if absorbing is None else absorbing
    return Transition(
        obs, action, jnp.broadcast_to(jnp.asarray(reward, jnp.float32), (n,)), next_obs,
        jnp.asarray(terminated), jnp.asarray(absorbing),
    )  # fmt: skip


def linear(weights):
    """Settings and an agent whose critic and target critic are Q = w . [s, a]."""
    cfg = SoftActorCritic(
        **SMALL | {"critic": CriticConfig(hidden=(), members=1)},
        terminal=Terminal("mask"),
        temperature=Temperature("fixed", initial=NO_ENTROPY),
    )
    agent = create(cfg, Start(SPEC, Normalizer.identity(2), jr.key(0)), jr.key(0))
    nets = [
        eqx.tree_at(
            lambda n: (n.mlp.weights[0], n.mlp.biases[0]),
            net,
            (np.asarray(weights, np.float32)[None, :, None] + 0 * net.mlp.weights[0], 0 * net.mlp.biases[0]),
        )
        for net in (agent.critic.net, agent.target)
    ]
    return cfg, eqx.tree_at(lambda a: (a.critic.net, a.target), agent, tuple(nets))


ENDS = transition(
    [[1, 2], [3, 4], [0, 0]], [[5], [6], [0]], [[7, 8], [9, 1], [0, 0]], [False, True, True], [False, False, True]
)
"""A step, a terminating one, and one of the absorbing state."""


def constant(net, *values):
    """A critic whose members have one value each, everywhere."""
    last = (jnp.zeros_like(net.mlp.weights[-1]), jnp.asarray(values, jnp.float32)[:, None])
    return eqx.tree_at(lambda n: (n.mlp.weights[-1], n.mlp.biases[-1]), net, last)


def agent_with_values(agent, values, target_values):
    """An agent whose critics and target critics are constant."""
    nets = (constant(agent.critic.net, *values), constant(agent.target, *target_values))
    return eqx.tree_at(lambda a: (a.critic.net, a.target), agent, nets)


def with_values(state, values, target_values):
    """A state whose critics and target critics are constant."""
    return eqx.tree_at(lambda s: s.agent, state, agent_with_values(state.agent, values, target_values))


def moved(before, after):
    """Names of the networks that differ."""
    nets = {
        "actor": lambda s: s.agent.actor.net,
        "critic": lambda s: s.agent.critic.net,
        "target": lambda s: s.agent.target,
        "temperature": lambda s: s.agent.temperature.net,
        "normalizer": lambda s: s.normalizer,
    }
    return {name for name, net in nets.items() if not eqx.tree_equal(net(before), net(after))}


class Tabular:
    """Three states, two actions, random transitions; occupancies are normalised."""

    gamma = 0.8

    def __init__(self, seed=0, states=3, actions=2):
        rng = np.random.default_rng(seed)
        self.p = jnp.asarray(rng.dirichlet(np.ones(states), (states, actions)), jnp.float32)  # [S A S]
        self.start = jnp.asarray(rng.dirichlet(np.ones(states)), jnp.float32)  # [S]
        self.expert = jnp.asarray(rng.dirichlet(3 * np.ones(actions), states), jnp.float32)  # [S A]
        self.other = jnp.asarray(rng.dirichlet(3 * np.ones(actions), states), jnp.float32)  # [S A]

    def occupancy(self, policy):
        """`rho[s, a]` of a policy [S, A]."""
        steps = jnp.einsum("sa,sat->ts", policy, self.p)
        visits = jnp.linalg.solve(jnp.eye(len(steps)) - self.gamma * steps, (1 - self.gamma) * self.start)
        return visits[:, None] * policy

    def target(self, v):
        """`gamma E[V(s')]` of every state and action."""
        return self.gamma * jnp.einsum("sat,t->sa", self.p, v)


def quadratic_minimum(loss, shape):
    """Where a quadratic function is least."""

    def flat(x):
        return loss(x.reshape(shape))

    @jax.jit
    def derivatives(x):
        return jax.hessian(flat)(x), jax.grad(flat)(x)

    curvature, slope = derivatives(jnp.zeros(int(np.prod(shape))))
    return jnp.linalg.solve(curvature, -slope).reshape(shape)
