"""Gradient penalties: how steep a learned function of data may be."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from imitax.errors import ConfigError, require_not_negative
from imitax.networks import Critic
from imitax.types import Metrics, Transition


@dataclass(frozen=True)
class GradientPenalty:
    """Penalty on the norm n of a function's gradient with respect to its inputs, averaged over points."""

    kind: Literal["none", "two_sided", "hinge", "zero"] = "hinge"
    """two_sided: (n - M)^2 (WGAN-GP, Gulrajani et al. 2017, equation 3, with M = 1). hinge: max(n - M, 0)^2 (WGAN-LP,
    Petzka et al. 2018). zero: n^2 (R1 on expert points, R2 on the learner's, Mescheder et al. 2018)."""
    weight: float = 10.0
    """Factor of the penalty in the loss (lambda)."""
    margin: float = 1.0
    """M, norm at which two_sided and hinge are zero, in units of the function by units of its (normalised) inputs."""
    at: Literal["mix", "expert", "learner", "both"] = "mix"
    """Where: on straight lines between expert and learner points, one uniform position a row; on the expert's; on the
    learner's; or the mean of the last two."""
    norm: Literal["l2", "linf"] = "l2"
    """l2 bounds the slope in every direction, linf (the reference system's) along each input coordinate."""
    inputs: Literal["all", "action"] = "all"
    """action: only the gradient with respect to actions counts (implicit behaviour cloning, Florence et al. 2021)."""

    def __post_init__(self):
        if self.weight < 0:
            raise ConfigError(
                f"gradient_penalty.weight must not be negative, got {self.weight}; kind none turns it off"
            )
        require_not_negative(self, "margin", of="gradient_penalty")

    def __call__(
        self,
        f: Callable[[Array], Array],
        expert: Float[Array, "B D"],
        learner: Float[Array, "B D"],
        key: PRNGKeyArray,
        action: slice | None = None,
    ) -> tuple[Float[Array, ""], Metrics]:
        """Weighted penalty, and the mean norm that it saw as metric `gradient_norm`.

        Args:
            f: `[B, D] -> [B]`, or an ensemble that takes one input a member too, `[N, B, D] -> [N, B]`: then every
                member is penalised and the penalties are averaged. Row i of the result depends on row i alone.
            expert: inputs at expert data.
            learner: inputs at the learner's data.
            key: draws the positions of `mix`.
            action: columns that hold actions, needed for `inputs="action"`.
        """
        if self.kind == "none":
            return jnp.zeros(()), {}
        norms = [gradient_norm(f, x, self.norm, self._columns(action)) for x in self._points(expert, learner, key)]
        norm = jnp.stack(norms)  # [P *N B]
        return self.weight * self._of(norm).mean(), {"gradient_norm": norm.mean()}

    def of_critic(
        self, critic: Critic, expert: Transition, learner: Transition, key: PRNGKeyArray
    ) -> tuple[Float[Array, ""], Metrics]:
        """The penalty of critics whose inputs are the states, actions and ends of transitions."""
        a, b = (critic.join(t.obs, t.action, t.absorbing) for t in (expert, learner))
        return self(critic.at, a, b, key, critic.action_columns)

    def _points(
        self, expert: Float[Array, "B D"], learner: Float[Array, "B D"], key: PRNGKeyArray
    ) -> list[Float[Array, "B D"]]:
        if self.at == "mix":
            u = jr.uniform(key, (len(expert), 1))
            return [u * expert + (1 - u) * learner]
        return {"expert": [expert], "learner": [learner], "both": [expert, learner]}[self.at]

    def _columns(self, action: slice | None) -> slice:
        if self.inputs == "all":
            return slice(None)
        if action is None:
            raise ConfigError("gradient_penalty.inputs=action needs a function of actions; this one has none")
        return action

    def _of(self, norm: Float[Array, "*N B"]) -> Float[Array, "*N B"]:
        if self.kind == "two_sided":
            return (norm - self.margin) ** 2
        if self.kind == "hinge":
            return jnp.maximum(norm - self.margin, 0) ** 2
        return norm**2


def gradient_norm(
    f: Callable[[Array], Array], x: Float[Array, "B D"], norm: Literal["l2", "linf"], columns: slice = slice(None)
) -> Float[Array, "*N B"]:
    """Norm of `grad f` at each row, of every member; finite derivatives also where the gradient vanishes."""
    members = jax.eval_shape(f, x).shape[:-1]
    # one copy of the inputs a member, so that one backward pass gives every member's own gradient
    gradient = jax.grad(lambda points: f(points).sum())(jnp.broadcast_to(x, (*members, *x.shape)))[..., columns]
    if norm == "linf":
        return jnp.abs(gradient).max(-1)
    return jnp.sqrt((gradient**2).sum(-1) + 1e-12)
