"""Behaviour cloning: maximum likelihood of the demonstrated actions (Pomerleau 1991, "Efficient Training of
Artificial Neural Networks for Autonomous Navigation").

    min_pi  E_E[-log pi(a|s)] + lambda sum(theta^2) / 2

With a horizon H above 1 the policy predicts the next H actions at once (action chunks: Zhao et al. 2023,
arXiv:2304.13705), and -log pi is the mean over those that the episode has.

Of demonstrations that are held out, the policy that explains them best is kept while training goes on (early stopping):
a few demonstrations are learned by heart in time, and the last policy is then worse than an earlier one.

Differs from CleanIL: the mean of the tanh-Gaussian is mapped onto the action box in deterministic mode
too; saturated data actions are pulled into the box by `policy.action_clip`, a documented choice here; the policy
that acts is a moving average of the trained one; the standard deviation has a high floor.
"""

from dataclasses import field, replace
from typing import Annotated

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from imitax.agents.actor_critic import CLEANIL
from imitax.agents.early_stopping import Kept, held_out_loss
from imitax.agents.start import Start
from imitax.algorithm import Needs, Schedule
from imitax.buffers import Buffers
from imitax.choices.weight_penalty import l2
from imitax.learner import Learner, OptimizerConfig, growing_average
from imitax.networks import (
    ActionChunks,
    ChunkActor,
    Normalizer,
    Policy,
    PolicyConfig,
    PolicyHead,
    Precision,
    chunked,
    policy_head,
    require_own_encoder,
)
from imitax.settings import INLINE, Count, CountOrZero, NonNegative, Share, settings
from imitax.spaces import Spec
from imitax.types import Batch, Metrics, Transition


@settings()
class Config:
    """Behaviour cloning."""

    batch_size: Count = 256
    """Transitions in an update."""
    l2: NonNegative = 0.0
    """lambda, weight of the coupled L2 penalty on all parameters, biases included. The CleanIL post: 0 or 0.01."""
    ema: Share = 0.25
    """The policy that acts and is saved is a moving average of the parameters over about this share of the updates so
    far. The initial ones are forgotten at any length of run (Polyak and Juditsky 1992; with a window that grows, as the
    power-function averages of Karras et al. 2024, arXiv:2312.02696). 0 takes the parameters as they are. It changes
    nothing in training."""
    early_stopping: CountOrZero = 500
    """Updates between held-out comparisons. The average whose deterministic actions are closest to held-out
    demonstrations (`--validation-episodes`) acts and is saved; training goes on. 0, or none held out: the latest."""
    chunks: Annotated[ActionChunks, INLINE] = ActionChunks()
    normalize_obs: bool = True
    """Standardise observations with the statistics of the training demonstrations."""
    policy: PolicyConfig = field(default_factory=lambda: PolicyConfig(log_std_min=-1.0, action_clip=0.01))
    """The floor of the standard deviation is high on purpose. With a low one the likelihood is won on the states where
    the expert is most predictable, its limit cycle, at the cost of those that are passed once, as after a start: on
    Walker2d such policies fell within a second although their likelihood was the higher one."""
    optimizer: OptimizerConfig = field(default_factory=lambda: OptimizerConfig(lr=1e-3))
    precision: Precision = "float32"
    """Of matrix products: bfloat16 rounds their operands and accumulates in float32."""

    def __post_init__(self):
        require_own_encoder(self.policy)


_CLEANIL = Config(ema=0.0, early_stopping=0, policy=CLEANIL.policy, optimizer=CLEANIL.policy_optimizer)

PRESETS = {
    "default": Config(),
    "cleanil": _CLEANIL,
    "cleanil-l2": replace(_CLEANIL, l2=0.01),
}
"""default: ours. cleanil: CleanIL's network. cleanil-l2: with the post's weight penalty."""


def needs(cfg: Config) -> Needs:
    """Demonstrations with actions, of any kind."""
    ensembled = "temporal ensembling averages actions (leave --action-ensemble out)"
    return Needs(
        expert=True,
        actions=True,
        without_actions="it clones them",
        action_horizon=cfg.chunks.action_horizon,
        held_out="the policy that explains them best is kept" if cfg.early_stopping else "",
        normalize_obs=cfg.normalize_obs,
        box_only=ensembled if cfg.chunks.action_ensemble else "",
        open_box=True,
        enumerates=False,
    )


def schedule(cfg: Config) -> Schedule:
    """One update a step, and comparisons on held-out demonstrations."""
    turns = ((cfg.early_stopping, compare),) if cfg.early_stopping else ()
    return Schedule(batch_size=cfg.batch_size, turns=turns)


class State(eqx.Module):
    """The policy, its moving average and the one kept of that, and the number of updates so far."""

    actor: Learner[PolicyHead]
    ema: PolicyHead
    kept: Kept[PolicyHead]
    updates: Int[Array, ""]
    normalizer: Normalizer
    spec: Spec
    """Of the task."""
    chunks: ActionChunks = eqx.field(static=True)


def init(cfg: Config, start: Start) -> State:
    """A state before its first update."""
    spec = chunked(start.spec, cfg.chunks.action_horizon)
    actor = start.actor or policy_head(spec, cfg.policy, key=start.key, precision=cfg.precision)
    learner = Learner.create(actor, cfg.optimizer)
    return State(learner, actor, Kept.none(actor), jnp.zeros((), int), start.normalizer, start.spec, cfg.chunks)


def actor_loss(actor: PolicyHead, expert: Transition, cfg: Config) -> tuple[Float[Array, ""], Metrics]:
    """Negative log-likelihood and weight penalty."""
    if expert.recorded is None:
        nll = -actor.log_prob(expert.obs, expert.action).mean()
    else:  # [B, H]
        logp = actor.log_prob_by_step(expert.obs, expert.action, cfg.chunks.action_horizon)
        nll = -(logp * expert.recorded).sum() / expert.recorded.sum()
    penalty = cfg.l2 * l2(actor) if cfg.l2 else jnp.zeros(())
    return nll + penalty, {"nll": nll, "l2": penalty}


def update(state: State, batch: Batch, cfg: Config, key: PRNGKeyArray) -> tuple[State, Metrics]:
    """One update on a batch of demonstrations."""
    del key
    expert = state.normalizer.batch(batch).expert
    assert expert is not None
    actor, metrics = state.actor.descend(actor_loss, expert, cfg)
    updates = state.updates + 1
    ema = growing_average(state.ema, actor.net, cfg.ema, updates)
    return replace(state, actor=actor, ema=ema, updates=updates), metrics


def compare(state: State, buffers: Buffers, cfg: Config, key: PRNGKeyArray) -> tuple[State, Metrics]:
    """Keep the moving average if it explains held-out demonstrations better than the kept one."""
    del cfg
    if buffers.held_out is None:
        return state, {}
    loss = held_out_loss(acting(state, state.ema), buffers.held_out, key)
    kept = state.kept.compared(state.ema, loss)
    return replace(state, kept=kept), {"held_out_loss": loss, "kept_loss": kept.loss}


def policy(state: State) -> Policy:
    """The policy that a run evaluates and saves."""
    return acting(state, state.kept.or_else(state.ema))


def acting(state: State, actor: PolicyHead) -> Policy:
    """The policy of a network."""
    if state.chunks.action_horizon == 1:
        return Policy(state.normalizer, actor)
    return Policy(state.normalizer, ChunkActor(actor, state.spec, state.chunks))
