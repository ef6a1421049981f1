"""Time one gradient update, sampling included, and state it as a share of the machine's own matrix-product rate.

    python bench/update_rate.py --json                     # every update, one core
    python bench/update_rate.py --only sac-2x256 --cores 2 --precision bfloat16 --json

`gflop` counts the products that the mathematics needs, no recomputation; `matmul_gflops` is the best of 256- and
1024-cube float32 products measured in the same run, whatever the update's precision; `share` is their quotient.
Blocks of updates and of matrix products alternate, so that a change of the machine's load falls on both.

On two cores each block is preceded and followed by a measurement of their distance (`handover.py`): `handover_ns` is
its median, and the figures with `_together` are those of the blocks before and after which the cores shared a cache.
"""

import argparse
import contextlib
import itertools
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import median

from handover import APART_NS, handover

OBS, ACT, BATCH, HIDDEN = 11, 3, 256, (256, 256)
REPLAY, DEMONSTRATIONS = 100_000, 10_000
SCAN, BLOCKS = 100, 15
"""Updates in one jitted scan, and timed scans."""
ENSEMBLE, MEMBERS, STARTS, HORIZON = (200, 200, 200), 7, 5000, 40
"""Learned dynamics and their rollouts."""


def mlp_gflop(sizes: tuple[int, ...], *, backward: bool, to_input: float, rows: int = BATCH) -> float:
    """Products of one network on one batch, in GFLOP.

    Args:
        rows: of the batch.
        sizes: widths, input and output included.
        backward: whether gradients of the parameters are needed.
        to_input: 1 where the gradient of the input is needed, else 0.
    """
    layers = [2 * rows * a * b / 1e9 for a, b in itertools.pairwise(sizes)]
    total = sum(layers)
    if backward:
        total += sum(layers)
    if backward or to_input:
        total += sum(layers[1:]) + to_input * layers[0]
    return total


def sac_gflop(hidden: tuple[int, ...] = HIDDEN) -> float:
    """One SAC update: 0.564 at Hopper's sizes and 2x256."""
    actor, critic = (OBS, *hidden, 2 * ACT), (OBS + ACT, *hidden, 1)
    critic_step = mlp_gflop(actor, backward=False, to_input=0) + 2 * mlp_gflop(critic, backward=False, to_input=0)
    critic_step += 2 * mlp_gflop(critic, backward=True, to_input=0)
    actor_step = mlp_gflop(actor, backward=True, to_input=0)
    actor_step += 2 * mlp_gflop(critic, backward=False, to_input=1)
    return critic_step + actor_step


def adversarial_gflop(hidden: tuple[int, ...], *, smooth: bool) -> float:
    """One adversarial update: discriminator on expert and learner, gradient penalty, rewards, and a SAC update.

    The penalty is a forward pass, the input's gradient (as many products), and the derivative of both with respect to
    the parameters: two products for each of the gradient's, and, where the activation has a second derivative
    (`smooth`), an ordinary backward pass.
    """
    net = (OBS + ACT + 1, *hidden, 1)
    once = mlp_gflop(net, backward=False, to_input=0)
    discrimination = 2 * mlp_gflop(net, backward=True, to_input=0)
    penalty = 4 * once + (mlp_gflop(net, backward=True, to_input=0) - once if smooth else 0.0)
    return discrimination + penalty + once + sac_gflop(hidden)


def gail_gflop() -> float:
    """The reference system's form: 3x256, SiLU."""
    return adversarial_gflop((256, 256, 256), smooth=True)


def adversarial_default_gflop() -> float:
    """Our default: 2x256."""
    return adversarial_gflop(HIDDEN, smooth=False)


def bc_gflop() -> float:
    """One BC update."""
    return mlp_gflop((OBS, *HIDDEN, 2 * ACT), backward=True, to_input=0)


ENSEMBLE_SIZES = (OBS + ACT, *ENSEMBLE, 2 * (OBS + 1))


def ensemble_gflop() -> float:
    """One epoch of all members over the replay."""
    return MEMBERS * mlp_gflop(ENSEMBLE_SIZES, backward=True, to_input=0, rows=REPLAY)


