"""Time one gradient update, sampling included, and state it as a share of the machine's own matrix-product rate.

    python bench/update_rate.py --json                     # every update, one core
    python bench/update_rate.py --only sac-2x256 --cores 2 --precision bfloat16 --json

`gflop` counts the products that the mathematics needs, no recomputation; `matmul_gflops` is the best of 256- and
1024-cube float32 products measured in the same run, whatever the update's precision; `share` is their quotient.
Blocks of updates and of matrix products alternate, so that a change of the machine's load falls on both.
"""

import argparse
import itertools
import json
import os
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from statistics import median

OBS, ACT, BATCH, HIDDEN = 11, 3, 256, (256, 256)
REPLAY, DEMONSTRATIONS = 100_000, 10_000
SCAN, BLOCKS = 100, 15
"""Updates in one jitted scan, and timed scans."""


def mlp_gflop(sizes: tuple[int, ...], *, backward: bool, to_input: float) -> float:
    """Products of one network on one batch, in GFLOP.

    Args:
        sizes: widths, input and output included.
        backward: whether gradients of the parameters are needed.
        to_input: 1 where the gradient of the input is needed, else 0.
    """
    layers = [2 * BATCH * a * b / 1e9 for a, b in itertools.pairwise(sizes)]
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


UPDATES = {
    "gail-3x256": (gail_block, gail_gflop),
    "adversarial-default": (adversarial_block, adversarial_default_gflop),
    "sac-2x256": (sac_block, sac_gflop),
    "sac-default": (sac_default_block, sac_gflop),
    "bc-2x256": (bc_block, bc_gflop),
}


def _block(algorithm, cfg, *, expert: int = 0, replay: int = 0) -> Callable[[int], object]:
    """The loop's own jitted chunk on random transitions."""
    import equinox as eqx
    import jax
    import jax.numpy as jnp
    import numpy as np

    from imitax import seeding
    from imitax.loop import Buffers, make_chunk
    from imitax.networks import Normalizer
    from imitax.seeding import Purpose
    from imitax.sources.buffer import pack, stack
    from imitax.stacking import stack as stack_states
    from imitax.types import Spec, Transition

    rng = np.random.default_rng(0)
    absorbing_rows = hasattr(cfg, "terminal") and cfg.terminal.rows

    def buffer(count: int):
        if not count:
            return None
        data = Transition(
            rng.standard_normal((count, OBS), np.float32),
            rng.uniform(-1, 1, (count, ACT)).astype(np.float32),
            rng.standard_normal(count, np.float32),
            rng.standard_normal((count, OBS), np.float32),
            rng.random(count) < 0.01,
            np.zeros(count, bool),
        )
        return stack([pack(data)], OBS, ACT, absorbing=[0.01 * count], absorbing_rows=absorbing_rows)

    buffers = Buffers(buffer(expert), buffer(replay))
    spec = Spec(OBS, ACT, (-1.0,) * ACT, (1.0,) * ACT)
    state = stack_states([algorithm.init(cfg, spec, Normalizer.identity(OBS), seeding.key(0, Purpose.INITIALISATION))])
    arrays, static = eqx.partition(state, eqx.is_array)
    run_chunk = make_chunk(algorithm, cfg, static, 1)
    keys = seeding.keys((0,), Purpose.UPDATES)
    held = [jax.tree.map(jnp.copy, arrays), 0]

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


def measure(name: str, precision: str) -> dict[str, object]:
    """One line of the result."""
    block, gflop = UPDATES[name]
    run, products = block(precision), {size: matmul(size) for size in (256, 1024)}
    counts = {256: 200, 1024: 5}
    times, rates = [], []
    for i in range(BLOCKS + 1):
        elapsed = _time(run, SCAN)
        block_rates = [2 * n**3 / 1e6 / _time(products[n], counts[n]) for n in products]
        if i:  # the first compiles
            times.append(elapsed)
            rates.append(block_rates)
    rate = max(median(column) for column in zip(*rates, strict=True))
    ms = median(times)
    return {
        "update": name,
        "ms": round(ms, 3),
        "gflop": round(gflop(), 4),
        "matmul_gflops": round(rate, 1),
        "share": round(gflop() / ms * 1e3 / rate, 3),
        "cores": len(os.sched_getaffinity(0)),
        "precision": precision,
    }


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
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: args.cores])
    for name in args.only:
        for precision in args.precision:
            line = measure(name, precision)
            print(json.dumps(line) if args.json else "  ".join(f"{k} {v}" for k, v in line.items()), flush=True)
            if args.out:
                with open(args.out, "a") as file:
                    file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
