"""The discriminator as a part of an algorithm: network, loss, penalties, optimiser, and the policy's reward."""

from dataclasses import field

from jaxtyping import Array, Float, PRNGKeyArray

from imitax.choices.discrimination import Discrimination, RewardHead
from imitax.choices.gradient_penalty import GradientPenalty
from imitax.choices.learned_reward import LearnedReward
from imitax.choices.terminal import Terminal
from imitax.errors import ConfigError
from imitax.learner import Learner, OptimizerConfig
from imitax.networks import AnyReward, Normalizer, Precision, RewardConfig, combined, disagreement, make_reward
from imitax.settings import NonNegative, Positive, settings
from imitax.spaces import Spec
from imitax.types import Metrics, RewardInput


@settings()
class Discriminator:
    """A reward learned by telling expert from learner."""

    reward: RewardConfig = field(default_factory=RewardConfig)
    discrimination: Discrimination = field(default_factory=Discrimination)
    head: RewardHead = field(default_factory=RewardHead)
    gradient_penalty: GradientPenalty = field(default_factory=GradientPenalty)
    l2: NonNegative = 0.0
    """lambda, weight of the coupled L2 penalty on the discriminator's parameters, biases included."""
    reward_scale: Positive = 1.0
    """Factor of the policy's reward."""
    reward_optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)

    def __post_init__(self):
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

    def policy_reward(self, net: AnyReward, x: RewardInput) -> Float[Array, "B"]:
        """The reward that the policy gets."""
        return self.reward_scale * combined(net, lambda one: self.head(one(x)))

    def disagreement(self, net: AnyReward, x: RewardInput) -> Metrics:
        """How much the members of an ensemble differ in it; nothing of a single reward."""
        return disagreement(net, lambda one: self.reward_scale * self.head(one(x)))


def create_reward(
    cfg: RewardConfig, spec: Spec, terminal: Terminal, gamma: float, key: PRNGKeyArray, precision: Precision
) -> AnyReward:
    """A reward network, or several, that see the end as `terminal` says."""
    end = {"flagged": terminal.flagged, "absorbing": terminal.samples_absorbing}
    return make_reward(cfg, spec=spec, gamma=gamma, key=key, precision=precision, **end)


def learned_reward(
    net: Learner[AnyReward], normalizer: Normalizer, terminal: Terminal, cfg: Discriminator
) -> LearnedReward:
    """The reward of a state, without shaping and log-policy terms, on raw observations."""
    return LearnedReward(normalizer, net.net, terminal, cfg.head, cfg.reward_scale)
