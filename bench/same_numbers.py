"""Record what short trainings compute, in two trees, and compare: for changes of the code that should change no number.

    python bench/same_numbers.py record OLD      # in the tree before the change: every algorithm and preset
    python bench/same_numbers.py long OLD        # two trainings of 20,000 steps
    python bench/same_numbers.py record NEW      # the same in the tree after it
    python bench/same_numbers.py compare OLD NEW --rtol 1e-6

Only the public API and the files of a run folder are used, so one version of this script serves both trees. Names that
a change renames go into `FIELDS` here and `METRICS` in `same_numbers_compare.py`. Networks and batches are small, and
everything periodic happens several times within 20 updates. OLD and NEW are folders with two files for each training;
--only repeats single ones.

Sums depend on the number of threads, so each recording runs on one CPU. To see how far rounding alone carries, record
one tree twice, the second time with XLA_FLAGS=--xla_backend_optimization_level=0.
"""

import argparse
import dataclasses
import json
import os
import platform
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from same_numbers_compare import KINDS, compare
from same_numbers_task import ENV, episodes

FIELDS: dict[str, str] = {}
"""Configuration fields that a change renames: new name to old name."""

ONLINE = ("adversarial", "f_irl", "iq_learn", "ls_iq", "mbpo", "ml_irl", "recoil_online", "sac")
WITHOUT_DEMOS = ("mbpo", "mopo", "rambo", "sac")
WITH_OFFLINE_DATA = ("mopo", "omlirl", "rambo", "recoil", "rmirl", "rmirl_implicit")
OFFLINE_PRESETS = ("iq_learn/offline", "iq_learn/offline-sac", "iq_learn/cleanil")
KNOWN = {*ONLINE, *WITH_OFFLINE_DATA, "bc", "ibc"}

WARMUP = 20
SIZES = {"batch_size": 32, "reward_batch_size": 32, "warmup_steps": WARMUP, "buffer_size": 32, "epochs": 2}
SIZES |= {"starts": 64, "keep": 300, "horizon": 4, "horizon_from": 8, "horizon_to": 32, "reward_horizon": 4, "steps": 3}
SIZES |= {"every": 4, "reward_every": 2, "refit_every": 8, "updates_per_step": 2, "decay_steps": 40, "iterations": 3}
SIZES |= {"samples": 16, "actor_samples": 4}
"""Largest values of fields, by name, wherever in a configuration they are. Both buffers are filled twice."""
SHORT = {"chunk": 4, "eval_every": 4, "eval_episodes": 2, "checkpoint_every": 8, "quiet": True}
LONG = {"env": "Hopper-v5", "demos": "hopper-expert", "episodes": 10, "steps": 20_000}
LONG |= {"eval_every": 250, "eval_episodes": 5, "quiet": True}
"""Evaluations change nothing; each writes the metrics since the last one."""


@dataclass(frozen=True)
class Entry:
    """One training."""

    algorithm: str
    preset: str = "default"
    variant: str = ""
    env: str = ENV
    options: dict[str, Any] = field(default_factory=dict)
    """Of `imitax.train`."""
    files: dict[str, str] = field(default_factory=dict)
    """Options that take the run of another entry, by its name."""
    sizes: dict[str, Any] = field(default_factory=dict)
    """Beside `SIZES`."""
    resumed: int = 0
    """Steps by which the finished run is extended."""
    shrink: bool = True

    @property
    def name(self) -> str:
        return f"{self.algorithm}/{self.preset}" + (f"/{self.variant}" if self.variant else "")

    @property
    def online(self) -> bool:
        return self.algorithm in ONLINE and f"{self.algorithm}/{self.preset}" not in OFFLINE_PRESETS


def fields(cfg: Any) -> Iterator[tuple[str, Any]]:
    """Names and values of a configuration's leaves, without the parts that they are in."""
    for f in dataclasses.fields(cfg):
        value = getattr(cfg, f.name)
        yield from fields(value) if dataclasses.is_dataclass(value) else [(f.name, value)]