def rollout_gflop(hidden: tuple[int, ...] = HIDDEN) -> float:
    """5000 branched rollouts of 40 steps, all members' predictions at each, and the policy."""
    rows = STARTS * HORIZON
    policy = mlp_gflop((OBS, *hidden, 2 * ACT), backward=False, to_input=0, rows=rows)
    return policy + MEMBERS * mlp_gflop(ENSEMBLE_SIZES, backward=False, to_input=0, rows=rows)


def omlirl_gflop() -> float:
    """One policy update at the reference system's sizes with its share of rollouts and of the reward's steps."""
    hidden = (256, 256, 256)
    net = (OBS + ACT, *hidden, 1)
    rewards = mlp_gflop(net, backward=False, to_input=0)
    step = 2 * mlp_gflop(net, backward=True, to_input=0) + 4 * rewards  # discriminator, penalty
    step += mlp_gflop(net, backward=True, to_input=0) - rewards  # SiLU has a second derivative
    return sac_gflop(hidden) + rewards + step / 10 + rollout_gflop(hidden) / 250


def rmirl_gflop() -> float:
    """One step of the adversarial model: rollout step, advantage, and the gradient of both terms.

    Rows of the rollout are dealt to the elites, so that they cost one member's forward pass.
    """
    hidden = (256, 256, 256)
    policy, critic = (OBS, *hidden, 2 * ACT), (OBS + ACT, *hidden, 1)
    acts = 2 * mlp_gflop(policy, backward=False, to_input=0)  # in the rollout, and for V(s')
    values = 4 * mlp_gflop(critic, backward=False, to_input=0)  # both critics at s and s'
    reward = mlp_gflop((OBS + ACT, *hidden, 1), backward=False, to_input=0)
    model = mlp_gflop(ENSEMBLE_SIZES, backward=False, to_input=0)
    return acts + values + reward + model + 2 * MEMBERS * mlp_gflop(ENSEMBLE_SIZES, backward=True, to_input=0)


def sac_block(precision: str) -> Callable[[int], object]:
    """A function that runs SAC updates and waits for them."""
    from imitax.algorithms import sac

    cfg = sac.PRESETS["default"]
    critic = replace(cfg.critic, hidden=HIDDEN, layer_norm=False)  # as the peers' networks
    policy = replace(cfg.policy, hidden=HIDDEN)
    return _block(sac, replace(cfg, critic=critic, policy=policy, precision=precision), replay=REPLAY)


def sac_default_block(precision: str) -> Callable[[int], object]:
    """SAC's default preset."""
    from imitax.algorithms import sac

    return _block(sac, replace(sac.PRESETS["default"], precision=precision), replay=REPLAY)


def bc_block(precision: str) -> Callable[[int], object]:
    """A function that runs BC updates and waits for them."""
    from imitax.algorithms import bc

    cfg = bc.PRESETS["default"]
    return _block(
        bc, replace(cfg, policy=replace(cfg.policy, hidden=HIDDEN), precision=precision), expert=DEMONSTRATIONS
    )


def adversarial_block(precision: str, preset: str = "default") -> Callable[[int], object]:
    """A preset of adversarial imitation: discriminator and soft actor-critic."""
    from imitax.algorithms import adversarial

    cfg = replace(adversarial.PRESETS[preset], precision=precision)
    return _block(adversarial, cfg, expert=DEMONSTRATIONS, replay=REPLAY)


gail_block = partial(adversarial_block, preset="cleanil")


def _model(cfg):
    """A new ensemble and a policy at the benchmark's sizes."""
    import jax.random as jr

    from imitax.networks import Dynamics, Normalizer, Policy, TanhGaussian, known_termination

    spec = _spec()
    ends = known_termination("HalfCheetah-v5", {}, OBS)
    dynamics = Dynamics(spec, cfg.dynamics, ends, key=jr.key(0), precision=cfg.precision)
    actor = TanhGaussian(spec, cfg.policy, key=jr.key(1), precision=cfg.precision)
    return spec, dynamics, Policy(Normalizer.identity(OBS), actor)


def _spec():
    from imitax.types import Spec

    return Spec(OBS, ACT, (-1.0,) * ACT, (1.0,) * ACT)


def _stacked(tree):
    from imitax.stacking import stack as stack_states

    return stack_states([tree])


