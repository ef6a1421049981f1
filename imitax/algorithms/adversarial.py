"""Adversarial imitation: a discriminator tells expert from learner, and its logit is the learner's reward.

    discriminator  min_h  loss(h; expert, learner) + gradient penalty(h) + lambda sum(theta^2) / 2
    reward         r = scale * head(h)
    policy         soft actor-critic on r

One agent whose configuration spans the family; a preset reproduces each method:

    gail    Ho and Ermon 2016, arXiv:1606.03476            dac    Kostrikov et al. 2019, arXiv:1809.02925
    airl    Fu et al. 2018, arXiv:1710.11248               fairl  Ghasemipour et al. 2020, arXiv:1911.02256
    gaifo   Torabi et al. 2019, arXiv:1807.06158           hype   Ren et al. 2024, arXiv:2402.08848
    cleanil the reference system's "GAIL": a linear (Wasserstein) loss with a hinge gradient penalty

Order of one update: discriminator (`reward_updates` times), then critic, policy, temperature, target on a batch of its
own whose rewards are computed by the new discriminator.

Differs from the papers: all learn their policy by soft actor-critic from a replay of everything that the learner
did (GAIL, AIRL and GAIfO: on-policy TRPO or PPO; DAC: TD3), without correcting for its age. AIRL's discriminator is
`f(s, a, s') - log pi(a|s)` with the current policy; the policy's reward is f alone, and the entropy bonus of soft
actor-critic stands for the other term: at alpha = 1 the objective is AIRL's.
"""

from dataclasses import dataclass, replace

import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from imitax.choices import actor_critic, reward_learning
from imitax.choices.actor_critic import CLEANIL, ActorCritic, ImitationConfig, explorer, improve, policy, soft_q_loss
from imitax.choices.discriminator import Discrimination, RewardHead
from imitax.choices.gradient_penalty import GradientPenalty
from imitax.choices.reward_learning import RewardLearningConfig, learned_reward, paid, policy_reward, reward_loss
from imitax.choices.temperature import Temperature
from imitax.choices.terminal import Terminal
from imitax.errors import ConfigError, require_positive
from imitax.learner import Learner, OptimizerConfig
from imitax.networks import CriticConfig, Normalizer, Reward, RewardConfig, TanhGaussian
from imitax.types import Batch, Metrics, Spec, Transition, concat, part

__all__ = ["PRESETS", "Config", "State", "explorer", "init", "policy", "reward", "update"]


@dataclass(frozen=True)
class Config(RewardLearningConfig, ImitationConfig):
    """Adversarial imitation."""

    subtract_log_policy: bool = False
    """The discriminator's logit is h - log pi(a|s) (AIRL)."""
    reward_updates: int = 1
    """Discriminator steps in an update, each on a batch of its own."""
    expert_share: float = 0.5
    """Share of demonstrations in the batch that critic and policy learn from (0: DAC; 0.5: CleanIL, HyPE)."""

    def __post_init__(self):
        RewardLearningConfig.__post_init__(self)
        ImitationConfig.__post_init__(self)
        if not 0 <= self.expert_share < 1:
            raise ConfigError(f"expert_share must lie in [0, 1), got {self.expert_share}")
        if round(self.expert_share * self.batch_size) == self.batch_size:
            raise ConfigError(
                f"expert_share={self.expert_share} of batch_size={self.batch_size} leaves the learner's data no row: "
                "lower it, or enlarge the batch"
            )
        require_positive(self, "reward_updates")
        if self.subtract_log_policy and self.discrimination.kind in ("linear", "least_squares", "mixup"):
            raise ConfigError(
                "subtract_log_policy is AIRL's form of the cross-entropy logit, not of "
                f"discrimination.kind={self.discrimination.kind}"
            )
        if self.subtract_log_policy and self.head.kind != "logit":
            raise ConfigError(
                f"head.kind={self.head.kind} reads h as the whole logit, and subtract_log_policy takes log pi(a|s) off "
                "it: use head.kind=logit"
            )

    @property
    def rows(self) -> int:
        """Transitions of each kind that an update is given."""
        return self.batch_size * (self.reward_updates + 1)

    @property
    def needs_actions(self) -> bool:
        """Whether demonstrations must have actions."""
        return self.reward.inputs == "state_action" or self.subtract_log_policy or self.expert_share > 0


