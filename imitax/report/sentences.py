"""What was run, in sentences made from a run's config."""

from collections.abc import Mapping
from typing import Any


def counted(number: int, one: str, several: str = "") -> str:
    """`1 seed`, `4 seeds`."""
    return f"{number:,} {one if number == 1 else several or one + 's'}"


def what_was_run(config: Mapping[str, Any], unit: str) -> str:
    """Algorithm, task, data, length and evaluations of a run.

    Args:
        config: of the run.
        unit: what its steps are.
    """
    training, env = config["training"], config["env"]
    preset = f" (preset {config['preset']})" if config.get("preset") else ""
    place = f"on {env['id']}" if env.get("id") else "without an environment"
    length = f"{training['steps']:,} {unit}"
    seeds = counted(len(training["seeds"]), "seed")
    first = f"{config['algorithm']}{preset} was trained {place} {_data(config)}, for {length} with {seeds}."
    every = f"every {training['eval_every']:,} steps"
    if env.get("id"):
        return f"{first} Each policy was evaluated over {counted(training['eval_episodes'], 'episode')} {every}."
    return f"{first} Policies were compared with recorded actions {every}."


def _data(config: Mapping[str, Any]) -> str:
    """Where it learned from."""
    demos, other = config.get("data"), config.get("offline_data")
    parts = []
    if demos is not None:
        parts.append(_episodes(demos))
    if other is not None:
        count = other.get("episodes_available")
        known = f"{counted(count, 'recorded episode')} of " if isinstance(count, int) else ""
        parts.append(f"{known}{other['name']}")
    if config.get("reward"):
        parts.append("a learned reward")
    return "from " + (" and ".join(parts) or "the environment's rewards")


def _episodes(demos: Mapping[str, Any]) -> str:
    """The demonstrations of the first seed; others have as many."""
    chosen = next(iter((demos.get("train_episodes") or {}).values()), None)
    held = next(iter((demos.get("validation_episodes") or {}).values()), None) or []
    available = demos.get("episodes_available")
    if chosen is None:
        return f"{demos['name']}"
    of = f" of {available:,}" if isinstance(available, int) and available > len(chosen) else ""
    out = f", {len(held):,} more held out" if held else ""
    return f"{len(chosen):,}{of} episodes of {demos['name']}{out}"


def duration(seconds: float | int) -> str:
    """Seconds as `45 s`, `12 min` or `3.2 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
