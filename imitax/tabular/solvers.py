"""How the inverse methods minimise their losses, and what they return."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from imitax.compiled import filter_jit
from imitax.errors import ConfigError
from imitax.tabular.mdp import Temperature, traced


class Recovered(NamedTuple):
    """What an inverse method found; rewards and values have the unit of the temperature."""

    reward: Float[Array, "S A"]
    """Learned, or implied: `Q - gamma E[V(s')]`."""
    q: Float[Array, "S A"]
    v: Float[Array, "S"]
    policy: Float[Array, "S A"]
    loss: Float[Array, ""]
    gradient: Float[Array, ""]
    """Largest absolute component of the loss's gradient at the end."""


def positive(temperature: float) -> Temperature:
    """The temperature for compiled functions. Raises ConfigError if it is not positive."""
    if not temperature > 0:
        raise ConfigError(f"temperature must be positive, got {temperature}")
    return traced(temperature)


def minimize(
    loss: Callable[..., Float[Array, ""]], x: Float[Array, "*X"], *args: Any, steps: int, tolerance: float
) -> tuple[Float[Array, "*X"], Float[Array, ""], Float[Array, ""]]:
    """L-BFGS on `loss(x, *args)` until no component of the gradient exceeds `tolerance`, for `steps` steps at most.

    Returns the minimiser, its loss, and the largest absolute component of the gradient there.
    """
    return _minimize(loss, x, args, jnp.asarray(steps), jnp.asarray(tolerance))


@filter_jit
def _minimize(loss, x, args, steps, tolerance):
    def objective(x):
        return loss(x, *args)

    solver = optax.lbfgs(memory_size=20)
    evaluate = optax.value_and_grad_from_state(objective)

    def step(carry):
        x, state, count, *_ = carry
        value, gradient = evaluate(x, state=state)
        change, state = solver.update(gradient, state, x, value=value, grad=gradient, value_fn=objective)
        return x + change, state, count + 1, *(optax.tree.get(state, name) for name in ("value", "grad"))

    def unfinished(carry):
        *_, count, _, gradient = carry
        return (count < steps) & (jnp.abs(gradient).max() > tolerance)

    value, gradient = jax.value_and_grad(objective)(x)
    x, *_, value, gradient = jax.lax.while_loop(unfinished, step, (x, solver.init(x), 0, value, gradient))
    return x, value, jnp.abs(gradient).max()


def minimize_with_target(
    loss: Callable[..., Float[Array, ""]], x: Float[Array, "*X"], *args: Any, rounds: int, steps: int, tolerance: float
) -> tuple[Float[Array, "*X"], Float[Array, ""], Float[Array, ""]]:
    """Repeat `x <- argmin_y loss(y, x, *args)`, x being the fixed target, until x changes by at most `tolerance`.

    Each of at most `rounds` minimisations takes at most `steps` steps of L-BFGS. Returns the last x, and the loss and
    the largest absolute component of the gradient of the last minimisation.
    """
    return _minimize_with_target(loss, x, args, jnp.asarray(rounds), jnp.asarray(steps), jnp.asarray(tolerance))


@filter_jit
def _minimize_with_target(loss, x, args, rounds, steps, tolerance):
    def unfinished(carry):
        *_, change, count = carry
        return (count < rounds) & (change > tolerance)

    def advance(carry):
        x, *_, count = carry
        new, value, gradient = _minimize(loss, x, (x, *args), steps, tolerance / 10)
        return new, value, gradient, jnp.abs(new - x).max(), count + 1

    infinite = jnp.asarray(jnp.inf)
    return jax.lax.while_loop(unfinished, advance, (x, infinite, infinite, infinite, 0))[:3]