def ensemble_block(precision: str) -> Callable[[int], object]:
    """Epochs of an ensemble's fit."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    from imitax.algorithms import mopo
    from imitax.dynamics_fit import descend, padded
    from imitax.learner import Learner

    cfg = replace(mopo.PRESETS["default"], precision=precision)
    _, dynamics, _ = _model(cfg)
    rows = jnp.asarray(np.random.default_rng(0).standard_normal((REPLAY, 2 * OBS + ACT + 2), np.float32))
    steps = -(-REPLAY // BATCH)
    order = padded(np.random.default_rng(1).integers(REPLAY, size=(steps, MEMBERS, BATCH)))
    held = [Learner.create(dynamics, cfg.fit.optimizer)]

    def run(epochs: int) -> object:
        for _ in range(epochs):
            held[0] = descend(held[0], cfg.fit, rows, order, jnp.asarray(steps))
        return jax.block_until_ready(jax.tree.leaves(held[0].net.mlp.weights))

    return run


def _rollouts(cfg):
    """A source of imagined transitions, and a function that rolls out once."""
    import jax
    import jax.numpy as jnp

    from imitax import seeding
    from imitax.loop import Buffers
    from imitax.seeding import Purpose
    from imitax.sources import ImaginedSource

    spec, dynamics, policy = _model(cfg)
    source = ImaginedSource(cfg.imagination, cfg.pessimism, spec, 1, absorbing_rows=False)
    given, keys = (_stacked(dynamics), _stacked(policy)), seeding.keys((0,), Purpose.MODEL)
    real, count = Buffers(None, None, None, _buffer(REPLAY, absorbing_rows=False)), itertools.count()

    def run(times: int) -> object:
        for _ in range(times):
            source.advance(*given, real, keys, next(count))
        return jax.block_until_ready(jnp.asarray(source.buffer.written))

    return source, run


def rollout_block(precision: str) -> Callable[[int], object]:
    """Sets of branched rollouts, with the ensemble's uncertainty at every step."""
    from imitax.algorithms import mopo
    from imitax.choices.imagination import Imagination

    cfg = replace(
        mopo.PRESETS["default"],
        precision=precision,
        imagination=Imagination(starts=STARTS, horizon=HORIZON, keep=1_000_000, limit=None),
    )
    return _rollouts(cfg)[1]


