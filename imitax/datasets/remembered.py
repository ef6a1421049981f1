"""Recorded episodes as networks with a history see them."""

from dataclasses import replace

import jax
import numpy as np

from imitax.datasets.episode import Dataset, Episode
from imitax.errors import ConfigError
from imitax.history import newest, of_episode
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


def present(episode: Episode, spec: Spec) -> Episode:
    """An episode of a replay as the environment showed it: single observations, classes as whole numbers."""
    obs = episode.observations if spec.history is None else newest(spec.history, episode.observations)
    leaves = zip(jax.tree.leaves(obs), spec.single.leaves, strict=True)
    whole = [x.astype(np.int32) if leaf.kind == "categories" else x for x, leaf in leaves]
    return replace(episode, observations=jax.tree.unflatten(spec.single.structure, whole))
