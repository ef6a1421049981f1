"""One step of soft actor-critic, which every method here with an environment improves its policy by.

    critic       min_Q  E[(Q_i(s, a) - y)^2],  y = r + gamma (min_i Q'_i(s', a') - alpha log pi(a'|s'))
    policy       min_pi E[alpha log pi(a|s) - min_i Q_i(s, a)]
    temperature  min_alpha E[alpha (H - target)],  target = -|A|

(Haarnoja et al. 2018b, arXiv:1812.05905). The absorbing state, where there is one, has the value of its critic at the
zero action, without entropy; its rows take no part in the policy's and the temperature's loss.
"""

import math
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from imitax.choices.policy_update import PolicyUpdate
from imitax.choices.td_loss import TdLoss
from imitax.choices.temperature import LogTemperature, Temperature
from imitax.choices.terminal import Terminal
from imitax.errors import ConfigError
from imitax.learner import Learner, OptimizerConfig, polyak
from imitax.networks import Critic, CriticConfig, Normalizer, Policy, PolicyConfig, Precision, TanhGaussian
from imitax.types import Metrics, Spec, Transition


@dataclass(frozen=True)
class AgentConfig:
    """What every algorithm with actor and critic is told."""

    gamma: float = 0.99
    """Discount factor."""
    polyak: float = 0.005
    """Share of the online critic in each update of the target (tau)."""
    batch_size: int = 256
    """Transitions in an update."""
    average: float = 0.0
    """Decay of a running average of the policy's parameters (Polyak and Juditsky 1992), which is evaluated and saved; 0
    takes the parameters as they are. It changes nothing in training, where the policy itself acts."""
    policy: PolicyConfig = field(default_factory=PolicyConfig)
    critic: CriticConfig = field(default_factory=CriticConfig)
    policy_optimizer: OptimizerConfig = field(default_factory=lambda: OptimizerConfig(lr=3e-4))
    critic_optimizer: OptimizerConfig = field(default_factory=lambda: OptimizerConfig(lr=1e-3))
    td_loss: TdLoss = field(default_factory=TdLoss)
    terminal: Terminal = field(default_factory=Terminal)
    temperature: Temperature = field(default_factory=Temperature)
    precision: Precision = "float32"
    """Of matrix products: bfloat16 rounds their operands and accumulates in float32."""

    def __post_init__(self):
        for name in ("gamma", "polyak", "average"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} must lie in 0 to 1, got {getattr(self, name)}")
        if self.average == 1:
            raise ConfigError("average=1 would save the parameters as they were at first: 0.999 is about 1,000 updates")
        if self.gamma == 1 and self.terminal.flagged:
            raise ConfigError(
                f"gamma=1 makes what follows the end infinite under terminal.kind={self.terminal.kind}: lower gamma, "
                "or take mask"
            )

    @property
    def rows(self) -> int:
        """Transitions of each kind that an update is given."""
        return self.batch_size


@dataclass(frozen=True)
class ActorCriticConfig(AgentConfig):
    """What every algorithm with a soft actor-critic and an environment is told."""

    warmup_steps: int = 5000
    """Environment steps with uniformly random actions, and no updates, at the start."""
    buffer_size: int = 1_000_000
    """Transitions that the replay buffer holds."""

    @property
    def needs(self) -> frozenset[str]:
        """What it learns from."""
        return frozenset({"env"})


@dataclass(frozen=True)
class ImitationConfig(ActorCriticConfig):
    """What imitation with an environment has in common: the defaults that keep it steady."""

    warmup_steps: int = 2000
    average: float = 0.999
    critic: CriticConfig = field(default_factory=lambda: CriticConfig(layer_norm=True))
    critic_optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    terminal: Terminal = field(default_factory=lambda: Terminal("absorbing"))
    normalize_obs: bool = True
    """Standardise observations with the statistics of the training demonstrations."""

    @property
    def needs(self) -> frozenset[str]:
        """What it learns from."""
        return frozenset({"expert", "env"})


CLEANIL: dict[str, Any] = {
    "policy": PolicyConfig(
        hidden=(256, 256, 256), activation="silu", log_std_min=math.log(1e-3), log_std_max=math.log(3)
    ),
    "critic": CriticConfig(hidden=(256, 256, 256), activation="silu"),
    "policy_optimizer": OptimizerConfig(lr=3e-4, clip=1000.0),
    "critic_optimizer": OptimizerConfig(lr=3e-4, clip=1000.0),
}
"""Networks and rates of the reference system, for the presets of that name."""


SAC = PolicyUpdate("sac")


class ActorCritic(eqx.Module):
    """Everything that training changes."""

    actor: Learner[TanhGaussian]
    critic: Learner[Critic]
    target: Critic
    temperature: Learner[LogTemperature]
    average: TanhGaussian
    normalizer: Normalizer


AC = TypeVar("AC", bound=ActorCritic)


def create(cfg: AgentConfig, spec: Spec, normalizer: Normalizer, key: PRNGKeyArray) -> ActorCritic:
    """A state before its first update."""
    ka, kc = jr.split(key)
    actor = TanhGaussian(spec, cfg.policy, key=ka, precision=cfg.precision)
    critic = Critic(spec, cfg.critic, flagged=cfg.terminal.kind == "absorbing", key=kc, precision=cfg.precision)
    return ActorCritic(
        actor=Learner.create(actor, cfg.policy_optimizer),
        critic=Learner.create(critic, cfg.critic_optimizer),
        target=critic,
        temperature=cfg.temperature.create(),
        average=actor,
        normalizer=normalizer,
    )


