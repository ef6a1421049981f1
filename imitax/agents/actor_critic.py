"""One step of soft actor-critic (Haarnoja et al. 2018b, arXiv:1812.05905), as pure functions.

    critic       min_Q  E[(Q_i(s, a) - y)^2],  y = r + gamma (min_i Q'_i(s', a') - alpha log pi(a'|s'))
    policy       min_pi E[alpha log pi(a|s) - min_i Q_i(s, a)]
    temperature  min_alpha E[alpha (H - target)],  target = -|A|

Expectations over actions are taken as the policy says: with one sample from a Gaussian, exactly over a finite set
(Christodoulou 2019, arXiv:1910.07207), where the policy follows softmax(min_i Q_i / alpha) as `finite_loss` says.

The absorbing state, where there is one, has the value of its critic at the zero action, without entropy; it takes no
part in the policy's and the temperature's loss.
"""

import math
from dataclasses import field
from typing import Literal, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int, PRNGKeyArray

from imitax.agents.start import Start
from imitax.choices.td_loss import TdLoss
from imitax.choices.temperature import FINITE_SHARE, SOFT_SHARE, LogScalar, Temperature
from imitax.choices.terminal import Terminal
from imitax.errors import ConfigError
from imitax.learner import Learner, OptimizerConfig, growing_rate, polyak
from imitax.networks import Critic, CriticConfig, FiniteLoss, PolicyConfig, PolicyHead, Precision, policy_head
from imitax.settings import Positive, Share, ShareBelowOne, settings
from imitax.types import Metrics, Obs, Transition


@settings()
class SoftActorCritic:
    """Actor and critic."""

    gamma: Share = 0.99
    """Discount factor."""
    polyak: Share = 0.005
    """Share of the online critic in each update of the target (tau)."""
    ema: ShareBelowOne = 0.0
    """Decay of an exponential moving average of the policy's parameters (Polyak and Juditsky 1992), which is evaluated
    and saved; 0 takes the parameters as they are, 0.999 averages about 1,000 updates. It changes nothing in training,
    where the policy itself acts."""
    ema_share: Positive | None = None
    """Longest window of this average, as a share of the updates so far: the window grows with the run (Karras et al.
    2024, arXiv:2312.02696), and the first policies are forgotten. None leaves it to `ema` alone. There is no average
    where `ema` is 0."""
    policy: PolicyConfig = field(default_factory=PolicyConfig)
    critic: CriticConfig = field(default_factory=CriticConfig)
    policy_optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    critic_optimizer: OptimizerConfig = field(default_factory=lambda: OptimizerConfig(lr=1e-3))
    td_loss: TdLoss = field(default_factory=TdLoss)
    terminal: Terminal = field(default_factory=Terminal)
    temperature: Temperature = field(default_factory=Temperature)
    finite_values: Literal["online", "target"] = "online"
    """Critics that the policy of a finite set follows. online: the trained ones, and its entropy moves the temperature.
    target: their slow copies, and the entropy of softmax(Q / alpha) moves the temperature: what is best under trained
    critics flips with their noise, and a policy that learns the mean of the flips stays random at any temperature."""
    finite_loss: FiniteLoss = "cross_entropy"
    """How it follows them. cross_entropy: of softmax(Q / alpha). regression: its logits are regressed on Q / alpha, and
    learn the mean of values that flip, in place of the mean of what is best."""
    precision: Precision = "float32"
    """Of matrix products: bfloat16 rounds their operands and accumulates in float32."""

    def __post_init__(self):
        if self.gamma == 1 and self.terminal.flagged:
            raise ConfigError(
                f"gamma=1 makes what follows the end infinite under terminal.kind={self.terminal.kind}: lower gamma, "
                "or take mask"
            )
        if self.policy.share_encoder and self.policy.encoder != self.critic.encoder:
            raise ConfigError("policy.share_encoder takes the critic's encoder: give policy.encoder the same settings")


