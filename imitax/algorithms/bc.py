"""Behaviour cloning: maximum likelihood of the demonstrated actions (Pomerleau 1991, "Efficient Training of
Artificial Neural Networks for Autonomous Navigation").

    min_pi  E_E[-log pi(a|s)] + lambda sum(theta^2) / 2

Differs from CleanIL: the mean of the tanh-Gaussian is mapped onto the action box in deterministic mode
too; saturated data actions are pulled into the box by `policy.action_clip`, a documented choice here; the policy
that acts is a moving average of the trained one; the standard deviation has a high floor.
"""

from dataclasses import field, replace

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from imitax.agents.actor_critic import CLEANIL
from imitax.agents.start import Start
from imitax.algorithm import Needs, Schedule
from imitax.choices.weight_penalty import l2
from imitax.learner import Learner, OptimizerConfig, growing_average
from imitax.networks import (
    Normalizer,
    Policy,
    PolicyConfig,
    PolicyHead,
    Precision,
    policy_head,
    require_own_encoder,
)
from imitax.settings import Count, NonNegative, Share, settings
from imitax.types import Batch, Metrics, Transition


@settings()
class Config:
    """Behaviour cloning."""

    batch_size: Count = 256
    """Transitions in an update."""
    l2: NonNegative = 0.0
    """lambda, weight of the coupled L2 penalty on all parameters, biases included (the CleanIL post: 0 or 0.01)."""
    ema: Share = 0.25
    """The policy that acts and is saved is a moving average of the parameters over about this share of the updates so
    far (Polyak and Juditsky 1992; with a window that grows, as the power-function averages of Karras et al. 2024,
    arXiv:2312.02696), which forgets the initial ones at any length of run. 0 takes the parameters as they are.
    It changes nothing in training."""
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


_CLEANIL = Config(ema=0.0, policy=CLEANIL.policy, optimizer=CLEANIL.policy_optimizer)

PRESETS = {
    "default": Config(),
    "cleanil": _CLEANIL,
    "cleanil-l2": replace(_CLEANIL, l2=0.01),
}
"""default: ours. cleanil: CleanIL's network. cleanil-l2: with the post's weight penalty."""


def needs(cfg: Config) -> Needs:
    """Demonstrations with actions, of any kind."""
    kinds = {"box_only": "", "open_box": True, "enumerates": False}
    return Needs(expert=True, actions=True, without_actions="it clones them", normalize_obs=cfg.normalize_obs, **kinds)


def schedule(cfg: Config) -> Schedule:
    """One update a step."""
    return Schedule(batch_size=cfg.batch_size)


class State(eqx.Module):
    """The policy, its moving average, and the number of updates so far."""

    actor: Learner[PolicyHead]
    ema: PolicyHead
    updates: Int[Array, ""]
    normalizer: Normalizer


def init(cfg: Config, start: Start) -> State:
    """A state before its first update."""
    actor = start.actor or policy_head(start.spec, cfg.policy, key=start.key, precision=cfg.precision)
    return State(Learner.create(actor, cfg.optimizer), actor, jnp.zeros((), int), start.normalizer)


def actor_loss(actor: PolicyHead, expert: Transition, cfg: Config) -> tuple[Float[Array, ""], Metrics]:
    """Negative log-likelihood and weight penalty."""
    nll = -actor.log_prob(expert.obs, expert.action).mean()
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
    return State(actor, ema, updates, state.normalizer), metrics


def policy(state: State) -> Policy:
    """The policy that a run evaluates and saves."""
    return Policy(state.normalizer, state.ema)
