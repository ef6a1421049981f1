"""What imitation in a learned model has in common: settings, the policy's step, and the reward's turn.

reward  min_h  loss(h; expert, imagined) + penalties        every `reward_every` updates of the policy
policy  soft actor-critic on r - lambda u, on demonstrated, recorded and imagined transitions
"""

from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from imitax.choices import model_based, reward_learning
from imitax.choices.actor_critic import CLEANIL, improve, soft_q_loss
from imitax.choices.discriminator import Discrimination
from imitax.choices.gradient_penalty import GradientPenalty
from imitax.choices.imagination import Imagination, real_rows
from imitax.choices.model_based import ModelConfig, ModelState, penalised
from imitax.choices.reward_learning import RewardLearningConfig, paid, reward_loss
from imitax.choices.temperature import Temperature
from imitax.choices.terminal import Terminal
from imitax.errors import ConfigError, require_positive
from imitax.learner import Learner, OptimizerConfig
from imitax.networks import CriticConfig, Dynamics, Normalizer, Policy, Reward, RewardConfig
from imitax.types import Batch, Metrics, Spec, Transition, concat, part


@dataclass(frozen=True)
class ModelImitationConfig(ModelConfig):
    """What imitation in a learned model is told, however its reward comes about."""

    average: float = 0.9999
    critic: CriticConfig = field(default_factory=lambda: CriticConfig(layer_norm=True))
    critic_optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    temperature: Temperature = field(default_factory=lambda: Temperature("tuned", initial=0.1))
    terminal: Terminal = field(default_factory=lambda: Terminal("absorbing"))
    imagination: Imagination = field(default_factory=lambda: Imagination(horizon=10))
    real_share: float = 0.25
    expert_share: float = 0.25
    """Share of demonstrated transitions in a batch, beside the real ones."""
    demonstrations: Literal["excluded", "included", "upsampled"] = "included"
    """Whether demonstrations are among the data that the model is fitted to and rollouts and batches are drawn from.
    upsampled: as often as makes them half of it."""
    normalize_obs: bool = True
    """Standardise observations with the statistics of demonstrations and recorded data."""

    def __post_init__(self):
        super().__post_init__()
        if not 0 <= self.expert_share <= 1 or self.real_share + self.expert_share > 1:
            raise ConfigError(
                f"real_share and expert_share are shares of one batch, got {self.real_share} and {self.expert_share}"
            )

    @property
    def needs(self) -> frozenset[str]:
        """What it learns from."""
        return frozenset({"expert", "offline data", "model"})

    def demonstration_copies(self, demonstrated: int, recorded: int) -> int:
        """How often demonstrations are repeated in the data, given how many transitions there are of both."""
        return {"excluded": 0, "included": 1, "upsampled": max(1, round(recorded / demonstrated))}[self.demonstrations]

    def compose(self, expert: Transition, real: Transition, imagined: Transition) -> Transition:
        """A batch: demonstrated rows first, then recorded, then imagined ones."""
        e, r = self.composition
        return concat(part(expert, 0, e), part(real, 0, r), part(imagined, 0, self.batch_size - e - r))

    @property
    def composition(self) -> tuple[int, int]:
        """Demonstrated and recorded rows of a batch; the others are imagined."""
        expert = round(self.expert_share * self.batch_size)
        return expert, min(round(self.real_share * self.batch_size), self.batch_size - expert)


@dataclass(frozen=True)
class LearnedRewardConfig(RewardLearningConfig, ModelImitationConfig):
    """What imitation in a learned model with a reward network is told."""

    reward_every: int = 10
    """Updates of the policy between steps of the reward."""
    reward_steps: int = 1
    """Steps of the reward at a time."""
    reward_batch_size: int = 256
    """Expert, and as many imagined, transitions in a step of the reward."""
    reward_form: Literal["marginal", "trajectory"] = "marginal"
    """marginal: single transitions, imagined ones from the ring. trajectory: discounted sums along stretches of
    demonstrations, against rollouts of today's policy from the same states."""
    reward_horizon: int = 100
    """Steps of a stretch, in the trajectory form; there are reward_batch_size / reward_horizon of them, at least 1."""

    @property
    def needs_stretches(self) -> bool:
        """Whether it learns from consecutive transitions of demonstrations."""
        return self.reward_form == "trajectory"

    def __post_init__(self):
        RewardLearningConfig.__post_init__(self)
        ModelImitationConfig.__post_init__(self)
        require_positive(self, "reward_every", "reward_steps", "reward_batch_size", "reward_horizon")
        if self.reward_form == "trajectory" and self.discrimination.kind == "mixup":
            raise ConfigError(
                "reward_form=trajectory weighs rows by their discount, and discrimination.kind=mixup mixes them"
            )


REFERENCE = {
    "average": 0.0,
    "real_share": 0.5,
    "expert_share": 0.0,
    "discrimination": Discrimination("linear"),
    "reward": RewardConfig(hidden=(256, 256, 256), activation="silu", bound=10.0, bound_kind="clip"),
    "gradient_penalty": GradientPenalty("hinge", weight=10.0, margin=1.0, norm="linf"),
    "reward_optimizer": OptimizerConfig(lr=3e-4, clip=1000.0),
    "terminal": Terminal("mask"),
    **CLEANIL,
}
"""What the reference system's OMLIRL and RMIRL have in common, now and as the post describes them."""


class LearnedRewardState(ModelState):
    """Everything that training changes."""

    reward: Learner[Reward]


LRS = TypeVar("LRS", bound=LearnedRewardState)


