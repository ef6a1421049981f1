"""`imitax export`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from imitax.cli.parsing import parse


@dataclass(frozen=True)
class Export:
    """Write a policy for places without JAX: its deterministic action, with normaliser and encoder.

    It is compared with its original on 10,000 observations, and in episodes where it remembers (--history,
    --action-horizon); nothing is written where they differ.
    """

    run: tyro.conf.Positional[Path]
    """Folder of the run."""
    format: Annotated[str, tyro.conf.arg(metavar="{numpy,onnx}")] = "numpy"
    """numpy: policy.npz and imitax_policy.py, which run with NumPy alone. onnx: policy.onnx, without a memory."""
    out: Path | None = None
    """Folder to write to; export/FORMAT in the run's folder when not given."""
    policy_seed: int | None = None
    """Which seed's policy of the run; its first when not given."""
    which: Annotated[str, tyro.conf.arg(metavar="{last,best,selected}")] = "last"
    """The last policy, the one with the best evaluation, or the selected one (`imitax select`)."""
    inference: Annotated[str | None, tyro.conf.arg(metavar="{actor_mean}")] = None
    """Of implicit policies (ibc), what is exported: the policy that was trained beside the search."""
    tolerance: float = 1e-5
    """Largest difference from the policy that is allowed, as a share of half the action range."""
    overwrite: bool = False
    """Replace an export that is there."""


def run(args: Sequence[str]) -> int:
    """Carry the command out; returns its exit status."""
    order: Export = parse(Export, args, "imitax export")
    from imitax.export import FILES
    from imitax.run import Run

    run = Run(order.run)
    done = run.export(
        order.format,
        order.out,
        seed=order.policy_seed,
        which=order.which,
        inference=order.inference,
        tolerance=order.tolerance,
        overwrite=order.overwrite,
    )
    print(f"{done.folder}: {', '.join(FILES[done.format])}")
    compared = f"{done.observations:,} observations" + f", {done.steps:,} steps of episodes" * (done.steps > 0)
    print(f"largest difference from the policy: {done.difference:.2g} ({done.unit}), {compared}")
    if done.rounding is not None:
        print(f"products are of float32, the run's of bfloat16: its own actions differ by up to {done.rounding:.2g}")
    print(f"a call with one observation takes {done.microseconds:.0f} us on this machine")
    return 0
