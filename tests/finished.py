"""The folder of a finished run, written without a training: what opening, filming and sharing it read."""

import jax.random as jr
import toy

from imitax.artifacts import save_policy
from imitax.files import append_line, write_json
from imitax.networks import Normalizer, Policy, PolicyConfig, policy_head
from imitax.spaces import Spec
from imitax.trust import mark

SPEC = Spec.flat(2, tuple(map(float, toy.LOW)), tuple(map(float, toy.HIGH)))


def policy(seed):
    return Policy(Normalizer.identity(2), policy_head(SPEC, PolicyConfig((8,)), key=jr.key(seed)))


def score(seeds, value):
    per_seed = [{"seed": s, "return_mean": value + s, "expert_fraction": 0.5, "d4rl": None} for s in seeds]
    whole = {"return_mean": value, "iqm": value, "interval": [None, None], "expert_fraction": 0.5}
    return whole | {"per_seed": per_seed}


def write(folder, env=toy.ENV, seeds=(0,), demos="/home/me/secret/mine.npz", **training):
    """A run of bc with policies whose scores are 7 (last) and 8 (best); every path in it is private."""
    given = {"seeds": list(seeds), "steps": 40, "env": env, "env_kwargs": {}, "demos": demos, "results": "~/all.jsonl"}
    data = {"name": "mine", "hash": "0123456789abcdef0123", "train_episodes": {str(s): [0, 1, 2] for s in seeds}}
    config = {
        "format": 2,
        "algorithm": "bc",
        "preset": "default",
        "config": {},
        "training": given | training,
        "env": {"id": env, "kwargs": {}},
        "data": data,
        "offline_data": None,
        "expert_return": 14.0,
        "versions": {"imitax": "0.2.0", "jax": "0.10.2"},
        "commit": "c0ffee",
        "platform": "Linux-of-mine",
    }
    for seed in seeds:
        own = folder / f"seed-{seed}" if len(seeds) > 1 else folder
        for name in ("policy", "policy-best"):
            save_policy(own / f"{name}.safetensors", policy(seed), {"algorithm": "bc", "env": env, "seed": seed})
        append_line(own / "metrics.jsonl", {"kind": "train", "step": 40, "nll": 1.0})
    summary = {"algorithm": "bc", "env": env, "steps": 40, "eval_episodes": 3, "expert_return": 14.0}
    write_json(folder / "summary.json", summary | {w: score(seeds, v) for w, v in (("last", 7.0), ("best", 8.0))})
    write_json(folder / "config.json", config | {"folder_mark": mark(folder)})
    return folder
