"""The programs that are checked and timed, for any number of seeds.

Beside `clone.py` this is the one file here that knows the library's internals. Networks, sizes and operation counts are
those of `update_rate.py`.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import update_rate as rate

from imitax import seeding
from imitax.algorithms import ALGORITHMS, adversarial, bc, ls_iq, mopo, omlirl, sac
from imitax.choices.imagination import Imagination
from imitax.compiled import jit
from imitax.dynamics_fit import descend, padded
from imitax.learner import Learner
from imitax.loop import Buffers, make_chunk, make_periodic
from imitax.networks import Normalizer
from imitax.seeding import Purpose
from imitax.sources import ImaginedSource
from imitax.sources.imagined import ImaginedBuffer
from imitax.stacking import over_seeds, stack, unstack
from imitax.types import Batch


@dataclass(frozen=True)
class Sizes:
    """Amounts of data; networks and batches are those of the presets."""

    replay: int = rate.REPLAY
    demonstrations: int = rate.DEMONSTRATIONS
    fitted: int = rate.REPLAY // 4
    """Transitions that an ensemble is fitted to."""
    starts: int = rate.STARTS
    horizon: int = rate.HORIZON
    scan: int = rate.SCAN
    """Updates in one jitted scan."""


TOY = Sizes(replay=600, demonstrations=300, fitted=512, starts=50, horizon=3, scan=2)


@dataclass(frozen=True)
class Call:
    """A jitted function that training calls, `(carry, *own, *shared, *static) -> (carry, metrics)`, and its arguments
    for one seed. It donates the carry."""

    make: Callable[[int], Any]
    """The function for a number of seeds."""
    carry: Any
    own: tuple[Any, ...]
    """Like the carry, with a leading axis of one seed."""
    shared: tuple[Any, ...]
    """The same for all seeds."""
    static: tuple[int, ...] = ()
    per_update: float = 1.0
    """Calls in an update."""

    def lower(self, seeds: int) -> jax.stages.Lowered:
        """Traced for `seeds` seeds, without allocating their arguments."""
        wide = jax.tree.map(lambda x: jax.ShapeDtypeStruct((seeds, *x.shape[1:]), x.dtype), (self.carry, *self.own))
        return self.make(seeds).lower(*wide, *self.shared, *self.static)

    def arguments(self, seeds: int) -> tuple[Any, ...]:
        """Every seed has a copy of the one seed's arguments."""
        return jax.tree.map(lambda x: jnp.repeat(x, seeds, axis=0), (self.carry, *self.own))


@contextlib.contextmanager
def on_host() -> Iterator[None]:
    """Many small operations take less time on the CPU, and give the same numbers in every process."""
    with jax.default_device(jax.devices("cpu")[0]):
        yield


def to_device(tree: Any) -> Any:
    """A tree's arrays on the accelerator."""
    return jax.device_put(tree, jax.devices()[0])


def calls_of(update: str, precision: str, sizes: Sizes) -> list[Call]:
    """The functions that an update consists of."""
    with on_host():
        found = PROGRAMS[update].calls(precision, sizes)
    return [replace(c, carry=to_device(c.carry), own=to_device(c.own), shared=to_device(c.shared)) for c in found]


def _chunk(algorithm: Any, precision: str, sizes: Sizes, preset: str = "default") -> list[Call]:
    """A scan over the updates of an algorithm."""
    cfg = _config(algorithm, preset, precision)
    needs, rows = cfg.needs, hasattr(cfg, "terminal") and cfg.terminal.rows
    given = {"dynamics": rate._model(cfg)[1]} if "model" in needs else {}
    (arrays, _), static, keys = rate._state(algorithm, cfg, **given)
    buffers = Buffers(
        rate._buffer(sizes.demonstrations, rows) if "expert" in needs else None,
        rate._buffer(sizes.replay, rows) if "env" in needs else None,
        None,
        rate._buffer(sizes.replay, rows) if "offline data" in needs else None,
        _imagined(sizes, rows) if "model" in needs else None,
    )
    scan = partial(make_chunk, algorithm, cfg, static)
    calls = [Call(scan, arrays, (buffers, keys), (jnp.asarray(0),), (sizes.scan,), 1 / sizes.scan)]
    for turn in algorithm.periodic(cfg) if hasattr(algorithm, "periodic") else ():
        run = partial(make_periodic, turn, cfg, static)
        calls.append(Call(run, arrays, (buffers, keys), (jnp.asarray(0),), (), 1 / turn.every))
    return calls


