"""ReCOIL (Sikchi et al. 2024, "Dual RL: Unification and New Methods for Reinforcement and Imitation Learning",
arXiv:2302.08560): imitation from demonstrations E and other recorded data S, without a discriminator or an environment.

form v, after the authors' code:
    value   min_V  E_V[L(min_i Q'_i(s, a) - V(s))],  L an implicit maximum, V = (E + S) / 2 or S
    critic  min_Q  1/2 E_E[(Q(s, a) - q)^2] + 1/2 E_S[(Q(s, a) + r - gamma V(s'))^2]  + gradient penalty,
            q = r / (1 - gamma)
form q, CleanIL's:
    critic  min_Q  (1 - w) (m E_E[Q(s, pi)] + (1 - m) E_S[Q(s, pi)] - E_E[Q(s, a)])
                   + w E_{(E + S) / 2}[(Q(s, a) - gamma V(s'))^2]  + gradient penalty + anchors
both:
    policy  max_pi E_D[exp(A(s, a) / beta) log pi(a|s)],  A = min_i Q_i(s, a) - V(s),  D = E or (E + S) / 2

Demonstrated actions are worth the most that there is, and what the other data do loses r at every step that does not
come closer to them. Order of one update: value, critic, policy, targets, on as many transitions of E as of S.

Differs from the paper: D is E by default, and (E + S) / 2 there, which asks of S that its best actions be worth
cloning; its saddle point is over Q and pi, and form v is what its code solves instead. Form v differs from that code in
three things: V is fitted on E and S, there on S alone (`value_data: other`); the optional term that separates V on S
from V on E is left out; beta divides the advantage, there it multiplies it (their beta is 1 / ours). Where the end is
reached, S is worth -r for ever (`closed_form`, as in the code), or the end is a state whose value is learned
(`absorbing`). Differs from CleanIL, whose form q has the flags of the last step instead of this one's, takes every term
on S together with E, samples one action for the baseline (the preset `cleanil` does the last), and standardises
observations by E and S together.
"""

from dataclasses import field, replace
from typing import Annotated, Literal

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from imitax.agents.actor_critic import CLEANIL, ActorCritic, SoftActorCritic, create, critic_mask
from imitax.agents.contrast import Contrast, contrast_loss
from imitax.agents.implied_reward import half_means
from imitax.agents.inferred_actions import CRITIC_NEEDS_ACTIONS, InferredActions, infer
from imitax.agents.policy_extraction import PolicyUpdate, extract
from imitax.agents.start import Start
from imitax.algorithm import Needs, Schedule
from imitax.choices.critic_penalty import critic_penalty
from imitax.choices.gradient_penalty import GradientPenalty
from imitax.choices.implicit_maximum import ImplicitMaximum
from imitax.choices.temperature import Temperature
from imitax.choices.terminal import Terminal, require_implied_rewards
from imitax.errors import ConfigError
from imitax.learner import Learner, OptimizerConfig
from imitax.networks import Critic, CriticConfig, Normalizer, Policy, PolicyConfig, PolicyHead, Value
from imitax.settings import INLINE, Count, Positive, settings
from imitax.types import Batch, Metrics, Transition, concat

_AGENT = SoftActorCritic(
    ema=0.999,
    policy=PolicyConfig(log_std_min=-1.0, action_clip=0.01),
    critic=CriticConfig(layer_norm=True),
    critic_optimizer=OptimizerConfig(),
    temperature=Temperature("fixed", initial=0.1),
    terminal=Terminal("closed_form"),
)