def shrink(cfg: Any, sizes: dict[str, Any], env: str) -> Any:
    """A configuration at small sizes, whose models learn where the task ends if that is not known."""
    values = {}
    for f in dataclasses.fields(cfg):
        value, name = getattr(cfg, f.name), FIELDS.get(f.name, f.name)
        if dataclasses.is_dataclass(value):
            values[f.name] = shrink(value, sizes, env)
        elif name == "hidden":
            values[f.name] = (16,) * len(value)
        elif name == "termination" and env != "Hopper-v5":
            values[f.name] = "learned"
        elif name in sizes and type(value) is type(sizes[name]):
            values[f.name] = min(value, sizes[name])
    return dataclasses.replace(cfg, **values)


def entries() -> list[Entry]:
    """Every preset; several seeds at once; a task whose ends are known; runs that start from others, or are resumed."""
    from imitax.algorithms import ALGORITHMS

    cases = [Entry(name, p) for name, module in ALGORITHMS.items() if name in KNOWN for p in module.PRESETS]
    for name in ("bc", "adversarial", "iq_learn", "mbpo", "recoil", "rmirl"):
        cases.append(Entry(name, variant="two-seeds", options={"seeds": (0, 1)}))
    for name in ("mbpo", "rmirl"):
        cases.append(Entry(name, variant="hopper", env="Hopper-v5"))
    for name in ("adversarial", "mbpo", "rmirl"):
        cases.append(Entry(name, variant="resumed", resumed=8))
    # a hinge penalty of so small networks is 0 at its own margin
    hinges = ("ibc/cleanil", "ibc/paper", "adversarial/default", "iq_learn/cleanil", "omlirl/default")
    for name in (*hinges, "recoil_online/default", "rmirl/default", "rmirl_implicit/default"):
        cases.append(Entry(*name.split("/"), variant="margin", sizes={"margin": 0.01}))
    held_out = {"episodes": 4, "validation_episodes": 1, "subsample": 2}
    cases.append(Entry("adversarial", variant="held-out", options=held_out))
    cases.append(Entry("adversarial", variant="init-from", files={"init_from": "bc/default"}))
    cases.append(Entry("sac", variant="reward", files={"reward": "adversarial/default"}))
    cases.append(Entry("mopo", variant="model-from", files={"model_from": "rambo/default"}))
    return cases


def long_entries() -> list[Entry]:
    return [Entry(name, variant="long", env="Hopper-v5", options=LONG, shrink=False) for name in ("bc", "adversarial")]


def train(entry: Entry, root: Path, updates: int, known: dict[str, Entry]) -> tuple[Path, Any]:
    """The folder of an entry's run, trained if it is not there yet, and its configuration before it was shrunk."""
    import imitax

    folder, preset = root / entry.name.replace("/", "-"), imitax.preset_config(entry.algorithm, entry.preset)
    if folder.exists():
        return folder, preset
    options: dict[str, Any] = dict(entry.options)
    for option, other in entry.files.items():
        options[option] = train(known[other], root, updates, known)[0]
    cfg, data = preset, {}
    if entry.shrink:
        options = SHORT | {"env": entry.env, "steps": updates + WARMUP * entry.online} | options
        cfg = shrink(preset, SIZES | entry.sizes, entry.env)
        if entry.algorithm not in WITHOUT_DEMOS:
            data["demos"] = episodes(entry.env, 6, 0.1, seed=1)
        if entry.algorithm in WITH_OFFLINE_DATA:
            data["offline_data"] = episodes(entry.env, 12, 1.0, seed=2)
    imitax.train(cfg, out=folder, **data, **options)
    if entry.resumed:
        imitax.resume(folder, **data, steps=options["steps"] + entry.resumed)
    return folder, preset


