"""Trainings in a process with two virtual CPU devices: what `training/test_devices.py` runs."""

import json
import sys
import warnings

import jax
import toy

import imitax
from imitax.algorithms import ALGORITHMS
from imitax.config import override
from imitax.training import loop, results

OPTIONS = {"steps": 24, "eval_every": 12, "checkpoint_every": 12, "chunk": 2, "eval_episodes": 2, "quiet": True}


def main(name, folder, runs):
    """Train, and print on how many devices the arrays of each run's chunks lay."""
    warnings.simplefilter("error")  # such as: donated buffers were not usable
    module = ALGORITHMS[name]
    cfg = toy.shrink(module.Config())
    if module.needs(cfg).model is not None:
        cfg = override(cfg, **{"dynamics.termination": "learned"})
    demos = toy.demonstrations(4) if module.needs(cfg).expert else None
    make, seen, found = loop.make_chunk, set(), []

    def noting(*args):
        run = make(*args)

        def chunk(*given):
            seen.update(len(x.devices()) for x in jax.tree.leaves(given[:3]))
            return run(*given)

        return chunk

    loop.make_chunk = noting
    results.figures.learning_curve = results.figures.training_figure = lambda *_, **__: None  # they take seconds
    for i, (options, until) in enumerate(runs):
        callbacks = [lambda event, until=until: event.step < until]
        out = f"{folder}/{i}"
        imitax.train(cfg, env=toy.ENV, demos=demos, out=out, callbacks=callbacks, **OPTIONS | options)
        if until < OPTIONS["steps"]:
            imitax.resume(out, demos=demos)
        found.append(sorted(seen))
        seen.clear()
    print(json.dumps(found))


if __name__ == "__main__":
    main(*json.loads(sys.argv[1]))
