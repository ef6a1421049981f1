"""The offline source: recorded episodes on the device, each seed with its own."""

from dataclasses import replace

import jax
import numpy as np

from imitax import seeding
from imitax.buffers import Buffer, Stored, stack_data
from imitax.datasets import Dataset, Episode
from imitax.seeding import Purpose
from imitax.spaces import ActionSpace
from imitax.types import Transition


def episode_buffer(
    recorded: list[Dataset],
    seeds: tuple[int, ...],
    space: ActionSpace,
    subsample: int = 1,
    samples_absorbing: bool = False,
    horizon: int = 1,
) -> Buffer:
    """The transitions of each seed's recorded episodes, demonstrations or not, stacked along a leading axis of seeds.

    Args:
        recorded: one dataset per seed.
        seeds: decide the offsets of subsampling.
        space: of the actions; episodes without actions get zeros.
        subsample: keep every `subsample`-th transition of an episode, from a random offset. Absorbing transitions are
            never dropped, and count 1 / `subsample` each instead (DAC, Kostrikov et al. 2019, appendix): so the end
            of an episode has its share of the samples whatever is kept.
        samples_absorbing: samples contain absorbing transitions, one for each episode that terminated.
        horizon: H, actions that each transition has: its own and those of the H - 1 steps after it.
    """
    parts = []
    for data, seed in zip(recorded, seeds, strict=True):
        offset = _subsample_seed(seed)
        if horizon == 1:
            parts.append(host_data(data.transitions(subsample, seed=offset), space))
        else:
            parts.append(chunk_data(data, horizon, space, subsample, offset))
    absorbing = [sum(e.terminated for e in data.episodes) / subsample for data in recorded]
    return stack_data(parts, absorbing, samples_absorbing)


def initial_buffer(demonstrations: list[Dataset], space: ActionSpace) -> Buffer:
    """The first transition of each episode of each seed's demonstrations, stacked along a leading axis of seeds."""
    parts = []
    for data in demonstrations:
        starts = np.concatenate([[0], np.cumsum(data.lengths)[:-1]])
        parts.append(jax.tree.map(lambda x, at=starts: x[at], host_data(data.transitions(), space)))
    return stack_data(parts, [0.0] * len(parts))


def host_data(t: Transition, space: ActionSpace) -> Stored:
    """Host transitions as a buffer stores them: numbers become float32, images stay bytes."""
    known = t.action.shape[1] == space.columns
    action = space.encode(np.asarray(t.action)) if known else np.zeros((len(t), space.size))
    data = Stored.of(t)._replace(action=action)
    return jax.tree.map(lambda x: np.asarray(x, x.dtype if x.dtype in (bool, np.uint8) else np.float32), data)


def chunk_data(data: Dataset, horizon: int, space: ActionSpace, subsample: int, offset: int) -> Stored:
    """Transitions with the next `horizon` actions of each; the steps between them are not subsampled.

    Where the episode ends before, its last action is repeated, and `recorded` is False.
    """
    episodes = tuple(replace(e, actions=_next_actions(e, horizon)) for e in data.episodes)
    flat = replace(data, episodes=episodes, action_low=None, action_high=None).transitions(subsample, seed=offset)
    columns, there = flat.action[:, :-horizon], flat.action[:, -horizon:] > 0
    actions = space.encode(columns.reshape(len(columns), horizon, -1)).reshape(len(columns), -1)
    one = host_data(replace(flat, action=np.zeros((len(flat), 0), np.float32)), space)
    return one._replace(action=actions, recorded=there)


def _next_actions(episode: Episode, horizon: int) -> np.ndarray:
    """The next actions [T, H k] of each step, and behind them [T, H], which of them there are."""
    actions, steps = np.asarray(episode.actions), len(episode)
    index = np.arange(steps)[:, None] + np.arange(horizon)
    chunk = actions[np.minimum(index, steps - 1)].reshape(steps, -1)
    return np.concatenate([chunk, (index < steps).astype(chunk.dtype)], axis=1)


def _subsample_seed(seed: int) -> int:
    return int(seeding.generator(seed, Purpose.SUBSAMPLING).integers(2**31))
