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
from update_rate import SCAN
from updates import flops, harness, model_based

from imitax import seeding
from imitax.agents.model_rollouts import ModelRollouts
from imitax.agents.start import Start
from imitax.algorithms import ALGORITHMS, adversarial, bc, ls_iq, mopo, omlirl, sac
from imitax.buffers import Buffers, RolloutBuffer, Stored
from imitax.compiled import jit
from imitax.config import override, setting_names
from imitax.learner import Learner
from imitax.networks import Normalizer
from imitax.registry import algorithm_of
from imitax.seeding import Purpose
from imitax.sources import RolloutSource
from imitax.stacking import over_seeds, stack, unstack
from imitax.training.chunk import make_chunk, make_turn
from imitax.training.dynamics_fit import descend, padded
from imitax.types import Batch


@dataclass(frozen=True)
class Sizes:
    """Amounts of data; networks and batches are those of the presets."""

    replay: int = flops.REPLAY
    demonstrations: int = flops.DEMONSTRATIONS
    fitted: int = flops.REPLAY // 4
    """Transitions that an ensemble is fitted to."""
    starts: int = flops.STARTS
    horizon: int = flops.HORIZON
    scan: int = SCAN
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
    needs = algorithm.needs(cfg)
    dynamics = None if needs.model is None else model_based.model(cfg)[1]
    (arrays, _), static, keys = harness.new_state(algorithm, cfg, dynamics)
    buffers = Buffers(
        expert=harness.buffer(sizes.demonstrations, needs.absorbing) if needs.expert else None,
        replay=harness.buffer(sizes.replay, needs.absorbing) if needs.env else None,
        offline=harness.buffer(sizes.replay, needs.absorbing) if needs.offline else None,
        rollouts=None if needs.model is None else _model_data(sizes, needs.absorbing),
    )
    scan = partial(make_chunk, algorithm_of(cfg), cfg, static)
    calls = [Call(scan, arrays, (buffers, keys), (jnp.asarray(0),), (sizes.scan,), 1 / sizes.scan)]
    for every, turn in algorithm_of(cfg).schedule(cfg).turns:
        run = partial(make_turn, turn, 0, cfg, static)
        calls.append(Call(run, arrays, (buffers, keys), (jnp.asarray(0),), (), 1 / every))
    return calls


def _config(algorithm: Any, preset: str, precision: str) -> Any:
    return override(algorithm.PRESETS[preset], precision="bfloat16" if precision == "bfloat16" else "float32")


def _model_data(sizes: Sizes, absorbing: bool) -> RolloutBuffer:
    """A full ring of random model transitions, with a leading axis of one seed."""
    count = sizes.demonstrations
    ring = RolloutBuffer.empty(count, harness.spec(), absorbing)
    t = unstack(harness.buffer(count, False), 0).take(jnp.arange(count))
    data = Stored.of(t)._replace(uncertainty=jnp.linspace(0.1, 2.0, count))
    return stack([ring.write(data, jnp.ones(count, bool))])


