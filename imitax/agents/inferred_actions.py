"""Actions for demonstrations that have none, from an inverse model of steps whose actions are known.

    inverse  min_q  E_B[-log q(a | s, s')],  B: the replay, or recorded data beside the demonstrations
    expert   a_E ~ q(. | s_E, s_E')

What a critic is told of the expert are Q(s, a) of the expert's own actions, and observations alone do not say these
(LS-IQ, Al-Hafez et al. 2023, arXiv:2303.00599, the section on observations only, whose code draws from a Gaussian q
too). The model is right where B has been: early in training it guesses, and where several actions lead to the same
next state it draws any of them.

Differs from the paper: the model takes one step in every update, on the update's own batch, and is this library's
policy head, tanh-Gaussian or categorical; the official code has several kinds of Gaussians and a batch of its own.
"""

from dataclasses import field, replace

import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from imitax.agents.start import Start
from imitax.learner import Learner, OptimizerConfig
from imitax.networks import PolicyConfig, PolicyHead, Precision, policy_head, require_own_encoder
from imitax.settings import settings
from imitax.spaces import ObservationSpace, Spec
from imitax.types import Batch, Metrics, Transition

CRITIC_NEEDS_ACTIONS = (
    "its critic learns the value of demonstrated actions; with infer_actions (--infer-actions, the preset "
    "observations) an inverse model infers them"
)
"""`Needs.without_actions` of algorithms that have the setting."""
KEY = 27
"""Folded into an update's key for the drawn actions, so that updates without them keep theirs."""


@settings("inverse")
class InferredActions:
    """Demonstrations without actions."""

    infer_actions: bool = False
    """Infer the demonstrations' actions with an inverse model (LS-IQ's learning from observations); actions that they
    have are not used."""
    inverse: PolicyConfig = field(default_factory=lambda: PolicyConfig(action_clip=0.01))
    """Network of the inverse model."""
    inverse_optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)

    def __post_init__(self):
        require_own_encoder(self.inverse)

    def create(self, start: Start, precision: Precision) -> Learner[PolicyHead] | None:
        """A new inverse model: a policy that sees an observation and the next one. None where actions are known."""
        if not self.infer_actions:
            return None
        observed, key = start.spec.observation.tree, jr.fold_in(start.key, KEY)
        spec = Spec(ObservationSpace.of((observed, observed)), start.spec.action)
        return Learner.create(policy_head(spec, self.inverse, key=key, precision=precision), self.inverse_optimizer)


def inverse_loss(net: PolicyHead, t: Transition) -> tuple[Float[Array, ""], Metrics]:
    """Negative log-likelihood of the actions of transitions, but for absorbing ones."""
    mask = 1.0 - t.absorbing  # [B]
    nll = (-net.log_prob((t.obs, t.next_obs), t.action) * mask).sum() / jnp.maximum(mask.sum(), 1.0)
    return nll, {"inverse_nll": nll}


def cloned(inverse: Learner[PolicyHead] | None, expert: Transition) -> int:
    """How many demonstrated transitions a policy may clone beside its critic: none whose actions are guesses."""
    return len(expert) if inverse is None else 0


def infer(
    inverse: Learner[PolicyHead] | None, batch: Batch, key: PRNGKeyArray
) -> tuple[Learner[PolicyHead] | None, Batch, Metrics]:
    """One step of the inverse model, and the batch with inferred actions in its demonstrations.

    Args:
        inverse: the model; None leaves all as it is.
        batch: with normalised observations.
        key: of the update.
    """
    known = batch.offline if batch.replay is None else batch.replay
    if inverse is None or batch.expert is None or known is None:
        return inverse, batch, {}
    inverse, metrics = inverse.descend(inverse_loss, known)
    expert = batch.expert
    action, _ = inverse.net.sample((expert.obs, expert.next_obs), jr.fold_in(key, KEY))
    expert = replace(expert, action=action * (1.0 - expert.absorbing)[:, None])  # [B A]
    return inverse, batch._replace(expert=expert), metrics
