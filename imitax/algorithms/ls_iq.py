"""LS-IQ: IQ-Learn as least squares with fixed targets (Al-Hafez et al. 2023, "LS-IQ: Implicit Reward Regularization
for Inverse Reinforcement Learning", arXiv:2303.00599), and SQIL (Reddy et al. 2020, arXiv:1905.11108) as a preset.

    expert  min_Q  E_E[(Q(s, a) - r_E - gamma V(s'))^2]        bootstrap
                   E_E[(Q(s, a) - r_E / (1 - gamma))^2]        fix
    replay  min_Q  E_B[(Q(s, a) - r_B - gamma V(s'))^2]
    policy  max_pi E[V(s)] + c E_E[log pi(a|s)]

r_E = 1 / c and r_B = -1 / c. With both parts bootstrapped the implied reward is the mean of the two, weighted by the
occupancies of expert and replay: within +-1 / c, and Q within +-1 / (c (1 - gamma)), to which V(s') is clipped. SQIL is
the same with rewards 1 and 0 and without the clip. Under `closed_form` a transition into the end has the target
r / (1 - gamma), as if its reward recurred for ever.

Order of one update: critic, then policy, temperature and target by soft actor-critic on expert and replay states;
between chunks comparisons with held-out demonstrations.

Differs from the paper: the separate entropy critic of LS-IQ-H is left out. The penalty that follows held-out
demonstrations is ours (`agents/held_out_penalty.py`, a last term of the critic's loss), and so is cloning beside the
critic, c; `default` alone has both. In `learner_term: value` a transition of the expert into the end has the target r_B
/ (1 - gamma) too, where the official code has r_B. The preset `paper` begins with 10,000 random steps; the official
code lets the untrained policy act, and trains the policy from step 15,000 on.
"""

from dataclasses import replace
from typing import Annotated, Literal

import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from imitax.agents import critic_imitation
from imitax.agents.actor_critic import ActorCritic, SoftActorCritic, critic_mask, next_value
from imitax.agents.critic_imitation import State, compare
from imitax.agents.held_out_penalty import OFF, HeldOutPenalty, HeldOutWeight, held_out_term
from imitax.agents.implied_reward import half_means, policy_choices, step_share
from imitax.agents.inferred_actions import CRITIC_NEEDS_ACTIONS, InferredActions, cloned, infer
from imitax.agents.policy_extraction import PolicyUpdate, extract
from imitax.agents.replay import Replay
from imitax.algorithm import Needs, Schedule
from imitax.choices.critic_penalty import critic_penalty
from imitax.choices.gradient_penalty import GradientPenalty
from imitax.choices.temperature import Temperature
from imitax.choices.terminal import Terminal, require_implied_rewards
from imitax.errors import ConfigError
from imitax.learner import OptimizerConfig
from imitax.networks import Critic, CriticConfig, PolicyConfig
from imitax.settings import INLINE, Count, ShareAboveZero, settings
from imitax.types import Batch, Metrics, Transition, concat


@settings()
class Config:
    """Least-squares inverse Q-learning."""

    agent: Annotated[SoftActorCritic, INLINE] = SoftActorCritic(
        ema=0.999,
        policy=PolicyConfig(action_clip=0.01),
        critic=CriticConfig(layer_norm=True),
        critic_optimizer=OptimizerConfig(),
        terminal=Terminal("closed_form"),
        temperature=Temperature("fixed", initial=0.01),
    )
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
    policy_update: PolicyUpdate = PolicyUpdate(cloning=0.1)
    """How the policy follows the critic."""
    reward_expert: float = 2.0
    """r_E, reward of demonstrated steps: 1 / c, with the paper's c = 0.5."""
    reward_learner: float = -2.0
    """r_B, reward of replayed steps: -1 / c."""
    expert_term: Literal["fix", "bootstrap"] = "bootstrap"
    """bootstrap: Q of demonstrated actions is drawn to r_E + gamma V(s'). fix: to its largest value, r_E / (1 - gamma),
    the paper's."""
    learner_term: Literal["q", "value", "value_replay"] = "q"
    """What is drawn to r_B + gamma V(s'): q: Q of replayed actions. value: V(s) of expert's and replay's states.
    value_replay: V(s) of the replay's states."""
    clip: bool = True
    """V(s') is clipped to what r_B and r_E allow."""

    def __post_init__(self):
        require_implied_rewards(self.agent.terminal)
        if self.agent.gamma == 1:
            raise ConfigError("gamma=1 leaves the largest value, r_E / (1 - gamma), without a bound: lower it")
        if self.reward_expert <= self.reward_learner:
            raise ConfigError(
                f"reward_expert ({self.reward_expert}) must be higher than reward_learner ({self.reward_learner}), or "
                "not imitating is rewarded"
            )

    def bounds(self) -> tuple[float, float]:
        """Least and largest value: of the two rewards received for ever, or of the end where it is worth nothing."""
        low, high = min(self.reward_learner, 0.0), max(self.reward_expert, 0.0)
        return low / (1 - self.agent.gamma), high / (1 - self.agent.gamma)


