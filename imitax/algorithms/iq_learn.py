"""IQ-Learn (Garg et al. 2021, "IQ-Learn: Inverse soft-Q Learning for Imitation", arXiv:2106.12142).

    critic  min_Q  -E_E[phi(r)] + E_D[V(s) - gamma V(s')],   r = Q(s, a) - gamma V(s'),  V(s) = Q(s, a') - alpha log pi
            phi(r) = -f*(-r); chi2: r - r^2 / (4 a)
    policy  max_pi E[V(s)] + c E_E[log pi(a|s)]

E_D[V(s) - gamma V(s')] is (1 - gamma) E[V(s_0)] on any data D from the same initial states: the learner's mean reward
and entropy bonus. Solved for Q, the loss is -D_f(learner || expert) + alpha H, and the policy maximises it. `on: both`
takes chi2's penalty r^2 / (4 a) on expert and replay instead of the expert alone, and r lies within +-4 a.

Order of one update: critic, then policy, temperature and target; between chunks comparisons with held-out
demonstrations. With an environment the policy is soft actor-critic's, on expert and replay states, and clones the
expert's actions beside. Offline there are the demonstrations alone: both expectations are theirs, and the policy is
cloned from them with weights of its advantages, or again climbs the critic.

Differs from the paper: V(s) is each critic's own and the bootstrapped V(s') the minimum of all, where the official code
takes the minimum for both (with its single critic they are the same). `on: both` has the actions of the replay, the
official code's last version the policy's actions with the replay's next states. `v0` takes the states that
demonstrations start from, as the paper does; the official code averages over all of the expert's. Ends have two more
treatments beside the paper's mask: `absorbing`, and `closed_form` as in `agents/implied_reward.py`. The paper has no
offline experiment with continuous actions: cloning by advantage and the gradient penalty between demonstrated and the
policy's actions are CleanIL's. The penalty that follows held-out demonstrations is ours (`agents/held_out_penalty.py`,
a last term of the critic's loss, online), and so is c, 0 in the paper; `default` alone has both. The presets `paper`
differ from the official defaults in two things: updates begin with the first chunk of steps (there after 1,280, like
here the policy's own), and weights start uniform (there orthogonal, biases zero).
"""

# Over 250 lines: two losses, online and offline.

from dataclasses import replace
from typing import Annotated, Literal

import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from imitax.agents import critic_imitation
from imitax.agents.actor_critic import (
    CLEANIL,
    ActorCritic,
    SoftActorCritic,
    masked_mean,
)
from imitax.agents.critic_imitation import State, compare
from imitax.agents.held_out_penalty import OFF, HeldOutPenalty, HeldOutWeight, held_out_term
from imitax.agents.implied_reward import Implied, half_means, implied, policy_choices
from imitax.agents.inferred_actions import CRITIC_NEEDS_ACTIONS, InferredActions, cloned, infer
from imitax.agents.policy_extraction import PolicyUpdate, extract
from imitax.agents.replay import Replay
from imitax.algorithm import Needs, Schedule
from imitax.choices.critic_penalty import critic_penalty
from imitax.choices.divergence import Divergence
from imitax.choices.gradient_penalty import GradientPenalty
from imitax.choices.temperature import Temperature
from imitax.choices.terminal import Terminal, require_implied_rewards
from imitax.errors import ConfigError
from imitax.learner import OptimizerConfig
from imitax.networks import Critic, CriticConfig, PolicyConfig
from imitax.settings import INLINE, Count, ShareAboveZero, settings
from imitax.types import Batch, Metrics, Transition, concat

_AGENT = SoftActorCritic(
    ema=0.999,
    policy=PolicyConfig(action_clip=0.01),
    critic=CriticConfig(layer_norm=True),
    critic_optimizer=OptimizerConfig(),
    terminal=Terminal("absorbing"),
    temperature=Temperature("fixed", initial=0.01),
)


