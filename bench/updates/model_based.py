"""Updates with a learned model.

Each function takes a precision, and returns a function that runs a number of updates and waits for the result.
"""

import itertools
from collections.abc import Callable

from .flops import ACT, BATCH, DEMONSTRATIONS, HORIZON, MEMBERS, OBS, REPLAY, STARTS
from .harness import buffer, new_state, spec, stacked


def model(cfg):
    """A new ensemble and a policy at the benchmark's sizes."""
    import jax.random as jr

    from imitax.networks import Dynamics, Normalizer, Policy, TanhGaussian, known_termination

    sizes = spec()
    ends = known_termination("HalfCheetah-v5", {}, OBS)
    agent = cfg.agent
    dynamics = Dynamics(sizes, cfg.model.dynamics, ends, key=jr.key(0), precision=agent.precision)
    actor = TanhGaussian(sizes, agent.policy, key=jr.key(1), precision=agent.precision)
    return sizes, dynamics, Policy(Normalizer.identity(OBS), actor)


def ensemble_block(precision: str) -> Callable[[int], object]:
    """Epochs of an ensemble's fit."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    from imitax.algorithms import mopo
    from imitax.config import override
    from imitax.learner import Learner
    from imitax.training.dynamics_fit import descend, padded

    cfg = override(mopo.PRESETS["default"], precision=precision)
    _, dynamics, _ = model(cfg)
    rows = jnp.asarray(np.random.default_rng(0).standard_normal((REPLAY, 2 * OBS + ACT + 2), np.float32))
    steps = -(-REPLAY // BATCH)
    order = padded(np.random.default_rng(1).integers(REPLAY, size=(steps, MEMBERS, BATCH)))
    held = [Learner.create(dynamics, cfg.model.fit.optimizer)]

    def run(epochs: int) -> object:
        for _ in range(epochs):
            held[0] = descend(held[0], cfg.model.fit, rows, order, jnp.asarray(steps))
        return jax.block_until_ready(jax.tree.leaves(held[0].net.mlp.weights))

    return run


def _rollouts(cfg):
    """A source of model transitions, and a function that rolls out once."""
    import jax
    import jax.numpy as jnp

    from imitax import seeding
    from imitax.buffers import Buffers
    from imitax.seeding import Purpose
    from imitax.sources import RolloutSource

    sizes, dynamics, policy = model(cfg)
    source = RolloutSource(cfg.model, sizes, 1, samples_absorbing=False)
    given, keys = (stacked(dynamics), stacked(policy)), seeding.keys((0,), Purpose.MODEL_ROLLOUTS)
    real, count = Buffers(offline=buffer(REPLAY, absorbing=False)), itertools.count()

    def run(times: int) -> object:
        for _ in range(times):
            source.advance(*given, real, keys, next(count))
        return jax.block_until_ready(jnp.asarray(source.buffer.written))

    return source, run


def rollout_block(precision: str) -> Callable[[int], object]:
    """Sets of branched rollouts, with the ensemble's uncertainty at every step."""
    from imitax.agents.model_rollouts import ModelRollouts
    from imitax.algorithms import mopo
    from imitax.config import override

    rollouts = ModelRollouts(starts=STARTS, horizon=HORIZON, keep=1_000_000, limit=None)
    cfg = override(mopo.PRESETS["default"], precision=precision, model_rollouts=rollouts)
    return _rollouts(cfg)[1]


def omlirl_block(precision: str) -> Callable[[int], object]:
    """Policy updates of OMLIRL with what happens between them: rollouts each 250, a reward's step each 10."""
    import jax
    import jax.numpy as jnp

    from imitax.algorithms import omlirl
    from imitax.buffers import Buffers
    from imitax.config import override
    from imitax.registry import find
    from imitax.training.chunk import make_chunk, make_turn

    cfg = override(omlirl.PRESETS["head"], precision=precision, **{"model_rollouts.limit": None})
    source, roll_out = _rollouts(cfg)
    held, static, keys = new_state(omlirl, cfg, model(cfg)[1])
    run_chunk = make_chunk(find("omlirl"), cfg, static, 1)
    run_turns = [(every, make_turn(turn, 0, cfg, static, 1)) for every, turn in omlirl.schedule(cfg).turns]
    expert, offline = (buffer(n, absorbing=False) for n in (DEMONSTRATIONS, REPLAY))

    def run(updates: int) -> object:
        metrics = None
        for _ in range(updates // 10):
            if held[1] % cfg.model.model_rollouts.every == 0:
                roll_out(1)
            buffers = Buffers(expert=expert, offline=offline, rollouts=source.buffer)
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
    from imitax.buffers import Buffers
    from imitax.config import override
    from imitax.training.chunk import make_turn

    cfg = override(rmirl.PRESETS["head"], precision=precision)
    held, static, keys = new_state(rmirl, cfg, model(cfg)[1])
    run_turn = make_turn(rmirl.model_turn, 0, cfg, static, 1)
    expert, offline = (buffer(n, absorbing=False) for n in (DEMONSTRATIONS, REPLAY))

    def run(steps: int) -> object:
        metrics, buffers = None, Buffers(expert=expert, offline=offline)
        for _ in range(steps // cfg.adversary.steps):
            held[0], metrics = run_turn(held[0], buffers, keys, jnp.asarray(held[1]))
            held[1] += 1
        return jax.block_until_ready(metrics)

    return run