def omlirl_block(precision: str) -> Callable[[int], object]:
    """Policy updates of OMLIRL with what happens between them: rollouts each 250, a reward's step each 10."""
    import jax
    import jax.numpy as jnp

    from imitax.algorithms import omlirl
    from imitax.loop import Buffers, make_chunk, make_periodic

    cfg = replace(omlirl.PRESETS["head"], precision=precision)
    cfg = replace(cfg, imagination=replace(cfg.imagination, limit=None))
    source, roll_out = _rollouts(cfg)
    held, static, keys = _state(omlirl, cfg, dynamics=_model(cfg)[1])
    run_chunk = make_chunk(omlirl, cfg, static, 1)
    run_turns = [(turn.every, make_periodic(turn, cfg, static, 1)) for turn in omlirl.periodic(cfg)]
    expert, offline = (_buffer(n, absorbing_rows=False) for n in (DEMONSTRATIONS, REPLAY))

    def run(updates: int) -> object:
        metrics = None
        for _ in range(updates // 10):
            if held[1] % cfg.imagination.every == 0:
                roll_out(1)
            buffers = Buffers(expert, None, None, offline, source.buffer)
            held[0], metrics = run_chunk(held[0], buffers, keys, jnp.asarray(held[1]), 10)
            held[1] += 10
            for every, run_turn in run_turns:
                if held[1] % every == 0:
                    held[0], _ = run_turn(held[0], buffers, keys, jnp.asarray(held[1]))
        return jax.block_until_ready(metrics)

    return run


def rmirl_block(precision: str) -> Callable[[int], object]:
    """Phases of adversarial model steps, without the policy's updates between them."""
    import jax
    import jax.numpy as jnp

    from imitax.algorithms import rmirl
    from imitax.loop import Buffers, make_periodic

    cfg = replace(rmirl.PRESETS["head"], precision=precision)
    held, static, keys = _state(rmirl, cfg, dynamics=_model(cfg)[1])
    run_turn = make_periodic(rmirl.periodic(cfg)[0], cfg, static, 1)
    expert, offline = (_buffer(n, absorbing_rows=False) for n in (DEMONSTRATIONS, REPLAY))

    def run(steps: int) -> object:
        metrics = None
        for _ in range(steps // cfg.adversary.steps):
            held[0], metrics = run_turn(held[0], Buffers(expert, None, None, offline), keys, jnp.asarray(held[1]))
            held[1] += 1
        return jax.block_until_ready(metrics)

    return run


@dataclass(frozen=True)
class Update:
    """What is timed."""

    block: Callable[[str], Callable[[int], object]]
    """Of a precision, a function that runs so many updates."""
    gflop: Callable[[], float]
    scan: int = SCAN
    """Updates timed at once."""
    transitions: int | None = None
    """Of one update, where their rate is of interest."""


UPDATES = {
    "gail-3x256": Update(gail_block, gail_gflop),
    "adversarial-default": Update(adversarial_block, adversarial_default_gflop),
    "sac-2x256": Update(sac_block, sac_gflop),
    "sac-default": Update(sac_default_block, sac_gflop),
    "bc-2x256": Update(bc_block, bc_gflop),
    "rollout-7x200": Update(rollout_block, rollout_gflop, scan=1, transitions=STARTS * HORIZON),
    "ensemble-7x200": Update(ensemble_block, ensemble_gflop, scan=1, transitions=REPLAY),
    "omlirl-head": Update(omlirl_block, omlirl_gflop, scan=250),
    "rmirl-model-head": Update(rmirl_block, rmirl_gflop, scan=100),
}
"""gail-3x256 to bc-2x256: one gradient update. rollout-7x200: one set of rollouts. ensemble-7x200: one epoch.
omlirl-head: one policy update with its share of rollouts and reward. rmirl-model-head: one step of the model."""


def _buffer(count: int, absorbing_rows: bool):
    """Random transitions on the device, None of none."""
    import numpy as np

    from imitax.sources.buffer import pack, stack
    from imitax.types import Transition

    if not count:
        return None
    rng = np.random.default_rng(0)
    data = Transition(
        rng.standard_normal((count, OBS), np.float32),
        rng.uniform(-1, 1, (count, ACT)).astype(np.float32),
        rng.standard_normal(count, np.float32),
        rng.standard_normal((count, OBS), np.float32),
        rng.random(count) < 0.01,
        np.zeros(count, bool),
    )
    return stack([pack(data)], OBS, ACT, absorbing=[0.01 * count], absorbing_rows=absorbing_rows)


def _state(algorithm, cfg, **given) -> tuple[list, object, object]:
    """A new state's arrays, as the loop donates them, beside a counter of steps; its static part; and a run's keys."""
    import equinox as eqx
    import jax
    import jax.numpy as jnp

    from imitax import seeding
    from imitax.networks import Normalizer
    from imitax.seeding import Purpose

    key = seeding.key(0, Purpose.INITIALISATION)
    state = _stacked(algorithm.init(cfg, _spec(), Normalizer.identity(OBS), key, **given))
    arrays, static = eqx.partition(state, eqx.is_array)
    return [jax.tree.map(jnp.copy, arrays), 0], static, seeding.keys((0,), Purpose.UPDATES)


def _block(algorithm, cfg, *, expert: int = 0, replay: int = 0) -> Callable[[int], object]:
    """The loop's own jitted chunk on random transitions."""
    import jax
    import jax.numpy as jnp

    from imitax.loop import Buffers, make_chunk

    absorbing_rows = hasattr(cfg, "terminal") and cfg.terminal.rows
    buffers = Buffers(_buffer(expert, absorbing_rows), _buffer(replay, absorbing_rows))
    held, static, keys = _state(algorithm, cfg)
    run_chunk = make_chunk(algorithm, cfg, static, 1)

    def run(updates: int) -> object:
        held[0], metrics = run_chunk(held[0], buffers, keys, jnp.asarray(held[1]), updates)
        held[1] += updates
        return jax.block_until_ready(metrics)

    return run


def sac_updates(updates: int, precision: str) -> float:
    """Median milliseconds of one SAC update, over timed scans of `updates`."""
    return _median(sac_block(precision), updates)


def bc_updates(updates: int, precision: str) -> float:
    """Median milliseconds of one BC update, over timed scans of `updates`."""
    return _median(bc_block(precision), updates)


def _median(run: Callable[[int], object], updates: int) -> float:
    for _ in range(2):  # the first compiles
        run(updates)
    return median(_time(run, updates) for _ in range(BLOCKS))


def _time(run: Callable[[int], object], updates: int) -> float:
    start = time.perf_counter()
    run(updates)
    return (time.perf_counter() - start) / updates * 1e3


def matmul(size: int) -> Callable[[int], object]:
    """A function that runs float32 products of `size` cubed and waits for them."""
    import jax
    import jax.numpy as jnp

    x = jnp.full((size, size), 1 / size)

    @jax.jit
    def products(count, x):
        return jax.lax.fori_loop(0, count, lambda _, y: y @ x, x)

    return lambda count: jax.block_until_ready(products(count, x))


@dataclass(frozen=True)
class Block:
    """One timed block."""

    ms: float
    """Of an update."""
    rates: tuple[float, ...]
    """Of matrix products, in GFLOP/s, by their size."""
    handover_ns: tuple[float, ...] = ()
    """Before and after the updates, on two cores."""


def _blocks(update: Update, precision: str, distance: Callable[[], float] | None) -> list[Block]:
    run, products = update.block(precision), {size: matmul(size) for size in (256, 1024)}
    counts = {256: 200, 1024: 5}
    blocks = []
    for _ in range(BLOCKS + 1):
        before = (distance(),) if distance else ()
        ms = _time(run, update.scan)
        around = (*before, distance()) if distance else ()
        rates = tuple(2 * n**3 / 1e6 / _time(products[n], counts[n]) for n in products)
        blocks.append(Block(ms, rates, around))
    return blocks[1:]  # the first compiles


def summary(blocks: Sequence[Block], gflop: float) -> dict[str, float]:
    """Median milliseconds, the rate of matrix products, and the updates' share of it."""
    ms = median(block.ms for block in blocks)
    rate = max(median(column) for column in zip(*(block.rates for block in blocks), strict=True))
    return {"ms": round(ms, 3), "matmul_gflops": round(rate, 1), "share": round(gflop / ms * 1e3 / rate, 3)}


def by_distance(blocks: Sequence[Block], gflop: float) -> dict[str, object]:
    """The same of the blocks before and after which both cores shared a cache, None where there were none."""
    together = [block for block in blocks if max(block.handover_ns) < APART_NS]
    figures = summary(together, gflop) if together else dict.fromkeys(("ms", "matmul_gflops", "share"))
    return {
        "handover_ns": round(median(ns for block in blocks for ns in block.handover_ns)),
        "blocks": len(blocks),
        "blocks_together": len(together),
        **{f"{name}_together": value for name, value in figures.items()},
    }


def measure(name: str, precision: str, distance: Callable[[], float] | None = None) -> dict[str, object]:
    """One line of the result."""
    from imitax.train import commit

    update = UPDATES[name]
    gflop, blocks = update.gflop(), _blocks(update, precision, distance)
    figures = summary(blocks, gflop)
    line: dict[str, object] = {"update": name, "gflop": round(gflop, 4), **figures}
    line |= {"cores": len(os.sched_getaffinity(0)), "precision": precision, "commit": commit()}
    if distance:
        line |= by_distance(blocks, gflop)
    if update.transitions is not None:
        line["transitions_per_s"] = round(update.transitions / figures["ms"] * 1e3)
    return line


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=UPDATES, nargs="+", default=list(UPDATES))
    parser.add_argument("--cores", type=int, choices=(1, 2), default=1)
    parser.add_argument("--precision", choices=("float32", "bfloat16"), nargs="+", default=["float32", "bfloat16"])
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--out", help="append the lines to this file too")
    args = parser.parse_args()
    # Before JAX starts, which sizes its thread pool by the cores that it may use.
    cores = sorted(os.sched_getaffinity(0))[: args.cores]
    os.sched_setaffinity(0, cores)
    with handover((cores[0], cores[1])) if len(cores) > 1 else contextlib.nullcontext() as distance:
        for name, precision in itertools.product(args.only, args.precision):
            line = measure(name, precision, distance)
            print(json.dumps(line) if args.json else "  ".join(f"{k} {v}" for k, v in line.items()), flush=True)
            if args.out:
                with open(args.out, "a") as file:
                    file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