def _config(algorithm: Any, preset: str, precision: str) -> Any:
    return replace(algorithm.PRESETS[preset], precision="bfloat16" if precision == "bfloat16" else "float32")


def _imagined(sizes: Sizes, absorbing_rows: bool) -> ImaginedBuffer:
    """A full ring of random imagined transitions, with a leading axis of one seed."""
    ring = ImaginedBuffer.empty(sizes.demonstrations, rate._spec(), absorbing_rows)
    t = rate._buffer(sizes.demonstrations, False)
    t = unstack(t, 0).take(jnp.arange(sizes.demonstrations))
    t = replace(t, uncertainty=jnp.linspace(0.1, 2.0, len(t.reward)))
    return stack([ring.write(t, jnp.ones(len(t.reward), bool))])


def _fit(precision: str, sizes: Sizes) -> list[Call]:
    """One epoch of an ensemble's fit."""
    cfg = _config(mopo, "default", precision)
    learner = stack([Learner.create(rate._model(cfg)[1], cfg.fit.optimizer)])
    arrays, static = eqx.partition(learner, eqx.is_array)
    rng, steps = np.random.default_rng(0), -(-sizes.fitted // rate.BATCH)
    rows = rng.standard_normal((sizes.fitted, 2 * rate.OBS + rate.ACT + 2), np.float32)
    order = padded(rng.integers(sizes.fitted, size=(steps, rate.MEMBERS, rate.BATCH)).astype(np.int32))

    def one(arrays: Any, rows: Any, order: Any, steps: Any) -> tuple[Any, Any]:
        learner = descend(eqx.combine(arrays, static), cfg.fit, rows, order, steps)
        return eqx.filter(learner, eqx.is_array), learner.net.log_var_min.sum()

    def make(seeds: int) -> Any:
        return jit(over_seeds(one, seeds, shared=1), donate_argnums=0)

    return [Call(make, arrays, (jnp.asarray(rows)[None], order[None]), (jnp.asarray(steps),))]


def _rollouts(precision: str, sizes: Sizes, algorithm: Any = mopo, preset: str = "default") -> list[Call]:
    """One set of branched rollouts."""
    cfg = _config(algorithm, preset, precision)
    keep = sizes.starts * sizes.horizon
    imagination = Imagination(starts=sizes.starts, horizon=sizes.horizon, keep=keep, limit=None)
    spec, dynamics, policy = rate._model(cfg)
    source = ImaginedSource(imagination, cfg.pessimism, spec, 1, absorbing_rows=False)
    given, static = eqx.partition((stack([dynamics]), stack([policy])), eqx.is_array)

    def make(seeds: int) -> Any:
        source.seeds = seeds
        return source._compile(static, sizes.horizon)

    real = Buffers(None, None, None, rate._buffer(sizes.replay, absorbing_rows=False))
    return [Call(make, source.buffer, (given, real, seeding.keys((0,), Purpose.MODEL)), (jnp.asarray(0),))]


def _omlirl(precision: str, sizes: Sizes) -> list[Call]:
    """A scan over policy updates, a step of the reward, and a set of rollouts."""
    every = omlirl.PRESETS["head"].imagination.every
    roll_out = _rollouts(precision, sizes, omlirl, "head")[0]
    return [*_chunk(omlirl, precision, sizes, "head"), replace(roll_out, per_update=1 / every)]


@dataclass(frozen=True)
class Program:
    """What is timed as one update."""

    calls: Callable[[str, Sizes], list[Call]]
    gflop: Callable[[Sizes], float]
    """Of one update of one seed."""
    transitions: Callable[[Sizes], int] | None = None
    """Of one update of one seed, where their rate is of interest."""


def _share(s: Sizes) -> float:
    return s.starts * s.horizon / (rate.STARTS * rate.HORIZON)


def _omlirl_gflop(s: Sizes) -> float:
    return rate.omlirl_gflop() - (1 - _share(s)) * rate.rollout_gflop((256, 256, 256)) / 250


PROGRAMS = {
    "bc-2x256": Program(lambda p, s: _chunk(bc, p, s), lambda s: rate.bc_gflop()),
    "sac-default": Program(lambda p, s: _chunk(sac, p, s), lambda s: rate.sac_gflop()),
    "adversarial-default": Program(lambda p, s: _chunk(adversarial, p, s), lambda s: rate.adversarial_default_gflop()),
    # as many products as SAC's: the default has 128 demonstrated and 128 replayed transitions in a batch
    "ls_iq-default": Program(lambda p, s: _chunk(ls_iq, p, s), lambda s: rate.sac_gflop()),
    "omlirl-head": Program(_omlirl, _omlirl_gflop),
    "ensemble-7x200": Program(_fit, lambda s: rate.ensemble_gflop() * s.fitted / rate.REPLAY, lambda s: s.fitted),
    "rollout-7x200": Program(_rollouts, lambda s: rate.rollout_gflop() * _share(s), lambda s: s.starts * s.horizon),
}


def checks(algorithm: str, preset: str) -> Iterator[tuple[str, Any, tuple[Any, ...]]]:
    """One update at a fixed batch, and one turn of each kind of periodic work: names, jitted functions, arguments."""
    module, sizes = ALGORITHMS[algorithm], Sizes(replay=2000, demonstrations=2000)
    with on_host():
        cfg = _config(module, preset, "float32")
        if hasattr(cfg, "adversary"):  # rounding errors grow with the steps
            cfg = replace(cfg, adversary=replace(cfg.adversary, steps=2))
        needs = cfg.needs
        given = {"dynamics": rate._model(cfg)[1]} if "model" in needs else {}
        state = module.init(cfg, rate._spec(), Normalizer.identity(rate.OBS), jr.key(0), **given)
        rows = hasattr(cfg, "terminal") and cfg.terminal.rows
        real, ring = (unstack(b, 0) for b in (rate._buffer(sizes.replay, rows), _imagined(sizes, rows)))
        initial = real if getattr(cfg, "needs_initial", False) else None
        buffers = Buffers(
            real if "expert" in needs else None,
            real if "env" in needs else None,
            initial,
            real if "offline data" in needs else None,
            ring if "model" in needs else None,
        )
        drawn = buffers.take(buffers.draw(cfg.rows, jr.key(1)))
        batch = Batch(*(drawn._asdict()[field] for field in Batch._fields))
        key = jr.key(2)
    arrays, static = eqx.partition(state, eqx.is_array)

    def update(arrays: Any, batch: Batch, key: Any) -> tuple[Any, Any]:
        state, metrics = module.update(eqx.combine(arrays, static), batch, cfg, key)
        return eqx.filter(state, eqx.is_array), metrics

    yield f"{algorithm}/{preset}", jit(update), to_device((arrays, batch, key))
    for i, turn in enumerate(module.periodic(cfg) if hasattr(module, "periodic") else ()):

        def run(arrays: Any, buffers: Buffers, key: Any, turn: Any = turn) -> tuple[Any, Any]:
            state, metrics = turn.run(eqx.combine(arrays, static), buffers, cfg, key)
            return eqx.filter(state, eqx.is_array), metrics

        yield f"{algorithm}/{preset}/turn{i}", jit(run), to_device((arrays, buffers, key))


def presets() -> list[tuple[str, str]]:
    """Algorithms and presets, the defaults first."""
    pairs = [(name, preset) for name, module in ALGORITHMS.items() for preset in module.PRESETS]
    return sorted(pairs, key=lambda pair: pair[1] != "default")
