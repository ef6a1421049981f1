"""What the timed updates share: random transitions, new states, and the training loop's own jitted chunk.

Imports of JAX are inside functions: `update_rate.py` binds the process to its cores before JAX starts.
"""

from collections.abc import Callable

from .flops import ACT, OBS


def spec():
    """Hopper's sizes."""
    from imitax.spaces import Spec

    return Spec.flat(OBS, (-1.0,) * ACT, (1.0,) * ACT)


def stacked(tree):
    """One seed, as the loop stacks seeds."""
    from imitax.stacking import stack as stack_states

    return stack_states([tree])


def buffer(count: int, absorbing: bool):
    """Random transitions on the device, or None if `count` is 0."""
    import numpy as np

    from imitax.buffers import Stored, stack_data

    if not count:
        return None
    rng = np.random.default_rng(0)
    data = Stored(
        rng.standard_normal((count, OBS), np.float32),
        rng.uniform(-1, 1, (count, ACT)).astype(np.float32),
        rng.standard_normal(count, np.float32),
        rng.standard_normal((count, OBS), np.float32),
        rng.random(count) < 0.01,
    )
    return stack_data([data], [0.01 * count], absorbing)


def new_state(algorithm, cfg, dynamics=None) -> tuple[list, object, object]:
    """A new state: its arrays, which the loop donates, with a counter of steps; its static part; and the run's keys."""
    import equinox as eqx
    import jax
    import jax.numpy as jnp

    from imitax import seeding
    from imitax.agents.start import Start
    from imitax.networks import Normalizer
    from imitax.seeding import Purpose

    key = seeding.key(0, Purpose.INITIALISATION)
    state = stacked(algorithm.init(cfg, Start(spec(), Normalizer.identity(OBS), key, dynamics)))
    arrays, static = eqx.partition(state, eqx.is_array)
    return [jax.tree.map(jnp.copy, arrays), 0], static, seeding.keys((0,), Purpose.UPDATES)


def chunk(algorithm, cfg, *, expert: int = 0, replay: int = 0) -> Callable[[int], object]:
    """The loop's own jitted chunk on random transitions."""
    import jax
    import jax.numpy as jnp

    from imitax.buffers import Buffers
    from imitax.registry import algorithm_of
    from imitax.training.chunk import make_chunk

    absorbing = algorithm.needs(cfg).absorbing
    buffers = Buffers(buffer(expert, absorbing), buffer(replay, absorbing))
    held, static, keys = new_state(algorithm, cfg)
    run_chunk = make_chunk(algorithm_of(cfg), cfg, static, 1)

    def run(updates: int) -> object:
        held[0], metrics = run_chunk(held[0], buffers, keys, jnp.asarray(held[1]), updates)
        held[1] += updates
        return jax.block_until_ready(metrics)

    return run
