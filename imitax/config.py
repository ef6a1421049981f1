"""Run options that do not depend on the algorithm, and how configurations are written, read and changed."""

import dataclasses
import os
import types
import typing
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np

from imitax.errors import ConfigError, unknown
from imitax.settings import INLINE, Count, CountOrZero, check_seed, number, numbers, settings

T = TypeVar("T")

Rule = Literal["last", "best", "validation", "validation_error", "learned_reward", "agreement"]
"""Which of a run's policies is taken: see `selection/rules.py`."""


@settings()
class Training:
    """The task, its demonstrations, and the length, seeds and records of a run."""

    env: str | None = ""
    """Gymnasium id of the environment; `module:Id-v0` first imports the module that registers it. Without it, the
    environment that the data name; offline methods need none, and `None` takes none, whatever the data name."""
    env_kwargs: dict[str, Any] = dataclasses.field(default_factory=dict)
    """Keyword arguments of the environment; empty takes those that the demonstrations carry."""
    action_low: tuple[float, ...] | None = None
    """Least value of each action, where no --env is used or the environment has none. One number is for all; None takes
    the data's or infers it. Without --env, integers are amounts if it is given, and otherwise choices."""
    action_high: tuple[float, ...] | None = None
    """Largest value of each action. As `action_low`."""
    demos: str | None = None
    """Demonstrations: a file (HDF5, npz, CSV, Parquet), a bundled name (hopper-expert), a Minari id, or a folder."""
    columns: dict[str, Any] = dataclasses.field(default_factory=dict)
    """Of tables, which column is what, as JSON: {"observations": "obs_*", "episode": "run"}."""
    repair: bool = False
    """Mend what recorders get wrong in the data (rows of resets, time limits flagged as ends, zeros), and say what."""
    episodes: Count | None = None
    """Demonstration episodes, drawn by the seed; None takes all."""
    validation_episodes: CountOrZero | None = None
    """Of these, episodes held out whole for validation. None: a tenth without an environment and, of five or more, with
    `--early-stopping` or `--held-out-penalty.every`; else none."""
    subsample: Count = 1
    """Keep every K-th transition of a demonstration, from a random offset."""
    offline_data: str | None = None
    """Recorded episodes that are no demonstrations (such as a medium-replay set), named like `demos`."""
    history: Count = 1
    """K: every network sees the last K observations, the first one repeated where an episode has had fewer."""
    history_actions: bool = False
    """Networks see the last K - 1 actions too, zeros where an episode has had fewer."""
    random_shift: CountOrZero = 0
    """Pixels by which images in the batches of updates are shifted at random, edges repeated (DrQ: 4); 0 for none."""
    steps: Count = 100_000
    """Updates offline, environment steps online."""
    seeds: tuple[int, ...] = (0,)
    """Seeds; each decides its demonstrations, initialisation, batches and environments. Several run as one vmap."""
    devices: Count | None = None
    """Devices that share the seeds equally, each of which runs its own; None takes as many accelerators or CPU cores as
    can. It changes rounding only."""
    num_envs: Count = 1
    """N: environments per seed, stepped together with one policy call; changes results (online methods)."""
    env_workers: CountOrZero = 0
    """Processes that step environments beside the main process, of which cores - 1 are of use; changes no result."""
    chunk: Count = 50
    """K: updates in one jitted scan; online, K environment steps are followed by K updates, and K changes results."""
    eval_every: Count = 5_000
    """Steps between evaluations; a multiple of the chunk. The last step is always evaluated."""
    eval_episodes: Count = 20
    """Episodes of an evaluation in an environment, deterministic policy, on environment seeds of their own."""
    checkpoint_every: Count = 10_000
    """Steps between checkpoints; a multiple of the chunk. Online, episodes are cut there, so it changes results."""
    keep_policies: Literal["small", "all", "none"] = "small"
    """Policies of evaluations that are kept, to select one later: small keeps those of up to 1 MiB."""
    select: Rule | None = None
    """Rule of `--which selected`. None: `validation_error` where `--validation-episodes` is given, else `last`."""
    init_from: Path | None = None
    """Run folder or policy file whose policy the run starts from (warm start)."""
    reward: Path | None = None
    """Run folder or reward file whose learned reward is given in place of the environment's (for sac)."""
    reward_combine: Literal["mean", "minimum", "pessimistic"] | None = None
    """How the members of a given ensemble of rewards count as one; as in the run that learned them when None."""
    model_from: Path | None = None
    """Run folder or model file whose fitted dynamics are taken, in place of a fit (offline methods with a model)."""
    variant: str = ""
    """Name of an ablation, for result files."""
    results: Path | None = None
    """Append one line a seed to this file when the run has finished."""
    tensorboard: bool = False
    """Write TensorBoard events too (needs imitax[tensorboard])."""
    wandb: bool = False
    """Log to Weights & Biases too (needs imitax[wandb])."""
    quiet: bool = False
    """Print nothing."""

    def __post_init__(self):
        if self.env is not None and self.env.lower() == "none":
            object.__setattr__(self, "env", None)
        require_multiples(self.num_envs, chunk=self.chunk, steps=self.steps)
        for name in ("eval_every", "checkpoint_every"):
            if getattr(self, name) % self.chunk:
                raise ConfigError(
                    f"{name} must be a multiple of chunk ({self.chunk}), got {getattr(self, name)}: evaluations and "
                    f"checkpoints happen between chunks. Change --{name.replace('_', '-')} or --chunk"
                )
        if self.history_actions and self.history == 1:
            raise ConfigError("history_actions are the actions between observations, of which --history shows one")
        if not self.seeds:
            raise ConfigError("seeds is empty: give at least one")
        if len(set(self.seeds)) < len(self.seeds):
            raise ConfigError(f"seeds {self.seeds} repeat: each seed runs once")
        for seed in self.seeds:
            check_seed(seed, "seeds")


