"""Adversarial imitation: a discriminator tells expert from learner, and its logit is the learner's reward.

    discriminator  min_h  loss(h; expert, learner) + gradient penalty(h) + lambda sum(theta^2) / 2
    reward         r = scale * head(h)
    policy         soft actor-critic on r

One agent whose configuration spans the family; a preset reproduces each method:

    gail    Ho and Ermon 2016, arXiv:1606.03476            dac    Kostrikov et al. 2019, arXiv:1809.02925
    airl    Fu et al. 2018, arXiv:1710.11248               fairl  Ghasemipour et al. 2020, arXiv:1911.02256
    gaifo   Torabi et al. 2019, arXiv:1807.06158           hype   Ren et al. 2024, arXiv:2402.08848
    cleanil CleanIL's "GAIL": a linear (Wasserstein) loss with a hinge gradient penalty

Order of one update: discriminator (`reward_updates` times), then critic, policy, temperature, target on a batch of its
own whose rewards are computed by the new discriminator.

Differs from the papers: all learn their policy by soft actor-critic from a replay of everything that the learner
did (GAIL, AIRL and GAIfO: on-policy TRPO or PPO; DAC: TD3), without correcting for its age. AIRL's discriminator is
`f(s, a, s') - log pi(a|s)` with the current policy; the policy's reward is f alone, and the entropy bonus stands for
the other term: at alpha = 1 the objective is AIRL's. What else its preset differs in is in docs/adversarial.md.
"""
# Over 250 lines: one configuration spans eight papers, and the presets that say how fill forty of them.

from dataclasses import field, replace
from typing import Annotated

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from imitax.agents.actor_critic import CLEANIL, ActorCritic, SoftActorCritic, create, improve, next_value, regression
from imitax.agents.log_policy import LogPolicy
from imitax.agents.replay import Replay
from imitax.agents.start import Start
from imitax.algorithm import Needs, Schedule
from imitax.choices.discrimination import Discrimination, RewardHead
from imitax.choices.discriminator import Discriminator, create_reward, learned_reward
from imitax.choices.gradient_penalty import GradientPenalty
from imitax.choices.learned_reward import LearnedReward
from imitax.choices.td_loss import within_rewards
from imitax.choices.temperature import Temperature
from imitax.choices.terminal import Terminal, absorbing_transition, require_one_end
from imitax.choices.weight_penalty import l2
from imitax.errors import ConfigError
from imitax.learner import Learner, OptimizerConfig
from imitax.networks import (
    AnyReward,
    Critic,
    CriticConfig,
    Normalizer,
    Policy,
    PolicyConfig,
    PolicyHead,
    Reward,
    RewardConfig,
)
from imitax.networks.reward_ensemble import by_member
from imitax.settings import INLINE, Count, ShareAboveZero, ShareBelowOne, settings
from imitax.types import Batch, Metrics, Transition, concat, part


@settings()
class Config:
    """Adversarial imitation."""

    agent: Annotated[SoftActorCritic, INLINE] = SoftActorCritic(
        ema=0.99999,
        ema_share=0.2,
        critic=CriticConfig(layer_norm=True),
        critic_optimizer=OptimizerConfig(),
        terminal=Terminal("absorbing"),
        temperature=Temperature("fixed", initial=0.01),
        finite_loss="regression",
    )
    discriminator: Annotated[Discriminator, INLINE] = field(default_factory=Discriminator)
    replay: Annotated[Replay, INLINE] = Replay(warmup_steps=2000)
    batch_size: Count = 256
    """Transitions in an update."""
    normalize_obs: bool = True
    """Standardise observations with the statistics of the training demonstrations."""
    log_policy: Annotated[LogPolicy, INLINE] = LogPolicy()
    reward_updates: Count = 1
    """Discriminator steps in an update, each on a batch of its own."""
    expert_share: ShareBelowOne = 0.5
    """Share of demonstrations in the batch that critic and policy learn from (0: DAC; 0.5: CleanIL, HyPE)."""
    bound_targets: bool = False
    """Keep the critic's targets between the smallest and the largest reward of the batch, divided by 1 - gamma. Values
    of demonstrated states to which the policy never comes can grow far beyond."""
    horizon_share: ShareAboveZero | None = 0.2
    """Where the environment's time limit is within the horizon 1 / (1 - gamma) and no demonstration terminates, the
    horizon becomes this share of the limit, or 10 steps if that is more. None leaves gamma as it is."""
    stay_share: ShareBelowOne | None = 0.5
    """Where more than this share of the demonstrations terminates, terminal.kind=absorbing, given or not, becomes stay,
    which tells ends apart. None leaves it as it is."""

    def __post_init__(self):
        if round(self.expert_share * self.batch_size) == self.batch_size:
            raise ConfigError(
                f"expert_share={self.expert_share} of batch_size={self.batch_size} leaves no transition of the "
                "learner: lower it, or enlarge the batch"
            )
        if self.bound_targets and self.agent.gamma == 1:
            raise ConfigError("bound_targets needs gamma below 1: the bound is a reward divided by 1 - gamma")
        if self.log_policy.subtract_log_policy:
            require_one_end(self.agent.terminal, "shows ends without the actions that subtract_log_policy compares")
        if self.discriminator.reward.shaping:
            require_one_end(self.agent.terminal, "shows no step into the end, which reward.shaping needs")
        self.log_policy.require(self.discriminator)


