"""Folders of runs as training writes them, without a training."""

from imitax.files import append_line, write_json


def write_run(folder, scores, *, env="Toy-v0", algorithm="bc", preset="default", steps=None, lines=(), **changes):
    """A run with evaluations of two episodes around each score.

    `scores` maps seeds to a list of returns, one an evaluation; without an environment (`env=None`) to errors. `lines`
    are further records, written for every seed. `changes` replace parts of the config.
    """
    seeds = list(scores)
    steps = steps or [100 * (i + 1) for i in range(max(map(len, scores.values())))]
    config = {
        "format": 2,
        "algorithm": algorithm,
        "preset": preset,
        "config": {"batch_size": 256, "optimizer": {"lr": 0.001}},
        "training": {"env": env or "", "demos": None, "steps": steps[-1], "seeds": seeds, "variant": ""}
        | {"eval_every": steps[0], "eval_episodes": 2, "env_kwargs": {}, "offline_data": None},
        "env": {"id": env, "kwargs": {}, "data": "arm"},
        "data": {"name": "toy", "hash": "0" * 64, "episodes_available": 9, "return_mean": 100.0}
        | {"train_episodes": {str(s): [0, 1] for s in seeds}, "validation_episodes": {str(s): [2] for s in seeds}},
        "offline_data": None,
        "expert_return": 100.0,
        "commit": "abc",
        "versions": {"imitax": "0.2.0"},
    }
    write_json(folder / "config.json", config | changes)
    for seed, values in scores.items():
        path = (folder if len(seeds) == 1 else folder / f"seed-{seed}") / "metrics.jsonl"
        for step, value in zip(steps, values, strict=False):
            record = {"kind": "eval", "step": step, "seed": seed, "wall_s": 1.0}
            if env is None:
                record |= {"return_mean": None, "returns": None, "validation_error": value}
            else:
                returns = None if value is None else [value - 1, value + 1]  # a diverged policy's are null
                record |= {"return_mean": value, "returns": returns, "lengths": [5, 5]}
                record |= {"expert_fraction": None if value is None else value / 100, "d4rl": None}
            append_line(path, record)
        for line in lines:
            append_line(path, line | {"seed": seed, "wall_s": 1.0})
    return folder
