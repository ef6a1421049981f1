"""Policies for places without JAX: a folder that runs with NumPy alone, or a graph of ONNX.

Every export is compared with its original on `check.OBSERVATIONS` observations, and where it remembers in episodes too,
before anything is left on the disk.
"""

import importlib
import json
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from imitax.errors import ConfigError
from imitax.export import imitax_policy
from imitax.export.check import LANES, OBSERVATIONS, STEPS, difference, difference_in_episodes, draw
from imitax.export.onnx_graph import MISSING, build, input_type
from imitax.export.plan import exportable, plan
from imitax.files import plain, write_atomic
from imitax.history import newest
from imitax.networks import Policy, PolicyHead, explicit
from imitax.observations import named, rows

Format = Literal["numpy", "onnx"]
TOLERANCE = 1e-5
"""The largest difference that is allowed; of float32, 1e-6 is usual."""
FILES = {"numpy": ("policy.npz", "imitax_policy.py"), "onnx": ("policy.onnx",)}
"""What an export is made of."""


@dataclass(frozen=True)
class Exported:
    """An exported policy, and how it compares with its original."""

    folder: Path
    format: str
    difference: float
    """The largest on `observations` observations, see `unit`."""
    unit: str
    """Of differences: a box's half-widths, or of a finite set log-probability."""
    observations: int
    steps: int
    """Of episodes that were compared too, where the export remembers; else 0."""
    microseconds: float
    """Of a call with one observation, as measured here and now."""
    rounding: float | None
    """The largest difference from the policy as it was trained, where that rounds its products to bfloat16."""


def export(
    policy: Policy,
    about: dict[str, Any],
    form: str,
    folder: Path,
    *,
    tolerance: float = TOLERANCE,
    overwrite: bool = False,
) -> Exported:
    """Write a policy's deterministic action for use elsewhere.

    Args:
        policy: to export.
        about: where it comes from.
        form: numpy or onnx.
        folder: to write to; made if it is missing.
        tolerance: the largest difference that is allowed.
        overwrite: replace an export that is there.

    Raises:
        ConfigError: the policy cannot be exported, the difference is too large, files are there already, or a package
            is missing.
    """
    _check_place(form, folder, overwrite)
    simple = exportable(policy)
    obs = draw(simple, OBSERVATIONS)
    with tempfile.TemporaryDirectory() as temporary:
        place, steps = Path(temporary), 0
        if form == "numpy":
            made, single = _write_numpy(simple, plain(about), place), _single(simple, obs)
            act, time_of = made.predict, _microseconds(made, rows(single, 0))
            off = difference(simple, act, obs)
            if made.memory is not None:
                off, steps = max(off, difference_in_episodes(simple, made, single, STEPS)), STEPS * sum(LANES)
        else:
            act = _write_onnx(simple, plain(about), place)
            time_of = _microseconds(act, rows(obs, slice(0, 1)))
            off = difference(simple, act, obs, alone=0)
        if not off <= tolerance:
            raise ConfigError(
                f"the {form} export differs from its original by {off:.2g} on {OBSERVATIONS:,} observations, more than "
                f"{tolerance:g}: nothing is written. Large weights or tiny standard deviations magnify rounding; "
                "--tolerance allows more"
            )
        _move(place, folder, form)
    rounding = difference(explicit(policy), act, rows(obs, slice(0, 1000)), alone=0) if _rounds(policy) else None
    unit = "nats of log-probability" if simple.actor.spec.is_finite else "in half-widths of the action range"
    return Exported(folder, form, off, unit, OBSERVATIONS, steps, time_of, rounding)


def _single(policy: Policy, obs: Any) -> Any:
    """Single observations [N, ...], of those [N, ...] that the network sees."""
    history = policy.actor.spec.history
    return obs if history is None else newest(history, obs)


def _check_place(form: str, folder: Path, overwrite: bool) -> None:
    """Refuse an unknown format, and a folder that has an export already."""
    if form not in get_args(Format):
        raise ConfigError(f"format is one of {', '.join(get_args(Format))}, got {form!r}")
    there = [name for name in FILES[form] if (folder / name).exists()]
    if there and not overwrite:
        raise ConfigError(f"{folder / there[0]} exists already: choose another --out, or replace it with --overwrite")


def _move(place: Path, folder: Path, form: str) -> None:
    """Put the files of an export where they belong."""
    try:
        for name in FILES[form]:
            write_atomic(folder / name, (place / name).read_bytes())
    except OSError as error:
        raise ConfigError(f"--out {folder} cannot be written: {error}") from error


def _rounds(policy: Policy) -> bool:
    actor = explicit(policy).actor
    assert isinstance(actor, PolicyHead)
    return actor.mlp.precision != "float32"


Act = Callable[[Any], np.ndarray]


def _write_numpy(policy: Policy, about: dict[str, Any], place: Path) -> imitax_policy.Policy:
    """Write the folder; returns the policy that is read from it."""
    steps = plan(policy)
    memory = {name: x for name, x in (("history", steps.history), ("chunk", steps.chunk)) if x is not None}
    description = {
        "format": imitax_policy.FORMATS[bool(memory) or steps.action["kind"] == "open box"],
        "about": about,
        "observation": policy.actor.spec.observation.describe(),
        "leaves": steps.leaves,
        "activation": steps.activation,
        "layers": steps.layers,
        "action": plain(steps.action),
    } | memory
    data = np.frombuffer(json.dumps(description).encode(), np.uint8)
    arrays: dict[str, Any] = {"description": data} | steps.arrays
    np.savez(place / FILES["numpy"][0], **arrays)
    shutil.copyfile(imitax_policy.__file__, place / FILES["numpy"][1])
    return imitax_policy.Policy(place / FILES["numpy"][0])


def _write_onnx(policy: Policy, about: dict[str, Any], place: Path) -> Act:
    """Write the graph; returns what acts from it on [B, ...]."""
    steps = plan(policy)
    leaves = [name for name, _ in named(policy.actor.spec.observation.tree)]
    model = build(steps, leaves, {name: str(value) for name, value in about.items()})
    path = place / FILES["onnx"][0]
    path.write_bytes(model.SerializeToString())
    try:
        runtime = importlib.import_module("onnxruntime")
    except ImportError as error:
        raise ConfigError(MISSING) from error
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1  # the products are small, and waking threads takes longer
    session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    types = dict(zip(leaves, map(input_type, steps.leaves), strict=True))

    def act(obs: Any) -> np.ndarray:
        given = {name: np.asarray(x, types[name]) for name, x in named(obs)}
        return session.run(None, given)[0]

    return act


def _microseconds(act: Act, obs: Any) -> float:
    """The median of ten rounds, each of as many calls as fit in a hundredth of a second."""
    act(obs)
    start = time.perf_counter()
    act(obs)
    calls = int(np.clip(0.01 / max(time.perf_counter() - start, 1e-6), 1, 100))
    found = []
    for _ in range(10):
        start = time.perf_counter()
        for _ in range(calls):
            act(obs)
        found.append((time.perf_counter() - start) / calls)
    return float(np.median(found)) * 1e6
