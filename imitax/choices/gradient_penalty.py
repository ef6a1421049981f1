"""Gradient penalties: how steep a learned function of data may be."""

from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from imitax.settings import NonNegative, settings
from imitax.types import Metrics, scaled

Points = Any
"""A pytree of arrays [B, ...], such as `RewardInput` and `CriticInput`."""

Inputs = Literal["all", "action", "observed"]
FLAGS = {"flag", "next_flag", "absorbing"}
"""Fields of points that mark the end."""


@settings("gradient_penalty")
class GradientPenalty:
    """Penalty on the norm n of a function's gradient with respect to its inputs, averaged over points."""

    kind: Literal["none", "two_sided", "hinge", "zero"] = "hinge"
    """two_sided: (n - M)^2 (WGAN-GP, Gulrajani et al. 2017, equation 3, with M = 1). hinge: max(n - M, 0)^2 (WGAN-LP,
    Petzka et al. 2018). zero: n^2 (R1 on expert points, R2 on the learner's, Mescheder et al. 2018)."""
    weight: NonNegative = 10.0
    """Factor of the penalty in the loss (lambda)."""
    margin: NonNegative = 1.0
    """M, norm at which two_sided and hinge are zero, in units of the function by units of its (normalised) inputs."""
    at: Literal["mix", "expert", "learner", "both"] = "mix"
    """Where: on straight lines between expert and learner points, one uniform position per pair; on the expert's; on
    the learner's; or the mean of the last two."""
    norm: Literal["l2", "linf"] = "l2"
    """l2 bounds the slope in every direction, linf (CleanIL) along each input coordinate."""
    inputs: Inputs = "all"
    """action: only the gradient with respect to actions counts (implicit behaviour cloning, Florence et al. 2021).
    observed: with respect to observations and actions, not to the flags of the end, whose value is then free to differ
    from that of the states around it; the same as all where the function sees no flags."""

    def __call__(
        self,
        f: Callable[[Points], Array],
        expert: Points,
        learner: Points,
        key: PRNGKeyArray,
        weights: tuple[Float[Array, "B"], Float[Array, "B"]] | None = None,
    ) -> tuple[Float[Array, ""], Metrics]:
        """Weighted penalty, and the mean norm that it saw as metric `gradient_norm`.

        Args:
            f: points -> [B], or an ensemble that takes points [N, B, ...] -> [N, B] too: then every member is
                penalised and the penalties are averaged. Example i of the result depends on point i alone.
            expert: inputs at expert data, a pytree with the field `action`.
            learner: inputs at the learner's data.
            key: draws the positions of `mix`.
            weights: of the expert's and the learner's examples: those of weight 0 do not count, nor do points between
                them and others; what counts counts alike. None counts all.
        """
        if self.kind == "none":
            return jnp.zeros(()), {}
        if self.at == "mix":
            u = jr.uniform(key, (len(expert.action), 1))[:, 0]
            points = [jax.tree.map(jnp.add, scaled(expert, u), scaled(learner, 1 - u))]
        else:
            points = taken(self.at, expert, learner)
        n = jnp.stack([gradient_norm(f, x, self.norm, self.inputs) for x in points])  # [P *N B]
        if self.kind == "zero":
            penalty = n**2
        else:
            penalty = (n - self.margin if self.kind == "two_sided" else jnp.maximum(n - self.margin, 0)) ** 2
        if weights is None:
            return self.weight * penalty.mean(), {"gradient_norm": n.mean()}
        counts = [w > 0 for w in weights]
        mask = jnp.stack([counts[0] & counts[1]] if self.at == "mix" else taken(self.at, *counts))  # [P B]
        mask = jnp.broadcast_to(mask.reshape(len(mask), *(1,) * (n.ndim - 2), -1), n.shape)
        share = mask / jnp.maximum(mask.sum(), 1)
        return self.weight * (penalty * share).sum(), {"gradient_norm": (n * share).sum()}


def taken(at: Literal["mix", "expert", "learner", "both"], expert: Any, learner: Any) -> list[Any]:
    """What belongs to the points of a penalty that is not on lines between both."""
    return {"expert": [expert], "learner": [learner], "both": [expert, learner]}[at]


def gradient_norm(
    f: Callable[[Points], Array], x: Points, norm: Literal["l2", "linf"], inputs: Inputs = "all"
) -> Float[Array, "*N B"]:
    """Norm of `grad f` at each point, of every member; finite derivatives also where the gradient vanishes."""
    *members, _ = jax.eval_shape(f, x).shape
    # one copy of the inputs per member, so that one backward pass gives every member's own gradient
    copies = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (*members, *leaf.shape)), x)
    gradient = jax.grad(lambda points: f(points).sum())(copies)
    seen = gradient.action if inputs == "action" else gradient
    if inputs == "observed":
        seen = [part for name, part in zip(gradient._fields, gradient, strict=True) if name not in FLAGS]
    leaves = jax.tree.leaves(seen)
    columns = jnp.concatenate([leaf.reshape(*leaf.shape[: len(members) + 1], -1) for leaf in leaves], -1)
    if norm == "linf":
        return jnp.abs(columns).max(-1)
    return jnp.sqrt((columns**2).sum(-1) + 1e-12)