_PAPER = Config(
    average=0.0,
    critic=CriticConfig(),
    terminal=Terminal("mask"),
    expert_share=0.0,
    reward=RewardConfig(activation="tanh", bound=None),
    gradient_penalty=GradientPenalty(kind="none"),
)
_CLEANIL = Config(
    average=0.0,
    reward=RewardConfig(hidden=(256, 256, 256), activation="silu", bound=10.0, bound_kind="clip"),
    discrimination=Discrimination(kind="linear"),
    gradient_penalty=GradientPenalty(kind="hinge", weight=10.0, margin=1.0, norm="linf"),
    l2=1e-5,
    expert_share=0.5,
    normalize_obs=False,
    warmup_steps=2000,
    terminal=Terminal("reward_flag"),
    **CLEANIL,
    reward_optimizer=OptimizerConfig(lr=3e-4, clip=1000.0),
)

PRESETS = {
    "default": Config(),
    "cleanil": _CLEANIL,
    "gail": replace(_PAPER, head=RewardHead("gail")),
    "dac": replace(
        _PAPER, terminal=Terminal("absorbing"), gradient_penalty=GradientPenalty("two_sided", weight=10.0, margin=1.0)
    ),
    "airl": replace(
        _PAPER,
        reward=replace(_PAPER.reward, inputs="state", shaping=True),
        subtract_log_policy=True,
        temperature=Temperature("fixed", initial=1.0),
    ),
    "fairl": replace(
        _PAPER, head=RewardHead("fairl"), gradient_penalty=GradientPenalty("two_sided", weight=10.0, margin=1.0)
    ),
    "gaifo": replace(_PAPER, reward=replace(_PAPER.reward, inputs="state_next"), head=RewardHead("gail")),
    "hype": replace(
        _PAPER,
        discrimination=Discrimination(kind="linear"),
        gradient_penalty=GradientPenalty("two_sided", weight=10.0, margin=1.0),
        expert_share=0.5,
    ),
}
"""default: ours. cleanil: the reference system at HEAD, 3x256. The others are the papers named above, their policies
learned by soft actor-critic."""


class State(ActorCritic):
    """Everything that training changes."""

    reward: Learner[Reward]


def init(cfg: Config, spec: Spec, normalizer: Normalizer, key: PRNGKeyArray) -> State:
    """A state before its first update."""
    ka, kr = jr.split(key)
    agent = actor_critic.create(cfg, spec, normalizer, ka)
    return State(**actor_critic.fields(agent), reward=reward_learning.create(cfg, spec, kr))


def log_policy(actor: TanhGaussian, expert: Transition, learner: Transition) -> Float[Array, "N"]:
    """`log pi(a|s)` of expert and learner transitions; zero in the absorbing state."""
    both = concat(expert, learner)
    return actor.log_prob(both.obs, both.action) * (1.0 - both.absorbing)


def update(state: State, batch: Batch, cfg: Config, key: PRNGKeyArray) -> tuple[State, Metrics]:
    """One update: `reward_updates` batches for the discriminator, one for the policy."""
    data = state.normalizer.batch(batch)
    assert data.expert is not None
    assert data.replay is not None
    kr, kc, ka = jr.split(key, 3)
    n = cfg.batch_size
    learner, metrics = state.reward, {}
    for i in range(cfg.reward_updates):
        expert, replay = (part(t, i * n, (i + 1) * n) for t in (data.expert, data.replay))
        logp = log_policy(state.actor.net, expert, replay) if cfg.subtract_log_policy else 0.0
        learner, metrics = learner.descend(reward_loss, expert, replay, cfg, jr.fold_in(kr, i), logp)

    n_expert, first = round(cfg.expert_share * n), len(data.replay.obs) - n
    mixed = part(data.replay, first, first + n - n_expert)
    if n_expert:
        mixed = concat(part(data.expert, first, first + n_expert), mixed)
    mixed, end = paid(learner.net, mixed, cfg)
    critic, mc = state.critic.descend(soft_q_loss, state, mixed, end, cfg, kc)
    new, ma = improve(state, critic, mixed, cfg, ka)
    metrics |= {"reward_learner": mixed.reward[n_expert:].mean()} | mc | ma
    if cfg.terminal.flagged:
        metrics["reward_absorbing"] = end
    shown = mixed.reward[:n_expert]
    if not n_expert:
        shown = policy_reward(learner.net, part(data.expert, first, first + n), cfg)
    metrics["reward_expert"] = shown.mean()
    return replace(new, reward=learner), metrics


reward = learned_reward
