"""The implicit policy: a function f(s, a) that is high for the expert's actions (minus the energy of Florence et al.
2021), its search for the highest, and the amortised policy that was trained to follow it.

Actions enter f in unit coordinates, [-1, 1] over the range that is searched.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, get_args

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Key, PRNGKeyArray

from imitax.compiled import filter_jit
from imitax.errors import ConfigError
from imitax.networks.inference import Inference, InferenceKind
from imitax.networks.mlp import MLP, Activation, Precision, bounded
from imitax.networks.policy import Policy, TanhGaussian
from imitax.types import Spec

NARROWEST = 0.01
"""Smallest width of a searched range, as a share of the action box: demonstrations may hold an action still."""

AT_ONCE = 4096
"""Actions whose f is computed in one pass; a search over many states goes through them in groups."""

NORMALISERS = 2048
"""Uniform actions that estimate the normaliser of the implicit policy's density."""


@dataclass(frozen=True)
class EnergyConfig:
    """Network of f."""

    hidden: tuple[int, ...] = (256, 256)
    """Units of the hidden layers."""
    activation: Activation = "relu"
    """Hidden nonlinearity."""
    bound: float | None = None
    """Outputs lie within +-bound; None leaves them free."""
    bound_kind: Literal["tanh", "clip"] = "tanh"
    """tanh: bound * tanh(x / bound). clip (the reference system): outputs beyond the bound have no gradient."""
    spectral_norm: bool = False
    """Divide every weight matrix by its largest singular value (Miyato et al. 2018)."""

    def __post_init__(self):
        if self.bound is not None and self.bound <= 0:
            raise ConfigError(f"energy.bound must be positive or None, got {self.bound}")


class Energy(eqx.Module):
    """`f`, `[B, O + A] -> [B]` on joined columns of normalised observations and unit actions."""

    mlp: MLP
    cfg: EnergyConfig = eqx.field(static=True)

    def __init__(self, spec: Spec, cfg: EnergyConfig, *, key: PRNGKeyArray, precision: Precision = "float32"):
        self.cfg = cfg
        self.mlp = MLP(
            (spec.obs_dim + spec.action_dim, *cfg.hidden, 1),
            key=key,
            activation=cfg.activation,
            spectral_norm=cfg.spectral_norm,
            precision=precision,
        )

    def __call__(self, x: Float[Array, "B D"]) -> Float[Array, "B"]:
        """f; high for the expert's actions."""
        return bounded(self.mlp(x)[:, 0], self.cfg.bound, self.cfg.bound_kind)

    def at(self, obs: Float[Array, "B O"]) -> Callable[[Array], Array]:
        """f of several unit actions in each of these states, `[B, N, A] -> [B, N]`."""

        def f(unit: Float[Array, "B N A"]) -> Float[Array, "B N"]:
            x = join(obs, unit)
            return self(x.reshape(-1, x.shape[-1])).reshape(x.shape[:-1])

        return f

    def at_one(self, obs: Float[Array, "O"]) -> Callable[[Array], Array]:
        """f of several unit actions in one state, `[N, A] -> [N]`."""
        f = self.at(obs[None])
        return lambda unit: f(unit[None])[0]


def join(obs: Float[Array, "B O"], unit: Float[Array, "B N A"]) -> Float[Array, "B N D"]:
    """The columns that f takes, for several actions a state."""
    states = jnp.broadcast_to(obs[:, None], (*unit.shape[:2], obs.shape[-1]))
    return jnp.concatenate([states, unit], axis=-1)


class ActionRange(eqx.Module):
    """An interval of each action dimension, and its unit coordinates."""

    low: Float[Array, "A"]
    high: Float[Array, "A"]

    @classmethod
    def box(cls, spec: Spec) -> "ActionRange":
        """The whole action box."""
        return cls(jnp.asarray(spec.action_low), jnp.asarray(spec.action_high))

    @classmethod
    def nothing(cls, spec: Spec) -> "ActionRange":
        """The range before any action was seen: `seen` makes it that of the actions."""
        return cls(jnp.asarray(spec.action_high), jnp.asarray(spec.action_low))

    def seen(self, action: Float[Array, "B A"]) -> "ActionRange":
        """The range with these actions in it."""
        return ActionRange(jnp.minimum(self.low, action.min(0)), jnp.maximum(self.high, action.max(0)))

    def widened(self, buffer: float, spec: Spec) -> "ActionRange":
        """The range with a share of its width added at either end, at least `NARROWEST`, within the action box."""
        low, high = jnp.asarray(spec.action_low), jnp.asarray(spec.action_high)
        margin = jnp.maximum(buffer * (self.high - self.low), NARROWEST * (high - low) / 2)
        return ActionRange(jnp.maximum(self.low - margin, low), jnp.minimum(self.high + margin, high))

    @property
    def middle(self) -> Float[Array, "A"]:
        """Centre."""
        return (self.high + self.low) / 2

    @property
    def half(self) -> Float[Array, "A"]:
        """Half the width."""
        return (self.high - self.low) / 2

    def unit(self, action: Float[Array, "*B A"]) -> Float[Array, "*B A"]:
        """Unit coordinates of actions."""
        return (action - self._rows(self.middle, action)) / self._rows(self.half, action)

    def action(self, unit: Float[Array, "*B A"]) -> Float[Array, "*B A"]:
        """Actions at unit coordinates."""
        return self._rows(self.middle, unit) + self._rows(self.half, unit) * unit

    def _rows(self, x: Float[Array, "A"], like: Float[Array, "*B A"]) -> Float[Array, "*B A"]:
        return jnp.broadcast_to(x, like.shape)


