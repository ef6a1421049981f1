"""RMIRL (Wei et al. 2023, "A Bayesian Approach to Robust Inverse Reinforcement Learning", arXiv:2309.08571).

    reward  max over r  likelihood of the demonstrations, as OMLIRL
    policy  max         soft actor-critic on r in the model
    model   min         w E[A log p(s' | s, a)] / D + loss of the data,  A the policy's advantage, normalised

The expert is taken to plan in a model of its own, which is more right the larger the weight of the data: a robust
reward is the one under the worst such model. Order of one update as OMLIRL's, without a penalty; every
`adversary.every` updates a phase of model steps comes before the reward's turn.

Differs from the paper: the reward's two forms and the defaults for the end and the batches are OMLIRL's here; the
model's loss is a sum over its members. Differs from CleanIL: the scalers of the model's inputs stay as
they were fitted (there they are fitted anew in each phase), rollouts of policy and model share one stop rule, and
actions in rollouts are sampled in all presets.
"""

# Over 250 lines: the losses of reward, critic and adversarial model, and their steps between chunks.

from dataclasses import field, replace
from typing import Annotated

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from imitax.agents import learned_model
from imitax.agents.actor_critic import CLEANIL, ActorCritic, SoftActorCritic, create, improve, next_value, regression
from imitax.agents.adversarial_model import AdversarialModel, adversarial_phase
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
    """RMIRL."""

    agent: Annotated[SoftActorCritic, INLINE] = SoftActorCritic(
        ema=0.9999,
        critic=CriticConfig(layer_norm=True, zero_head=True),
        critic_optimizer=OptimizerConfig(),
        temperature=Temperature("tuned", initial=0.1),
        terminal=Terminal("absorbing"),
    )
    discriminator: Annotated[Discriminator, INLINE] = field(default_factory=Discriminator)
    model: Annotated[ModelConfig, INLINE] = ModelConfig(
        model_rollouts=ModelRollouts(horizon=10), pessimism=Pessimism("none")
    )
    mixture: Annotated[Mixture, INLINE] = field(default_factory=Mixture)
    reward_steps: Annotated[RewardSteps, INLINE] = field(default_factory=RewardSteps)
    adversary: AdversarialModel = field(default_factory=AdversarialModel)
    adversary_entropy: bool = True
    """The value of the next state in A has its entropy bonus."""
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
    critic=replace(CLEANIL.critic, zero_head=True),
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
_CLEANIL_MODEL = ModelConfig(
    model_rollouts=ModelRollouts(horizon=40, keep=1_000_000, stop_at_end=False, end_beyond=100.0),
    pessimism=Pessimism("none"),
)
_CLEANIL_MIXTURE = Mixture(real_share=0.5, expert_share=0.0)
_BLOG_REWARD = RewardSteps(reward_every=1000, reward_form="trajectory", reward_batch_size=6400)

PRESETS = {
    "default": Config(),
    "head": Config(
        agent=_CLEANIL,
        discriminator=_CLEANIL_REWARD,
        model=_CLEANIL_MODEL,
        mixture=_CLEANIL_MIXTURE,
        adversary=AdversarialModel(weight=0.05, horizon=40, optimizer=OptimizerConfig(lr=1e-4)),
    ),
    "blog": Config(
        agent=replace(_CLEANIL, critic=CLEANIL.critic, td_loss=TdLoss("huber")),
        discriminator=replace(
            _CLEANIL_REWARD, discrimination=Discrimination("linear", weighted_mean="examples"), l2=1e-3
        ),
        model=_CLEANIL_MODEL,
        mixture=_CLEANIL_MIXTURE,
        adversary=AdversarialModel(weight=0.1, horizon=40, optimizer=OptimizerConfig(lr=1e-4)),
        adversary_entropy=False,
        reward_steps=_BLOG_REWARD,
    ),
}
"""default: ours. head, blog: CleanIL's, now and as the post describes it (whose HalfCheetah runs had --terminal.kind
closed_form besides)."""


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
    """One update a step; phases of the adversarial model and steps of the reward now and then."""
    turns = ((cfg.adversary.every, model_turn), (cfg.reward_steps.reward_every, reward_turn))
    return Schedule(cfg.mixture.batch_size, turns=turns)


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
        model=learned_model.create(cfg.model, start, cfg.adversary.optimizer),
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


def advantage(state: State, t: Transition, cfg: Config, key: PRNGKeyArray) -> Float[Array, "B"]:
    """`r + gamma V(s') - Q(s, a)` by the critics themselves."""
    critic, end = state.agent.critic.net, absorbing_transition(state.agent.actor.net.spec)
    absorbing_reward = reward_of(state.discriminator.net, end, cfg)[0]
    agent = replace(state.agent, target=critic)
    v_next = next_value(agent, t, cfg.agent, key, absorbing_reward, cfg.adversary_entropy)
    q = cfg.agent.td_loss.clip(critic(t.obs, t.action).min(0))
    return reward_of(state.discriminator.net, t, cfg) + cfg.agent.gamma * v_next - q


def model_turn(state: State, buffers: Buffers, cfg: Config, key: PRNGKeyArray) -> tuple[State, Metrics]:
    """A phase of model steps against the current policy."""
    dynamics, metrics = adversarial_phase(
        state.model.dynamics,
        (cfg.adversary, cfg.model),
        explorer(state),
        lambda t, k: advantage(state, t, cfg, k),
        buffers,
        key,
    )
    return replace(state, model=replace(state.model, dynamics=dynamics)), metrics


def policy(state: State) -> Policy:
    """The policy that a run evaluates and saves."""
    return Policy(state.normalizer, state.agent.ema)


def explorer(state: State) -> Policy:
    """The policy that acts in training."""
    return Policy(state.normalizer, state.agent.actor.net)


def reward(state: State, cfg: Config) -> LearnedReward:
    """The learned reward, on raw observations."""
    return learned_reward(state.discriminator, state.normalizer, cfg.agent.terminal, cfg.discriminator)