@settings()
class Config:
    """ReCOIL."""

    agent: Annotated[SoftActorCritic, INLINE] = replace(
        _AGENT, ema=0.99999, ema_share=0.25, policy_optimizer=OptimizerConfig(lr=1e-3)
    )
    contrast: Annotated[Contrast, INLINE] = Contrast(
        td_weight=0.8, expert_share=0.0, expert_anchor=1.0, learner_anchor=1.0
    )
    """In form q."""
    form: Literal["v", "q"] = "v"
    """v: a value network fitted by implicit maximisation (after the authors' code). q: the policy's own value and a
    contrast (CleanIL)."""
    maximum: ImplicitMaximum = field(default_factory=ImplicitMaximum)
    """L, in form v."""
    value_data: Literal["mixture", "other"] = "mixture"
    """Where V is fitted, in form v. mixture: on demonstrations and the other data in equal parts. other: on the other
    data alone (the authors' code)."""
    step_reward: Positive = 2.0
    """r, in form v."""
    policy_update: PolicyUpdate = PolicyUpdate("awr", beta=1.0, normalize=True)
    """How the policy follows the critic."""
    policy_data: Literal["expert", "mixture"] = "expert"
    """Whose actions are cloned: the demonstrations', or theirs and the other data's in equal parts (the paper)."""
    gradient_penalty: GradientPenalty = GradientPenalty("none")
    """Of the critics, at or between demonstrated transitions and those of S (form q: with the policy's actions)."""
    inferred: Annotated[InferredActions, INLINE] = InferredActions()
    batch_size: Count = 128
    """Demonstrated, and as many other, transitions in an update."""
    value_optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    normalize_obs: bool = True
    """Standardise observations with the statistics of the training demonstrations."""

    def __post_init__(self):
        require_implied_rewards(self.agent.terminal)
        if self.form == "v" and self.policy_update.kind == "sac" and self.agent.temperature.kind == "tuned":
            raise ConfigError(
                "form=v values states without entropy: give temperature.kind=fixed, or policy_update.kind=awr"
            )


PRESETS = {
    "default": Config(),
    "mixture": Config(
        agent=_AGENT,
        policy_data="mixture",
        maximum=ImplicitMaximum(tau=0.95),
        policy_update=PolicyUpdate("awr", beta=5.0),
    ),
    "observations": Config(inferred=InferredActions(infer_actions=True)),
    "q": Config(form="q", agent=replace(_AGENT, terminal=Terminal("absorbing")), policy_update=PolicyUpdate("awr")),
    "cleanil": Config(
        form="q",
        policy_data="mixture",
        agent=replace(CLEANIL, terminal=Terminal("absorbing"), temperature=Temperature("fixed", initial=0.1)),
        policy_update=PolicyUpdate("awr", samples=1, noise=0.1, noise_share=0.25),
    ),
}
"""default: ours, form v. mixture: the same, cloning the other data too (V is still fitted on both). observations: ours,
for demonstrations without actions. q: ours, form q. cleanil: CleanIL's networks, rates and noise; its gradient penalty
for HalfCheetah is GradientPenalty("hinge", weight=10, margin=100, at="both", norm="linf"), none elsewhere."""


def needs(cfg: Config) -> Needs:
    """Demonstrations with actions, and other recorded data."""
    absorbing = cfg.agent.terminal.samples_absorbing
    return Needs(
        box_only=cfg.policy_update.box_only,
        expert=True,
        actions=not cfg.inferred.infer_actions,
        without_actions=CRITIC_NEEDS_ACTIONS,
        offline=True,
        absorbing=absorbing,
        normalize_obs=cfg.normalize_obs,
    )


def schedule(cfg: Config) -> Schedule:
    """One update a step."""
    return Schedule(cfg.batch_size)


class State(eqx.Module):
    """The agent; in form v also a value network, and the inverse model where actions are inferred."""

    agent: ActorCritic
    value: Learner[Value] | None
    normalizer: Normalizer
    inverse: Learner[PolicyHead] | None


def init(cfg: Config, start: Start) -> State:
    """A state before its first update."""
    ka, kv = jr.split(start.key)
    agent, value = cfg.agent, None
    if cfg.form == "v":
        flagged = agent.terminal.kind == "absorbing"
        net = Value(start.spec, agent.critic, flagged=flagged, key=kv, precision=agent.precision)
        value = Learner.create(net, cfg.value_optimizer)
    inverse = cfg.inferred.create(start, agent.precision)
    return State(create(agent, start, ka), value, start.normalizer, inverse)


