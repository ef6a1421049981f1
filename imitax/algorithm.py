"""The contract between an algorithm and the training loop, and the registry of algorithms.

An algorithm is a module. It has

    Config    a frozen dataclass, composed of parts
    PRESETS   configurations by name, `default` among them
    needs     cfg -> Needs
    init      (cfg, Start) -> state, a pytree
    update    (state, Batch, cfg, key) -> (state, metrics), pure, runs inside jit
    policy    state -> Policy, which is evaluated and saved

and, where the defaults below do not fit, any of `schedule`, `explorer`, `reward`, `alternatives`, `with_reward`.
`imitax.register(module)` makes it known to `imitax.train` and the command line; a package can also name the module in
its entry points, group `imitax.algorithms`.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from importlib.metadata import entry_points
from types import ModuleType
from typing import Any

import numpy as np
from jaxtyping import PRNGKeyArray

from imitax.agents.learned_model import ModelConfig
from imitax.agents.start import Start
from imitax.buffers import Buffers
from imitax.catalogue import ALIASES, BUILT_IN, GROUP
from imitax.choices.learned_reward import LearnedReward
from imitax.choices.terminal import Terminal
from imitax.errors import ConfigError, printable, unknown
from imitax.networks import Policy, Precision
from imitax.types import Batch, Metrics


@dataclass(frozen=True)
class Needs:
    """What an algorithm learns from, under one configuration."""

    expert: bool = False
    """Demonstrations,"""
    actions: bool = False
    """with their actions."""
    action_horizon: int = 1
    """H: of demonstrations the next H actions, one after the other; `Transition.recorded` says which there are."""
    without_actions: str = "it learns from actions"
    """Why demonstrations must have actions, and under which settings they need not, after "because"."""
    held_out: str = ""
    """Why some demonstrations are held out unless the user says otherwise, after a colon; empty where they are not.
    Turns find them in `Buffers.held_out`."""
    segments: bool = False
    """Consecutive transitions of demonstrations: they must not be subsampled."""
    initial: bool = False
    """The first transitions of demonstrations, as `Batch.initial`."""
    offline: bool = False
    """Recorded data beside the demonstrations,"""
    rewards: bool = False
    """whose rewards are learned from."""
    env: bool = False
    """An environment to train in."""
    absorbing: bool = False
    """Batches contain absorbing transitions, one for each episode that terminated."""
    normalize_obs: bool = False
    """Observations are standardised with the statistics of the data."""
    model: ModelConfig | None = None
    """A learned model with these settings; the state has it as its field `model`."""
    model_precision: Precision = "float32"
    """Of the model's matrix products."""
    box_only: str = "it was written for actions in a box"
    """Why it cannot learn from a finite set of actions, after "because"; empty where it can."""
    open_box: bool = False
    """Its policy has a form for actions without bounds. Otherwise their box is closed: a range around the recorded
    actions is all that there is."""
    enumerates: bool = True
    """It goes through all joint actions of a finite set, which must be few enough for that."""
    demonstration_copies: Callable[[int, int], int] = lambda demonstrated, recorded: 1
    """How often demonstrations are repeated in a model's data, given the transitions of both."""


Turn = Callable[[Any, Buffers, Any, PRNGKeyArray], tuple[Any, Metrics]]
"""Slow work between chunks of updates: `(state, buffers, cfg, key) -> (state, metrics)` of one seed, inside jit."""


@dataclass(frozen=True)
class Schedule:
    """How much an algorithm learns, and when; a step is an environment step online, an update offline."""

    batch_size: int = 256
    """Transitions of each kind in an update."""
    warmup_steps: int = 0
    """Environment steps with random actions, and no updates, at the start."""
    buffer_size: int = 1_000_000
    """Transitions that the replay buffer holds."""
    updates_per_step: int = 1
    """Updates for each environment step."""
    steps_per_update: int = 1
    """Environment steps for each update."""
    refit_every: int | None = None
    """Environment steps between fits of a learned model; None fits once, before training."""
    turns: tuple[tuple[int, Turn], ...] = ()
    """Periods, in steps, and what runs at their end, in this order."""
    comparisons: tuple[tuple[int, Turn], ...] = ()
    """Turns whose periods are rounded up to whole chunks, so that they end no chunk early."""
    recent_size: int = 0
    """The latest transitions of the replay that `Buffers.recent` holds, for turns that learn from the policy as it is;
    0 is no such buffer."""


def no_alternatives(state: Any) -> Mapping[str, Policy]:
    """The networks of a state can act in one way only."""
    return {}


@dataclass(frozen=True)
class Algorithm:
    """A module read once, with defaults for what it leaves out."""

    name: str
    Config: type
    PRESETS: Mapping[str, Any]
    needs: Callable[[Any], Needs]
    init: Callable[[Any, Start], Any]
    update: Callable[[Any, Batch, Any, PRNGKeyArray], tuple[Any, Metrics]]
    policy: Callable[[Any], Policy]
    explorer: Callable[[Any], Policy]
    """`state -> Policy` that acts in training; by default the policy itself."""
    schedule: Callable[[Any], Schedule] = lambda cfg: Schedule()
    reward: Callable[[Any, Any], LearnedReward] | None = None
    """`(state, cfg) -> LearnedReward`, where one is learned; it is saved with the policy."""
    alternatives: Callable[[Any], Mapping[str, Policy]] = no_alternatives
    """Other ways in which the networks can act, which evaluations measure too."""
    with_reward: Callable[[Any, Terminal], Any] | None = None
    """`(cfg, terminal) -> cfg`: the configuration under which a learned reward stands in for the environment's
    (`--reward`), its ends handled as `terminal`."""
    doc: str = ""

    def asked(self, cfg: Any) -> tuple[Needs, Schedule]:
        """What it needs and when it learns. Raises ConfigError where the module returns something else."""
        needs, schedule = self.needs(cfg), self.schedule(cfg)
        for part, given, kind in (("needs", needs, Needs), ("schedule", schedule, Schedule)):
            if not isinstance(given, kind):
                raise ConfigError(f"{part} of {self.name} returned {type(given).__name__}, not {kind.__name__}")
        return needs, schedule

    def updated(self, state: Any, batch: Batch, cfg: Any, key: PRNGKeyArray) -> tuple[Any, Metrics]:
        """`update`, whose result is checked when it is compiled. Raises ConfigError."""
        given = self.update(state, batch, cfg, key)
        if not (isinstance(given, tuple) and len(given) == 2 and isinstance(given[1], Mapping)):
            raise ConfigError(f"update of {self.name} returned {type(given).__name__}, not (state, metrics)")
        if odd := [name for name, value in given[1].items() if np.ndim(value)]:
            raise ConfigError(f"metric {odd[0]} of {self.name} is an array, not one number")
        return given


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
    raise ConfigError(f"{type(cfg).__name__} is not the configuration of an algorithm")
