"""What a run is told beside its algorithm's configuration, and how configurations are written and read."""

import dataclasses
import types
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from imitax.errors import ConfigError, require_positive

T = TypeVar("T")


@dataclass(frozen=True)
class Training:
    """The task, its demonstrations, and the length, seeds and records of a run."""

    env: str = ""
    """Gymnasium id of the environment."""
    env_kwargs: dict[str, Any] = dataclasses.field(default_factory=dict)
    """Keyword arguments of the environment; empty takes those that the demonstrations carry."""
    demos: str | None = None
    """Demonstrations: a D4RL-layout HDF5 file, a bundled name (hopper-expert), a Minari id or folder."""
    episodes: int | None = None
    """Demonstration episodes, drawn by the seed; None takes all."""
    validation_episodes: int = 0
    """Of these, episodes held out whole for validation."""
    subsample: int = 1
    """Keep every K-th transition of a demonstration, from a random offset."""
    offline_data: str | None = None
    """Recorded episodes that are no demonstrations (such as a medium-replay set), named like `demos`."""
    steps: int = 100_000
    """Updates offline, environment steps online."""
    seeds: tuple[int, ...] = (0,)
    """Seeds; each decides its demonstrations, initialisation, batches and environments. Several run as one vmap."""
    chunk: int = 50
    """K: updates in one jitted scan; online, K environment steps are followed by K updates, and K changes results."""
    eval_every: int = 5_000
    """Steps between evaluations; a multiple of the chunk. The last step is always evaluated."""
    eval_episodes: int = 20
    """Episodes of an evaluation, deterministic policy, on environment seeds of their own."""
    checkpoint_every: int = 10_000
    """Steps between checkpoints; a multiple of the chunk. Online, episodes are cut there, so it changes results."""
    init_from: Path | None = None
    """Run folder or policy file whose policy the run starts from (warm start)."""
    reward: Path | None = None
    """Run folder or reward file whose learned reward is given in place of the environment's (for sac)."""
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
        require_positive(self, "steps", "chunk", "eval_every", "eval_episodes", "checkpoint_every", "subsample")
        for name in ("eval_every", "checkpoint_every"):
            if getattr(self, name) % self.chunk:
                raise ConfigError(
                    f"{name} must be a multiple of chunk ({self.chunk}), got {getattr(self, name)}: evaluations and "
                    f"checkpoints happen between chunks. Change --{name.replace('_', '-')} or --chunk"
                )
        if not self.seeds:
            raise ConfigError("seeds is empty: give at least one")
        if len(set(self.seeds)) < len(self.seeds):
            raise ConfigError(f"seeds {self.seeds} repeat: each seed runs once")
        if min(self.seeds) < 0:
            raise ConfigError(f"seeds must not be negative, got {min(self.seeds)}")
        if self.episodes is not None and self.episodes < 1:
            raise ConfigError(f"episodes must be at least 1, got {self.episodes}")
        if self.validation_episodes < 0:
            raise ConfigError(f"validation_episodes must not be negative, got {self.validation_episodes}")


def from_dict(cls: type[T], data: dict[str, Any], where: str = "") -> T:
    """A configuration dataclass from the plain data that JSON holds, nested ones included.

    Raises:
        ConfigError: a field is unknown or has a value of another type, with its dotted name.
    """
    hints = typing.get_type_hints(cls)
    fields = {f.name for f in dataclasses.fields(cls) if f.init}  # type: ignore[arg-type]
    if unknown := set(data) - fields:
        raise ConfigError(f"unknown field {where}{sorted(unknown)[0]}; there are {', '.join(sorted(fields))}")
    return cls(**{name: _convert(hints[name], value, f"{where}{name}") for name, value in data.items()})


def check_kinds(cfg: Any, where: str = "") -> None:
    """Refuse values that are none of their field's, in a configuration and those within it.

    Choices go by their kind, and a kind that does not exist would pass for another one.

    Raises:
        ConfigError: with the dotted name of the field and its values.
    """
    hints = typing.get_type_hints(type(cfg))
    for field in dataclasses.fields(cfg):
        value, name = getattr(cfg, field.name), f"{where}{field.name}"
        if dataclasses.is_dataclass(value):
            check_kinds(value, f"{name}.")
        elif typing.get_origin(hints[field.name]) is typing.Literal:
            _convert(hints[field.name], value, name)


def _convert(hint: Any, value: Any, where: str) -> Any:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in args:
            return None
        return _convert(next(a for a in args if a is not type(None)), value, where)
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, dict):
            raise ConfigError(f"{where} must be a mapping, got {value!r}")
        return from_dict(typing.cast(type, hint), value, f"{where}.")
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise ConfigError(f"{where} must be a list, got {value!r}")
        return tuple(_convert(args[0], v, where) for v in value)
    if origin is typing.Literal:
        if value not in args:
            raise ConfigError(f"{where} must be one of {', '.join(map(str, args))}, got {value!r}")
        return value
    if origin is dict and not isinstance(value, dict):
        raise ConfigError(f"{where} must be a mapping, got {value!r}")
    if origin is dict or hint is Any:
        return value
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if hint is Path:
        if not isinstance(value, str | Path):
            raise ConfigError(f"{where} must be a path, got {value!r}")
        return Path(value)
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise ConfigError(f"{where} must be {hint.__name__}, got {value!r}")
    return value