CLEANIL = SoftActorCritic(
    policy=PolicyConfig(hidden=(256, 256, 256), activation="silu", log_std_min=math.log(1e-3), log_std_max=math.log(3)),
    critic=CriticConfig(hidden=(256, 256, 256), activation="silu"),
    policy_optimizer=OptimizerConfig(lr=3e-4, clip=1000.0),
    critic_optimizer=OptimizerConfig(lr=3e-4, clip=1000.0),
)
"""Networks and rates of CleanIL, for the presets of that name."""


Net = TypeVar("Net", bound=PolicyHead | Critic)


class ActorCritic(eqx.Module):
    """The state of an actor and its critics."""

    actor: Learner[PolicyHead]
    critic: Learner[Critic]
    target: Critic
    temperature: Learner[LogScalar]
    ema: PolicyHead
    updates: Int[Array, ""]
    """So far."""


def create(cfg: SoftActorCritic, start: Start, key: PRNGKeyArray) -> ActorCritic:
    """An agent before its first update."""
    ka, kc = jr.split(key)
    actor = start.actor or policy_head(start.spec, cfg.policy, key=ka, precision=cfg.precision)
    critic = Critic(start.spec, cfg.critic, flagged=cfg.terminal.kind == "absorbing", key=kc, precision=cfg.precision)
    if cfg.policy.share_encoder:
        critic = with_encoder(critic, actor)
    return ActorCritic(
        actor=Learner.create(actor, cfg.policy_optimizer),
        critic=Learner.create(critic, cfg.critic_optimizer),
        target=critic,
        temperature=cfg.temperature.create(),
        ema=actor,
        updates=jnp.zeros((), int),
    )


def soft_value(
    agent: ActorCritic, critic: Critic, obs: Obs, cfg: SoftActorCritic, key: PRNGKeyArray, entropy: bool = True
) -> Float[Array, "B"]:
    """`E_pi[min_i Q_i(s, a) - alpha log pi(a|s)]`, clipped to `td_loss.value_clip`."""
    choices = agent.actor.net.choices(obs, key)
    bonus = -agent.temperature.net() * choices.log_prob if entropy else 0.0
    return cfg.td_loss.clip(choices.mean(critic.among(obs, choices).min(0) + bonus))


def absorbing_value(critic: Critic) -> Float[Array, ""]:
    """The critic's value of the absorbing state, at the zero action and without entropy."""
    spec = critic.spec
    return critic(spec.observation.blank(1), jnp.zeros((1, spec.action_dim)), jnp.ones(1)).min()


def next_value(
    agent: ActorCritic,
    t: Transition,
    cfg: SoftActorCritic,
    key: PRNGKeyArray,
    absorbing_reward: Float[Array, ""] | float = 0.0,
    entropy: bool = True,
) -> Float[Array, "B"]:
    """V(s') of the target critic as a bootstrap takes it, with the end of the episode as `cfg.terminal` says.

    Args:
        agent: whose target critic and policy value the next state.
        t: transitions with normalised observations; under `stay` with the rewards that are learned from.
        cfg: of the agent.
        key: of the sampled actions.
        absorbing_reward: reward of the absorbing state, for `closed_form`.
        entropy: whether the value has its entropy bonus.
    """
    end: Float[Array, "*E"] | float = 0.0
    if cfg.terminal.kind in ("closed_form", "stay"):
        end = (t.reward if cfg.terminal.kind == "stay" else absorbing_reward) / (1 - cfg.gamma)
    elif cfg.terminal.kind == "absorbing":
        end = absorbing_value(agent.target)
    return cfg.terminal.next_value(soft_value(agent, agent.target, t.next_obs, cfg, key, entropy), t.terminated, end)


def critic_mask(cfg: SoftActorCritic, t: Transition) -> Float[Array, "B"]:
    """1 for transitions that take part in a critic's loss: absorbing ones do under `absorbing` only."""
    return jnp.ones(len(t)) if cfg.terminal.kind == "absorbing" else 1.0 - t.absorbing


def regression(
    critic: Critic, t: Transition, target: Float[Array, "B"], cfg: SoftActorCritic
) -> tuple[Float[Array, ""], Metrics]:
    """Temporal-difference loss of all critics against given targets."""
    q = critic(t.obs, t.action, t.absorbing)  # [N B]
    mask = critic_mask(cfg, t)  # [B]
    loss = masked_mean(cfg.td_loss(cfg.td_loss.learned(q) - target[None]), mask)
    return loss, {"critic_loss": loss, "q": masked_mean(q, mask), "q_max": q.max(), "target": masked_mean(target, mask)}


