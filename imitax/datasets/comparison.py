"""Whether data and an environment are of one kind: shapes, ranges, and what recorded actions lead to when replayed.

Demonstrations recorded through a wrapper (rescaled actions, normalised or stacked observations) often have the shapes
of the bare environment, and training in it goes wrong without a word. Everything here is said as a warning, because
data may also differ from the environment for a good reason.
"""

import time
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from imitax.datasets.episode import Dataset, Episode
from imitax.envs import Guard, Task
from imitax.envs.actions import action_space
from imitax.errors import EnvWarning
from imitax.observations import columns, matrix, named, rows
from imitax.seeding import Purpose, environment_seed

EPISODES, STEPS, RESETS = 3, 10, 16
"""Episodes that are replayed, for how many steps, and resets for the range of initial observations."""

SECONDS = 2.0
"""After which no further episode or reset is tried."""

NARROW = 0.1
"""Actions within this share of the box are suspicious."""

SPREAD = 10.0
"""So many times wider or narrower initial observations are suspicious."""

Seen = tuple[np.ndarray, list[np.ndarray], list[float]]
"""First observation, observations and rewards of a replay."""


def compare(data: Dataset, task: Task) -> None:
    """Warn where data do not look like recordings of the environment; its shapes fit."""
    problems = list(_ranges(data, task))
    guard = task.sole.guard if task.sole is not None else Guard(task.make())
    try:
        problems += _experience(data, guard)
    finally:
        guard.close()
    if problems:
        warnings.warn(
            f"{data.name} and {task.env_id} do not look like one task: {'; '.join(problems)}; if the data were "
            "recorded through a wrapper (RescaleAction, NormalizeObservation, a frame stack), pass the environment "
            "with that wrapper",
            EnvWarning,
            stacklevel=2,
        )


def shape_hint(data: Dataset, task: Task) -> str | None:
    """What explains another number of dimensions, if anything does."""
    if not task.spec.observation.is_flat or not isinstance(data.episodes[0].observations, np.ndarray):
        return None
    ours, theirs = data.obs_dim, task.spec.obs_dim
    for what, many, few in (("the data", ours, theirs), ("the environment", theirs, ours)):
        if many > few and many % few == 0:
            return (
                f"{what} may have a stack of {many // few} frames: give both the same "
                "(gymnasium.wrappers.FrameStackObservation, then FlattenObservation)"
            )
        if many == few + 1:
            return f"{what} may have the time as an observation (gymnasium.wrappers.TimeAwareObservation)"
    return None


def _ranges(data: Dataset, task: Task) -> Iterator[str]:
    if task.spec.is_finite:
        return
    low, high = (np.array(side, np.float64) for side in task.spec.box.limits)
    if data.action_low is not None and data.action_high is not None and data.action_dim == len(low):
        recorded = np.array([data.action_low, data.action_high])
        known = np.isfinite(recorded) & np.isfinite([low, high])
        off = ~np.isclose(recorded, [low, high], rtol=1e-3, atol=1e-6) & known
        if off.any():
            i = int(np.flatnonzero(off.any(0))[0])
            yield (
                f"the data's action {i} has the bounds [{recorded[0, i]:g}, {recorded[1, i]:g}], the environment's "
                f"[{low[i]:g}, {high[i]:g}]"
            )
            return
    if data.has_actions and data.action_dim == len(low) and np.isfinite([low, high]).all():
        share = np.abs((data.transitions().action - (low + high) / 2) / ((high - low) / 2)).max()
        if 0 < share < NARROW:
            yield f"all recorded actions lie within {share:.2%} of the middle of the action box, as in other units"


def _experience(data: Dataset, guard: Guard) -> list[str]:
    """Problems that show when the environment is used."""
    until, matched = time.monotonic() + SECONDS, False
    for index, episode in enumerate(data.episodes[:EPISODES]):
        for seed in _seeds(data, index):
            if time.monotonic() > until:
                return []
            if not _close(_vector(guard.reset(seed=seed)[0]), _row(episode, 0), 1e-5):
                continue
            matched = True
            if episode.actions is not None:
                problem = _replayed(episode, index, guard, seed)
                if problem is not None:
                    return [problem]
            break
    return [] if matched else list(_initial(data, guard, until))


def _seeds(data: Dataset, index: int) -> list[int]:
    """With which seeds the episode may have been recorded."""
    recorded, known = data.attributes.get("collection_seed"), []
    if recorded is not None and data.attributes.get("discarded_episodes", "0") == "0":
        known = [environment_seed(Purpose.COLLECTION, int(recorded), index)]
    return list(dict.fromkeys([*known, index, 0]))


