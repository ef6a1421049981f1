"""Recorded episodes as networks with a history see them."""

from dataclasses import replace
from typing import Any

import numpy as np

from imitax.datasets.episode import Dataset, Episode
from imitax.errors import ConfigError
from imitax.history import newest, of_episode
from imitax.observation_spaces import recorded
from imitax.spaces import Spec


def with_history(data: Dataset, spec: Spec) -> Dataset:
    """Episodes whose observations are histories; the episodes themselves for a task without a history.

    Every episode begins anew: the first observation is repeated, also in pieces of a longer episode. It takes K times
    the memory of the observations.

    Raises:
        ConfigError: actions are to be seen, and the data have none.
    """
    if spec.history is None:
        return data
    try:
        return replace(data, episodes=tuple(_seen(episode, spec) for episode in data.episodes))
    except ConfigError as e:
        raise ConfigError(f"{data.name}: {e}") from e


def _seen(episode: Episode, spec: Spec) -> Episode:
    assert spec.history is not None
    actions = None if episode.actions is None else np.asarray(episode.actions)
    encoded = spec.action.encode(actions) if actions is not None and spec.history.actions else None
    return replace(episode, observations=of_episode(spec.history, episode.observations, encoded))


def present(observations: Any, spec: Spec) -> Any:
    """Observations [T, ...] of a replay as the environment showed them and datasets hold them, single ones."""
    return recorded(spec.single, observations if spec.history is None else newest(spec.history, observations))