def arrays_of(folder: Path) -> dict[str, Any]:
    """The arrays that a run wrote, by kind, file and name; of the checkpoints, those of the last."""
    from safetensors.numpy import load_file

    found = {}
    last = max(folder.glob("checkpoints/step-*"))
    for path in sorted(folder.rglob("*.safetensors")):
        kind = "state" if path.parent == last else "replay" if path.parent.name == "replay" else path.stem
        if kind in KINDS:
            file = "" if kind == "state" else path.relative_to(folder)
            found |= {f"{kind}:{file}:{name}": array for name, array in load_file(path).items()}
    return found


def record(cases: list[Entry], out: Path, only: list[str], updates: int, about: dict[str, Any]) -> bool:
    """Train and write two files for each entry; returns whether all trainings succeeded."""
    import jax

    known, done = {case.name: case for case in cases}, True
    with tempfile.TemporaryDirectory() as scratch:
        for case in cases:
            if only and not any(case.name == name or case.name.startswith(f"{name}/") for name in only):
                continue
            file, started = out / case.name.replace("/", "-"), time.monotonic()
            line: dict[str, Any] = {"name": case.name, "updates": updates, "about": about}
            try:
                folder, preset = train(case, Path(scratch), updates, known)
                texts = [p.read_text() for p in sorted(folder.rglob("metrics.jsonl"))]
                line["metrics"] = [json.loads(text) for text in "".join(texts).splitlines()]
                line["config"] = sorted([FIELDS.get(name, name), str(value)] for name, value in fields(preset))
                np.savez(file.with_suffix(".npz"), **arrays_of(folder))
            except Exception:
                done, line["error"] = False, traceback.format_exc()
                print(line["error"], file=sys.stderr)
            line["wall_s"] = round(time.monotonic() - started, 1)
            file.with_suffix(".json").write_text(json.dumps(line))
            print(f"{case.name:32} {line['wall_s']:7} s {'failed' if 'error' in line else ''}", flush=True)
            jax.clear_caches()
    return done


def machine() -> dict[str, Any]:
    """What numbers may depend on beside the code."""
    import jax

    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    cpu = sorted({line for line in lines if line.startswith(("model", "stepping", "flags"))})
    versions = {name: version(name) for name in ("numpy", "gymnasium", "mujoco", "jax", "jaxlib", "equinox", "optax")}
    versions |= {"python": platform.python_version(), "backend": jax.default_backend()}
    variables = {name: os.environ.get(name, "") for name in ("XLA_FLAGS", "JAX_ENABLE_X64")}
    return versions | variables | {"cpus": len(os.sched_getaffinity(0)), "cpu": cpu or platform.processor()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("record", "long"):
        command = commands.add_parser(name)
        command.add_argument("folder", type=Path)
        command.add_argument("--only", nargs="+", default=[], help="names, such as adversarial or adversarial/gail")
        command.add_argument("--cpu", type=int, default=max(os.sched_getaffinity(0)), help="that it runs on")
        if name == "record":
            command.add_argument("--updates", type=int, default=20)
    command = commands.add_parser("compare")
    command.add_argument("old", type=Path)
    command.add_argument("new", type=Path)
    command.add_argument("--rtol", type=float, default=1e-6)
    command.add_argument("--ignore", nargs="+", default=[], choices=KINDS, help="print, but do not judge by")
    command.add_argument("--configs", action="store_true", help="print the presets' values that differ too")
    args = parser.parse_args()
    if args.command == "compare":
        sys.exit(not compare(args.old, args.new, args.rtol, args.ignore, args.configs))
    os.sched_setaffinity(0, {args.cpu})  # before JAX counts them
    Figure.savefig = lambda *_, **__: None  # figures take longer than the trainings
    args.folder.mkdir(parents=True, exist_ok=True)
    about, long = machine(), args.command == "long"
    cases = long_entries() if long else entries()
    sys.exit(not record(cases, args.folder, args.only, 0 if long else args.updates, about))


if __name__ == "__main__":
    main()
