"""RMIRL-implicit: robust imitation in an adversarial model, with the reward that its critic implies.

    critic  min_Q  E_B[Q(s, a)] - E_E[Q(s, a)] + v (E_E[Q(s, pi)] - E_E[Q(s, a)])
                   + w E_{(E + B) / 2}[(Q(s, a) - gamma V(s'))^2]  + gradient penalty
    policy  max    E[Q(s, pi) - alpha log pi]
    model   min    u E[A log p(s' | s, a)] / D + loss of the data,  A = gamma V(s') - Q(s, a), normalised

E are demonstrations, B model transitions. CleanIL's third model-based method: the critic of ReCOIL
(Sikchi et al. 2024, arXiv:2302.08560, chi-square divergence) in the model of RMIRL (Wei et al. 2023, arXiv:2309.08571);
there is no paper of its own. Order of one update: critic, policy, temperature, target; every
`model_rollouts.every` updates a set of rollouts comes first, every `adversary.every` a phase of model steps last.

Differs from CleanIL: the default gives the end a state of its own, there no episode ends (`head` keeps
that); B is model and recorded data in the shares of the batch, there model data alone (`head`).
"""

from dataclasses import field, replace
from typing import Annotated

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from imitax.agents import learned_model
from imitax.agents.actor_critic import (
    CLEANIL,
    ActorCritic,
    SoftActorCritic,
    create,
    critic_mask,
    improve,
    masked_mean,
    next_value,
)
from imitax.agents.adversarial_model import AdversarialModel, adversarial_phase
from imitax.agents.implied_reward import half_means, implied, policy_actions, step_share
from imitax.agents.learned_model import LearnedModel, ModelConfig
from imitax.agents.model_imitation import Mixture, compose
from imitax.agents.model_rollouts import ModelRollouts
from imitax.agents.start import Start
from imitax.algorithm import Needs, Schedule
from imitax.buffers import Buffers
from imitax.choices.critic_penalty import critic_penalty
from imitax.choices.gradient_penalty import GradientPenalty
from imitax.choices.pessimism import Pessimism
from imitax.choices.td_loss import TdLoss
from imitax.choices.temperature import Temperature
from imitax.choices.terminal import Terminal, require_implied_rewards
from imitax.errors import ConfigError
from imitax.learner import OptimizerConfig
from imitax.networks import Critic, CriticConfig, Normalizer, Policy
from imitax.settings import INLINE, NonNegative, settings
from imitax.types import Batch, Metrics, Transition, concat, part


@settings()
class Config:
    """RMIRL-implicit."""

    agent: Annotated[SoftActorCritic, INLINE] = SoftActorCritic(
        ema=0.9999,
        critic=CriticConfig(layer_norm=True, zero_head=True),
        critic_optimizer=OptimizerConfig(),
        td_loss=TdLoss(value_clip=1000.0),
        temperature=Temperature("fixed", initial=0.1),
        terminal=Terminal("absorbing"),
    )
    model: Annotated[ModelConfig, INLINE] = ModelConfig(
        model_rollouts=ModelRollouts(horizon=10), pessimism=Pessimism("none")
    )
    mixture: Annotated[Mixture, INLINE] = Mixture(batch_size=128, real_share=0.25, expert_share=0.0)
    """Of the transitions that are told apart from as many demonstrated ones."""
    adversary: AdversarialModel = field(default_factory=AdversarialModel)
    policy_weight: NonNegative = 1.0
    """v, weight of the contrast between the expert's actions and the policy's in demonstrated states."""
    td_weight: NonNegative = 0.5
    """w, weight of the squared implied rewards."""
    gradient_penalty: GradientPenalty = GradientPenalty("hinge", weight=10.0, margin=600.0, at="both", norm="linf")
    """Of the critics, at demonstrated and at other transitions."""
    normalize_obs: bool = True
    """Standardise observations with the statistics of demonstrations and recorded data."""

    def __post_init__(self):
        require_implied_rewards(self.agent.terminal)
        if self.model.pessimism.kind != "none":
            raise ConfigError("rmirl_implicit has no reward to take a penalty from: leave pessimism.kind none")
        if self.td_weight == 0:
            raise ConfigError("td_weight=0 leaves the level of Q open, and nothing carries value along: give td_weight")


PRESETS = {
    "default": Config(),
    "head": Config(
        agent=replace(
            CLEANIL,
            critic=replace(CLEANIL.critic, zero_head=True),
            critic_optimizer=OptimizerConfig(lr=3e-4, decay_to=1e-5, decay_steps=300_000, clip=1000.0),
            td_loss=TdLoss(value_clip=1000.0),
            temperature=Temperature("fixed", initial=0.1),
            terminal=Terminal("none"),
        ),
        model=ModelConfig(
            model_rollouts=ModelRollouts(horizon=20, keep=1_000_000, stop_at_end=False, end_beyond=100.0),
            pessimism=Pessimism("none"),
        ),
        mixture=Mixture(batch_size=128, real_share=0.0, expert_share=0.0),
        adversary=AdversarialModel(weight=0.05, horizon=20, optimizer=OptimizerConfig(lr=1e-4)),
    ),
}
"""default: ours. head: CleanIL's for Hopper and HalfCheetah; for Walker2d it has --gradient-penalty.margin 100. The
CleanIL post has no such method."""