def create(
    cfg: LearnedRewardConfig,
    spec: Spec,
    normalizer: Normalizer,
    key: PRNGKeyArray,
    dynamics: Dynamics,
    optimizer: OptimizerConfig | None = None,
) -> LearnedRewardState:
    """A state before its first update; arguments as of `model_based.create`."""
    ka, kr = jr.split(key)
    agent = model_based.create(cfg, spec, normalizer, ka, dynamics, optimizer)
    return LearnedRewardState(**model_based.fields(agent), reward=reward_learning.create(cfg, spec, kr))


def policy_step(state: LRS, batch: Batch, cfg: LearnedRewardConfig, key: PRNGKeyArray) -> tuple[LRS, Metrics]:
    """One update of the policy, its rewards by today's reward and today's weight of the penalty."""
    data = state.normalizer.batch(batch)
    assert data.expert is not None
    assert data.offline is not None
    assert data.imagined is not None
    kc, ka = jr.split(key)
    zeros = jnp.zeros(len(data.imagined.obs))
    imagined, penalty = penalised(state, replace(data.imagined, reward=zeros), cfg)
    expert, real = (replace(t, reward=jnp.zeros(len(t.obs))) for t in (data.expert, data.offline))
    mix = cfg.compose(expert, real, imagined)
    priced, end = paid(state.reward.net, mix, cfg)
    mix = replace(mix, reward=priced.reward + mix.reward)  # less the penalty
    critic, mc = state.critic.descend(soft_q_loss, state, mix, end, cfg, kc)
    e, r = cfg.composition
    metrics = {"model_penalty": penalty.mean()}
    for name, first, stop in (("expert", 0, e), ("recorded", e, e + r), ("imagined", e + r, cfg.batch_size)):
        if stop > first:
            metrics[f"reward_{name}"] = priced.reward[first:stop].mean()
    if cfg.terminal.flagged:
        metrics["reward_absorbing"] = end
    state, ma = improve(state, critic, mix, cfg, ka)
    state, mp = model_based.weigh(state, data.imagined, cfg)
    return state, mc | ma | mp | metrics


def reward_turn(state: LRS, buffers: Any, cfg: LearnedRewardConfig, key: PRNGKeyArray) -> tuple[LRS, Metrics]:
    """`reward_steps` steps of the reward; metrics of the last one."""
    learner, metrics = state.reward, {}
    for i in range(cfg.reward_steps):
        kd, kl = jr.split(jr.fold_in(key, i))
        draw = marginal if cfg.reward_form == "marginal" else trajectories
        expert, imagined, *weights = draw(state, buffers, cfg, kd)
        expert, imagined = (state.normalizer.transition(t) for t in (expert, imagined))
        learner, metrics = learner.descend(reward_loss, expert, imagined, cfg, kl, 0.0, weights or None)
    return replace(state, reward=learner), metrics


def marginal(
    state: LearnedRewardState, buffers: Any, cfg: LearnedRewardConfig, key: PRNGKeyArray
) -> tuple[Transition, Transition]:
    """Single transitions of the demonstrations and of the ring."""
    ke, ki = jr.split(key)
    n = cfg.reward_batch_size
    expert, ring = buffers.expert, buffers.imagined
    return expert.take(expert.draw(n, ke)), replace(ring.take(ring.draw(n, ki)), uncertainty=None)


def trajectories(
    state: LearnedRewardState, buffers: Any, cfg: LearnedRewardConfig, key: PRNGKeyArray
) -> tuple[Transition, Transition, Float[Array, "B"], Float[Array, "B"]]:
    """Stretches of demonstrations, rollouts from their first states, and the weights of both.

    A step t of a stretch weighs gamma^t, or 0 after its end. Where the end is a state, the stretch goes on in it.
    """
    count = max(1, cfg.reward_batch_size // cfg.reward_horizon)
    ks, kr = jr.split(key)
    rows = real_rows(buffers.expert, count, ks)[:, None] + jnp.arange(cfg.reward_horizon)[None]  # [C T]
    inside = rows < buffers.expert.size
    flat = buffers.expert.take(jnp.minimum(rows, buffers.expert.size - 1).ravel())
    stretch = jax.tree.map(lambda x: x.reshape(*rows.shape, *x.shape[1:]), flat)
    joined = (stretch.obs[:, 1:] == stretch.next_obs[:, :-1]).all(-1) & inside[:, 1:]  # else another episode begins
    alive = jnp.concatenate([inside[:, :1], joined], 1)
    policy, horizon = Policy(state.normalizer, state.actor.net), cfg.reward_horizon
    out = cfg.imagination.rollouts(state.dynamics.net, policy, cfg.pessimism, stretch.obs[:, 0], horizon, kr)
    imagined = jax.tree.map(lambda x: x.swapaxes(0, 1), out)  # [C T]
    parts = []
    for t, valid in ((stretch, jnp.cumprod(alive, 1) > 0), (imagined.transitions, imagined.valid)):
        whole, counts = cfg.terminal.with_end(replace(t, uncertainty=None), valid)
        whole = replace(
            whole,
            **{k: jnp.where(counts[..., None], getattr(whole, k), 0.0) for k in ("obs", "action", "next_obs")},
        )  # 0 times what is not finite would still reach the gradient
        weight = counts * cfg.gamma ** jnp.arange(horizon)[None]  # [C T]
        parts.append((jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), whole), weight.ravel()))
    (expert, expert_weight), (fake, fake_weight) = parts
    return expert, fake, expert_weight, fake_weight
