"""A gradient penalty whose weight follows what a critic thinks of demonstrations that it has not learned from.

A critic that implies its reward can learn a few demonstrations by heart. It then gives them the highest reward whatever
the policy does, and no longer says which actions bring the policy closer to them. Held-out demonstrations show this:

    u = (E_train[r] - E_held_out[r]) / E[|r|],   r = Q(s, a) - gamma V(s'),   |r| of demonstrations and replay

u is about 0 where the critic values all demonstrations alike, and grows as it prefers those that it has learned. (After
r_v of Karras et al. 2020, "Training Generative Adversarial Networks with Limited Data", equation 1. There a
discriminator's outputs take the place of rewards, data augmentation that of the penalty, and the difference between
training and generated data is the denominator; here that difference is 0 where imitation succeeds.)
"""

from typing import Annotated

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jax.custom_batching import custom_vmap
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from imitax.agents.actor_critic import ActorCritic, SoftActorCritic
from imitax.agents.implied_reward import implied
from imitax.agents.inferred_actions import InferredActions
from imitax.agents.start import Start
from imitax.buffers import Buffer, Buffers
from imitax.choices.critic_penalty import critic_penalty
from imitax.choices.gradient_penalty import GradientPenalty
from imitax.networks import Critic, Normalizer
from imitax.settings import CountOrZero, Positive, Range, Share, settings
from imitax.types import Batch, Metrics, Transition

LOWEST = 1e-5
"""The weight at the start, and its least. At this weight there is no penalty."""
ROWS = 1024
"""Transitions of each kind in a comparison, if they are small: held-out ones evenly spaced, the others drawn."""
NUMBERS = 2**22
"""Numbers in the observations of a comparison, at most."""
MEMORY = 0.9
"""Decay of the averages over comparisons."""
RELEASE = 0.25
"""Power of the factor by which the weight falls. It falls more slowly than it rises, because the demonstrations stay as
few as they are."""
KEY = 29
"""Folded into an update's key for the positions on the lines, so that updates without the penalty keep theirs."""
ZERO_CENTRED = GradientPenalty("zero", weight=1.0, inputs="observed")


@settings("held_out_penalty")
class HeldOutPenalty:
    """A zero-centred gradient penalty on lines between demonstrations and replay, whose weight follows u."""

    every: CountOrZero = 100
    """Environment steps between comparisons with held-out demonstrations (`--validation-episodes`), rounded up to whole
    chunks. 0: no episodes are held out for it, and there is no such penalty."""
    target: Share = 0.1
    """How much lower than in training the mean reward of held-out demonstrations may be, as a share of the size of
    rewards (u). Above it the weight rises, below it falls."""
    factor: Annotated[float, Range(1.0, open_low=True)] = 1.2
    """Factor by which a comparison raises the weight. One below the target lowers it by the fourth root."""
    weight_max: Positive = 10.0
    """Largest weight of the squared slope in observations and actions."""

    def held_out(self, inferred: InferredActions) -> str:
        """`Needs.held_out`. With inferred actions nothing is compared: the critic learns from guesses."""
        if not self.every or inferred.infer_actions:
            return ""
        return "a gradient penalty sets in where the critic overfits (--held-out-penalty.every)"


OFF = HeldOutPenalty(every=0)


class HeldOutWeight(eqx.Module):
    """The weight, and averages of the two numbers whose quotient is u."""

    weight: Float[Array, "*S"]
    unseen: Float[Array, "*S"]
    """E_train[r] - E_held_out[r]."""
    size: Float[Array, "*S"]
    """E[|r|]."""

    @classmethod
    def create(cls, cfg: HeldOutPenalty, start: Start) -> "HeldOutWeight | None":
        """Before the first comparison; None where there will be none."""
        if not cfg.every or not start.held_out:
            return None
        return cls(jnp.asarray(LOWEST), jnp.zeros(()), jnp.zeros(()))

    def compared(self, cfg: HeldOutPenalty, unseen: Float[Array, ""], size: Float[Array, ""]) -> "HeldOutWeight":
        """After a comparison, whose two numbers it is given."""
        unseen = MEMORY * self.unseen + (1 - MEMORY) * unseen
        size = MEMORY * self.size + (1 - MEMORY) * size
        weight = self.weight * jnp.where(unseen > cfg.target * size, cfg.factor, cfg.factor**-RELEASE)
        return HeldOutWeight(jnp.clip(weight, LOWEST, cfg.weight_max), unseen, size)

    @property
    def acting(self) -> Float[Array, "*S"]:
        """The weight in the loss."""
        return jnp.where(self.weight > LOWEST, self.weight, 0.0)


