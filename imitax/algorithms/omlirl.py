"""OMLIRL (Zeng et al. 2023, "When Demonstrations Meet Generative World Models: A Maximum Likelihood Framework for
Offline Inverse Reinforcement Learning", arXiv:2302.07457).

    max over r  log likelihood of the demonstrations under pi_r
    pi_r        soft-optimal for r(s, a) - lambda u(s, a) in a learned model, u the ensemble's uncertainty

The gradient in r is `E_expert[sum gamma^t dr] - E_{pi, model}[sum gamma^t dr]`: a linear discriminator between
demonstrations and rollouts in the model. Order of one update: critic, policy, temperature, target, weight of the
penalty; every `model_rollouts.every` updates a set of rollouts comes first, every `reward_every` a step of the reward
last.

Differs from the paper: reward and policy take turns at every few updates instead of solving for pi_r; the marginal
form compares single transitions with those of the ring buffer, not discounted sums (`--reward-form trajectory` does,
from demonstrated states in place of initial ones); a gradient penalty bounds the reward; the default ends episodes in
an absorbing state with a learned reward and puts demonstrations into the policy's batches. The presets `head` and
`blog` are CleanIL's at two times; its flags of the last step, and its penalty on real transitions (blog), are not
repeated.
"""

from dataclasses import field, replace
from typing import Annotated

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from imitax.agents import learned_model
from imitax.agents.actor_critic import CLEANIL, ActorCritic, SoftActorCritic, create, improve, next_value, regression
from imitax.agents.learned_model import LearnedModel, ModelConfig
from imitax.agents.model_imitation import Mixture, RewardSteps, compose, draw, reward_metrics
from imitax.agents.model_rollouts import ModelRollouts
from imitax.agents.start import Start
from imitax.algorithm import Needs, Schedule
from imitax.buffers import Buffers
from imitax.choices.discrimination import Discrimination
from imitax.choices.discriminator import Discriminator, create_reward, learned_reward
from imitax.choices.gradient_penalty import GradientPenalty
from imitax.choices.learned_reward import LearnedReward
from imitax.choices.pessimism import Pessimism
from imitax.choices.td_loss import TdLoss
from imitax.choices.temperature import Temperature
from imitax.choices.terminal import Terminal, absorbing_transition, require_one_end
from imitax.choices.weight_penalty import l2
from imitax.errors import ConfigError
from imitax.learner import Learner, OptimizerConfig
from imitax.networks import AnyReward, Critic, CriticConfig, Normalizer, Policy, Reward, RewardConfig
from imitax.networks.reward_ensemble import by_member
from imitax.settings import INLINE, settings
from imitax.types import Batch, Metrics, Transition


@settings()
class Config:
    """OMLIRL."""

    agent: Annotated[SoftActorCritic, INLINE] = SoftActorCritic(
        ema=0.9999,
        critic=CriticConfig(layer_norm=True),
        critic_optimizer=OptimizerConfig(),
        temperature=Temperature("tuned", initial=0.1),
        terminal=Terminal("absorbing"),
    )
    discriminator: Annotated[Discriminator, INLINE] = field(default_factory=Discriminator)
    model: Annotated[ModelConfig, INLINE] = ModelConfig(
        model_rollouts=ModelRollouts(horizon=10), pessimism=Pessimism("ensemble_std", weight=0.5)
    )
    mixture: Annotated[Mixture, INLINE] = field(default_factory=Mixture)
    reward_steps: Annotated[RewardSteps, INLINE] = field(default_factory=RewardSteps)
    normalize_obs: bool = True
    """Standardise observations with the statistics of demonstrations and recorded data."""

    def __post_init__(self):
        require_one_end(self.agent.terminal, "is for methods that learn from no model")
        if self.reward_steps.reward_form == "trajectory" and self.discriminator.discrimination.kind == "mixup":
            raise ConfigError(
                "reward_form=trajectory weights transitions by their discount, and discrimination.kind=mixup mixes them"
            )


