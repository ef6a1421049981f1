"""Runs that are interrupted, and whether they end where others do."""

from pathlib import Path

import numpy as np

from imitax.checkpoint import checkpoints
from imitax.files import load_arrays, read_lines
from imitax.record import seed_folder


class Interrupted(Exception):
    pass


def stop_at(step):
    def callback(event):
        if event.step == step:
            raise Interrupted

    return callback


def assert_equal_runs(a, b, seeds=(0,)):
    files = [f"checkpoints/{checkpoints(a / 'checkpoints')[-1].name}/state.safetensors"]
    for seed in seeds:
        prefix = seed_folder(Path(), seeds, seed)
        files += [str(prefix / "policy.safetensors"), str(prefix / "policy-best.safetensors")]
        lines = [
            [{k: v for k, v in x.items() if k != "wall_s"} for x in read_lines(f / prefix / "metrics.jsonl")]
            for f in (a, b)
        ]
        assert lines[0] == lines[1]
    for file in files:
        left, right = load_arrays(a / file)[0], load_arrays(b / file)[0]
        assert left.keys() == right.keys()
        for name, array in left.items():
            np.testing.assert_array_equal(array, right[name], err_msg=f"{file} {name}")