def needs(cfg: Config) -> Needs:
    """Demonstrations with actions, other recorded data, and a model."""
    return Needs(
        expert=True,
        actions=True,
        without_actions="its model is fitted to them too",
        offline=True,
        absorbing=cfg.agent.terminal.samples_absorbing,
        normalize_obs=cfg.normalize_obs,
        model=cfg.model,
        model_precision=cfg.agent.precision,
        demonstration_copies=cfg.mixture.demonstration_copies,
    )


def schedule(cfg: Config) -> Schedule:
    """One update a step, on two batches of demonstrations; phases of the adversarial model now and then."""
    return Schedule(2 * cfg.mixture.batch_size, turns=((cfg.adversary.every, model_turn),))


class State(eqx.Module):
    """Agent and model."""

    agent: ActorCritic
    model: LearnedModel
    normalizer: Normalizer


def init(cfg: Config, start: Start) -> State:
    """A state before its first update."""
    model = learned_model.create(cfg.model, start, cfg.adversary.optimizer)
    return State(create(cfg.agent, start, start.key), model, start.normalizer)


def critic_loss(
    critic: Critic, agent: ActorCritic, expert: Transition, other: Transition, cfg: Config, key: PRNGKeyArray
) -> tuple[Float[Array, ""], Metrics]:
    """Contrasts, squared implied rewards and gradient penalty, averaged over the critics."""
    kv, kn, kp = jr.split(key, 3)
    mix = concat(expert, other)  # [2B], expert first
    q, _, r, share, mask = implied(critic, agent, mix, cfg.agent, kn)
    q_expert, q_other = half_means(q, mask)
    action, _ = policy_actions(agent, expert, kv)
    q_policy = masked_mean(critic(expert.obs, action, expert.absorbing), critic_mask(cfg.agent, expert))

    contrast = q_other - q_expert + cfg.policy_weight * (q_policy - q_expert)
    td = jnp.stack(half_means(cfg.agent.td_loss(r) / share[None], mask)).mean()
    penalty, norm = critic_penalty(cfg.gradient_penalty, critic, expert, other, kp)

    loss = contrast + cfg.td_weight * td + penalty
    r_expert, r_other = half_means(r, mask)
    return loss, norm | {
        "critic_loss": loss,
        "contrast": contrast,
        "td": td,
        "penalty": penalty,
        "q_expert": q_expert,
        "q_other": q_other,
        "q_policy_expert": q_policy,
        "reward_expert": r_expert,
        "reward_other": r_other,
    }


def update(state: State, batch: Batch, cfg: Config, key: PRNGKeyArray) -> tuple[State, Metrics]:
    """One update of the policy, on as many demonstrated as other transitions."""
    data = state.normalizer.batch(batch)
    assert data.expert is not None
    assert data.offline is not None
    assert data.rollouts is not None
    kc, ka = jr.split(key)
    n = cfg.mixture.batch_size
    expert, again = part(data.expert, 0, n), part(data.expert, n, 2 * n)
    other = compose(cfg.mixture, again, data.offline, replace(data.rollouts, uncertainty=None))
    critic, mc = state.agent.critic.descend(critic_loss, state.agent, expert, other, cfg, kc)
    agent, ma = improve(replace(state.agent, critic=critic), concat(expert, other), cfg.agent, ka)
    return State(agent, state.model, state.normalizer), mc | ma


def advantage(agent: ActorCritic, t: Transition, cfg: Config, key: PRNGKeyArray) -> Float[Array, "B"]:
    """`gamma V(s') - Q(s, a)`, the implied reward with the other sign; `(gamma - 1) Q` at the ends of closed_form."""
    critic = agent.critic.net
    v_next = next_value(replace(agent, target=critic), t, cfg.agent, key)
    q = cfg.agent.td_loss.clip(critic(t.obs, t.action).min(0))
    return step_share(cfg.agent, t) * (cfg.agent.gamma * v_next - q)


def model_turn(state: State, buffers: Buffers, cfg: Config, key: PRNGKeyArray) -> tuple[State, Metrics]:
    """A phase of model steps against the current policy."""
    dynamics, metrics = adversarial_phase(
        state.model.dynamics,
        (cfg.adversary, cfg.model),
        explorer(state),
        lambda t, k: advantage(state.agent, t, cfg, k),
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
