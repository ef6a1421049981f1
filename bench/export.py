"""Microseconds a call of an exported policy with one observation: NumPy alone, onnxruntime, and JAX beside them.

    taskset -c 1 python bench/export.py --json      # on one core, with nothing else running

The policy has Hopper's sizes, 11 observations and 3 actions, and the default network of two layers of 256. Rounds of
the three alternate, so that all of them see the same machine; the number is the median of the rounds, and the slowest
of them is given too. The differences on 10,000 observations are those of the export.
"""

import argparse
import json
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax.random as jr
import numpy as np

from imitax.acting import Acting
from imitax.export import export, imitax_policy
from imitax.networks import Normalizer, Policy, PolicyConfig, policy_head
from imitax.spaces import Spec
from imitax.training.provenance import commit, package_version

OBSERVATIONS, ACTIONS = 11, 3
BAR_US = 60.0
"""Of NumPy."""


def default_policy() -> Policy:
    """A new policy of Hopper's sizes."""
    spec = Spec.flat(OBSERVATIONS, (-1.0,) * ACTIONS, (1.0,) * ACTIONS)
    return Policy(Normalizer.identity(OBSERVATIONS), policy_head(spec, PolicyConfig(), key=jr.key(0)))


def onnx_session(path: Path) -> Callable[[Any], Any]:
    """What acts from a graph, as a robot's program would call it."""
    import onnxruntime  # pyright: ignore[reportMissingImports]

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda obs: session.run(None, {"observation": obs[None]})[0]


def measure(acts: dict[str, Callable[[Any], Any]], rounds: int, calls: int) -> dict[str, dict[str, float]]:
    """Microseconds a call of each, from alternating rounds."""
    obs = np.random.default_rng(0).standard_normal(OBSERVATIONS).astype(np.float32)
    found: dict[str, list[float]] = {name: [] for name in acts}
    for i in range(rounds + 1):
        for name, act in acts.items():
            start = time.perf_counter()
            for _ in range(calls):
                act(obs)
            if i:  # the first round compiles and warms up
                found[name].append((time.perf_counter() - start) / calls * 1e6)
    return {name: {"us": float(np.median(x)), "slowest_us": max(x)} for name, x in found.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--calls", type=int, default=200, help="in a round")
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    args = parser.parse_args()
    policy, has_onnx = default_policy(), package_version("onnx") and package_version("onnxruntime")
    jax = Acting(policy)
    acts: dict[str, Callable[[Any], Any]] = {"jax": lambda obs: jax(obs, None)}
    differences = {}
    with tempfile.TemporaryDirectory() as folder:
        for form in ("numpy", *(("onnx",) if has_onnx else ())):
            done = export(policy, {}, form, Path(folder) / form)
            differences[form] = done.difference
        acts["numpy"] = imitax_policy.Policy(str(Path(folder) / "numpy" / "policy.npz"))
        if has_onnx:
            acts["onnx"] = onnx_session(Path(folder) / "onnx" / "policy.onnx")
        times = measure(acts, args.rounds, args.calls)
    result = {"times": times, "largest_difference": differences, "bar_us": BAR_US, "commit": commit()}
    result |= {"versions": {p: package_version(p) for p in ("numpy", "jax", "onnxruntime")}, "cpu": platform.machine()}
    if args.json:
        print(json.dumps(result))
        return
    for name, x in times.items():
        print(f"{name}: {x['us']:.1f} us a call, slowest round {x['slowest_us']:.1f}")
    print(f"largest differences {differences}; the bar of NumPy is {BAR_US:g} us")


if __name__ == "__main__":
    main()