@custom_vmap
def of_any_seed(x: Bool[Array, ""]) -> Bool[Array, ""]:
    """Whether it is so for any of the seeds that run as one vmap: a condition that they share remains a branch."""
    return x


@of_any_seed.def_vmap
def _(axis_size: int, batched: list[bool], x: Bool[Array, "S"]) -> tuple[Bool[Array, ""], bool]:
    del axis_size, batched
    return of_any_seed(x.any()), False


def held_out_term(
    state: HeldOutWeight | None, critic: Critic, expert: Transition, replay: Transition, key: PRNGKeyArray
) -> tuple[Float[Array, ""], Metrics]:
    """The weighted penalty, averaged over the critics, and its metric. Where no seed has a weight it is not computed.

    Args:
        state: has the weight; None is no penalty.
        critic: that the gradient is for.
        expert: demonstrated transitions, observations normalised.
        replay: as many others.
        key: of the update's loss.
    """
    if state is None:
        return jnp.zeros(()), {}
    arrays, static = eqx.partition(critic, eqx.is_array)

    def penalty(arrays: Critic) -> Float[Array, ""]:
        return critic_penalty(ZERO_CENTRED, eqx.combine(arrays, static), expert, replay, jr.fold_in(key, KEY))[0]

    def nothing(arrays: Critic) -> Float[Array, ""]:
        del arrays
        return jnp.zeros(())

    term = state.acting * jax.lax.cond(of_any_seed(state.weight > LOWEST), penalty, nothing, arrays)
    return term, {"held_out_penalty": term}


def compare_held_out(
    state: HeldOutWeight | None,
    agent: tuple[ActorCritic, Normalizer],
    buffers: Buffers,
    cfg: tuple[HeldOutPenalty, SoftActorCritic],
    key: PRNGKeyArray,
) -> tuple[HeldOutWeight | None, Metrics]:
    """The weight after a comparison, and its metrics; nothing where there is no weight.

    Args:
        state: so far.
        agent: whose critic implies the rewards, and the normalizer of its observations.
        buffers: with demonstrations, held-out ones and a replay.
        cfg: of the penalty and of the agent.
        key: draws transitions and the policy's actions in their next states.
    """
    if state is None:
        return None, {}
    expert, held_out, replay = buffers.expert, buffers.held_out, buffers.replay
    assert expert is not None
    assert held_out is not None
    assert replay is not None
    ke, kr, kn = jr.split(key, 3)
    count = rows(held_out)

    def rewards(buffer: Buffer, index: Int[Array, "B"]) -> Float[Array, "N B"]:
        t = agent[1].batch(Batch(expert=buffer.take(index))).expert
        assert t is not None
        return implied(agent[0].critic.net, agent[0], t, cfg[1], kn).reward

    train = rewards(expert, expert.draw_stored(count, ke))
    unseen = rewards(held_out, held_out.evenly(count))
    replayed = rewards(replay, replay.draw_stored(count, kr))
    size = jnp.abs(jnp.concatenate([train, replayed])).mean()
    state = state.compared(cfg[0], train.mean() - unseen.mean(), size)
    return state, {
        "reward_train": train.mean(),
        "reward_held_out": unseen.mean(),
        "held_out_gap": state.unseen / jnp.maximum(state.size, 1e-12),
        "held_out_weight": state.acting,
    }


def rows(buffer: Buffer) -> int:
    """Transitions of each kind in a comparison: fewer where observations are images."""
    each = sum(leaf.size // buffer.capacity for leaf in jax.tree.leaves(buffer.data.obs))
    return max(64, min(ROWS, NUMBERS // max(each, 1)))
