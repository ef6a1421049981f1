"""RAMBO (Rigter et al. 2022, "RAMBO-RL: Robust Adversarial Model-Based Offline RL", arXiv:2204.12581).

    policy  max  soft actor-critic on real and model transitions
    model   min  w E[A log p(s', r | s, a)] / D + loss of the data,  A = r + gamma V(s') - Q(s, a), normalised

Instead of a penalty, the model itself becomes pessimistic: where the data do not hold it, it turns to what is worst
for the policy. Every `model_rollouts.every` updates a set of rollouts, every `adversary.every` a phase of model steps.

Differs from the authors' code: the policy is not cloned from the data first (`--init-from` a run of BC does that); log
densities are divided by the number of outputs D, so that a weight w here is their w / D; advantages are clipped; the
next action of A is sampled, its entropy left out as there; adversarial rollouts stop where the policy's do; the critics
have LayerNorm. The preset `paper` takes their values of these. It still differs in the model: outputs are scaled to
unit variance, so that the bounds -6 and 1 on their log variance are in these units; every member has bounds of its own,
each with the whole weight 0.001; whole episodes are held out. CleanIL clips Q besides (`--td-loss.value-clip`).
"""

from dataclasses import replace
from typing import Annotated, Literal

import equinox as eqx
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from imitax.agents import learned_model
from imitax.agents.actor_critic import CLEANIL, ActorCritic, SoftActorCritic, create, improve, next_value, regression
from imitax.agents.adversarial_model import AdversarialModel, adversarial_phase
from imitax.agents.learned_model import LearnedModel, ModelConfig
from imitax.agents.model_rollouts import ModelRollouts
from imitax.agents.start import Start
from imitax.algorithm import Needs, Schedule
from imitax.buffers import Buffers
from imitax.choices.dynamics_loss import OFFICIAL_DECAY, DynamicsFit
from imitax.choices.pessimism import Pessimism
from imitax.choices.temperature import Temperature
from imitax.choices.terminal import require_given_rewards
from imitax.learner import OptimizerConfig
from imitax.networks import Critic, CriticConfig, DynamicsConfig, Normalizer, Policy
from imitax.settings import INLINE, Count, Share, settings
from imitax.types import Batch, Metrics, Transition


@settings()
class Config:
    """RAMBO."""

    agent: Annotated[SoftActorCritic, INLINE] = SoftActorCritic(
        ema=0.999, critic=CriticConfig(layer_norm=True), critic_optimizer=OptimizerConfig()
    )
    model: Annotated[ModelConfig, INLINE] = ModelConfig(pessimism=Pessimism("none"))
    adversary: AdversarialModel = AdversarialModel(weight=0.01)
    next_action: Literal["sample", "mode"] = "sample"
    """a' in V(s') = min_i Q_i(s', a') of A: the policy's sample, or its deterministic action (the authors' code)."""
    batch_size: Count = 256
    """Transitions in an update."""
    real_share: Share = 0.5
    """Share of real transitions in a batch, the others are the model's."""
    normalize_obs: bool = True
    """Standardise observations with the statistics of the data."""

    def __post_init__(self):
        require_given_rewards(self.agent.terminal)


PRESETS = {
    "default": Config(),
    "paper": Config(
        agent=SoftActorCritic(
            policy_optimizer=OptimizerConfig(lr=1e-4),
            critic_optimizer=OptimizerConfig(lr=3e-4),
            temperature=Temperature(lr=1e-4),
        ),
        model=ModelConfig(
            dynamics=DynamicsConfig(hidden=(200, 200, 200, 200), log_var_min=-6.0, log_var_max=1.0),
            fit=DynamicsFit(
                patience=11,
                holdout_max=1000,
                bound_weight=0.001,
                decay=OFFICIAL_DECAY,
                optimizer=OptimizerConfig(lr=3e-4),
            ),
            model_rollouts=ModelRollouts(every=1000, starts=50_000, horizon=2, keep=500_000, limit=None),
            pessimism=Pessimism("none"),
        ),
        adversary=AdversarialModel(
            steps=1000, weight=3e-4, log_density="sum", horizon=2, advantage_clip=None, shared_stop=False
        ),
        next_action="mode",
    ),
    "cleanil": Config(
        agent=CLEANIL,
        model=ModelConfig(
            fit=DynamicsFit(bootstrap=False, patience=10, optimizer=OptimizerConfig(lr=3e-4)),
            model_rollouts=ModelRollouts(horizon=40, keep=1_000_000, end_beyond=100.0),
            pessimism=Pessimism("none"),
        ),
        adversary=AdversarialModel(steps=1000, weight=0.1, horizon=40, optimizer=OptimizerConfig(lr=1e-4)),
    ),
}
"""default: ours. paper: the authors' settings for hopper-medium-replay; on HalfCheetah and Walker2d they have rollouts
of 5 steps, a ring of 1,250,000, and on walker2d-medium-replay weight 0. cleanil: CleanIL's."""


def needs(cfg: Config) -> Needs:
    """Recorded data with rewards, and a model."""
    return Needs(
        offline=True,
        rewards=True,
        absorbing=cfg.agent.terminal.samples_absorbing,
        normalize_obs=cfg.normalize_obs,
        model=cfg.model,
        model_precision=cfg.agent.precision,
    )


def schedule(cfg: Config) -> Schedule:
    """One update a step, and phases of the adversarial model."""
    return Schedule(cfg.batch_size, turns=((cfg.adversary.every, model_turn),))


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
    critic: Critic, agent: ActorCritic, t: Transition, cfg: Config, key: PRNGKeyArray
) -> tuple[Float[Array, ""], Metrics]:
    """Soft temporal-difference loss of all critics."""
    y = t.reward + cfg.agent.gamma * next_value(agent, t, cfg.agent, key)
    return regression(critic, t, y, cfg.agent)


def update(state: State, batch: Batch, cfg: Config, key: PRNGKeyArray) -> tuple[State, Metrics]:
    """One update on recorded and model transitions of the policy."""
    data = state.normalizer.batch(batch)
    real, rollouts = data.offline, data.rollouts
    assert real is not None
    assert rollouts is not None
    kc, ka = jr.split(key)
    penalised, penalty = learned_model.penalised(state.model, rollouts, cfg.model)
    mix = learned_model.mixed(real, penalised, cfg.real_share, cfg.batch_size)
    critic, mc = state.agent.critic.descend(critic_loss, state.agent, mix, cfg, kc)
    agent, ma = improve(replace(state.agent, critic=critic), mix, cfg.agent, ka)
    model, mp = learned_model.tune_penalty(state.model, rollouts, cfg.model)
    return State(agent, model, state.normalizer), mc | ma | mp | {"model_penalty": penalty.mean()}


def advantage(agent: ActorCritic, t: Transition, cfg: Config, key: PRNGKeyArray) -> Float[Array, "B"]:
    """`r + gamma V(s') - Q(s, a)` by the critics themselves, without entropy."""
    critic = agent.critic.net
    if cfg.next_action == "mode":
        v = cfg.agent.td_loss.clip(critic(t.next_obs, agent.actor.net.mode(t.next_obs)).min(0))
        v_next = cfg.agent.terminal.next_value(v, t.terminated)
    else:
        v_next = next_value(replace(agent, target=critic), t, cfg.agent, key, entropy=False)
    return t.reward + cfg.agent.gamma * v_next - cfg.agent.td_loss.clip(critic(t.obs, t.action).min(0))


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