_TWO_SIDED = GradientPenalty("two_sided", weight=10.0, margin=1.0)
_NET = RewardConfig(activation="tanh", bound=None)
_PENALISED = Discriminator(_NET, gradient_penalty=_TWO_SIDED)
_PAPER = Config(
    agent=SoftActorCritic(critic_optimizer=OptimizerConfig()),
    discriminator=Discriminator(reward=_NET, gradient_penalty=GradientPenalty("none")),
    expert_share=0.0,
    horizon_share=None,
    stay_share=None,
)

PRESETS = {
    "default": Config(),
    "cleanil": Config(
        agent=replace(CLEANIL, terminal=Terminal("reward_flag")),
        discriminator=Discriminator(
            reward=RewardConfig(hidden=(256, 256, 256), activation="silu", bound=10.0, bound_kind="clip"),
            discrimination=Discrimination("linear"),
            gradient_penalty=GradientPenalty("hinge", weight=10.0, margin=1.0, norm="linf"),
            l2=1e-5,
            reward_optimizer=OptimizerConfig(lr=3e-4, clip=1000.0),
        ),
        normalize_obs=False,
        horizon_share=None,
        stay_share=None,
    ),
    "gail": replace(_PAPER, discriminator=replace(_PAPER.discriminator, head=RewardHead("gail"))),
    "dac": replace(
        _PAPER,
        agent=replace(Config().agent, temperature=Temperature()),
        discriminator=Discriminator(replace(_NET, bound=3.0), gradient_penalty=replace(_TWO_SIDED, inputs="observed")),
    ),
    "airl": replace(
        _PAPER,
        agent=replace(
            Config().agent, temperature=Temperature("fixed", initial=0.1), policy=PolicyConfig(action_clip=0.01)
        ),
        discriminator=Discriminator(
            replace(_NET, inputs="state", shaping=True, bound=10.0), gradient_penalty=GradientPenalty(inputs="observed")
        ),
        log_policy=LogPolicy(subtract_log_policy=True, log_policy_bound=3.0),
        expert_share=0.5,
    ),
    "fairl": replace(_PAPER, discriminator=replace(_PENALISED, head=RewardHead("fairl"))),
    "gaifo": replace(
        _PAPER,
        discriminator=replace(_PAPER.discriminator, reward=replace(_NET, inputs="state_next"), head=RewardHead("gail")),
    ),
    "hype": replace(
        _PAPER, discriminator=replace(_PENALISED, discrimination=Discrimination("linear")), expert_share=0.5
    ),
}
"""default: ours. cleanil: CleanIL at HEAD, 3x256. The others are the papers named above, with soft actor-critic."""


def needs(cfg: Config) -> Needs:
    """Demonstrations, whose actions count unless only states are compared, and an environment."""
    terminal, log_policy = cfg.agent.terminal, cfg.log_policy.subtract_log_policy
    can_stay = terminal.kind == "absorbing" and not (log_policy or cfg.discriminator.reward.shaping)
    seen = cfg.discriminator.reward.inputs == "state_action" or log_policy or cfg.expert_share > 0
    return Needs(
        box_only="",
        expert=True,
        actions=seen,
        without_actions="it sees them but for reward.inputs=state_next and expert_share=0 (preset gaifo)",
        horizon_share=cfg.horizon_share,
        stay_share=cfg.stay_share if can_stay else None,
        ends=terminal.kind == "stay",
        env=True,
        absorbing=terminal.samples_absorbing,
        normalize_obs=cfg.normalize_obs,
    )


def schedule(cfg: Config) -> Schedule:
    """Batches for each step of the discriminator and one for the policy."""
    return Schedule(cfg.batch_size * (cfg.reward_updates + 1), cfg.replay.warmup_steps, cfg.replay.buffer_size)


class State(eqx.Module):
    """Agent and discriminator."""

    agent: ActorCritic
    discriminator: Learner[AnyReward]
    normalizer: Normalizer


