"""ReCOIL (Sikchi et al. 2024, "Dual RL: Unification and New Methods for Reinforcement and Imitation Learning",
arXiv:2302.08560): imitation from demonstrations E and other recorded data S, without a discriminator or an environment.

form v, the authors' code:
    value   min_V  E_{(E + S) / 2}[L(min_i Q'_i(s, a) - V(s))],  L an implicit maximum
    critic  min_Q  1/2 E_E[(Q(s, a) - q)^2] + 1/2 E_S[(Q(s, a) + r - gamma V(s'))^2]  + gradient penalty,
            q = r / (1 - gamma)
form q, the reference system's:
    critic  min_Q  (1 - w) (m E_E[Q(s, pi)] + (1 - m) E_S[Q(s, pi)] - E_E[Q(s, a)])
                   + w E_{(E + S) / 2}[(Q(s, a) - gamma V(s'))^2]  + gradient penalty + anchors
both:
    policy  max_pi E_D[exp(A(s, a) / beta) log pi(a|s)],  A = min_i Q_i(s, a) - V(s),  D = E or (E + S) / 2

Demonstrated actions are worth the most that there is, and what the other data do loses r at every step that does not
come closer to them. Order of one update: value, critic, policy, targets, on as many rows of E as of S.

Differs from the paper: D is E by default, and (E + S) / 2 there, which asks of S that its best actions be worth
cloning; its saddle point is over Q and pi, and form v is what its code solves instead, without the code's optional
term that separates V on S from V on E. Where the end is reached, S is worth -r for ever (`closed_form`, as in the
code), or the end is a state whose value is learned (`absorbing`). Differs from the reference system, whose form q has
the flags of the last step instead of this one's, takes every term on S together with E, samples one action for the
baseline (the preset `cleanil` does the last), and standardises observations by E and S together.
"""

from dataclasses import dataclass, field, replace
from typing import Literal

import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from imitax.choices import actor_critic
from imitax.choices.actor_critic import CLEANIL, ActorCritic, AgentConfig, counted, create, improve, next_value, policy
from imitax.choices.contrast import ContrastConfig, contrast_terms
from imitax.choices.gradient_penalty import GradientPenalty
from imitax.choices.implicit_maximum import ImplicitMaximum
from imitax.choices.implied_reward import part_means, policy_actions, share_of_step
from imitax.choices.policy_update import PolicyUpdate
from imitax.choices.temperature import Temperature
from imitax.choices.terminal import Terminal
from imitax.errors import ConfigError
from imitax.learner import Learner, OptimizerConfig
from imitax.networks import Critic, CriticConfig, Normalizer, PolicyConfig, Value
from imitax.types import Batch, Metrics, Spec, Transition, concat

__all__ = ["PRESETS", "Config", "State", "init", "policy", "update"]


@dataclass(frozen=True)
class Config(ContrastConfig, AgentConfig):
    """ReCOIL."""

    form: Literal["v", "q"] = "v"
    """v: a value network fitted by implicit maximisation (the authors' code). q: the policy's own value and a contrast
    (the reference system)."""
    td_weight: float = 0.8
    expert_share: float = 0.0
    expert_anchor: float = 1.0
    learner_anchor: float = 1.0
    maximum: ImplicitMaximum = field(default_factory=ImplicitMaximum)
    """L, in form v."""
    step_reward: float = 2.0
    """r, in form v."""
    policy_update: PolicyUpdate = field(default_factory=lambda: PolicyUpdate("awr"))
    """How the policy follows the critic."""
    policy_data: Literal["expert", "mixture"] = "expert"
    """Whose actions are cloned: the demonstrations', or theirs and the other data's in equal parts (the paper)."""
    gradient_penalty: GradientPenalty = field(default_factory=lambda: GradientPenalty("none"))
    """Of the critics, at or between demonstrated transitions and those of S (form q: with the policy's actions)."""
    batch_size: int = 128
    """Demonstrated, and as many other, transitions in an update."""
    average: float = 0.999
    policy: PolicyConfig = field(default_factory=lambda: PolicyConfig(log_std_min=-1.0, action_clip=0.01))
    critic: CriticConfig = field(default_factory=lambda: CriticConfig(layer_norm=True))
    critic_optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    value_optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    temperature: Temperature = field(default_factory=lambda: Temperature("fixed", initial=0.1))
    terminal: Terminal = field(default_factory=lambda: Terminal("closed_form"))
    normalize_obs: bool = True
    """Standardise observations with the statistics of the training demonstrations."""

    def __post_init__(self):
        AgentConfig.__post_init__(self)
        ContrastConfig.__post_init__(self)
        if self.terminal.kind == "reward_flag":
            raise ConfigError(
                "terminal.kind=reward_flag replaces an explicit reward at the end, and here the reward is implied by "
                "Q: use closed_form or absorbing to give the end a value, or mask"
            )
        if self.step_reward <= 0:
            raise ConfigError(f"step_reward must be positive, got {self.step_reward}")
        if self.form == "v" and self.policy_update.kind == "sac" and self.temperature.kind == "tuned":
            raise ConfigError(
                "form=v values states without entropy: give temperature.kind=fixed, or policy_update.kind=awr"
            )

    @property
    def needs(self) -> frozenset[str]:
        """What it learns from."""
        return frozenset({"expert", "offline data"})