def _fit(precision: str, sizes: Sizes) -> list[Call]:
    """One epoch of an ensemble's fit."""
    cfg = _config(mopo, "default", precision)
    learner = stack([Learner.create(model_based.model(cfg)[1], cfg.model.fit.optimizer)])
    arrays, static = eqx.partition(learner, eqx.is_array)
    rng, steps = np.random.default_rng(0), -(-sizes.fitted // flops.BATCH)
    rows = rng.standard_normal((sizes.fitted, 2 * flops.OBS + flops.ACT + 2), np.float32)
    order = padded(rng.integers(sizes.fitted, size=(steps, flops.MEMBERS, flops.BATCH)).astype(np.int32))

    def one(arrays: Any, rows: Any, order: Any, steps: Any) -> tuple[Any, Any]:
        learner = descend(eqx.combine(arrays, static), cfg.model.fit, rows, order, steps)
        return eqx.filter(learner, eqx.is_array), learner.net.log_var_min.sum()

    def make(seeds: int) -> Any:
        return jit(over_seeds(one, seeds, shared=1), donate_argnums=0)

    return [Call(make, arrays, (jnp.asarray(rows)[None], order[None]), (jnp.asarray(steps),))]


def _rollouts(precision: str, sizes: Sizes, algorithm: Any = mopo, preset: str = "default") -> list[Call]:
    """One set of branched rollouts."""
    cfg = _config(algorithm, preset, precision)
    keep = sizes.starts * sizes.horizon
    rollouts = ModelRollouts(starts=sizes.starts, horizon=sizes.horizon, keep=keep, limit=None)
    spec, dynamics, policy = model_based.model(cfg)
    source = RolloutSource(replace(cfg.model, model_rollouts=rollouts), spec, 1, samples_absorbing=False)
    given, static = eqx.partition((stack([dynamics]), stack([policy])), eqx.is_array)

    def make(seeds: int) -> Any:
        source.seeds = seeds
        return source._compile(static, sizes.horizon)

    real = Buffers(offline=harness.buffer(sizes.replay, absorbing=False))
    return [Call(make, source.buffer, (given, real, seeding.keys((0,), Purpose.MODEL_ROLLOUTS)), (jnp.asarray(0),))]


def _omlirl(precision: str, sizes: Sizes) -> list[Call]:
    """A scan over policy updates, a step of the reward, and a set of rollouts."""
    every = omlirl.PRESETS["head"].model.model_rollouts.every
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
    return s.starts * s.horizon / (flops.STARTS * flops.HORIZON)


def _omlirl_gflop(s: Sizes) -> float:
    return flops.omlirl() - (1 - _share(s)) * flops.rollout((256, 256, 256)) / 250


PROGRAMS = {
    "bc-2x256": Program(lambda p, s: _chunk(bc, p, s), lambda s: flops.bc()),
    "sac-default": Program(lambda p, s: _chunk(sac, p, s), lambda s: flops.sac()),
    "adversarial-default": Program(lambda p, s: _chunk(adversarial, p, s), lambda s: flops.adversarial_default()),
    # as many products as SAC's: the default has 128 demonstrated and 128 replayed transitions in a batch
    "ls_iq-default": Program(lambda p, s: _chunk(ls_iq, p, s), lambda s: flops.sac()),
    "omlirl-head": Program(_omlirl, _omlirl_gflop),
    "ensemble-7x200": Program(_fit, lambda s: flops.ensemble() * s.fitted / flops.REPLAY, lambda s: s.fitted),
    "rollout-7x200": Program(_rollouts, lambda s: flops.rollout() * _share(s), lambda s: s.starts * s.horizon),
}


def checks(algorithm: str, preset: str) -> Iterator[tuple[str, Any, tuple[Any, ...]]]:
    """One update at a fixed batch, and one turn of each kind of periodic work: names, jitted functions, arguments."""
    module, sizes = ALGORITHMS[algorithm], Sizes(replay=2000, demonstrations=2000)
    with on_host():
        cfg = _config(module, preset, "float32")
        if "adversary" in setting_names(type(cfg)):  # rounding errors grow with the steps
            cfg = override(cfg, **{"adversary.steps": 2})
        needs = module.needs(cfg)
        dynamics = None if needs.model is None else model_based.model(cfg)[1]
        state = module.init(cfg, Start(harness.spec(), Normalizer.identity(flops.OBS), jr.key(0), dynamics))
        real, ring = (
            unstack(b, 0) for b in (harness.buffer(sizes.replay, needs.absorbing), _model_data(sizes, needs.absorbing))
        )
        buffers = Buffers(
            expert=real if needs.expert else None,
            replay=real if needs.env else None,
            recent=real if module.schedule(cfg).recent_size else None,
            initial=real if needs.initial else None,
            offline=real if needs.offline else None,
            rollouts=None if needs.model is None else ring,
        )
        batch = buffers.take(buffers.draw(module.schedule(cfg).batch_size, jr.key(1)))
        key = jr.key(2)
    arrays, static = eqx.partition(state, eqx.is_array)

    def update(arrays: Any, batch: Batch, key: Any) -> tuple[Any, Any]:
        state, metrics = module.update(eqx.combine(arrays, static), batch, cfg, key)
        return eqx.filter(state, eqx.is_array), metrics

    yield f"{algorithm}/{preset}", jit(update), to_device((arrays, batch, key))
    for i, (_, turn) in enumerate(module.schedule(cfg).turns):

        def run(arrays: Any, buffers: Buffers, key: Any, turn: Any = turn) -> tuple[Any, Any]:
            state, metrics = turn(eqx.combine(arrays, static), buffers, cfg, key)
            return eqx.filter(state, eqx.is_array), metrics

        yield f"{algorithm}/{preset}/turn{i}", jit(run), to_device((arrays, buffers, key))


def presets() -> list[tuple[str, str]]:
    """Algorithms and presets, the defaults first."""
    pairs = [(name, preset) for name, module in ALGORITHMS.items() for preset in module.PRESETS]
    return sorted(pairs, key=lambda pair: pair[1] != "default")
