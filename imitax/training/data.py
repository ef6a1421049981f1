"""The data of a run: loaded, and each seed's part of them chosen."""

from dataclasses import dataclass
from typing import Any

from imitax.algorithm import Needs
from imitax.config import Training
from imitax.datasets import Dataset, Selection, load, normalization, pool, select
from imitax.datasets.joining import check_columns
from imitax.datasets.remembered import with_history
from imitax.envs import Task
from imitax.errors import ConfigError, DataError
from imitax.networks import Normalizer


@dataclass(frozen=True)
class Sources:
    """The data that a run was given, before its episodes are selected."""

    demos: Dataset | None
    offline: Dataset | None
    """Recorded episodes that are no demonstrations, the same for all seeds."""


@dataclass(frozen=True)
class Data:
    """The data of a run, as networks see them."""

    demos: Dataset | None
    offline: Dataset | None
    selections: tuple[Selection, ...]
    """Demonstrations of each seed; none without demonstrations."""
    normalizers: tuple[Normalizer, ...]
    """Of each seed."""
    parts: Selection | None
    """Of the offline data, where they alone are learned from without an environment: the same for all seeds."""
    given: Sources
    """The data as they were given, without histories."""

    def held_out(self, index: int) -> Dataset | None:
        """A seed's episodes that are not learned from, if there are any."""
        chosen = self.selections[index] if self.selections else self.parts
        return None if chosen is None else chosen.validation

    def learned(self, index: int) -> Dataset:
        """What a seed learns from: its demonstrations, or without any, the offline data."""
        chosen = self.selections[index] if self.selections else self.parts
        data = self.offline if chosen is None else chosen.train
        assert data is not None
        return data

    @property
    def expert_return(self) -> float | None:
        """Mean return of all episodes of the demonstrations, where it is known."""
        return None if self.demos is None or not self.demos.has_rewards else float(self.demos.returns.mean())

    def recorded(self, index: int, needs: Needs) -> Dataset:
        """A seed's recorded episodes; where a model is fitted to them, with copies of its demonstrations."""
        assert self.offline is not None
        if self.parts is not None:
            return self.parts.train
        if not self.selections or needs.model is None:
            return self.offline
        own = self.selections[index].train
        return pool(self.offline, own, needs.demonstration_copies(own.transition_count, self.offline.transition_count))


def load_sources(name: str, needs: Needs, options: Training, demos: Any, offline_data: Any) -> Sources:
    """The data that the algorithm needs, and no other."""
    kwargs = options.env_kwargs or None
    if needs.expert and demos is None:
        raise ConfigError(f"{name} learns from demonstrations: give --demos FILE, NAME or Minari id")
    if not needs.expert and demos is not None:
        raise ConfigError(f"{name} learns from rewards and takes no demonstrations: leave --demos out")
    if needs.offline and offline_data is None:
        raise ConfigError(
            f"{name} learns from offline data beside the demonstrations: give --offline-data FILE, NAME or Minari id"
        )
    if not needs.offline and offline_data is not None:
        raise ConfigError(f"{name} takes no offline data: leave --offline-data out")
    given: dict[str, Any] = {"env_kwargs": kwargs, "columns": options.columns or None, "repair": options.repair}
    dataset = None if demos is None else load(demos, **given)
    offline = None if offline_data is None else load(offline_data, **given)
    if offline is not None and needs.rewards and not offline.has_rewards:
        raise DataError(f"{name} learns from the rewards of its data, and {offline.name} has none")
    if dataset is not None and offline is not None:
        check_columns(dataset, offline)
    return Sources(dataset, offline)


def gather(needs: Needs, sources: Sources, options: Training, task: Task) -> Data:
    """Each seed's demonstrations and the statistics of its observations."""
    seen = (None if data is None else with_history(data, task.spec) for data in (sources.demos, sources.offline))
    (demos, offline), seeds = seen, options.seeds
    selections, parts, held_out = (), None, options.validation_episodes or 0
    if demos is None and offline is not None and held_out:
        parts = select(offline, episodes=None, validation_episodes=held_out, seed=seeds[0])
    pooled = [offline if parts is None else parts.train] * len(seeds)
    if demos is not None:
        selections = tuple(
            select(demos, episodes=options.episodes, validation_episodes=held_out, seed=seed) for seed in seeds
        )
        beside = offline if needs.model is not None else None
        pooled = [s.train if beside is None else pool(beside, s.train) for s in selections]
    space = task.spec.observation
    normalizers = [Normalizer.identity(space)] * len(seeds)
    if needs.normalize_obs:
        normalizers = [Normalizer.of(space, normalization(data)) for data in pooled if data is not None]
    return Data(demos, offline, selections, tuple(normalizers), parts, sources)
