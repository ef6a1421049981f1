"""A network with its optimiser: the only place where a gradient step is written."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from imitax.errors import ConfigError
from imitax.kernels import Replaceable
from imitax.settings import Count, NonNegative, Positive, ShareBelowOne, settings
from imitax.types import Carried, Metrics, of_iterated, parameters

Net = TypeVar("Net")


@settings("optimizer")
class OptimizerConfig:
    """Adam (Kingma and Ba 2015) with optional gradient clipping and decoupled weight decay."""

    lr: NonNegative = 3e-4
    """Learning rate."""
    beta1: ShareBelowOne = 0.9
    """Decay of the gradient's first moment."""
    beta2: ShareBelowOne = 0.999
    """Decay of the gradient's second moment."""
    epsilon: Positive = 1e-8
    """Added to the root of the second moment."""
    clip: Positive | None = None
    """Largest global gradient norm; None leaves gradients alone."""
    decay_to: NonNegative | None = None
    """Learning rate at the end of half a cosine; None keeps `lr` throughout."""
    decay_steps: Count = 300_000
    """Steps of that cosine; the rate stays at `decay_to` after them."""
    weight_decay: NonNegative = 0.0
    """Decoupled weight decay (AdamW, Loshchilov and Hutter 2019), biases included. Not the L2 penalty, which is
    coupled through the loss."""

    def __post_init__(self):
        if self.decay_to is not None and not self.decay_to <= self.lr > 0:
            raise ConfigError(f"optimizer.decay_to must lie in 0 to lr ({self.lr}), which must be positive")

    def build(self) -> optax.GradientTransformation:
        """The optax transformation."""
        clip = [] if self.clip is None else [clip_by_global_norm(self.clip)]
        decay = [optax.add_decayed_weights(self.weight_decay)] if self.weight_decay else []
        adam = optax.scale_by_adam(b1=self.beta1, b2=self.beta2, eps=self.epsilon)
        rate: Any = self.lr
        if self.decay_to is not None:
            rate = optax.cosine_decay_schedule(self.lr, self.decay_steps, alpha=self.decay_to / self.lr)
        return optax.chain(*clip, adam, *decay, optax.scale_by_learning_rate(rate))


clip_by_global_norm = Replaceable(optax.clip_by_global_norm)


class Learner(eqx.Module, Generic[Net]):
    """A network, its optimiser's configuration and state."""

    net: Net
    opt_state: Any
    optimizer: OptimizerConfig = eqx.field(static=True)

    @classmethod
    def create(cls, net: Net, optimizer: OptimizerConfig) -> "Learner[Net]":
        """A learner before its first step; scalars are strongly typed, to avoid recompilation after it."""
        net = jax.tree.map(lambda x: jnp.asarray(x, x.dtype) if eqx.is_inexact_array(x) else x, net)
        return cls(net, optimizer.build().init(parameters(net)), optimizer)

    def descend(
        self, loss: Callable[..., tuple[Float[Array, ""], Metrics]], *args: Any
    ) -> "tuple[Learner[Net], Metrics]":
        """One gradient step on `loss(net, *args) -> (scalar, metrics)`; returns the new learner and the metrics.

        What a network carries from step to step is brought up to date after it.
        """
        (_, metrics), grads = eqx.filter_value_and_grad(loss, has_aux=True)(self.net, *args)
        updates, opt_state = self.optimizer.build().update(parameters(grads), self.opt_state, parameters(self.net))
        net = of_iterated(lambda part: part.iterated(), eqx.apply_updates(self.net, updates))
        return Learner(net, opt_state, self.optimizer), metrics


def polyak(target: Net, online: Net, rate: float | Float[Array, ""]) -> Net:
    """Exponential moving average of parameters: `target <- (1 - rate) target + rate online`.

    What a network carries besides is the online one's.
    """

    def average(t: Any, o: Any) -> Any:
        if isinstance(t, Carried):
            return o
        return t + rate * (o - t) if eqx.is_inexact_array(t) else t

    return jax.tree.map(average, target, online, is_leaf=lambda x: isinstance(x, Carried))


def growing_average(average: Net, online: Net, share: float, updates: Int[Array, ""]) -> Net:
    """Moving average over about this share of the updates so far; with share 0 the parameters as they are."""
    return polyak(average, online, growing_rate(share, updates)) if share else online


def growing_rate(share: float, updates: Int[Array, ""]) -> Float[Array, ""]:
    """Weight of the newest parameters in an average over about this share of the updates so far."""
    return 1 / jnp.maximum(share * updates, 1)
