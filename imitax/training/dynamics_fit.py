"""Fits a dynamics ensemble: a supervised loop with early stopping, the only loop beside `loop.py`."""

from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Shaped

from imitax.buffers import Stored
from imitax.choices.dynamics_loss import DynamicsFit
from imitax.compiled import filter_jit
from imitax.learner import Learner
from imitax.networks import Dynamics
from imitax.training.dynamics_errors import calibration, held_out_error, pack, unpack
from imitax.types import Transition


@dataclass(frozen=True)
class FitReport:
    """How well an ensemble does on transitions that it was not fitted to."""

    transitions: int
    """Fitted to."""
    held_out: int
    """Measured on."""
    errors: list[list[float]]
    """Mean squared error of each member after each epoch, outputs in units of their standard deviation."""
    error: list[float]
    """Of each member as kept."""
    nll: list[float]
    """Negative log likelihood of each member as kept, nats for each output."""
    elites: list[int]
    """Members with the smallest errors."""
    episodes: list[int]
    """Numbers of the episodes held out; none where single transitions are."""
    coverage: dict[str, float]
    """Share of the outputs within the elites' central intervals of each probability: calibrated where they agree."""


def fit(
    dynamics: Dynamics,
    data: Transition | Stored,
    cfg: DynamicsFit,
    rng: np.random.Generator,
    episodes: np.ndarray | None = None,
) -> tuple[Dynamics, FitReport]:  # over 50 lines for its docstring
    """Fit an ensemble, and keep every member as it was when its held-out error was smallest.

    Args:
        dynamics: the ensemble, new or fitted before; its scalers are set anew without changing what it predicts.
        data: transitions [n], on the host.
        cfg: how.
        rng: decides the split, the bootstrap samples and their order.
        episodes: number of the episode of each transition [n]: whole episodes are held out.
    """
    train, held_out = split(len(data.obs), cfg, rng, episodes)
    learner = Learner.create(scaled_for(dynamics, jax.tree.map(lambda x: x[train], data)), cfg.optimizer)
    members, size = dynamics.cfg.members, min(cfg.batch_size, len(train))
    steps = -(-len(train) // size)
    everything = np.broadcast_to(train, (members, len(train)))
    own = rng.choice(train, (members, len(train))) if cfg.bootstrap else everything
    packed = pack(data)
    rows, test, count = padded(packed), padded(packed[held_out]), jnp.asarray(len(held_out))

    best_error, errors, best, waited = np.full(members, np.inf), [], learner.net, 0
    for _ in range(cfg.epochs):
        order = np.stack([np.resize(rng.permutation(row), steps * size) for row in own])  # [N K*B], begun anew to fill
        order = padded(order.reshape(members, steps, size).swapaxes(0, 1))
        learner = descend(learner, cfg, rows, order, jnp.asarray(steps))
        error = np.asarray(held_out_error(learner.net, test, count))
        errors.append(error.tolist())
        better = error < (1 - cfg.improvement) * best_error
        best_error = np.where(better, error, best_error)
        best = pick(jnp.asarray(better), learner.net, best)
        waited = 0 if better.any() else waited + 1
        if waited >= cfg.patience:
            break
    error = np.asarray(held_out_error(best, test, count))  # of the weights that are kept
    elites = np.argsort(error)[: dynamics.cfg.elites]
    best = eqx.tree_at(lambda d: d.elites, best, jnp.asarray(elites, best.elites.dtype))
    nll, coverage = calibration(best, test, len(held_out))
    report = FitReport(
        transitions=len(train),
        held_out=len(held_out),
        errors=errors,
        error=error.tolist(),
        nll=nll,
        elites=elites.tolist(),
        episodes=[] if episodes is None else np.unique(episodes[held_out]).tolist(),
        coverage=coverage,
    )
    return best, report


def padded(rows: np.ndarray) -> Shaped[Array, "n ..."]:
    """Rows with zeros after them up to a power of two, so that growing data are compiled for a few times only."""
    extra = 2 ** int(np.ceil(np.log2(len(rows)))) - len(rows)
    return jnp.asarray(np.pad(rows, ((0, extra), *((0, 0) for _ in rows.shape[1:]))))


@filter_jit
def descend(
    learner: Learner[Dynamics],
    cfg: DynamicsFit,
    rows: Float[Array, "n W"],
    order: Int[Array, "K N B"],
    steps: Int[Array, ""],
) -> Learner[Dynamics]:
    """The first so many of K gradient steps, each on B rows of each member."""
    arrays, static = eqx.partition(learner, eqx.is_array)
    spec = learner.net.spec

    def step(k: Int[Array, ""], arrays: Any) -> Any:
        index = order[k]
        flat = unpack(rows[index.ravel()], spec.obs_dim, spec.action_dim)
        batch = jax.tree.map(lambda x: x.reshape(*index.shape, *x.shape[1:]), flat)
        learner, _ = eqx.combine(arrays, static).descend(lambda net, t: cfg.loss(net, t), batch)
        return eqx.filter(learner, eqx.is_array)

    return eqx.combine(jax.lax.fori_loop(0, steps, step, arrays), static)


def split(
    count: int, cfg: DynamicsFit, rng: np.random.Generator, episodes: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Rows to fit and rows to hold out, at least one of each; whole episodes where their numbers are given."""
    wanted = int(np.clip(cfg.holdout * count, 1, cfg.holdout_max))
    if episodes is None or len(np.unique(episodes)) < 2:
        order = rng.permutation(count)
        return np.sort(order[wanted:]), np.sort(order[:wanted])
    held, numbers = [], rng.permutation(np.unique(episodes))
    for number in numbers[:-1]:
        if sum(map(len, held)) >= wanted:
            break
        held.append(np.flatnonzero(episodes == number))
    held_out = np.sort(np.concatenate(held))
    return np.setdiff1d(np.arange(count), held_out), held_out


def scaled_for(dynamics: Dynamics, data: Transition | Stored) -> Dynamics:
    """The ensemble with the scalers of its data; one that was fitted before predicts what it did."""
    inputs = np.concatenate([data.obs, data.action], 1)
    outputs = np.concatenate([data.next_obs - data.obs, np.asarray(data.reward)[:, None]], 1)
    (mean_in, std_in), (mean_out, std_out) = (moments(x) for x in (inputs, outputs))
    old = (dynamics.input_mean, dynamics.input_std, dynamics.output_mean, dynamics.output_std)
    new = tuple(jnp.asarray(x) for x in (mean_in, std_in, mean_out, std_out))
    fitted = bool((dynamics.output_std != 1).any())
    if fitted:
        dynamics = rescaled(dynamics, old, new)
    return eqx.tree_at(lambda d: (d.input_mean, d.input_std, d.output_mean, d.output_std), dynamics, new)


def moments(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of columns; 1 for those that hardly vary."""
    std = x.std(0, dtype=np.float64)
    return x.mean(0, dtype=np.float64).astype(np.float32), np.where(std < 1e-6, 1.0, std).astype(np.float32)


def rescaled(dynamics: Dynamics, old: tuple[Array, ...], new: tuple[Array, ...]) -> Dynamics:
    """First and last layer changed so that the same function comes out under new scalers."""
    (m0, s0, mo0, so0), (m1, s1, mo1, so1) = old, new
    d = dynamics.spec.obs_dim + 1
    weights, biases = list(dynamics.mlp.weights), list(dynamics.mlp.biases)
    biases[0] = biases[0] + ((m1 - m0) / s0) @ weights[0]
    weights[0] = weights[0] * (s1 / s0)[None, :, None]
    factor, shift = so0 / so1, 2 * jnp.log(so0 / so1)
    columns = jnp.ones(weights[-1].shape[-1]).at[:d].set(factor)
    weights[-1] = weights[-1] * columns[None, None]
    biases[-1] = biases[-1] * columns[None]
    biases[-1] = biases[-1].at[:, :d].add(((mo0 - mo1) / so1)[None]).at[:, d : 2 * d].add(shift[None])
    bounds = (dynamics.log_var_min + shift[None], dynamics.log_var_max + shift[None])
    return eqx.tree_at(
        lambda x: (x.mlp.weights, x.mlp.biases, x.log_var_min, x.log_var_max),
        dynamics,
        (tuple(weights), tuple(biases), *bounds),
    )


@filter_jit
def pick(better: Array, new: Dynamics, old: Dynamics) -> Dynamics:
    """Members of `new` where they are better, of `old` elsewhere."""

    def own(d: Dynamics) -> Any:
        return (d.mlp.weights, d.mlp.biases, d.log_var_min, d.log_var_max)

    def choose(x: Array, y: Array) -> Array:
        return jnp.where(better.reshape(-1, *(1,) * (x.ndim - 1)), x, y)

    return eqx.tree_at(own, new, jax.tree.map(choose, own(new), own(old)))
