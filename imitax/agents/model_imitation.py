"""Imitation in a learned model: the policy's batch, and what a step of the reward compares.

Demonstrated, recorded and model transitions stand side by side in a batch of the policy. The reward is learned from
single transitions, or from discounted sums along segments of demonstrations and rollouts from their first states.
"""

from dataclasses import replace
from typing import Literal

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from imitax.agents.learned_model import LearnedModel, ModelConfig
from imitax.agents.model_rollouts import roll_out
from imitax.buffers import Buffers
from imitax.choices.terminal import Terminal, continue_after_end
from imitax.errors import ConfigError
from imitax.networks import Policy
from imitax.settings import Count, Share, settings
from imitax.types import Metrics, Transition, concat, part


@settings()
class Mixture:
    """What a batch of the policy, and the data of the model, are made of."""

    batch_size: Count = 256
    """Transitions in an update."""
    real_share: Share = 0.25
    """Share of recorded transitions in a batch; what `expert_share` leaves too are model transitions."""
    expert_share: Share = 0.25
    """Share of demonstrated transitions in a batch, beside the recorded ones."""
    demonstrations: Literal["excluded", "included", "upsampled"] = "included"
    """Whether demonstrations are among the data that the model is fitted to and rollouts and batches are drawn from.
    upsampled: as often as makes them half of it."""

    def __post_init__(self):
        if self.real_share + self.expert_share > 1:
            raise ConfigError(
                f"real_share and expert_share are shares of one batch, got {self.real_share} and {self.expert_share}"
            )

    @property
    def counts(self) -> tuple[int, int]:
        """Demonstrated and recorded transitions of a batch; the others are the model's."""
        expert = round(self.expert_share * self.batch_size)
        return expert, min(round(self.real_share * self.batch_size), self.batch_size - expert)

    def demonstration_copies(self, demonstrated: int, recorded: int) -> int:
        """How often demonstrations are repeated in the model's data, given the transitions of both."""
        return {"excluded": 0, "included": 1, "upsampled": max(1, round(recorded / demonstrated))}[self.demonstrations]


def compose(cfg: Mixture, expert: Transition, real: Transition, rollouts: Transition) -> Transition:
    """A batch: demonstrated transitions first, then recorded, then the model's."""
    e, r = cfg.counts
    return concat(part(expert, 0, e), part(real, 0, r), part(rollouts, 0, cfg.batch_size - e - r))


def reward_metrics(cfg: Mixture, rewards: Float[Array, "B"], end: Float[Array, ""], terminal: Terminal) -> Metrics:
    """Mean rewards of a batch's demonstrated, recorded and model transitions, and `end` of the absorbing state."""
    e, r = cfg.counts
    parts = {"expert": rewards[:e], "recorded": rewards[e : e + r], "rollouts": rewards[e + r :]}
    metrics = {f"reward_{name}": x.mean() for name, x in parts.items() if len(x)}
    return metrics | ({"reward_absorbing": end} if terminal.has_one_end else {})


@settings()
class RewardSteps:
    """When the reward takes a step, and what it compares."""

    reward_every: Count = 10
    """Updates of the policy between steps of the reward."""
    reward_steps: Count = 1
    """Steps of the reward at a time."""
    reward_batch_size: Count = 256
    """Expert transitions, and as many of the model, in a step of the reward."""
    reward_form: Literal["marginal", "trajectory"] = "marginal"
    """marginal: single transitions, those of the model from the ring buffer. trajectory: discounted sums along segments
    of demonstrations, against rollouts of the current policy from the same states."""
    reward_horizon: Count = 100
    """Steps of a segment, in the trajectory form; there are reward_batch_size / reward_horizon of them, at least 1."""


Pairs = tuple[Transition, Transition, tuple[Float[Array, "B"], Float[Array, "B"]] | None]
"""Expert's and model's transitions in the task's units, and their weights."""


def draw(
    cfg: RewardSteps,
    model: tuple[LearnedModel, ModelConfig],
    policy: Policy,
    end: tuple[Terminal, float],
    buffers: Buffers,
    key: PRNGKeyArray,
) -> Pairs:
    """What a step of the reward compares, in the form that was chosen; arguments as of `draw_segments`."""
    if cfg.reward_form == "marginal":
        return draw_pairs(cfg, buffers, key)
    return draw_segments(cfg, model, policy, end, buffers, key)


def draw_pairs(cfg: RewardSteps, buffers: Buffers, key: PRNGKeyArray) -> Pairs:
    """Single transitions of the demonstrations and of the ring buffer."""
    ke, kr = jr.split(key)
    n = cfg.reward_batch_size
    assert buffers.expert is not None
    assert buffers.rollouts is not None
    expert = buffers.expert.take(buffers.expert.draw(n, ke))
    return expert, replace(buffers.rollouts.take(buffers.rollouts.draw(n, kr)), uncertainty=None), None


def draw_segments(
    cfg: RewardSteps,
    model: tuple[LearnedModel, ModelConfig],
    policy: Policy,
    end: tuple[Terminal, float],
    buffers: Buffers,
    key: PRNGKeyArray,
) -> Pairs:
    """Segments of demonstrations, rollouts from their first states, and the weights of both.

    Step t of a segment has weight gamma^t, or 0 after its end. Where the end is a state, the segment goes on in it.

    Args:
        cfg: number and length of the segments.
        model: the learned model and its settings.
        policy: acts in the rollouts.
        end: how ends are handled, and the discount factor.
        buffers: one seed's.
        key: of everything.
    """
    horizon, buffer = cfg.reward_horizon, buffers.expert
    assert buffer is not None
    ks, kr = jr.split(key)
    first = buffer.draw_stored(max(1, cfg.reward_batch_size // horizon), ks)
    index = first[:, None] + jnp.arange(horizon)[None]  # [C T]
    inside = index < buffer.size
    flat = buffer.take(jnp.minimum(index, buffer.size - 1).ravel())
    segment = jax.tree.map(lambda x: x.reshape(*index.shape, *x.shape[1:]), flat)
    joined = (segment.obs[:, 1:] == segment.next_obs[:, :-1]).all(-1) & inside[:, 1:]  # else another episode begins
    mask = jnp.cumprod(jnp.concatenate([inside[:, :1], joined], 1), 1) > 0
    learned, model_cfg = model
    out = roll_out(
        model_cfg.model_rollouts, learned.dynamics.net, policy, model_cfg.pessimism, (segment.obs[:, 0], horizon), kr
    )
    rolled = jax.tree.map(lambda x: x.swapaxes(0, 1), out)  # [C T]
    expert, expert_weight = discounted(segment, mask, end)
    learner, learner_weight = discounted(rolled.transitions, rolled.mask, end)
    return expert, learner, (expert_weight, learner_weight)


def discounted(
    t: Transition, mask: Bool[Array, "C T"], end: tuple[Terminal, float]
) -> tuple[Transition, Float[Array, "B"]]:
    """Transitions of segments [C T] as one batch, and their weights."""
    terminal, gamma = end
    whole, mask = continue_after_end(terminal, replace(t, uncertainty=None), mask)

    def finite(x: Array) -> Array:  # 0 times what is not finite would still reach the gradient
        return jnp.where(mask[..., None], x, 0.0)

    whole = replace(whole, obs=finite(whole.obs), action=finite(whole.action), next_obs=finite(whole.next_obs))
    weight = mask * gamma ** jnp.arange(mask.shape[1])[None]  # [C T]
    return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), whole), weight.ravel()