PRESETS = {
    "default": Config(),
    "observations": Config(
        inferred=InferredActions(infer_actions=True), held_out_penalty=OFF, policy_update=PolicyUpdate()
    ),
    "paper": Config(
        agent=SoftActorCritic(
            critic=CriticConfig(members=1),
            policy_optimizer=OptimizerConfig(lr=3e-5),
            critic_optimizer=OptimizerConfig(),
            terminal=Terminal("closed_form"),
            temperature=Temperature("fixed", initial=1e-3),
        ),
        replay=Replay(warmup_steps=10_000),
        expert_term="fix",
        learner_term="value",
        held_out_penalty=OFF,
        policy_update=PolicyUpdate(),
        horizon_share=None,
        normalize_obs=False,
        batch_size=256,
    ),
    "sqil": Config(
        agent=SoftActorCritic(critic_optimizer=OptimizerConfig()),
        reward_expert=1.0,
        reward_learner=0.0,
        clip=False,
        held_out_penalty=OFF,
        policy_update=PolicyUpdate(),
        horizon_share=None,
        normalize_obs=False,
    ),
}
"""default: ours. observations: ours, for demonstrations without actions. paper: the official settings for Ant,
HalfCheetah, Hopper and Walker2d, with the closed form that the paper proposes and its launchers leave off; Humanoid has
learner_term q and temperature 0.1. sqil: rewards 1 and 0."""


def needs(cfg: Config) -> Needs:
    """Demonstrations with actions, and an environment."""
    return Needs(
        box_only=cfg.policy_update.box_only,
        expert=True,
        actions=not cfg.inferred.infer_actions,
        held_out=cfg.held_out_penalty.held_out(cfg.inferred),
        horizon_share=cfg.horizon_share,
        without_actions=CRITIC_NEEDS_ACTIONS,
        env=True,
        absorbing=cfg.agent.terminal.samples_absorbing,
        normalize_obs=cfg.normalize_obs,
    )


def schedule(cfg: Config) -> Schedule:
    """One update a step, and comparisons on held-out demonstrations."""
    comparisons = ((cfg.held_out_penalty.every, compare),) if needs(cfg).held_out else ()
    return Schedule(cfg.batch_size, cfg.replay.warmup_steps, cfg.replay.buffer_size, comparisons=comparisons)


init, policy, explorer = critic_imitation.init, critic_imitation.policy, critic_imitation.explorer


def critic_loss(
    critic: Critic,
    agent: ActorCritic,
    data: tuple[Transition, Transition],
    cfg: Config,
    key: PRNGKeyArray,
    held_out: HeldOutWeight | None = None,
) -> tuple[Float[Array, ""], Metrics]:
    """Regression on the targets of expert and learner, and the penalties, averaged over the critics."""
    expert, replay = data
    ke, kr, kv, kp = jr.split(key, 4)
    gamma, loss_of = cfg.agent.gamma, cfg.agent.td_loss
    mix = concat(expert, replay)  # [2B], expert first
    mask = critic_mask(cfg.agent, mix)  # [2B]

    def target(t: Transition, reward: float, key: PRNGKeyArray) -> Float[Array, "B"]:
        v_next = next_value(agent, t, cfg.agent, key, reward)
        return reward + gamma * (jnp.clip(v_next, *cfg.bounds()) if cfg.clip else v_next)

    y_expert, y_replay = target(expert, cfg.reward_expert, ke), target(replay, cfg.reward_learner, kr)  # [B]
    q = loss_of.learned(critic(mix.obs, mix.action, mix.absorbing))  # [N 2B]
    error = q - jnp.concatenate([y_expert, y_replay])[None]  # [N 2B]

    fixed = loss_of(q - cfg.reward_expert / (1 - gamma))  # [N 2B]
    expert_loss, _ = half_means(fixed if cfg.expert_term == "fix" else loss_of(error), mask)
    if cfg.learner_term == "q":
        _, learner_loss = half_means(loss_of(error), mask)
    else:
        choices, bonus = policy_choices(agent, mix, kv)
        v = choices.mean(critic.among(mix.obs, choices, mix.absorbing) + bonus[None])  # [N 2B]
        y = jnp.concatenate([target(expert, cfg.reward_learner, ke), y_replay])  # [2B]
        on_expert, on_replay = half_means(loss_of(v - y[None]), mask)
        learner_loss = (on_expert + on_replay) / 2 if cfg.learner_term == "value" else on_replay
    penalty, norm = critic_penalty(cfg.gradient_penalty, critic, expert, replay, kp)
    smoothing, mh = held_out_term(held_out, critic, expert, replay, kp)

    loss = expert_loss + learner_loss + penalty + smoothing
    q_expert, q_learner = half_means(q, mask)
    e_expert, e_learner = half_means(step_share(cfg.agent, mix)[None] * error, mask)
    return loss, norm | mh | {
        "critic_loss": loss,
        "expert_loss": expert_loss,
        "learner_loss": learner_loss,
        "penalty": penalty,
        "q_expert": q_expert,
        "q_learner": q_learner,
        "reward_expert": cfg.reward_expert + e_expert,
        "reward_learner": cfg.reward_learner + e_learner,
        "td_error": jnp.stack(half_means(jnp.abs(error), mask)).mean(),
    }


def update(state: State, batch: Batch, cfg: Config, key: PRNGKeyArray) -> tuple[State, Metrics]:
    """One update on as many demonstrated as replayed transitions."""
    inverse, data, mi = infer(state.inverse, state.normalizer.batch(batch), key)
    assert data.expert is not None
    assert data.replay is not None
    kc, ka = jr.split(key)
    pair = (data.expert, data.replay)
    critic, mc = state.agent.critic.descend(critic_loss, state.agent, pair, cfg, kc, state.held_out)
    agent, states = replace(state.agent, critic=critic), concat(data.expert, data.replay)
    agent, ma = extract(agent, states, cloned(inverse, data.expert), (cfg.agent, cfg.policy_update), ka)
    return replace(state, agent=agent, inverse=inverse), mi | mc | ma