def value_loss(value: Value, target: Critic, mix: Transition, cfg: Config) -> tuple[Float[Array, ""], Metrics]:
    """Implicit maximum over the actions that the data show."""
    x = target(mix.obs, mix.action, mix.absorbing).min(0) - value(mix.obs, mix.absorbing)  # [2B]
    halves = jnp.stack(half_means(cfg.maximum(x), critic_mask(cfg.agent, mix)))  # of E and S
    loss = halves.mean() if cfg.value_data == "mixture" else halves[1]
    return loss, {"value_loss": loss}


def critic_loss(
    critic: Critic, value: Value, expert: Transition, other: Transition, cfg: Config, key: PRNGKeyArray
) -> tuple[Float[Array, ""], Metrics]:
    """Regression on the most that there is for demonstrations, on what follows for the other data (form v)."""
    mix, agent = concat(expert, other), cfg.agent  # [2B], expert first
    mask = critic_mask(agent, mix)  # [2B]
    most = cfg.step_reward / (1 - agent.gamma)
    end: Float[Array, ""] | float = -most
    if agent.terminal.kind == "absorbing":
        end = value(value.spec.observation.zeros(1), jnp.ones(1))[0]
    v_next = agent.terminal.next_value(agent.td_loss.clip(value(other.next_obs)), other.terminated, end)  # [B]
    y = jnp.concatenate([jnp.full(len(expert), most), agent.gamma * v_next - cfg.step_reward])  # [2B]
    q = agent.td_loss.learned(critic(mix.obs, mix.action, mix.absorbing))  # [N 2B]
    on_expert, on_other = half_means(agent.td_loss(q - y[None]), mask)
    penalty, norm = critic_penalty(cfg.gradient_penalty, critic, expert, other, key)

    loss = on_expert / 2 + on_other / 2 + penalty
    q_expert, q_other = half_means(q, mask)
    return loss, norm | {
        "critic_loss": loss,
        "on_expert": on_expert,
        "on_other": on_other,
        "penalty": penalty,
        "q_expert": q_expert,
        "q_other": q_other,
    }


def update(state: State, batch: Batch, cfg: Config, key: PRNGKeyArray) -> tuple[State, Metrics]:
    """One update on as many demonstrated as other transitions."""
    inverse, data, mi = infer(state.inverse, state.normalizer.batch(batch), key)
    state, (kc, ka) = replace(state, inverse=inverse), jr.split(key)
    if state.value is None:
        state, metrics = update_q(state, data, cfg, kc, ka)
        return state, mi | metrics
    assert data.expert is not None
    assert data.offline is not None
    mix = concat(data.expert, data.offline)
    value, mv = state.value.descend(value_loss, state.agent.target, mix, cfg)
    critic, mc = state.agent.critic.descend(critic_loss, value.net, data.expert, data.offline, cfg, kc)
    baseline = value.net(mix.obs, mix.absorbing)
    if cfg.policy_data == "expert":
        mix, baseline = data.expert, baseline[: len(data.expert)]
    agent = replace(state.agent, critic=critic)
    agent, ma = extract(agent, mix, len(data.expert), (cfg.agent, cfg.policy_update), ka, baseline)
    return State(agent, value, state.normalizer, inverse), mi | mv | mc | ma


def update_q(state: State, data: Batch, cfg: Config, kc: PRNGKeyArray, ka: PRNGKeyArray) -> tuple[State, Metrics]:
    """One update in form q, observations normalised."""
    assert data.expert is not None
    assert data.offline is not None
    critic, mc = state.agent.critic.descend(
        contrast_loss, state.agent, (data.expert, data.offline), (cfg.agent, cfg.contrast, cfg.gradient_penalty), kc
    )
    mix = data.expert if cfg.policy_data == "expert" else concat(data.expert, data.offline)
    agent = replace(state.agent, critic=critic)
    agent, ma = extract(agent, mix, len(data.expert), (cfg.agent, cfg.policy_update), ka)
    return replace(state, agent=agent), mc | ma


def policy(state: State) -> Policy:
    """The policy that a run evaluates and saves."""
    return Policy(state.normalizer, state.agent.ema)