def require_multiples(num_envs: int, **counts: int | None) -> None:
    """Refuse counts of steps that leave some of a seed's environments a step behind the others.

    Args:
        num_envs: environments per seed.
        counts: by their names; None is no count.
    """
    for name, count in counts.items():
        if count is not None and count % num_envs:
            raise ConfigError(
                f"{name} must be a multiple of num_envs ({num_envs}), got {count}: all environments of a seed step "
                f"together. Change --{name.replace('_', '-')} or --num-envs"
            )


RENAMED = {
    "average": "ema",
    "buffer": "range_margin",
    "imagination": "model_rollouts",
}
"""Settings of imitax 0.1 by the name of their flag, and what they are called now."""


def renamed(name: str) -> str:
    """The present name of a setting, given by the name of its flag with underscores."""
    first, dot, rest = name.partition(".")
    return RENAMED.get(first, first) + dot + rest


def parts(cls: type) -> dict[str, type]:
    """Fields of a configuration class that are parts of it, whose own fields are written without the part's name."""
    hints = typing.get_type_hints(cls, include_extras=True)
    return {
        name: typing.get_args(hint)[0] for name, hint in hints.items() if INLINE in getattr(hint, "__metadata__", ())
    }


def flatten(cfg: Any) -> dict[str, Any]:
    """A configuration as it is written: the fields of its parts beside its own, nested configurations as they are."""
    inline, flat = parts(type(cfg)), {}
    for f in dataclasses.fields(cfg):
        value = getattr(cfg, f.name)
        flat |= flatten(value) if f.name in inline else {f.name: value}
    return flat


def setting_names(cls: type) -> list[str]:
    """The fields of a configuration class as they are written."""
    inline = parts(cls)
    nested = [setting_names(inline[f.name]) if f.name in inline else [f.name] for f in dataclasses.fields(cls)]
    return [name for names in nested for name in names]


def from_flat(cls: type[T], data: dict[str, Any], where: str = "") -> T:
    """A configuration from the plain data that JSON holds, laid out as `flatten` does.

    Raises:
        ConfigError: a field is unknown, renamed, or has a value of another type, with its dotted name.
    """
    known, inline = setting_names(cls), parts(cls)
    for name in sorted(set(data) - set(known)):
        if renamed(name) in known:
            raise ConfigError(f"{where}{name} is called {where}{renamed(name)} now")
        raise ConfigError(unknown("field", f"{where}{name}", sorted(known)))
    hints, values = typing.get_type_hints(cls), {}
    for f in dataclasses.fields(cls):  # type: ignore[arg-type]
        if f.name in inline:
            own = {name: data[name] for name in setting_names(inline[f.name]) if name in data}
            if own:
                values[f.name] = from_flat(inline[f.name], own, where)
        elif f.name in data:
            values[f.name] = _convert(hints[f.name], data[f.name], f"{where}{f.name}")
    return cls(**values)


def override(cfg: T, **changes: Any) -> T:
    """A configuration with some settings changed, by the names of their flags: `gamma`, `critic.hidden`.

    Raises:
        ConfigError: a setting does not exist, or has another name now.
    """
    inline, own, below = parts(type(cfg)), {}, {}
    own_names = {f.name for f in dataclasses.fields(cfg)} - set(inline)  # type: ignore[arg-type]
    for name, value in changes.items():
        first, dot, rest = name.partition(".")
        part = next((p for p, cls in inline.items() if first in setting_names(cls)), None)
        if part is not None:
            below.setdefault(part, {})[name] = value
        elif first not in own_names or (dot and not dataclasses.is_dataclass(getattr(cfg, first))):
            known = setting_names(type(cfg))
            if renamed(name) != name and renamed(name).partition(".")[0] in known:
                raise ConfigError(f"{name} is called {renamed(name)} now")
            raise ConfigError(unknown("setting", name, sorted(known)))
        elif dot:
            below.setdefault(first, {})[rest] = value
        else:
            own[name] = value
    kinds = numbers(type(cfg))
    own = {name: number(value, kinds[name], name) if name in kinds else value for name, value in own.items()}
    values = own | {name: override(getattr(cfg, name), **nested) for name, nested in below.items()}
    return dataclasses.replace(cfg, **values)  # type: ignore[type-var]


def _convert(hint: Any, value: Any, where: str) -> Any:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in args:
            return None
        return _convert(next(a for a in args if a is not type(None)), value, where)
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, dict):
            raise ConfigError(f"{where} must be a mapping, got {value!r}")
        return from_flat(typing.cast(type, hint), value, f"{where}.")
    if origin is tuple or hint in (int, float):
        found = number(value, hint, where)
        return float(found) if hint is float else found
    if origin is typing.Literal:
        if value not in args:
            raise ConfigError(f"{where} must be one of {', '.join(map(str, args))}, got {value!r}")
        return value
    if origin is dict and not isinstance(value, dict):
        raise ConfigError(f"{where} must be a mapping, got {value!r}")
    if origin is dict or hint is Any:
        return value
    if hint is Path:
        if not isinstance(value, str | os.PathLike):
            raise ConfigError(f"{where} must be a path, got {value!r}")
        return Path(value).expanduser()
    if hint is bool and isinstance(value, np.bool_):
        return bool(value)
    if not isinstance(value, hint):
        raise ConfigError(f"{where} must be {hint.__name__}, got {value!r}")
    return value