def soft_value(
    state: ActorCritic,
    critic: Critic,
    obs: Float[Array, "B O"],
    cfg: AgentConfig,
    key: PRNGKeyArray,
    entropy: bool = True,
) -> Float[Array, "B"]:
    """`min_i Q_i(s, a) - alpha log pi(a|s)` with a sampled action, clipped where the loss is told to."""
    action, logp = state.actor.net.sample(obs, key)
    bonus = -state.temperature.net() * logp if entropy else 0.0
    return cfg.td_loss.clip(critic(obs, action).min(0) + bonus)


def absorbing_value(critic: Critic) -> Float[Array, ""]:
    """The critic's value of the absorbing state, at the zero action and without entropy."""
    spec = critic.spec
    return critic(jnp.zeros((1, spec.obs_dim)), jnp.zeros((1, spec.action_dim)), jnp.ones(1)).min()


def next_value(
    state: ActorCritic,
    t: Transition,
    cfg: AgentConfig,
    key: PRNGKeyArray,
    absorbing_reward: Float[Array, ""] | float = 0.0,
    critic: Critic | None = None,
    entropy: bool = True,
) -> Float[Array, "B"]:
    """V(s') as a bootstrap takes it, the end of the episode handled as `cfg.terminal` says.

    Args:
        absorbing_reward: reward of the absorbing state, for `closed_form`.
        critic: whose value it is; None is the target.
        entropy: whether the value has its entropy bonus.
    """
    critic, end = state.target if critic is None else critic, 0.0
    if cfg.terminal.kind == "closed_form":
        end = absorbing_reward / (1 - cfg.gamma)
    elif cfg.terminal.kind == "absorbing":
        end = absorbing_value(critic)
    return cfg.terminal.next_value(soft_value(state, critic, t.next_obs, cfg, key, entropy), t.terminated, end)


def counted(cfg: AgentConfig, t: Transition) -> Float[Array, "B"]:
    """1 for rows that take part in a critic's loss: absorbing ones do under `absorbing` only."""
    return jnp.ones(len(t.obs)) if cfg.terminal.kind == "absorbing" else 1.0 - t.absorbing


def soft_q_loss(
    critic: Critic,
    state: ActorCritic,
    t: Transition,
    absorbing_reward: Float[Array, ""] | float,
    cfg: AgentConfig,
    key: PRNGKeyArray,
) -> tuple[Float[Array, ""], Metrics]:
    """Soft temporal-difference error of all critics, on the rewards that the transitions carry."""
    target = t.reward + cfg.gamma * next_value(state, t, cfg, key, absorbing_reward)  # [B]
    q = critic(t.obs, t.action, t.absorbing)  # [N B]
    counts = counted(cfg, t)  # [B]
    loss = masked_mean(cfg.td_loss(q - target[None]), counts)
    values = {"q": masked_mean(q, counts), "q_max": q.max(), "target": masked_mean(target, counts)}
    return loss, {"critic_loss": loss} | values


def improve(
    state: AC,
    critic: Learner[Critic],
    t: Transition,
    cfg: AgentConfig,
    key: PRNGKeyArray,
    policy_update: PolicyUpdate = SAC,
    baseline: Float[Array, "B"] | None = None,
) -> tuple[AC, Metrics]:
    """The rest of an update, after the critic's own step: policy, temperature, running average, target critic.

    The policy uses the new critic and the temperature from before the update.

    Args:
        policy_update: the policy's loss.
        baseline: value of the states, for losses that weigh the data's actions; None samples the policy.
    """
    alpha = state.temperature.net()
    real = 1.0 - t.absorbing  # [B]
    actor, metrics = state.actor.descend(policy_update, critic.net, t, alpha, key, baseline)
    temperature = cfg.temperature.update(state.temperature, metrics["entropy"], real, state.actor.net.spec.half)
    new = replace(
        state,
        actor=actor,
        critic=critic,
        target=polyak(state.target, critic.net, cfg.polyak),
        temperature=temperature,
        average=polyak(state.average, actor.net, 1 - cfg.average) if cfg.average else actor.net,
    )
    return new, {k: masked_mean(v, real) for k, v in metrics.items()} | {"alpha": alpha}


def masked_mean(x: Float[Array, "*N B"], counted: Float[Array, "B"]) -> Float[Array, ""]:
    """Mean over the rows that count."""
    share = counted / jnp.maximum(counted.sum(), 1.0)
    return (x * jnp.broadcast_to(share, x.shape)).sum() / (x.size / x.shape[-1])


def policy(state: ActorCritic) -> Policy:
    """The policy that a run evaluates and saves."""
    return Policy(state.normalizer, state.average)


def explorer(state: ActorCritic) -> Policy:
    """The policy that acts in training."""
    return Policy(state.normalizer, state.actor.net)


def fields(state: ActorCritic) -> dict[str, Any]:
    """The fields of a state, to build one with more of them."""
    return {name: getattr(state, name) for name in ActorCritic.__dataclass_fields__}