PRESETS = {
    "default": Config(),
    "mixture": Config(
        policy_data="mixture", maximum=ImplicitMaximum(tau=0.95), policy_update=PolicyUpdate("awr", beta=5.0)
    ),
    "q": Config(form="q", terminal=Terminal("absorbing")),
    "cleanil": Config(
        form="q",
        policy_data="mixture",
        average=0.0,
        terminal=Terminal("absorbing"),
        policy_update=PolicyUpdate("awr", samples=1, noise=0.1, noise_share=0.25),
        **CLEANIL,
    ),
}
"""default: ours, form v. mixture: the same, cloning the other data too. q: ours, form q. cleanil: the reference
system's networks, rates and noise; its gradient penalty for HalfCheetah is GradientPenalty("hinge", weight=10,
margin=100, at="both", norm="linf"), none elsewhere."""


class State(ActorCritic):
    """Everything that training changes."""

    value: Learner[Value] | None


def init(cfg: Config, spec: Spec, normalizer: Normalizer, key: PRNGKeyArray) -> State:
    """A state before its first update."""
    ka, kv = jr.split(key)
    agent, value = create(cfg, spec, normalizer, ka), None
    if cfg.form == "v":
        net = Value(spec, cfg.critic, flagged=cfg.terminal.kind == "absorbing", key=kv, precision=cfg.precision)
        value = Learner.create(net, cfg.value_optimizer)
    return State(**actor_critic.fields(agent), value=value)


def value_loss(value: Value, target: Critic, mix: Transition, cfg: Config) -> tuple[Float[Array, ""], Metrics]:
    """Implicit maximum over the actions that the data show."""
    x = target(mix.obs, mix.action, mix.absorbing).min(0) - value(mix.obs, mix.absorbing)  # [2B]
    loss = jnp.stack(part_means(cfg.maximum(x), counted(cfg, mix))).mean()
    return loss, {"value_loss": loss}


def critic_loss_v(
    critic: Critic, value: Value, expert: Transition, other: Transition, cfg: Config, key: PRNGKeyArray
) -> tuple[Float[Array, ""], Metrics]:
    """Regression on the most that there is for demonstrations, on what follows for the other data."""
    mix = concat(expert, other)  # [2B], expert rows first
    counts = counted(cfg, mix)  # [2B]
    most = cfg.step_reward / (1 - cfg.gamma)
    end = -most
    if cfg.terminal.kind == "absorbing":
        end = value(jnp.zeros((1, value.spec.obs_dim)), jnp.ones(1))[0]
    v_next = cfg.terminal.next_value(cfg.td_loss.clip(value(other.next_obs)), other.terminated, end)  # [B]
    y = jnp.concatenate([jnp.full(len(expert.obs), most), cfg.gamma * v_next - cfg.step_reward])  # [2B]
    q = critic(mix.obs, mix.action, mix.absorbing)  # [N 2B]
    on_expert, on_other = part_means(cfg.td_loss(q - y[None]), counts)
    penalty, norm = cfg.gradient_penalty.of_critic(critic, expert, other, key)

    loss = on_expert / 2 + on_other / 2 + penalty
    q_expert, q_other = part_means(q, counts)
    return loss, norm | {
        "critic_loss": loss,
        "on_expert": on_expert,
        "on_other": on_other,
        "penalty": penalty,
        "q_expert": q_expert,
        "q_other": q_other,
    }


def critic_loss_q(
    critic: Critic, state: State, expert: Transition, other: Transition, cfg: Config, key: PRNGKeyArray
) -> tuple[Float[Array, ""], Metrics]:
    """Contrast, squared implied rewards, gradient penalty and anchors, averaged over the critics."""
    kv, kn, kp = jr.split(key, 3)
    mix = concat(expert, other)  # [2B], expert rows first
    counts, share = counted(cfg, mix), share_of_step(cfg, mix)  # [2B]
    y = cfg.gamma * next_value(state, mix, cfg, kn)  # [2B]
    action, _ = policy_actions(state, mix, kv)
    q_policy = critic(mix.obs, action, mix.absorbing)  # [N 2B]
    q = critic(mix.obs, mix.action, mix.absorbing)  # [N 2B]
    r = share[None] * (q - y[None])  # [N 2B]

    contrast, anchors = contrast_terms(cfg, q, q_policy, counts)
    td = jnp.stack(part_means(cfg.td_loss(r) / share[None], counts)).mean()
    chosen = replace(other, action=action[len(expert.obs) :])
    penalty, norm = cfg.gradient_penalty.of_critic(critic, expert, chosen, kp)

    loss = (1 - cfg.td_weight) * contrast + cfg.td_weight * td + penalty + anchors
    (q_expert, q_other), (r_expert, r_other) = part_means(q, counts), part_means(r, counts)
    return loss, norm | {
        "critic_loss": loss,
        "contrast": contrast,
        "td": td,
        "penalty": penalty,
        "anchors": anchors,
        "q_expert": q_expert,
        "q_other": q_other,
        "reward_expert": r_expert,
        "reward_other": r_other,
    }


def update(state: State, batch: Batch, cfg: Config, key: PRNGKeyArray) -> tuple[State, Metrics]:
    """One update on as many demonstrated as other transitions."""
    data = state.normalizer.batch(batch)
    assert data.expert is not None
    assert data.offline is not None
    kc, ka = jr.split(key)
    mix, baseline, mv = concat(data.expert, data.offline), None, {}
    if state.value is not None:
        value, mv = state.value.descend(value_loss, state.target, mix, cfg)
        state, baseline = replace(state, value=value), value.net(mix.obs, mix.absorbing)
        critic, mc = state.critic.descend(critic_loss_v, value.net, data.expert, data.offline, cfg, kc)
    else:
        critic, mc = state.critic.descend(critic_loss_q, state, data.expert, data.offline, cfg, kc)
    if cfg.policy_data == "expert":
        mix = data.expert
        baseline = None if baseline is None else baseline[: len(mix.obs)]
    state, ma = improve(state, critic, mix, cfg, ka, cfg.policy_update, baseline)
    return state, mv | mc | ma
