"""What observations a method can learn from: everything that is refused, and why, in one place."""

import dataclasses
from collections.abc import Iterator
from typing import Any

from imitax.algorithm import Needs
from imitax.config import Training
from imitax.errors import ConfigError
from imitax.networks import EncoderConfig
from imitax.observations import named
from imitax.spaces import ObservationSpace


def check_observations(name: str, needs: Needs, cfg: Any, options: Training, space: ObservationSpace) -> None:
    """Refuse observations that a method, an encoder or an option has no use for.

    Args:
        name: of the algorithm.
        needs: of it.
        cfg: its configuration, whose encoders are checked.
        options: of the run.
        space: the environment's.

    Raises:
        ConfigError: with the reason and what to do.
    """
    leaves = named(space.tree)
    if needs.model is not None and not space.is_flat:
        raise ConfigError(
            f"{name} learns a model that predicts the next observation, which has to be one vector of numbers; here "
            f"there are {', '.join(f'{leaf} ({x.kind} {list(x.shape)})' for leaf, x in leaves)}: use a method without "
            "a model, or join the vectors with a wrapper (gymnasium.wrappers.FlattenObservation)"
        )
    for path, encoder in encoders(cfg):
        try:
            encoder.check(leaves)
        except ConfigError as e:
            raise ConfigError(f"{path}: {e}") from e
    if options.random_shift and not any(leaf.kind == "image" for leaf in space.leaves):
        raise ConfigError("random_shift is for images (uint8 boxes), and the environment shows none: leave it out")


def encoders(cfg: Any, path: str = "") -> Iterator[tuple[str, EncoderConfig]]:
    """The encoders of a configuration, by the names of their fields."""
    if isinstance(cfg, EncoderConfig):
        yield path.rstrip("."), cfg
    elif dataclasses.is_dataclass(cfg):
        for f in dataclasses.fields(cfg):
            yield from encoders(getattr(cfg, f.name), f"{path}{f.name}.")
