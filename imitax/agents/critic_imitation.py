"""What IQ-Learn, LS-IQ and ReCOIL online have in common beside their losses: a critic that implies the reward, a policy
that climbs it, guessed actions where demonstrations have none, and the weight of the held-out penalty."""

from dataclasses import replace
from typing import Protocol, runtime_checkable

import equinox as eqx
from jaxtyping import PRNGKeyArray

from imitax.agents.actor_critic import ActorCritic, SoftActorCritic, create
from imitax.agents.held_out_penalty import HeldOutPenalty, HeldOutWeight, compare_held_out
from imitax.agents.inferred_actions import InferredActions
from imitax.agents.start import Start
from imitax.buffers import Buffers
from imitax.learner import Learner
from imitax.networks import Normalizer, Policy, PolicyHead
from imitax.types import Metrics


@runtime_checkable
class Parts(Protocol):
    """What is read of an algorithm's settings."""

    @property
    def agent(self) -> SoftActorCritic:
        """Actor and critic."""
        ...

    @property
    def inferred(self) -> InferredActions:
        """Of demonstrations without actions."""
        ...

    @property
    def held_out_penalty(self) -> HeldOutPenalty:
        """Of the critics, where they overfit."""
        ...


class State(eqx.Module):
    """What training changes."""

    agent: ActorCritic
    normalizer: Normalizer
    inverse: Learner[PolicyHead] | None
    """The inverse model, where actions are inferred."""
    held_out: HeldOutWeight | None
    """The held-out penalty's weight, where demonstrations are held out."""


def init(cfg: Parts, start: Start) -> State:
    """A state before its first update."""
    inverse = cfg.inferred.create(start, cfg.agent.precision)
    held_out = HeldOutWeight.create(cfg.held_out_penalty, start)
    return State(create(cfg.agent, start, start.key), start.normalizer, inverse, held_out)


def compare(state: State, buffers: Buffers, cfg: Parts, key: PRNGKeyArray) -> tuple[State, Metrics]:
    """A turn between chunks: the state with the penalty's weight after a comparison on held-out demonstrations."""
    agent = (state.agent, state.normalizer)
    held_out, metrics = compare_held_out(state.held_out, agent, buffers, (cfg.held_out_penalty, cfg.agent), key)
    return replace(state, held_out=held_out), metrics


def policy(state: State) -> Policy:
    """The policy that a run evaluates and saves."""
    return Policy(state.normalizer, state.agent.ema)


def explorer(state: State) -> Policy:
    """The policy that acts in training."""
    return Policy(state.normalizer, state.agent.actor.net)