def _replayed(episode: Episode, index: int, guard: Guard, seed: int) -> str | None:
    """Where the episode's actions lead elsewhere, in an environment that repeats itself."""
    played = _play(episode, guard, seed)
    steps = len(played[1])
    everything = _numbers(episode.observations)
    scale = np.maximum(np.ptp(everything, axis=0), np.abs(everything[0])) + 1e-6
    for step, (obs, reward) in enumerate(zip(played[1], played[2], strict=True)):
        recorded = everything[step + 1]
        off = np.abs(obs - recorded) / scale
        if off.max() > 0.01 and _repeats(episode, guard, seed, played):
            i = int(off.argmax())
            return (
                f"from the start of episode {index}, its actions lead to {_column(episode, i)} = {obs[i]:.4g} in step "
                f"{step + 1}, recorded is {recorded[i]:.4g}"
            )
        known = None if episode.rewards is None else float(episode.rewards[step])
        # an end is left out: the recorder may have added a penalty of its own there
        if known is None or step + 1 == steps or abs(reward - known) <= 0.01 * max(abs(known), abs(reward), 0.01):
            continue
        if _repeats(episode, guard, seed, played):
            return (
                f"from the start of episode {index}, its actions earn a reward of {reward:.4g} in step {step + 1}, "
                f"recorded is {known:.4g}"
            )
    return None


def _play(episode: Episode, guard: Guard, seed: int) -> Seen:
    first, observations, rewards = _vector(guard.reset(seed=seed)[0]), [], []
    assert episode.actions is not None
    space = action_space(guard.action_space, guard.name)
    for action in episode.actions[:STEPS]:
        obs, reward, terminated, truncated, _ = guard.step(space.env(action)[()])
        observations.append(_vector(obs))
        rewards.append(reward)
        if terminated or truncated:
            break
    return first, observations, rewards


def _repeats(episode: Episode, guard: Guard, seed: int, played: Seen) -> bool:
    again = _play(episode, guard, seed)
    return len(again[1]) == len(played[1]) and all(_close(a, b, 1e-5) for a, b in zip(again[1], played[1], strict=True))


def _initial(data: Dataset, guard: Guard, until: float) -> Iterator[str]:
    """Initial observations far outside of all recorded ones, or spread over another range."""
    ours = []
    while len(ours) < RESETS and (len(ours) < 4 or time.monotonic() < until):
        ours.append(matrix(rows(guard.reset(seed=len(ours))[0], None))[0].copy())
    first = np.array(ours, np.float64)
    everything = np.concatenate([episode.vectors for episode in data.episodes]).astype(np.float64)
    if not everything.shape[1]:
        return  # images alone: their range is that of bytes
    low, high = everything.min(0), everything.max(0)
    width = np.maximum(high - low, 1e-3 * np.maximum(np.abs(low), np.abs(high))) + 1e-6
    far = np.maximum(low - first, first - high).min(0) / width
    if (far > 1).any():
        i = int(far.argmax())
        yield (
            f"{columns(data.episodes[0].observations)[i]} starts between {first[:, i].min():.4g} and "
            f"{first[:, i].max():.4g} in the environment, "
            f"and lies between {low[i]:.4g} and {high[i]:.4g} in the data"
        )
        return
    starts = np.array([episode.vectors[0] for episode in data.episodes], np.float64)
    if len(starts) < 4 or len(first) < 4:
        return
    mine, recorded = first.std(0), starts.std(0)
    varies = (mine > 1e-6) & (recorded > 1e-6)
    ratio = mine[varies] / recorded[varies]
    if len(ratio) and (ratio.min() > SPREAD or ratio.max() < 1 / SPREAD):
        yield (
            f"first observations are spread {ratio.mean():.2g} times as wide in the environment as in the data, in "
            "every dimension, as in other units or where recordings start on the way"
        )


def _close(a: np.ndarray, b: np.ndarray, tolerance: float) -> bool:
    return bool((np.abs(a - b) <= tolerance * (1 + np.abs(b))).all())


def _numbers(tree: Any) -> np.ndarray:
    """All numbers of observations [B, ...], pixels from 0 to 1 among them, [B, D]."""
    if isinstance(tree, np.ndarray) and tree.ndim == 2:
        return tree
    leaves = [x / np.float32(255) if x.dtype == np.uint8 else x for _, x in named(tree)]
    return np.concatenate([x.reshape(len(x), -1) for x in leaves], axis=1)


def _vector(obs: Any) -> np.ndarray:
    """A copy of the numbers of one observation."""
    return _numbers(rows(obs, None))[0].copy()


def _row(episode: Episode, index: int) -> np.ndarray:
    return _numbers(rows(episode.observations, np.s_[index : index + 1]))[0]


def _column(episode: Episode, index: int) -> str:
    """The name of a column of `_numbers`."""
    for name, x in named(episode.observations):
        size = int(np.prod(x.shape[1:]))
        if index < size:
            return (
                f"{name} {index}" if x.ndim == 2 else f"{name} {list(map(int, np.unravel_index(index, x.shape[1:])))}"
            )
        index -= size
    raise IndexError(index)
