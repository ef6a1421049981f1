"""Run one part: `python -m accelerator_parts PART --out FOLDER --until TIME`, with `bench` on Python's path."""

import argparse
import importlib
import os
import sys
from pathlib import Path


def main() -> None:
    """Parse, and run."""
    from accelerator_parts.part import Part  # imports JAX, which processes that step environments do without

    parser = argparse.ArgumentParser()
    parser.add_argument("name", help="name of a module here, or of a worker of one: clone.evaluate")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--until", type=float, required=True)
    parser.add_argument("--toy", action="store_true")
    parser.add_argument("--last", action="store_true")
    parser.add_argument("--env-workers", type=int)
    parser.add_argument("--share", type=int, nargs=2, default=(0, 1))
    part = Part(**vars(parser.parse_args()))
    module, _, function = part.name.partition(".")
    getattr(importlib.import_module(f"accelerator_parts.{module}"), function or "run")(part)
    sys.stdout.flush()
    os._exit(0)  # without waiting for programs that are still being compiled


if __name__ == "__main__":
    main()