@settings()
class Config:
    """Inverse soft Q-learning."""

    agent: Annotated[SoftActorCritic, INLINE] = _AGENT
    replay: Annotated[Replay, INLINE] = Replay(warmup_steps=2000)
    inferred: Annotated[InferredActions, INLINE] = InferredActions()
    batch_size: Count = 128
    """Demonstrated, and as many replayed, transitions in an update."""
    normalize_obs: bool = True
    """Standardise observations with the statistics of the training demonstrations."""
    gradient_penalty: GradientPenalty = GradientPenalty("none")
    """Of the critics, between expert and replay transitions."""
    held_out_penalty: HeldOutPenalty = HeldOutPenalty()
    """Of the critics, where they overfit."""
    horizon_share: ShareAboveZero | None = 0.2
    """Where the environment's time limit is within the horizon 1 / (1 - gamma) and no demonstration terminates, the
    horizon becomes this share of the limit, or 10 steps if that is more. None leaves gamma as it is."""
    regime: Literal["online", "offline"] = "online"
    """online: with an environment, whose transitions are the replay. offline: demonstrations alone."""
    divergence: Divergence = Divergence("chi2", scale=0.5)
    """phi, and with chi2 its a."""
    on: Literal["expert", "both"] = "both"
    """Where chi2's penalty r^2 / (4 a) is taken: on expert data, or on expert and replay in equal parts."""
    value_term: Literal["value_expert", "value", "v0"] = "value"
    """value_expert, value: D of E_D[V(s) - gamma V(s')] is the expert's, or expert's and replay's in equal parts. v0:
    (1 - gamma) E[V(s_0)] on the states that demonstrations start from."""
    grad_through_target: bool = False
    """V(s') is the critic's own and its gradient counts; otherwise it is the target network's."""
    value_entropy: bool = True
    """V(s) has the entropy bonus, as V(s') always has; CleanIL leaves it out."""
    policy_update: PolicyUpdate = PolicyUpdate(cloning=0.1)
    """How the policy follows the critic."""

    def __post_init__(self):
        require_implied_rewards(self.agent.terminal)
        if self.regime == "offline" and (self.on == "both" or self.value_term == "value"):
            raise ConfigError(
                f"regime=offline has no replay for on={self.on} and value_term={self.value_term}: take on=expert and "
                "value_term=value_expert or v0 (the preset `offline` does)"
            )
        if self.regime == "offline" and self.inferred.infer_actions:
            raise ConfigError("infer_actions learns from steps whose actions are known, and regime=offline has none")
        if self.on == "both" and self.divergence.kind != "chi2":
            raise ConfigError(
                f"on=both adds chi2's penalty on the replay, and divergence.kind={self.divergence.kind} has its own on "
                "expert data: use on=expert, or divergence.kind=chi2"
            )
        if self.agent.td_loss.kind != "squared":
            raise ConfigError(
                f"td_loss.kind={self.agent.td_loss.kind} has no effect on IQ-Learn, whose penalty of implied rewards "
                "is its divergence's: change divergence.kind (td_loss.value_clip does bound V(s'))"
            )


_PAPER = Config(
    agent=SoftActorCritic(
        critic=CriticConfig(members=1),
        policy_optimizer=OptimizerConfig(lr=3e-5),
        critic_optimizer=OptimizerConfig(),
        temperature=Temperature("fixed", initial=0.01),
    ),
    replay=Replay(warmup_steps=0),
    normalize_obs=False,
    held_out_penalty=OFF,
    horizon_share=None,
    batch_size=256,
    policy_update=PolicyUpdate(),
)

_CLONE = replace(
    _AGENT,
    ema=0.99999,
    ema_share=0.25,
    policy=PolicyConfig(log_std_min=-1.0, action_clip=0.01),
    policy_optimizer=OptimizerConfig(lr=1e-3),
)
"""What clones is set as in behaviour cloning, whose page says why."""
_OFFLINE = Config(
    agent=_CLONE,
    held_out_penalty=OFF,
    horizon_share=None,
    regime="offline",
    on="expert",
    value_term="value_expert",
    batch_size=256,
    policy_update=PolicyUpdate("awr", beta=1.0, normalize=True),
)

