"""Implicit policies of either kind of actions, and how one of them is made to act."""

from dataclasses import replace
from typing import get_args

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from imitax.compiled import filter_jit
from imitax.errors import ConfigError
from imitax.networks.action_range import ActionRange
from imitax.networks.categorical import Categorical
from imitax.networks.chunks import ChunkActor
from imitax.networks.energy import Energy, EnergyActor, by_state
from imitax.networks.head import PolicyHead
from imitax.networks.inference import Inference, InferenceKind
from imitax.networks.policy import Policy, TanhGaussian
from imitax.spaces import Spec
from imitax.types import Obs


class FiniteEnergyActor(eqx.Module):
    """The implicit policy of a finite set of actions: `softmax_a f(s, a)` over all joint actions, without a search.

    Whatever the kind of inference, but for `actor_mean`, the mode is the best of all actions.
    """

    energy: Energy
    amortised: Categorical
    range: ActionRange
    inference: Inference = eqx.field(static=True)

    @property
    def spec(self) -> Spec:
        """Of the task."""
        return self.amortised.spec

    def mode(self, obs: Obs) -> Float[Array, "B A"]:
        """The deterministic action."""
        if self.inference.kind == "actor_mean":
            return self.amortised.mode(obs)
        return jnp.asarray(self.spec.finite.joint())[_log_probs(self, obs).argmax(-1)]

    def sample(self, obs: Obs, key: PRNGKeyArray) -> tuple[Float[Array, "B A"], Float[Array, "B"]]:
        """A random action and its log-probability."""
        if self.inference.kind == "actor_mean":
            return self.amortised.sample(obs, key)
        logp = _log_probs(self, obs)
        index = jr.categorical(key, logp)
        chosen = jnp.take_along_axis(logp, index[:, None], axis=1)[:, 0]
        return jnp.asarray(self.spec.finite.joint())[index], chosen

    def log_prob(self, obs: Obs, action: Float[Array, "B A"]) -> Float[Array, "B"]:
        """Log-probability of one-hot actions."""
        if self.inference.kind == "actor_mean":
            return self.amortised.log_prob(obs, action)
        return (_log_probs(self, obs) * self.spec.finite.combined(action, jnp.multiply)).sum(-1)


@filter_jit
def _log_probs(actor: FiniteEnergyActor, obs: Obs) -> Float[Array, "B K"]:
    joint = actor.range.unit(jnp.asarray(actor.spec.finite.joint()))
    return jax.nn.log_softmax(by_state(lambda o: actor.energy.at_one(o)(joint), obs, len(joint)), axis=-1)


ImplicitActor = EnergyActor | FiniteEnergyActor


def implicit_actor(energy: Energy, amortised: PolicyHead, searched: ActionRange, inference: Inference) -> ImplicitActor:
    """The implicit policy for the kind of its actions."""
    if isinstance(amortised, Categorical):
        return FiniteEnergyActor(energy, amortised, searched, inference)
    assert isinstance(amortised, TanhGaussian)  # a search has a range: `Needs.open_box`
    return EnergyActor(energy, amortised, searched, inference)


def with_inference(policy: Policy, kind: str) -> Policy:
    """The policy with another way to find its action, an `InferenceKind`.

    Raises:
        ConfigError: the policy is not an implicit one, or there is no such way.
    """
    actor = policy.actor
    if not isinstance(actor, ImplicitActor):
        raise ConfigError("the policy is explicit and has no inference to choose; only those that ibc trains have")
    for known in get_args(InferenceKind):
        if kind == known:
            inference = replace(actor.inference, kind=known)
            return Policy(policy.normalizer, replace(actor, inference=inference))
    raise ConfigError(f"inference is one of {', '.join(get_args(InferenceKind))}, got {kind!r}")


def explicit(policy: Policy) -> Policy:
    """The policy whose actor is what is trained: an implicit one's amortised policy, the head of one of chunks."""
    actor = policy.actor
    if isinstance(actor, ChunkActor):
        return Policy(policy.normalizer, actor.head)
    return Policy(policy.normalizer, actor.amortised) if isinstance(actor, ImplicitActor) else policy


def compared_transitions(policy: Policy) -> int | None:
    """How many demonstrated transitions an evaluation compares with a policy: 500 where it searches, else None, all."""
    actor = policy.actor
    return 500 if isinstance(actor, ImplicitActor) and actor.inference.kind != "actor_mean" else None
