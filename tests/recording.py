"""What the tests of records share: a recorder without a run."""

import numpy as np

from imitax.record import Recorder

EVALUATION = {"returns": [90.0, 110.0], "lengths": [10, 12], "return_mean": 100.0, "expert_fraction": 0.5, "d4rl": None}


def recorder(run_dir, seeds=(0,), sinks=(), quiet=True, **options):
    return Recorder(run_dir, sinks, seeds, 1000, quiet, "bc Hopper-v5", {"lr": np.float32(0.5)}, **options)


def run(run_dir, first, last, **options):
    """Records steps first + 1 to last, and an evaluation at every second one."""
    with recorder(run_dir, **options) as record:
        for step in range(first + 1, last + 1):
            record.training(step, {"loss": np.array([step / 3], np.float32)}, 0.0)
            if step % 2 == 0:
                record.evaluation(step, 0, EVALUATION, 0.0)