PRESETS = {
    "default": Config(),
    "observations": Config(
        inferred=InferredActions(infer_actions=True), held_out_penalty=OFF, policy_update=PolicyUpdate()
    ),
    "paper": _PAPER,
    "paper-v0": replace(_PAPER, value_term="v0"),
    "offline": _OFFLINE,
    "offline-sac": replace(_OFFLINE, agent=_AGENT, policy_update=PolicyUpdate("sac")),
    "cleanil": Config(
        agent=replace(CLEANIL, temperature=Temperature("fixed", initial=0.1)),
        regime="offline",
        on="expert",
        value_term="value_expert",
        value_entropy=False,
        held_out_penalty=OFF,
        horizon_share=None,
        divergence=Divergence("chi2", scale=0.25),
        batch_size=256,
        gradient_penalty=GradientPenalty("hinge", weight=20.0, margin=1.0, norm="linf"),
        policy_update=PolicyUpdate("awr", samples=1, noise=0.1),
    ),
}
"""default: ours, online. observations: ours, for demonstrations without actions. paper: the official settings for
HalfCheetah; Ant has temperature 0.001. paper-v0: those for Hopper, Walker2d and Humanoid; Humanoid has temperature 1.
offline, offline-sac: ours on demonstrations alone, the policy cloned by advantage or climbing the critic. cleanil:
CleanIL's offline form (its loss is half of ours; the gradient penalty's weight is doubled instead)."""


def needs(cfg: Config) -> Needs:
    """Demonstrations with actions; online also an environment."""
    alone = "its critic learns the value of demonstrated actions, and regime=offline has no others to infer them from"
    return Needs(
        box_only=cfg.policy_update.box_only,
        expert=True,
        actions=not cfg.inferred.infer_actions,
        held_out=cfg.held_out_penalty.held_out(cfg.inferred) if cfg.regime == "online" else "",
        horizon_share=cfg.horizon_share,
        without_actions=CRITIC_NEEDS_ACTIONS if cfg.regime == "online" else alone,
        initial=cfg.value_term == "v0",
        env=cfg.regime == "online",
        absorbing=cfg.agent.terminal.samples_absorbing,
        normalize_obs=cfg.normalize_obs,
    )


def schedule(cfg: Config) -> Schedule:
    """One update a step, and comparisons on held-out demonstrations."""
    if cfg.regime == "offline":
        return Schedule(cfg.batch_size)
    comparisons = ((cfg.held_out_penalty.every, compare),) if needs(cfg).held_out else ()
    return Schedule(cfg.batch_size, cfg.replay.warmup_steps, cfg.replay.buffer_size, comparisons=comparisons)


init, policy, explorer = critic_imitation.init, critic_imitation.policy, critic_imitation.explorer


def values(
    critic: Critic, agent: ActorCritic, t: Transition, cfg: Config, keys: tuple[PRNGKeyArray, PRNGKeyArray]
) -> tuple[Implied, Float[Array, "N M"], Float[Array, "M A"]]:
    """Implied rewards, V(s), and one action of the policy in s; the keys are those of the actions in s and in s'."""
    x = implied(critic, replace(agent, target=critic) if cfg.grad_through_target else agent, t, cfg.agent, keys[1])
    choices, bonus = policy_choices(agent, t, keys[0])
    v = choices.mean(critic.among(t.obs, choices, t.absorbing) + (bonus[None] if cfg.value_entropy else 0.0))
    return x, v, choices.drawn


def initial_value(
    critic: Critic, agent: ActorCritic, initial: Transition | None, cfg: Config, key: PRNGKeyArray
) -> Float[Array, ""]:
    """`(1 - gamma) E[V(s_0)]`."""
    assert initial is not None
    choices, bonus = policy_choices(agent, initial, jr.fold_in(key, 1))
    v = choices.mean(critic.among(initial.obs, choices) + (bonus[None] if cfg.value_entropy else 0.0))
    return (1 - cfg.agent.gamma) * v.mean()