_CLEANIL = replace(
    CLEANIL,
    terminal=Terminal("mask"),
    temperature=Temperature("tuned", initial=0.1),
    td_loss=TdLoss(value_clip=1000.0, clip_learned=True),
)
_CLEANIL_REWARD = Discriminator(
    reward=RewardConfig(hidden=(256, 256, 256), activation="silu", bound=10.0, bound_kind="clip"),
    discrimination=Discrimination("linear"),
    gradient_penalty=GradientPenalty("hinge", weight=10.0, margin=1.0, norm="linf"),
    l2=1e-5,
    reward_optimizer=OptimizerConfig(lr=3e-4, clip=1000.0),
)
_CLEANIL_ROLLOUTS = ModelRollouts(horizon=40, keep=1_000_000, stop_at_end=False, end_beyond=100.0)
_CLEANIL_MIXTURE = Mixture(real_share=0.5, expert_share=0.0)
_BLOG_REWARD = RewardSteps(reward_every=1000, reward_form="trajectory", reward_batch_size=6400)

PRESETS = {
    "default": Config(),
    "head": Config(
        agent=_CLEANIL,
        discriminator=_CLEANIL_REWARD,
        model=ModelConfig(model_rollouts=_CLEANIL_ROLLOUTS, pessimism=Pessimism("ensemble_std", tuned=True)),
        mixture=_CLEANIL_MIXTURE,
    ),
    "blog": Config(
        agent=replace(_CLEANIL, td_loss=TdLoss("huber"), temperature=Temperature("tuned", initial=1.0)),
        discriminator=replace(
            _CLEANIL_REWARD, discrimination=Discrimination("linear", weighted_mean="examples"), l2=1e-3
        ),
        model=ModelConfig(
            model_rollouts=replace(_CLEANIL_ROLLOUTS, expert_starts=0.0),
            pessimism=Pessimism("ensemble_std", tuned=True),
        ),
        mixture=_CLEANIL_MIXTURE,
        reward_steps=_BLOG_REWARD,
    ),
}
"""default: ours. head, blog: CleanIL's, now and as the post describes it."""


def needs(cfg: Config) -> Needs:
    """Demonstrations with actions, other recorded data, and a model."""
    return Needs(
        expert=True,
        actions=True,
        without_actions="its model is fitted to them too",
        segments=cfg.reward_steps.reward_form == "trajectory",
        offline=True,
        absorbing=cfg.agent.terminal.samples_absorbing,
        normalize_obs=cfg.normalize_obs,
        model=cfg.model,
        model_precision=cfg.agent.precision,
        demonstration_copies=cfg.mixture.demonstration_copies,
    )


def schedule(cfg: Config) -> Schedule:
    """One update a step, and steps of the reward now and then."""
    return Schedule(cfg.mixture.batch_size, turns=((cfg.reward_steps.reward_every, reward_turn),))


class State(eqx.Module):
    """Agent, model and reward network."""

    agent: ActorCritic
    model: LearnedModel
    discriminator: Learner[AnyReward]
    normalizer: Normalizer


def init(cfg: Config, start: Start) -> State:
    """A state before its first update."""
    ka, kr = jr.split(start.key)
    parts, agent = cfg.discriminator, cfg.agent
    net = create_reward(parts.reward, start.spec, agent.terminal, agent.gamma, kr, agent.precision)
    return State(
        agent=create(agent, start, ka),
        model=learned_model.create(cfg.model, start),
        discriminator=Learner.create(net, parts.reward_optimizer),
        normalizer=start.normalizer,
    )


def reward_loss(
    net: Reward,
    expert: Transition,
    rollouts: Transition,
    weights: tuple[Float[Array, "B"], Float[Array, "B"]] | None,
    cfg: Config,
    key: PRNGKeyArray,
) -> tuple[Float[Array, ""], Metrics]:
    """Discrimination, gradient penalty and weight penalty, on as many transitions of expert and model.

    Args:
        net: that the gradient is for.
        expert, rollouts: with normalised observations.
        weights: of both in the discrimination, 0 where a row does not count; None weighs all alike.
        cfg: of the algorithm.
        key: of dropout, mixup and the penalty's points.
    """
    kd, kl, kp = jr.split(key, 3)
    x_expert, x_rollouts = (cfg.agent.terminal.reward_input(t) for t in (expert, rollouts))
    parts = cfg.discriminator
    loss, metrics = parts.discrimination(lambda x: net(x, kd) - 0.0, x_expert, x_rollouts, kl, weights)
    penalty, norm = parts.gradient_penalty(net, x_expert, x_rollouts, kp, weights)
    decay = parts.l2 * l2(net) if parts.l2 else jnp.zeros(())
    return loss + penalty + decay, metrics | norm | {"discriminator_loss": loss, "penalty": penalty}


