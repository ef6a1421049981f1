"""`imitax datasets`."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import tyro

from imitax.catalogue import bundled
from imitax.cli.parsing import parse
from imitax.errors import ConfigError, unknown


@dataclass(frozen=True)
class Datasets:
    """List, show or validate demonstrations."""

    action: tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="{list,show,validate}")]]
    """list: bundled and local Minari datasets. show: statistics of one. validate: check one, with its environment."""
    source: tyro.conf.Positional[str | None] = None
    """A D4RL-layout HDF5 file, a bundled name, a Minari id or folder."""
    env: str | None = None
    """validate against this environment; without it the one that the file names."""
    env_kwargs: Annotated[dict[str, Any], tyro.conf.arg(metavar="JSON")] = field(default_factory=dict)
    """Keyword arguments of the environment, as JSON."""


def run(args: Sequence[str]) -> int:
    """Carry the command out; returns its exit status."""
    order: Datasets = parse(Datasets, args, "imitax datasets")
    actions = {"list": _list, "show": _show, "validate": _validate}
    if order.action not in actions:
        raise ConfigError(unknown("action of imitax datasets", repr(order.action), actions))
    if order.action != "list" and order.source is None:
        raise ConfigError(f"imitax datasets {order.action} needs a file, a bundled name or a Minari id")
    return actions[order.action](order)


def _list(order: Datasets) -> int:
    import minari

    for name in bundled():
        print(f"{name}  (bundled)")
    for name in minari.list_local_datasets():
        print(f"{name}  (Minari, local)")
    return 0


def _show(order: Datasets) -> int:
    from imitax.datasets import load, summary

    data = load(order.source or "", env_kwargs=order.env_kwargs or None)
    for key, value in summary(data).items():
        print(f"{key:18} {value}")
    for key, value in data.attributes.items():
        print(f"{key:18} {value}")
    return 0


def _validate(order: Datasets) -> int:
    from imitax.datasets import load, validate
    from imitax.envs import Task

    data = load(order.source or "", env_kwargs=order.env_kwargs or None)
    env_id = order.env or data.env_id
    if env_id is None:
        validate(data)
        print(f"{order.source}: no problem found; it names no environment, so pass --env to check against one")
        return 0
    kwargs = order.env_kwargs or data.env_kwargs
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
