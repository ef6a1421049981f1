"""ReCOIL (Sikchi et al. 2024, "Dual RL: Unification and New Methods for Reinforcement and Imitation Learning",
arXiv:2302.08560) with a replay in the place of its offline data, as CleanIL has it.

    critic  min_Q  (1 - w) (m E_E[Q(s, pi) - Q(s, a)] + (1 - m) (E_B[Q(s, pi)] - E_E[Q(s, a)]))
                   + w E_{(E + B) / 2}[(Q(s, a) - gamma V(s'))^2]  + gradient penalty + held-out penalty + anchors
    policy  max_pi E[Q(s, pi) - alpha log pi] + c E_E[log pi(a|s)]

The sum of these terms stands in `agents/contrast.py`, which ReCOIL's offline form q shares. Demonstrated actions are
ranked above the policy's while all implied rewards are drawn to zero; gradient penalties bound how steeply Q falls off
the demonstrations.

Order of one update: critic, then policy, temperature and target by soft actor-critic on expert and replay states;
between chunks comparisons with held-out demonstrations.

Differs from the paper: the paper is offline, and its code fits V by implicit maximisation; here pi is trained and
chooses the actions. Differs from CleanIL: the absorbing state has a transition to itself in the data, so that its value
is learned from temporal differences; it is flagged in the next state alone, not in the one before it; values are
bounded where they are bootstrapped, not where they are learned (a clipped output has no gradient). The penalty that
follows held-out demonstrations is ours (`agents/held_out_penalty.py`), and so is cloning beside the critic, c;
`default` alone has both. `closed_form` as in `agents/implied_reward.py` concerns the squared term; the contrast is left
as it is. CleanIL ranks demonstrated actions above the policy's in the expert's states with a weight of a tenth (m =
0.1), and has w = 0.5 or 0.2 and a gradient penalty from a slope of 200 on, off here by default; with m = 1/2 and w =
1/3, close to which the default is, the gradient is that of IQ-Learn's default.
"""

from dataclasses import replace
from typing import Annotated

import jax.random as jr
from jaxtyping import PRNGKeyArray

from imitax.agents import critic_imitation
from imitax.agents.actor_critic import CLEANIL, SoftActorCritic
from imitax.agents.contrast import Contrast, contrast_loss
from imitax.agents.critic_imitation import State, compare
from imitax.agents.held_out_penalty import OFF, HeldOutPenalty
from imitax.agents.inferred_actions import CRITIC_NEEDS_ACTIONS, InferredActions, cloned, infer
from imitax.agents.policy_extraction import PolicyUpdate, extract
from imitax.agents.replay import Replay
from imitax.algorithm import Needs, Schedule
from imitax.choices.gradient_penalty import GradientPenalty
from imitax.choices.td_loss import TdLoss
from imitax.choices.temperature import Temperature
from imitax.choices.terminal import Terminal, require_implied_rewards
from imitax.learner import OptimizerConfig
from imitax.networks import CriticConfig, PolicyConfig
from imitax.settings import INLINE, Count, ShareAboveZero, settings
from imitax.types import Batch, Metrics, concat


@settings()
class Config:
    """ReCOIL with an environment."""

    agent: Annotated[SoftActorCritic, INLINE] = SoftActorCritic(
        ema=0.999,
        policy=PolicyConfig(action_clip=0.01),
        critic=CriticConfig(layer_norm=True, zero_head=True),
        critic_optimizer=OptimizerConfig(),
        td_loss=TdLoss(value_clip=1000.0),
        terminal=Terminal("absorbing"),
        temperature=Temperature("fixed", initial=0.01),
    )
    contrast: Annotated[Contrast, INLINE] = Contrast(td_weight=0.33, expert_share=0.5)
    replay: Annotated[Replay, INLINE] = Replay(warmup_steps=2000)
    inferred: Annotated[InferredActions, INLINE] = InferredActions()
    batch_size: Count = 128
    """Demonstrated, and as many replayed, transitions in an update."""
    normalize_obs: bool = True
    """Standardise observations with the statistics of the training demonstrations."""
    gradient_penalty: GradientPenalty = GradientPenalty("none")
    """Of the critics, between demonstrated transitions and the replay's states with the policy's actions."""
    held_out_penalty: HeldOutPenalty = HeldOutPenalty()
    """Of the critics, where they overfit."""
    horizon_share: ShareAboveZero | None = 0.2
    """Where the environment's time limit is within the horizon 1 / (1 - gamma) and no demonstration terminates, the
    horizon becomes this share of the limit, or 10 steps if that is more. None leaves gamma as it is."""
    policy_update: PolicyUpdate = PolicyUpdate(cloning=0.1)
    """How the policy follows the critic."""

    def __post_init__(self):
        require_implied_rewards(self.agent.terminal)


PRESETS = {
    "default": Config(),
    "observations": Config(
        inferred=InferredActions(infer_actions=True), held_out_penalty=OFF, policy_update=PolicyUpdate()
    ),
    "cleanil": Config(
        agent=replace(
            CLEANIL,
            critic=replace(CLEANIL.critic, zero_head=True),
            td_loss=TdLoss(value_clip=1000.0),
            terminal=Terminal("absorbing"),
            temperature=Temperature("fixed", initial=0.1),
        ),
        contrast=Contrast(),
        held_out_penalty=OFF,
        policy_update=PolicyUpdate(),
        horizon_share=None,
        gradient_penalty=GradientPenalty("hinge", weight=10.0, margin=200.0, at="both", norm="linf"),
    ),
}
"""default: ours. observations: ours, for demonstrations without actions. cleanil: CleanIL's networks and rates, w as
for Hopper. There is no preset `paper`: the paper has no online form."""


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


def update(state: State, batch: Batch, cfg: Config, key: PRNGKeyArray) -> tuple[State, Metrics]:
    """One update on as many demonstrated as replayed transitions."""
    inverse, data, mi = infer(state.inverse, state.normalizer.batch(batch), key)
    assert data.expert is not None
    assert data.replay is not None
    kc, ka = jr.split(key)
    parts = (cfg.agent, cfg.contrast, cfg.gradient_penalty)
    pair = (data.expert, data.replay)
    critic, mc = state.agent.critic.descend(contrast_loss, state.agent, pair, parts, kc, state.held_out)
    agent, states = replace(state.agent, critic=critic), concat(data.expert, data.replay)
    agent, ma = extract(agent, states, cloned(inverse, data.expert), (cfg.agent, cfg.policy_update), ka)
    return replace(state, agent=agent, inverse=inverse), mi | mc | ma