class EnergyActor(eqx.Module):
    """The implicit policy and its amortised companion, with the interface of `TanhGaussian`.

    The mode is a search with a fixed key, the same for every state: it depends on the state alone. A sample is the
    same search under the caller's key, ending with a draw by exp f in place of the best.
    """

    energy: Energy
    amortised: TanhGaussian
    range: ActionRange
    inference: Inference = eqx.field(static=True)

    @property
    def spec(self) -> Spec:
        """Of the task."""
        return self.amortised.spec

    @property
    def explained(self) -> int | None:
        """Rows of the demonstrations that an evaluation compares with this policy; a search on all would take long."""
        return None if self.inference.kind == "actor_mean" else 500

    def mode(self, obs: Float[Array, "B O"]) -> Float[Array, "B A"]:
        """The deterministic action."""
        return self.amortised.mode(obs) if self.inference.kind == "actor_mean" else _best(self, obs)

    def sample(self, obs: Float[Array, "B O"], key: PRNGKeyArray) -> tuple[Float[Array, "B A"], Float[Array, "B"]]:
        """A random action and its log-probability as `log_prob` estimates it."""
        if self.inference.kind == "actor_mean":
            return self.amortised.sample(obs, key)
        action = _drawn(self, obs, jr.split(key, len(obs)))
        return action, self.log_prob(obs, action)

    def log_prob(self, obs: Float[Array, "B O"], action: Float[Array, "B A"]) -> Float[Array, "B"]:
        """Log-density of exp f, normalised over the range: `f(s, a) - log mean_u exp f(s, u) - log volume`.

        The mean is over uniform actions u, the same for every state. Where f has a narrow peak that none of them
        hits, the estimate is too high. Actions outside the range count as those on its edge. For `actor_mean`: the
        amortised policy's density.
        """
        if self.inference.kind == "actor_mean":
            return self.amortised.log_prob(obs, action)
        return _log_density(self, obs, jnp.clip(self.range.unit(action), -1, 1))

    def search(self, obs: Float[Array, "O"], key: PRNGKeyArray, *, greedy: bool) -> Float[Array, "A"]:
        """The action that the search finds in one state."""

        def actor(key: PRNGKeyArray) -> Float[Array, "N A"]:
            a = self.amortised.samples(obs[None], self.inference.actor_samples, key)[0]
            a = a.at[0].set(self.amortised.mode(obs[None])[0])
            return jnp.clip(self.range.unit(a), -1, 1)

        unit = self.inference.search(self.energy.at_one(obs), actor, self.spec.action_dim, key, greedy=greedy)
        return jnp.clip(self.range.action(unit), self.range.low, self.range.high)  # rounding must not leave the box


@filter_jit
def _best(actor: EnergyActor, obs: Float[Array, "B O"]) -> Float[Array, "B A"]:
    return _by_state(lambda o: actor.search(o, jr.key(0), greedy=True), obs, actor.inference.carried)


@filter_jit
def _drawn(actor: EnergyActor, obs: Float[Array, "B O"], keys: Key[Array, "B"]) -> Float[Array, "B A"]:
    return _by_state(lambda x: actor.search(*x, greedy=False), (obs, keys), actor.inference.carried)


@filter_jit
def _log_density(actor: EnergyActor, obs: Float[Array, "B O"], unit: Float[Array, "B A"]) -> Float[Array, "B"]:
    uniform = jr.uniform(jr.key(0), (NORMALISERS, unit.shape[1]), minval=-1, maxval=1)

    def one(x: tuple[Array, Array]) -> Array:
        f = actor.energy.at_one(x[0])
        return f(x[1][None])[0] - jax.nn.logsumexp(f(uniform))

    volume = jnp.log(2 * actor.range.half).sum()
    return _by_state(one, (obs, unit), NORMALISERS) + math.log(NORMALISERS) - volume


def _by_state(f: Callable[..., Array], x: object, samples: int) -> Array:
    """`f` state by state, in groups whose actions fit the processor's cache."""
    return jax.lax.map(f, x, batch_size=max(1, AT_ONCE // samples))


def with_inference(policy: Policy, kind: str) -> Policy:
    """The policy with another way to find its action, an `InferenceKind`.

    Raises:
        ConfigError: the policy is not an implicit one, or there is no such way.
    """
    actor = policy.actor
    if not isinstance(actor, EnergyActor):
        raise ConfigError("the policy is explicit and has no inference to choose; only those that ibc trains have")
    for known in get_args(InferenceKind):
        if kind == known:
            inference = replace(actor.inference, kind=known)
            return Policy(policy.normalizer, replace(actor, inference=inference))
    raise ConfigError(f"inference is one of {', '.join(get_args(InferenceKind))}, got {kind!r}")


def explicit(policy: Policy) -> Policy:
    """The policy without its search: an implicit one's amortised policy, any other as it is."""
    return Policy(policy.normalizer, policy.actor.amortised) if isinstance(policy.actor, EnergyActor) else policy