def reward_turn(state: State, buffers: Buffers, cfg: Config, key: PRNGKeyArray) -> tuple[State, Metrics]:
    """`reward_steps` steps of the reward; metrics of the last one."""
    learner, metrics = state.discriminator, {}
    end = (cfg.agent.terminal, cfg.agent.gamma)
    for i in range(cfg.reward_steps.reward_steps):
        kd, kl = jr.split(jr.fold_in(key, i))
        pairs = draw(cfg.reward_steps, (state.model, cfg.model), explorer(state), end, buffers, kd)
        expert, rollouts = (state.normalizer.transition(t) for t in pairs[:2])
        learner, metrics = learner.descend(by_member(reward_loss), expert, rollouts, pairs[2], cfg, kl)
    return replace(state, discriminator=learner), metrics


def reward_of(net: AnyReward, t: Transition, cfg: Config) -> Float[Array, "B"]:
    """The policy's reward for transitions with normalised observations."""
    return cfg.discriminator.policy_reward(net, cfg.agent.terminal.reward_input(t))


def critic_loss(
    critic: Critic, agent: ActorCritic, t: Transition, end: Float[Array, ""], cfg: Config, key: PRNGKeyArray
) -> tuple[Float[Array, ""], Metrics]:
    """Soft temporal-difference loss of all critics; `end` is the reward of the absorbing state."""
    y = t.reward + cfg.agent.gamma * next_value(agent, t, cfg.agent, key, end)
    return regression(critic, t, y, cfg.agent)


def update(state: State, batch: Batch, cfg: Config, key: PRNGKeyArray) -> tuple[State, Metrics]:
    """One update of the policy, by the current reward less the current penalty on uncertainty."""
    data = state.normalizer.batch(batch)
    assert data.expert is not None
    assert data.offline is not None
    assert data.rollouts is not None
    kc, ka = jr.split(key)
    expert, real, rollouts = (replace(t, reward=jnp.zeros(len(t))) for t in (data.expert, data.offline, data.rollouts))
    penalised, penalty = learned_model.penalised(state.model, rollouts, cfg.model)
    mix = compose(cfg.mixture, expert, real, penalised)
    rewards = reward_of(state.discriminator.net, mix, cfg)
    end = reward_of(state.discriminator.net, absorbing_transition(state.agent.actor.net.spec), cfg)[0]
    mix = replace(mix, reward=rewards + mix.reward)
    critic, mc = state.agent.critic.descend(critic_loss, state.agent, mix, end, cfg, kc)
    agent, ma = improve(replace(state.agent, critic=critic), mix, cfg.agent, ka)
    model, mp = learned_model.tune_penalty(state.model, data.rollouts, cfg.model)
    metrics = {"model_penalty": penalty.mean()} | reward_metrics(cfg.mixture, rewards, end, cfg.agent.terminal)
    metrics |= cfg.discriminator.disagreement(state.discriminator.net, cfg.agent.terminal.reward_input(mix))
    return State(agent, model, state.discriminator, state.normalizer), mc | ma | mp | metrics


def policy(state: State) -> Policy:
    """The policy that a run evaluates and saves."""
    return Policy(state.normalizer, state.agent.ema)


def explorer(state: State) -> Policy:
    """The policy that acts in training."""
    return Policy(state.normalizer, state.agent.actor.net)


def reward(state: State, cfg: Config) -> LearnedReward:
    """The learned reward, on raw observations."""
    return learned_reward(state.discriminator, state.normalizer, cfg.agent.terminal, cfg.discriminator)
