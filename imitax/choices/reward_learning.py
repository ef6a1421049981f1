"""A reward learned from demonstrations and what the learner does: network, loss, and how the policy is paid.

min_h  loss(h; expert, learner) + gradient penalty(h) + lambda sum(theta^2) / 2,    r = scale * head(h)
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from imitax.choices.discriminator import Discrimination, RewardHead
from imitax.choices.gradient_penalty import GradientPenalty
from imitax.choices.learned_reward import LearnedReward
from imitax.choices.terminal import absorbing_transition
from imitax.choices.weight_penalty import l2
from imitax.errors import ConfigError, require_not_negative
from imitax.learner import Learner, OptimizerConfig
from imitax.networks import Normalizer, Reward, RewardConfig
from imitax.types import Metrics, Spec, Transition

if TYPE_CHECKING:
    from imitax.choices.actor_critic import AgentConfig as Settings
else:
    Settings = object  # a base with fields of its own would bring their defaults back over those of the other bases


@dataclass(frozen=True)
class RewardLearningConfig(Settings):
    """What every method with a learned reward is told, beside the settings of its agent."""

    reward: RewardConfig = field(default_factory=RewardConfig)
    discrimination: Discrimination = field(default_factory=Discrimination)
    head: RewardHead = field(default_factory=RewardHead)
    gradient_penalty: GradientPenalty = field(default_factory=GradientPenalty)
    l2: float = 0.0
    """lambda, weight of the coupled L2 penalty on the discriminator's parameters, biases included."""
    reward_scale: float = 1.0
    """Factor of the policy's reward."""
    reward_optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)

    def __post_init__(self):
        require_not_negative(self, "l2")
        if self.reward_scale <= 0:
            raise ConfigError(f"reward_scale must be positive, got {self.reward_scale}")
        loss, kind = self.discrimination.kind, self.head.kind
        if loss in ("linear", "least_squares") and kind != "logit":
            raise ConfigError(
                f"head.kind={kind} reads the logit as log(rho_E / rho_learner), which discrimination.kind={loss} "
                "does not estimate: use head.kind=logit, or discrimination.kind=bce"
            )
        if loss == "linear" and self.reward.bound is None and self.gradient_penalty.kind == "none":
            raise ConfigError(
                "discrimination.kind=linear grows without limit when nothing bounds it: give a gradient_penalty or a "
                "reward.bound"
            )
        if self.reward.inputs != "state_action" and self.gradient_penalty.inputs == "action":
            raise ConfigError(
                f"gradient_penalty.inputs=action needs actions, reward.inputs={self.reward.inputs} has none"
            )


def create(cfg: RewardLearningConfig, spec: Spec, key: PRNGKeyArray) -> Learner[Reward]:
    """The reward's learner before its first step."""
    net = Reward(
        spec,
        cfg.reward,
        gamma=cfg.gamma,
        flagged=cfg.terminal.flagged,
        absorbing=cfg.terminal.rows,
        key=key,
        precision=cfg.precision,
    )
    return Learner.create(net, cfg.reward_optimizer)


def reward_loss(
    net: Reward,
    expert: Transition,
    learner: Transition,
    cfg: RewardLearningConfig,
    key: PRNGKeyArray,
    log_policy: Float[Array, "N"] | float = 0.0,
    weights: Sequence[Float[Array, "B"]] | None = None,
) -> tuple[Float[Array, ""], Metrics]:
    """The discriminator's loss, its gradient penalty and its weight penalty.

    Args:
        expert, learner: as many transitions of each, with normalised observations.
        log_policy: taken off the logits of both, expert first (AIRL).
        weights: of the expert's and the learner's rows in the discriminator's loss; None weighs all alike.
    """
    kd, kl, kp = jr.split(key, 3)
    x_expert, x_learner = (net.join(*cfg.terminal.reward_input(t)) for t in (expert, learner))  # [B D]

    def logit(x: Float[Array, "N D"]) -> Float[Array, "N"]:
        return net(x, kd) - log_policy

    loss, metrics = cfg.discrimination(logit, x_expert, x_learner, kl, weights)
    penalty, norm = cfg.gradient_penalty(net, x_expert, x_learner, kp, net.action_columns)
    decay = cfg.l2 * l2(net) if cfg.l2 else jnp.zeros(())
    return loss + penalty + decay, metrics | norm | {"discriminator_loss": loss, "penalty": penalty}


def policy_reward(net: Reward, t: Transition, cfg: RewardLearningConfig) -> Float[Array, "B"]:
    """What the policy is paid for transitions with normalised observations."""
    return cfg.reward_scale * cfg.head(net(net.join(*cfg.terminal.reward_input(t))))


def paid(net: Reward, t: Transition, cfg: RewardLearningConfig) -> tuple[Transition, Float[Array, ""]]:
    """Transitions with the learned reward in place of theirs, and the reward of the absorbing state."""
    spec = net.spec
    end = policy_reward(net, absorbing_transition(spec.obs_dim, spec.action_dim), cfg)[0]
    return replace(t, reward=policy_reward(net, t, cfg)), end


def learned_reward(state: Any, cfg: RewardLearningConfig) -> LearnedReward:
    """The learned reward of a state, without shaping and log-policy terms, on raw observations."""
    normalizer: Normalizer = state.normalizer
    return LearnedReward(normalizer, state.reward.net, cfg.terminal, cfg.head, cfg.reward_scale)
