"""The implicit policy: a function f(s, a) that is high for the expert's actions (minus the energy of Florence et al.
2021), its search for the highest, and the amortised policy beside it.

Actions enter f in unit coordinates, [-1, 1] over the range that is searched.
"""

import math
from collections.abc import Callable
from dataclasses import field
from typing import Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Key, PRNGKeyArray

from imitax.compiled import filter_jit
from imitax.networks.action_range import ActionRange
from imitax.networks.encoder import Encoder, EncoderConfig, make_encoder
from imitax.networks.inference import Inference
from imitax.networks.mlp import MLP, Activation, Precision, bounded
from imitax.networks.policy import TanhGaussian
from imitax.settings import Positive, Units, settings
from imitax.spaces import Spec
from imitax.types import Obs

AT_ONCE = 4096
"""Actions whose f is computed in one pass; a search over many states goes through them in groups."""

NORMALISERS = 2048
"""Uniform actions that estimate the normaliser of the implicit policy's density."""


@settings("energy")
class EnergyConfig:
    """Network of f."""

    hidden: Units = (256, 256)
    """Units of the hidden layers."""
    activation: Activation = "relu"
    """Hidden nonlinearity."""
    bound: Positive | None = None
    """Outputs lie within +-bound; None leaves them free."""
    bound_kind: Literal["tanh", "clip"] = "tanh"
    """tanh: bound * tanh(x / bound). clip (CleanIL): outputs beyond the bound have no gradient."""
    spectral_norm: bool = False
    """Divide every weight matrix by its largest singular value (Miyato et al. 2018)."""
    residual: bool = False
    """f is the network plus the amortised policy's log-density (Deng et al. 2020, arXiv:2004.11714), so that the
    network learns what that policy gets wrong. Not for a finite set of actions."""
    encoder: EncoderConfig = field(default_factory=EncoderConfig)


class EnergyInput(NamedTuple):
    """What f sees."""

    obs: Obs
    """Normalised."""
    action: Float[Array, "B A"]
    """In unit coordinates; of a finite set, +1 at the value that was taken and -1 elsewhere."""


class Energy(eqx.Module):
    """`f`, `EnergyInput -> [B]`."""

    mlp: MLP
    encoder: Encoder
    cfg: EnergyConfig = eqx.field(static=True)

    def __init__(self, spec: Spec, cfg: EnergyConfig, *, key: PRNGKeyArray, precision: Precision = "float32"):
        self.cfg, self.encoder = cfg, make_encoder(spec.observation, cfg.encoder, key)
        self.mlp = MLP(
            (self.encoder.size + spec.action_dim, *cfg.hidden, 1),
            key=key,
            activation=cfg.activation,
            spectral_norm=cfg.spectral_norm,
            precision=precision,
        )

    def __call__(self, x: EnergyInput) -> Float[Array, "B"]:
        """f; high for the expert's actions."""
        return self._of(EnergyInput(self.encoder(x.obs), x.action))

    def at(self, obs: Obs) -> Callable[[Array], Array]:
        """f of several unit actions in each of these states, `[B, N, A] -> [B, N]`."""
        encoded = self.encoder(obs)  # once a state, not once an action

        def f(unit: Float[Array, "B N A"]) -> Float[Array, "B N"]:
            return self._of(join(encoded, unit)).reshape(unit.shape[:-1])

        return f

    def _of(self, x: EnergyInput) -> Float[Array, "B"]:
        """f of observations that are encoded already."""
        columns = jnp.concatenate([x.obs, x.action], axis=-1)
        return bounded(self.mlp(columns)[:, 0], self.cfg.bound, self.cfg.bound_kind)

    def at_one(self, obs: Obs) -> Callable[[Array], Array]:
        """f of several unit actions in one state, `[N, A] -> [N]`."""
        f = self.at(jax.tree.map(lambda x: x[None], obs))
        return lambda unit: f(unit[None])[0]


def join(obs: Obs, unit: Float[Array, "B N A"]) -> EnergyInput:
    """What f takes for several actions in each state, the states' first: B * N examples."""
    b, n, a = unit.shape

    def repeated(x: Array) -> Array:
        return jnp.broadcast_to(x[:, None], (b, n, *x.shape[1:])).reshape(b * n, *x.shape[1:])

    return EnergyInput(jax.tree.map(repeated, obs), unit.reshape(b * n, a))


def draw_actions(actor: TanhGaussian, obs: Obs, count: int, key: PRNGKeyArray) -> Float[Array, "B N A"]:
    """Several actions in each state, for one pass of the network."""
    loc, log_std = actor.gaussian(obs)
    u = loc[:, None] + jnp.exp(log_std)[:, None] * jr.normal(key, (len(loc), count, loc.shape[1]))
    return actor.squash(u.reshape(-1, u.shape[-1])).reshape(u.shape)


