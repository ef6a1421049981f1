"""A gradient penalty whose weight follows what a critic thinks of demonstrations that it has not learned from.

A critic that learns its reward can learn a few demonstrations by heart. Theirs is then the highest reward whatever the
policy does, and nothing is left of how to come closer. Held-out demonstrations tell this from a critic that is right:

    u = (E_train[r] - E_held_out[r]) / E[|r|],   r = Q(s, a) - gamma V(s'),   |r| of demonstrations and replay

is about 0 where all demonstrations are alike to it, and 1 where those that it has not seen are worth as much less as
rewards are large. (After r_v of Karras et al. 2020, "Training Generative Adversarial Networks with Limited Data",
equation 1, where a discriminator's outputs take the place of rewards and data augmentation that of the penalty; it
divides by the difference between training and generated data, which is 0 where imitation succeeds.)
"""

from collections.abc import Callable
from typing import Annotated, Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int, PRNGKeyArray

from imitax.agents.actor_critic import ActorCritic, SoftActorCritic
from imitax.agents.implied_reward import implied
from imitax.agents.inferred_actions import InferredActions
from imitax.buffers import Buffer, Buffers
from imitax.choices.critic_penalty import critic_penalty
from imitax.choices.gradient_penalty import GradientPenalty
from imitax.networks import Critic, Normalizer
from imitax.settings import CountOrZero, Positive, Range, Share, settings
from imitax.types import Batch, Metrics

LOWEST = 1e-5
"""The weight at the start. It does not get lower, and here there is no penalty."""
ROWS = 1024
"""Transitions of each kind that a comparison takes: held-out ones evenly spaced, the others drawn."""
MEMORY = 0.9
"""Decay of the averages over comparisons."""
RELEASE = 0.25
"""Power of the factor by which the weight falls: how few the demonstrations are does not change."""
KEY = 29
"""Folded into an update's key for the positions on the lines, so that updates without the penalty keep theirs."""
ZERO_CENTRED = GradientPenalty("zero", weight=1.0, inputs="observed")


@settings("held_out_penalty")
class HeldOutPenalty:
    """The penalty's weight, and what moves it."""

    every: CountOrZero = 100
    """Updates between comparisons with held-out demonstrations (`--validation-episodes`). 0, or none held out: there is
    no such penalty."""
    target: Share = 0.1
    """How much less than in training the rewards of held-out demonstrations may be, as a share of the size of rewards
    (u). The weight rises above it, and falls below."""
    factor: Annotated[float, Range(1.0, open_low=True)] = 1.2
    """By which the weight rises. It falls by the fourth root of it."""
    weight_max: Positive = 10.0
    """Largest weight of the squared slope in observations and actions, on lines between demonstrations and replay."""

    def held_out(self, inferred: InferredActions) -> str:
        """`Needs.held_out`. Inferred actions cannot be compared: those of held-out demonstrations are not known."""
        return "the critic's overfitting is seen" if self.every and not inferred.infer_actions else ""


OFF = HeldOutPenalty(every=0)


class Smoothing(eqx.Module):
    """The weight, and averages of the two numbers whose quotient is u."""

    weight: Float[Array, "*S"]
    unseen: Float[Array, "*S"]
    """E_train[r] - E_held_out[r]."""
    size: Float[Array, "*S"]
    """E[|r|]."""

    @classmethod
    def create(cls, cfg: HeldOutPenalty) -> "Smoothing | None":
        """Before the first comparison; None where there will be none."""
        return cls(jnp.asarray(LOWEST), jnp.zeros(()), jnp.zeros(())) if cfg.every else None

    def compared(self, cfg: HeldOutPenalty, unseen: Float[Array, ""], size: Float[Array, ""]) -> "Smoothing":
        """After a comparison, whose two numbers it is given."""
        unseen = MEMORY * self.unseen + (1 - MEMORY) * unseen
        size = MEMORY * self.size + (1 - MEMORY) * size
        weight = self.weight * jnp.where(unseen > cfg.target * size, cfg.factor, cfg.factor**-RELEASE)
        return Smoothing(jnp.clip(weight, LOWEST, cfg.weight_max), unseen, size)


CriticLoss = Callable[..., tuple[Float[Array, ""], Metrics]]
"""A loss of a critic, its first argument, with the metrics `critic_loss` and `penalty`."""


def smoothed(loss: CriticLoss, state: Smoothing | None, batch: Batch, key: PRNGKeyArray) -> CriticLoss:
    """The loss with the weighted penalty; the gradient is computed only where it has a weight.

    Args:
        loss: of a critic.
        state: has the weight; None leaves the loss as it is.
        batch: with demonstrations and replay, observations normalised.
        key: of the update's critic.
    """
    if state is None:
        return loss
    expert, replay = batch.expert, batch.replay
    assert expert is not None
    assert replay is not None

    def weighted(critic: Critic) -> Float[Array, ""]:
        return state.weight * critic_penalty(ZERO_CENTRED, critic, expert, replay, jr.fold_in(key, KEY))[0]

    def both(critic: Critic, *args: Any) -> tuple[Float[Array, ""], Metrics]:
        value, metrics = loss(critic, *args)
        arrays, static = eqx.partition(critic, eqx.is_array)
        penalty = jax.lax.cond(
            state.weight > LOWEST, lambda x: weighted(eqx.combine(x, static)), lambda x: jnp.zeros(()), arrays
        )
        total = value + penalty
        return total, metrics | {"critic_loss": total, "penalty": metrics["penalty"] + penalty}

    return both


def compare(
    state: Smoothing | None,
    agent: tuple[ActorCritic, Normalizer],
    buffers: Buffers,
    cfg: tuple[HeldOutPenalty, SoftActorCritic],
    key: PRNGKeyArray,
) -> tuple[Smoothing | None, Metrics]:
    """The weight after a comparison, and its metrics; nothing where no demonstration is held out.

    Args:
        state: so far.
        agent: whose critic implies the rewards, and the normalizer of its observations.
        buffers: with demonstrations, held-out ones and a replay.
        cfg: of the penalty and of the agent.
        key: draws transitions and the policy's actions in their next states.
    """
    if state is None or buffers.held_out is None or buffers.expert is None or buffers.replay is None:
        return state, {}
    ke, kr, kn = jr.split(key, 3)

    def rewards(buffer: Buffer, index: Int[Array, "B"]) -> Float[Array, "N B"]:
        t = agent[1].batch(Batch(expert=buffer.take(index))).expert
        assert t is not None
        return implied(agent[0].critic.net, agent[0], t, cfg[1], kn).reward

    held_out = buffers.held_out
    train = rewards(buffers.expert, buffers.expert.draw_stored(ROWS, ke))
    unseen = rewards(held_out, jnp.arange(ROWS) * held_out.size // ROWS)
    replayed = rewards(buffers.replay, buffers.replay.draw_stored(ROWS, kr))
    size = jnp.abs(jnp.concatenate([train, replayed])).mean()
    state = state.compared(cfg[0], train.mean() - unseen.mean(), size)
    return state, {
        "reward_held_out": unseen.mean(),
        "unseen_share": state.unseen / jnp.maximum(state.size, 1e-12),
        "smoothing": jnp.where(state.weight > LOWEST, state.weight, 0.0),
    }