def online_loss(
    critic: Critic,
    agent: ActorCritic,
    batch: Batch,
    cfg: Config,
    key: PRNGKeyArray,
    held_out: HeldOutWeight | None = None,
) -> tuple[Float[Array, ""], Metrics]:
    """Imitation, value and penalties on expert and replay, averaged over the critics."""
    kv, kn, kp = jr.split(key, 3)
    assert batch.expert is not None
    assert batch.replay is not None
    x, v, _ = values(critic, agent, concat(batch.expert, batch.replay), cfg, (kv, kn))  # M = 2B, expert first
    if cfg.on == "both":  # phi(r) = r - r^2 / (4 a), its two terms on different data
        squares_expert, squares_replay = half_means(x.reward**2 / x.share[None], x.mask)
        imitation = -half_means(x.reward / x.share[None], x.mask)[0]
        regularizer = (squares_expert + squares_replay) / 2 / (4 * cfg.divergence.scale)
    else:
        imitation = -half_means(cfg.divergence.concave(x.reward) / x.share[None], x.mask)[0]
        regularizer = jnp.zeros(())
    value_expert, value_replay = half_means(v - x.y[None], x.mask)
    value = value_expert if cfg.value_term == "value_expert" else (value_expert + value_replay) / 2
    if cfg.value_term == "v0":
        value = initial_value(critic, agent, batch.initial, cfg, kv)
    penalty, norm = critic_penalty(cfg.gradient_penalty, critic, batch.expert, batch.replay, kp)
    smoothing, mh = held_out_term(held_out, critic, batch.expert, batch.replay, kp)

    loss = imitation + value + regularizer + penalty + smoothing
    terms = {"critic_loss": loss, "imitation": imitation, "value": value, "regularizer": regularizer}
    (q_expert, q_learner), (r_expert, r_learner) = half_means(x.q, x.mask), half_means(x.reward, x.mask)
    return loss, norm | mh | terms | {
        "penalty": penalty,
        "q_expert": q_expert,
        "q_learner": q_learner,
        "reward_expert": r_expert,
        "reward_learner": r_learner,
        "td_error": jnp.stack(half_means(jnp.abs(x.reward), x.mask)).mean(),
    }


def offline_loss(
    critic: Critic, agent: ActorCritic, batch: Batch, cfg: Config, key: PRNGKeyArray
) -> tuple[Float[Array, ""], Metrics]:
    """Imitation, value and gradient penalty on demonstrations, averaged over the critics."""
    kv, kn, kp = jr.split(key, 3)
    assert batch.expert is not None
    x, v, action = values(critic, agent, batch.expert, cfg, (kv, kn))  # M = B
    imitation = -masked_mean(cfg.divergence.concave(x.reward) / x.share[None], x.mask)
    value = masked_mean(v - x.y[None], x.mask)
    if cfg.value_term == "v0":
        value = initial_value(critic, agent, batch.initial, cfg, kv)
    learner = replace(batch.expert, action=action)
    penalty, norm = critic_penalty(cfg.gradient_penalty, critic, batch.expert, learner, kp)

    loss = imitation + value + penalty
    return loss, norm | {
        "critic_loss": loss,
        "imitation": imitation,
        "value": value,
        "penalty": penalty,
        "q_expert": masked_mean(x.q, x.mask),
        "reward_expert": masked_mean(x.reward, x.mask),
        "td_error": masked_mean(jnp.abs(x.reward), x.mask),
    }


def update(state: State, batch: Batch, cfg: Config, key: PRNGKeyArray) -> tuple[State, Metrics]:
    """One update on demonstrated and, online, as many replayed transitions."""
    inverse, data, mi = infer(state.inverse, state.normalizer.batch(batch), key)
    kc, ka = jr.split(key)
    if data.replay is None:
        return offline_update(state, data, cfg, kc, ka)
    assert data.expert is not None
    critic, mc = state.agent.critic.descend(online_loss, state.agent, data, cfg, kc, state.held_out)
    agent, states = replace(state.agent, critic=critic), concat(data.expert, data.replay)
    agent, ma = extract(agent, states, cloned(inverse, data.expert), (cfg.agent, cfg.policy_update), ka)
    return replace(state, agent=agent, inverse=inverse), mi | mc | ma


def offline_update(state: State, data: Batch, cfg: Config, kc: PRNGKeyArray, ka: PRNGKeyArray) -> tuple[State, Metrics]:
    """One update on demonstrations alone, observations normalised."""
    assert data.expert is not None
    critic, mc = state.agent.critic.descend(offline_loss, state.agent, data, cfg, kc)
    agent = replace(state.agent, critic=critic)
    agent, ma = extract(agent, data.expert, len(data.expert), (cfg.agent, cfg.policy_update), ka)
    return replace(state, agent=agent), mc | ma