def actor_loss(
    actor: PolicyHead,
    agent: ActorCritic,
    obs: Obs,
    mask: Float[Array, "B"],
    cfg: SoftActorCritic,
    key: PRNGKeyArray,
) -> tuple[Float[Array, ""], Metrics]:
    """The policy follows `min_i Q_i(s, a)` (`Choices.climb`): equation 7 with reparametrised actions.

    Args:
        actor: the network that the gradient is for.
        agent: gives the critics and the temperature.
        obs: normalised observations.
        mask: 1 for states that count, 0 for the absorbing one.
        cfg: of the agent.
        key: of the actions.
    """
    choices, alpha = actor.choices(obs, key), agent.temperature.net()
    slow = cfg.finite_values == "target" and actor.spec.is_finite
    critic = agent.target if slow else agent.critic.net
    q = critic.among(obs, choices).min(0)  # [M B]
    loss = (choices.climb(q, alpha, cfg.finite_loss) * mask).sum() / jnp.maximum(mask.sum(), 1.0)
    return loss, choices.entropies(q, alpha) | {"q_policy": choices.mean(q)}


def improve(agent: ActorCritic, t: Transition, cfg: SoftActorCritic, key: PRNGKeyArray) -> tuple[ActorCritic, Metrics]:
    """The rest of an update after the critic's own step: policy, temperature, moving average, target critic."""
    mask = 1.0 - t.absorbing  # [B]
    actor, metrics = agent.actor.descend(actor_loss, agent, t.obs, mask, cfg, key)
    return follow(agent, actor, metrics, mask, cfg)


def follow(
    agent: ActorCritic, actor: Learner[PolicyHead], metrics: Metrics, mask: Float[Array, "B"], cfg: SoftActorCritic
) -> tuple[ActorCritic, Metrics]:
    """What follows the steps of critic and actor: temperature, moving average, target critic.

    Args:
        agent: after the critic's step.
        actor: after its own step.
        metrics: of the actor's loss, [B] each, with the `entropy` of its actions.
        mask: 1 for states that count in the actor's loss.
        cfg: of the agent.
    """
    updates, slow = agent.updates + 1, cfg.finite_values == "target" and "soft_entropy" in metrics
    entropy, share = ("soft_entropy", SOFT_SHARE) if slow else ("entropy", FINITE_SHARE)
    if cfg.policy.share_encoder:
        actor = eqx.tree_at(lambda a: a.net, actor, with_encoder(actor.net, agent.critic.net))
    new = ActorCritic(
        actor=actor,
        critic=agent.critic,
        target=polyak(agent.target, agent.critic.net, cfg.polyak),
        temperature=cfg.temperature.update(agent.temperature, metrics[entropy], mask, actor.net.spec, share),
        ema=polyak(agent.ema, actor.net, average_rate(cfg, updates)) if cfg.ema else actor.net,
        updates=updates,
    )
    return new, {k: masked_mean(v, mask) for k, v in metrics.items()} | {"alpha": agent.temperature.net()}


def average_rate(cfg: SoftActorCritic, updates: Int[Array, ""]) -> float | Float[Array, ""]:
    """Weight of the newest policy in the moving average."""
    if cfg.ema_share is None:
        return 1 - cfg.ema
    return jnp.maximum(1 - cfg.ema, growing_rate(cfg.ema_share, updates))


def with_encoder(net: Net, other: PolicyHead | Critic) -> Net:
    """A network that reads images through the other's encoder, which has the same shapes."""
    return eqx.tree_at(lambda n: n.encoder, net, other.encoder) if jax.tree.leaves(other.encoder) else net


def masked_mean(x: Float[Array, "*N B"], mask: Float[Array, "B"]) -> Float[Array, ""]:
    """Mean over the examples whose mask is 1."""
    share = mask / jnp.maximum(mask.sum(), 1.0)
    return (x * jnp.broadcast_to(share, x.shape)).sum() / (x.size / x.shape[-1])
