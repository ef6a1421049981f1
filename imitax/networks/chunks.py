"""Policies that predict several actions at once (action chunks: Zhao et al. 2023, ACT, arXiv:2304.13705)."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, Shaped

from imitax.errors import ConfigError
from imitax.networks.head import PolicyHead
from imitax.networks.policy import ActionMode, Policy
from imitax.settings import Count, NonNegative, settings
from imitax.spaces import ActionSpace, BoxActions, FiniteActions, Spec
from imitax.types import Obs


@settings()
class ActionChunks:
    """How many actions a policy predicts at once, and how they are carried out."""

    action_horizon: Count = 1
    """H, actions that are predicted at once. 1 is an ordinary policy."""
    action_execute: Count | None = None
    """N <= H, of these that are carried out. Then comes the next prediction; None takes all H."""
    action_ensemble: bool = False
    """Act by the mean of all predictions for a step. One is made at every step (temporal ensembling); boxes only."""
    ensemble_decay: NonNegative = 0.01
    """m, by which newer ones count less. The i-th oldest, from 0, has the weight exp(-m i), as in ACT."""

    def __post_init__(self):
        if self.action_ensemble and self.action_execute is not None:
            raise ConfigError("action_ensemble predicts at every step: leave action_execute out")
        if self.action_ensemble and self.action_horizon == 1:
            raise ConfigError("action_ensemble averages predictions of several steps: give action_horizon above 1")
        if self.executed > self.action_horizon:
            raise ConfigError(
                f"action_execute must be at most action_horizon ({self.action_horizon}), got {self.action_execute}"
            )

    @property
    def executed(self) -> int:
        """N."""
        return self.action_horizon if self.action_execute is None else self.action_execute


SINGLE = ActionChunks()
"""Of policies that predict one action."""


def chunked(spec: Spec, horizon: int) -> Spec:
    """The spaces of a head that predicts the next `horizon` actions, one after the other in one vector."""
    return spec if horizon == 1 else Spec(spec.observation, _repeated(spec.action, horizon), spec.history)


def _repeated(space: ActionSpace, count: int) -> ActionSpace:
    if isinstance(space, BoxActions):
        return BoxActions(space.low * count, space.high * count, space.open_low * count, space.open_high * count)
    return FiniteActions(space.sizes * count, space.starts * count, (count * space.columns,), space.dtype)


class ChunkActor(eqx.Module):
    """A policy over the next H actions, of which actions are independent of each other in one state.

    As an `Actor` it is the policy's first action: what it does where it predicts at every step, without ensembling.
    """

    head: PolicyHead
    """Of H actions side by side."""
    spec: Spec
    """Of the task."""
    chunks: ActionChunks = eqx.field(static=True)

    def mode(self, obs: Obs) -> Float[Array, "B A"]:
        """The first of the deterministic actions."""
        return self.head.mode(obs)[:, : self.spec.action_dim]

    def sample(self, obs: Obs, key: PRNGKeyArray) -> tuple[Float[Array, "B A"], Float[Array, "B"]]:
        """The first action of a random chunk, and its log-probability."""
        action = self.head.sample(obs, key)[0][:, : self.spec.action_dim]
        return action, self.log_prob(obs, action)

    def log_prob(self, obs: Obs, action: Float[Array, "B A"]) -> Float[Array, "B"]:
        """Log-density of actions as the first of their chunk."""
        horizon = self.chunks.action_horizon
        return self.head.log_prob_by_step(obs, jnp.tile(action, (1, horizon)), horizon)[:, 0]


def chunks_of(policy: Policy) -> ActionChunks:
    """How a policy's predictions are carried out."""
    return policy.actor.chunks if isinstance(policy.actor, ChunkActor) else SINGLE


def predict(policy: Policy, obs: Obs, key: PRNGKeyArray, mode: ActionMode) -> Shaped[Array, "B Hk"]:
    """Predicted actions for raw observations, as data have them, one after the other in one row."""
    actor = policy.actor
    if not isinstance(actor, ChunkActor):
        return policy.columns(obs, key, mode)
    x = policy.normalizer(obs)
    actions = actor.head.mode(x) if mode == "mode" else actor.head.sample(x, key)[0]
    return actor.head.spec.action.decode(actions)