def init(cfg: Config, start: Start) -> State:
    """A state before its first update."""
    ka, kr = jr.split(start.key)
    parts, agent = cfg.discriminator, cfg.agent
    net = create_reward(parts.reward, start.spec, agent.terminal, agent.gamma, kr, agent.precision)
    return State(create(agent, start, ka), Learner.create(net, parts.reward_optimizer), start.normalizer)


def discriminator_loss(
    net: Reward, actor: PolicyHead, expert: Transition, learner: Transition, cfg: Config, key: PRNGKeyArray
) -> tuple[Float[Array, ""], Metrics]:
    """Discrimination, gradient penalty and weight penalty, on as many transitions of expert and learner."""
    (kd, kl, kp), parts = jr.split(key, 3), cfg.discriminator
    x_expert, x_learner = (cfg.agent.terminal.reward_input(t) for t in (expert, learner))
    logp = cfg.log_policy(actor, expert, learner)
    loss, metrics = parts.discrimination(lambda x: net(x, kd) - logp, x_expert, x_learner, kl)
    penalty, norm = parts.gradient_penalty(net, x_expert, x_learner, kp)
    decay = parts.l2 * l2(net) if parts.l2 else jnp.zeros(())
    return loss + penalty + decay, metrics | norm | {"discriminator_loss": loss, "penalty": penalty}


def reward_of(net: AnyReward, t: Transition, cfg: Config) -> Float[Array, "B"]:
    """The policy's reward for transitions with normalised observations."""
    return cfg.discriminator.policy_reward(net, cfg.agent.terminal.reward_input(t))


def critic_loss(
    critic: Critic, agent: ActorCritic, t: Transition, end: Float[Array, ""], cfg: Config, key: PRNGKeyArray
) -> tuple[Float[Array, ""], Metrics]:
    """Soft temporal-difference loss of all critics; `end` is the reward of the absorbing state."""
    y = t.reward + cfg.agent.gamma * next_value(agent, t, cfg.agent, key, end)
    if cfg.bound_targets:
        rewards = jnp.append(t.reward, end) if cfg.agent.terminal.samples_absorbing else t.reward
        y = within_rewards(y, rewards, cfg.agent.gamma)
    return regression(critic, t, y, cfg.agent)


def update(state: State, batch: Batch, cfg: Config, key: PRNGKeyArray) -> tuple[State, Metrics]:
    """One update: `reward_updates` batches for the discriminator, one for the policy."""
    data = state.normalizer.batch(batch)
    assert data.expert is not None
    assert data.replay is not None
    kr, kc, ka = jr.split(key, 3)
    n, actor = cfg.batch_size, state.agent.actor.net
    discriminator, metrics = state.discriminator, {}
    for i in range(cfg.reward_updates):
        expert, replay = (part(t, i * n, (i + 1) * n) for t in (data.expert, data.replay))
        key = jr.fold_in(kr, i)
        discriminator, metrics = discriminator.descend(by_member(discriminator_loss), actor, expert, replay, cfg, key)

    n_expert, first = round(cfg.expert_share * n), len(data.replay) - n
    mixed = part(data.replay, first, first + n - n_expert)
    if n_expert:
        mixed = concat(part(data.expert, first, first + n_expert), mixed)
    mixed = replace(mixed, reward=reward_of(discriminator.net, mixed, cfg))
    end = reward_of(discriminator.net, absorbing_transition(actor.spec), cfg)[0]
    critic, mc = state.agent.critic.descend(critic_loss, state.agent, mixed, end, cfg, kc)
    agent, ma = improve(replace(state.agent, critic=critic), mixed, cfg.agent, ka)
    expert_reward = mixed.reward[:n_expert]
    if not n_expert:
        expert_reward = reward_of(discriminator.net, part(data.expert, first, first + n), cfg)
    metrics |= {"reward_learner": mixed.reward[n_expert:].mean(), "reward_expert": expert_reward.mean()}
    several = cfg.discriminator.disagreement(discriminator.net, cfg.agent.terminal.reward_input(mixed))
    metrics |= several | ({"reward_absorbing": end} if cfg.agent.terminal.has_one_end else {})
    return State(agent, discriminator, state.normalizer), metrics | mc | ma


def policy(state: State) -> Policy:
    """The policy that a run evaluates and saves."""
    return Policy(state.normalizer, state.agent.ema)


def explorer(state: State) -> Policy:
    """The policy that acts in training."""
    return Policy(state.normalizer, state.agent.actor.net)


def reward(state: State, cfg: Config) -> LearnedReward:
    """The learned reward, without shaping and log-policy terms, on raw observations."""
    return learned_reward(state.discriminator, state.normalizer, cfg.agent.terminal, cfg.discriminator)
