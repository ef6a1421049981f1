"""The algorithms by name: those of the package, of installed packages, and what `register` adds."""

import sys
from dataclasses import fields
from importlib.metadata import entry_points
from types import ModuleType
from typing import Any

from imitax.algorithm import Algorithm
from imitax.catalogue import ALIASES, BUILT_IN, GROUP
from imitax.errors import ConfigError, printable, unknown

REQUIRED = frozenset({"Config", "PRESETS", "needs", "init", "update", "policy"})
"""What every algorithm's module has."""
ALGORITHMS: dict[str, Algorithm] = {}
"""Registered algorithms by name."""


def register(module: ModuleType, name: str | None = None) -> Algorithm:
    """Make an algorithm known under a name, its module's by default.

    Raises:
        ConfigError: the module lacks a part of the contract, its configuration belongs to another algorithm, or another
            module has the name.
    """
    if not isinstance(module, ModuleType):
        raise ConfigError(f"an algorithm is a module, not {printable(repr(module))}: import it, and register that")
    name = (name or module.__name__.rpartition(".")[2]).replace("-", "_")
    homes = {entry.name: entry.value.replace(":", ".").partition("[")[0].strip() for entry in entry_points(group=GROUP)}
    home = (homes | {built_in: f"imitax.algorithms.{built_in}" for built_in in BUILT_IN}).get(name, module.__name__)
    if home != module.__name__:
        raise ConfigError(f"an algorithm {name} is there already, {home}: use another name")
    return _registered(module, name)


def _registered(module: ModuleType, name: str) -> Algorithm:
    members: dict[str, Any] = {"explorer": vars(module).get("policy"), **vars(module)}
    given = {f.name: members[f.name] for f in fields(Algorithm) if f.name in members and f.name not in ("name", "doc")}
    if missing := REQUIRED - set(given):
        raise ConfigError(f"{module.__name__} is not an algorithm: it has no {', '.join(sorted(missing))}")
    if "default" not in module.PRESETS:
        raise ConfigError(f"{module.__name__}.PRESETS has no preset `default`")
    if wrong := [key for key, cfg in module.PRESETS.items() if type(cfg) is not module.Config]:
        raise ConfigError(f"{module.__name__}.PRESETS[{wrong[0]!r}] is no {module.__name__}.Config")
    if owner := _owner(module, name):
        raise ConfigError(
            f"{module.__name__}.Config is that of {owner}, which would be trained: give {name} a class of its own "
            "(@settings() class Config(Theirs)), and presets of that class"
        )
    algorithm = Algorithm(name=name, doc=module.__doc__ or "", **given)
    known = ALGORITHMS.get(name)
    if known is not None and known.Config.__module__ != algorithm.Config.__module__:
        raise ConfigError(f"an algorithm {name} is there already, {known.Config.__module__}: use another name")
    ALGORITHMS[name] = algorithm
    return algorithm


def _owner(module: ModuleType, name: str) -> str | None:
    """The other algorithm that a module's configuration belongs to, registered or not yet."""
    others = {known: algorithm.Config for known, algorithm in ALGORITHMS.items() if known != name}
    for known, config in others.items():
        if config is module.Config:
            return known
    home = vars(sys.modules.get(module.Config.__module__, module))
    other = set(home) >= REQUIRED and any(home[part] is not vars(module)[part] for part in REQUIRED)
    return module.Config.__module__ if other else None


def names() -> list[str]:
    """Of all algorithms, those of installed packages included, without importing these."""
    return list(dict.fromkeys([*ALGORITHMS, *(entry.name for entry in entry_points(group=GROUP))]))


def find(name: str) -> Algorithm:
    """The algorithm of a name; hyphens and underscores are the same.

    Raises:
        ConfigError: there is none.
    """
    name = name.replace("-", "_")
    if name not in ALGORITHMS:
        for entry in entry_points(group=GROUP):
            if entry.name == name:
                return _registered(entry.load(), name)
        raise ConfigError(unknown("algorithm", repr(name), [*names(), *ALIASES]))
    return ALGORITHMS[name]


def algorithm_of(cfg: object) -> Algorithm:
    """The algorithm that a configuration belongs to.

    Raises:
        ConfigError: none.
    """
    for algorithm in ALGORITHMS.values():
        if type(cfg) is algorithm.Config:
            return algorithm
    for algorithm in ALGORITHMS.values():
        if isinstance(cfg, algorithm.Config):
            raise ConfigError(
                f"{type(cfg).__qualname__} is a subclass of the configuration of {algorithm.name}, whose update would "
                "be used: register an algorithm of your own (imitax.register), or use the configuration itself"
            )
    name = cfg.__name__ if isinstance(cfg, type) else type(cfg).__name__
    raise ConfigError(
        f"{name} is not the configuration of an algorithm: give a name ({', '.join(names())}), or what "
        "imitax.preset_config(NAME) returns; classes such as imitax.BC are trained with BC().fit(demos)"
    )
