"""`imitax datasets`."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from imitax.catalogue import bundled, local_minari
from imitax.cli.parsing import parse
from imitax.errors import ConfigError, printable, unknown

if TYPE_CHECKING:
    from imitax.datasets import Dataset


@dataclass(frozen=True)
class Datasets:
    """List, show, validate or examine demonstrations."""

    action: tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="{list,show,validate,doctor}")]]
    """list: bundled and local Minari datasets. show: statistics of one. validate: check one, with its environment.
    doctor: what a careful colleague would look for, with a verdict each."""
    source: tyro.conf.Positional[str | None] = None
    """A file (HDF5, npz, CSV, Parquet), a bundled name, a Minari id, or a folder."""
    env: str | None = None
    """validate against this environment; without it the one that the file names."""
    env_kwargs: Annotated[dict[str, Any], tyro.conf.arg(metavar="JSON")] = field(default_factory=dict)
    """Keyword arguments of the environment, as JSON."""
    columns: Annotated[dict[str, Any], tyro.conf.arg(metavar="JSON")] = field(default_factory=dict)
    """Of tables, which column is what, as JSON: {"observations": "obs_*", "episode": "run"}."""
    repair: bool = False
    """Mend what recorders get wrong, and say what."""
    against: str | None = None
    """doctor: other data that should share no episode with these, such as a test set."""
    out: Path | None = None
    """doctor: draw the findings to this PNG."""


def run(args: Sequence[str]) -> int:
    """Carry the command out; returns its exit status."""
    order: Datasets = parse(Datasets, args, "imitax datasets")
    if order.action not in ACTIONS:
        raise ConfigError(unknown("action of imitax datasets", repr(order.action), ACTIONS))
    if order.action != "list" and order.source is None:
        raise ConfigError(f"imitax datasets {order.action} needs a file, a bundled name or a Minari id")
    return ACTIONS[order.action](order)


def _list(order: Datasets) -> int:
    for name in bundled():
        print(f"{name}  (bundled)")
    for name in local_minari():
        print(f"{name}  (Minari, local)")
    return 0


def _load(order: Datasets, source: str | None) -> "Dataset":
    from imitax.datasets import load

    kwargs = order.env_kwargs or None
    return load(source or "", env_kwargs=kwargs, columns=order.columns or None, repair=order.repair)


def _show(order: Datasets) -> int:
    from imitax.datasets import summary
    from imitax.datasets.limits import short

    data = _load(order, order.source)
    for key, value in summary(data).items():
        print(f"{key:18} {printable(value)}")
    for key, value in data.attributes.items():
        print(f"{printable(key):18} {short(value, 500)}")
    return 0


def _validate(order: Datasets) -> int:
    from imitax.datasets import validate
    from imitax.datasets.environment import bare, from_file
    from imitax.envs import Task

    data = _load(order, order.source)
    env_id, kwargs = order.env, order.env_kwargs or data.env_kwargs
    if env_id is None and data.env_id is not None:
        env_id = from_file(data.env_id, {}, data.name)[0]
    if env_id is None:
        validate(data)
        print(f"{order.source}: no problem found; it names no environment, so pass --env to check against one")
        return 0
    if not order.env_kwargs:
        from_file(bare(env_id), kwargs, data.name)
    task = Task.create(env_id, kwargs)
    validate(
        data,
        observation_space=task.observation_space,
        action_space=task.action_space,
        env_id=env_id,
        env_kwargs=kwargs,
    )
    print(f"{order.source}: no problem found, and it fits {env_id}")
    return 0


def _doctor(order: Datasets) -> int:
    from rich.console import Console

    from imitax.datasets.doctor import examine, table

    data = _load(order, order.source)
    report = examine(data, None if order.against is None else _load(order, order.against))
    Console(width=80).print(table(report))
    if order.out is not None and not report.drawn:
        print("no figure: there is nothing but images")
    elif order.out is not None:
        from imitax.figures.doctor import draw

        draw(report.drawn, order.out)
        print(f"figure: {order.out}")
    return 0


ACTIONS = {"list": _list, "show": _show, "validate": _validate, "doctor": _doctor}
"""What `imitax datasets` does, by the name of the action."""