def log_probs(actor: TanhGaussian, obs: Obs, action: Float[Array, "B N A"]) -> Float[Array, "B N"]:
    """Log-density of several actions in each state, for one pass of the network."""
    repeated = [jnp.broadcast_to(x[:, None], action.shape) for x in actor.gaussian(obs)]
    loc, log_std, flat = (x.reshape(-1, action.shape[-1]) for x in (*repeated, action))
    return actor.log_density(loc, log_std, flat).reshape(action.shape[:2])


def f_of(energy: Energy, actor: TanhGaussian, obs: Obs, searched: ActionRange) -> Callable[[Array], Array]:
    """f of several unit actions in each of these states, `[B, N, A] -> [B, N]`, the amortised policy's part with it."""
    network = energy.at(obs)
    if not energy.cfg.residual:
        return network
    return lambda unit: network(unit) + log_probs(actor, obs, searched.action(unit))


class EnergyActor(eqx.Module):
    """The implicit policy and its amortised companion, with the interface of `TanhGaussian`.

    The mode is a search with a fixed key, the same for every state: it depends on the state alone. A sample is a
    search under the caller's key, ending with a draw by exp f in place of the best.
    """

    energy: Energy
    amortised: TanhGaussian
    range: ActionRange
    inference: Inference = eqx.field(static=True)

    @property
    def spec(self) -> Spec:
        """Of the task."""
        return self.amortised.spec

    def at_one(self, obs: Obs) -> Callable[[Array], Array]:
        """f of several unit actions in one state, `[N, A] -> [N]`."""
        one = jax.tree.map(lambda x: x[None], obs)
        f = f_of(self.energy, self.amortised, one, self.range)
        return lambda unit: f(unit[None])[0]

    def mode(self, obs: Obs) -> Float[Array, "B A"]:
        """The deterministic action."""
        return self.amortised.mode(obs) if self.inference.kind == "actor_mean" else _best(self, obs)

    def sample(self, obs: Obs, key: PRNGKeyArray) -> tuple[Float[Array, "B A"], Float[Array, "B"]]:
        """A random action and its log-probability as `log_prob` estimates it."""
        if self.inference.kind == "actor_mean":
            return self.amortised.sample(obs, key)
        action = _drawn(self, obs, jr.split(key, len(jax.tree.leaves(obs)[0])))
        return action, self.log_prob(obs, action)

    def log_prob(self, obs: Obs, action: Float[Array, "B A"]) -> Float[Array, "B"]:
        """Log-density of exp f, normalised over the range: `f(s, a) - log mean_u exp f(s, u) - log volume`.

        The mean is over uniform actions u, the same for every state. Where f has a narrow peak that none of them
        hits, the estimate is too high. Actions outside the range count as those on its edge. For `actor_mean`: the
        amortised policy's density.
        """
        if self.inference.kind == "actor_mean":
            return self.amortised.log_prob(obs, action)
        return _log_density(self, obs, jnp.clip(self.range.unit(action), -1, 1))

    def search(self, obs: Obs, key: PRNGKeyArray, *, greedy: bool) -> Float[Array, "A"]:
        """The action that the search finds in one state."""

        def actor(key: PRNGKeyArray) -> Float[Array, "N A"]:
            one = jax.tree.map(lambda x: x[None], obs)
            a = draw_actions(self.amortised, one, self.inference.actor_samples, key)[0]
            if greedy or len(a) > 1:
                a = a.at[0].set(self.amortised.mode(one)[0])
            return jnp.clip(self.range.unit(a), -1, 1)

        unit = self.inference.search(self.at_one(obs), actor, self.spec.action_dim, key, greedy=greedy)
        return jnp.clip(self.range.action(unit), self.range.low, self.range.high)  # rounding must not leave the box


@filter_jit
def _best(actor: EnergyActor, obs: Obs) -> Float[Array, "B A"]:
    return by_state(lambda o: actor.search(o, jr.key(0), greedy=True), obs, actor.inference.carried)


@filter_jit
def _drawn(actor: EnergyActor, obs: Obs, keys: Key[Array, "B"]) -> Float[Array, "B A"]:
    return by_state(lambda x: actor.search(*x, greedy=False), (obs, keys), actor.inference.carried)


@filter_jit
def _log_density(actor: EnergyActor, obs: Obs, unit: Float[Array, "B A"]) -> Float[Array, "B"]:
    uniform = jr.uniform(jr.key(0), (NORMALISERS, unit.shape[1]), minval=-1, maxval=1)

    def one(x: tuple[Array, Array]) -> Array:
        f = actor.at_one(x[0])
        return f(x[1][None])[0] - jax.nn.logsumexp(f(uniform))

    volume = jnp.log(2 * actor.range.half).sum()
    return by_state(one, (obs, unit), NORMALISERS) + math.log(NORMALISERS) - volume


def by_state(f: Callable[..., Array], x: object, samples: int) -> Array:
    """`f` state by state, in groups whose actions fit the processor's cache."""
    return jax.lax.map(f, x, batch_size=max(1, AT_ONCE // samples))
