"""Histories: the last K observations, and where wanted the K - 1 actions between them, as one observation.

The same function, `join`, puts them together for recorded episodes (`of_episode`) and for environments and policies
that act (`Recent`). At the beginning of an episode the first observation is repeated and actions are zeros, as
Gymnasium's `FrameStackObservation` does with padding_type="reset".

Frames follow each other, the oldest first, along the first axis of a leaf: K vectors [n] are one vector [K n], so flat
observations stay flat. Images become frames, which a convolutional network takes as channels: [H, W] becomes
[K, H, W, 1], [H, W, C] becomes [K, H, W, C], and [C, H, W] becomes [K, C, H, W]. Types stay what they are. Actions
stand behind the frames of a flat observation, and beside those of any other: {"observation": ...,
"previous_actions": ...}. Those of a box are in the environment's units; those of a finite set are one-hot.
"""

from typing import Any

import jax
import numpy as np
from jaxtyping import Float, Shaped

from imitax.errors import ConfigError
from imitax.observations import count, host_zeros, rows
from imitax.spaces import History, Leaf, ObservationSpace

ACTIONS = "previous_actions"
"""Name of the actions beside observations that are not flat."""


def described(history: History) -> dict[str, Any]:
    """The history in the plain data of JSON."""
    return {"length": history.length, "actions": history.actions, "single": history.single.describe()}


def from_described(about: Any) -> History:
    """The inverse of `described`. Raises ValueError for anything else."""
    if not isinstance(about, dict) or type(about.get("length")) is not int or about["length"] < 2:
        raise ValueError("this describes no history")
    return History(about["length"], about.get("actions") is True, ObservationSpace.parse(about.get("single")))


def frame_shape(leaf: Leaf) -> tuple[int, ...]:
    """Shape of a leaf's frame; the frames of a stack follow each other along its first axis."""
    if leaf.kind == "image" and len(leaf.shape) < 4:
        return (1, *leaf.shape) if len(leaf.shape) == 3 else (1, *leaf.shape, 1)
    return leaf.shape or (1,)


def stacked_shape(leaf: Leaf, length: int) -> tuple[int, ...]:
    """Shape of `length` frames of a leaf in one."""
    first, *others = frame_shape(leaf)
    return (length * first, *others)


def join(history: History, frames: Any, actions: Float[np.ndarray, "B M A"]) -> Any:
    """Observations [B, ...] as networks see them.

    Args:
        history: what they are made of.
        frames: the last K observations, [B, K, ...] of each leaf, the oldest first.
        actions: the M = K - 1 actions between them, as `ActionSpace.encode` has them; unused where they are not seen.
    """
    pairs = zip(jax.tree.leaves(frames), history.single.leaves, strict=True)
    stacked = [x.reshape(len(x), *stacked_shape(leaf, history.length)) for x, leaf in pairs]
    tree = jax.tree.unflatten(history.single.structure, stacked)
    if not history.actions:
        return tree
    past = np.asarray(actions, np.float32).reshape(len(actions), -1)
    return np.concatenate([tree, past], axis=1) if history.single.is_flat else {"observation": tree, ACTIONS: past}


def newest(history: History, obs: Any) -> Any:
    """The present observations [B, ...] of those that `join` made."""
    if history.actions:
        obs = obs[:, : history.length * history.single.size] if history.single.is_flat else obs["observation"]
    pairs = zip(jax.tree.leaves(obs), history.single.leaves, strict=True)
    frames = [x.reshape(len(x), history.length, *leaf.shape)[:, -1] for x, leaf in pairs]
    return jax.tree.unflatten(history.single.structure, frames)


def of_episode(history: History, observations: Any, actions: Float[np.ndarray, "T A"] | None) -> Any:
    """What networks see at each of the observations [T + 1, ...] of an episode.

    Args:
        history: what they see.
        observations: of each leaf, from the first of the episode to its last.
        actions: as `ActionSpace.encode` has them.

    Raises:
        ConfigError: actions are seen, and there are none.
    """
    time, before = np.arange(count(observations))[:, None], history.length - 1
    frames = rows(observations, np.maximum(time + np.arange(-before, 1), 0))
    if not history.actions:
        return join(history, frames, np.zeros((len(time), before, 0)))
    if actions is None:
        raise ConfigError("--history-actions: the demonstrations have no actions; leave it out")
    padded = np.concatenate([np.zeros((before, actions.shape[1])), actions])  # action t is row t + K - 1
    return join(history, frames, padded[time + np.arange(before)])


class Recent:
    """The last K observations and K - 1 actions of B environments, each in an episode of its own.

    Args:
        history: what is seen of them.
        lanes: B.
        action_size: A, numbers in an action as `ActionSpace.encode` has it.
    """

    def __init__(self, history: History, lanes: int, action_size: int):
        self.history = history
        self.frames = host_zeros(history.single, lanes, history.length)
        self.actions = np.zeros((lanes, history.length - 1, action_size), np.float32)
        self.fresh = np.ones(lanes, bool)
        """Which episodes have shown nothing yet."""

    def begin(self, lanes: Any = slice(None)) -> None:
        """Start an episode in some lanes: an index, several, a mask, or all."""
        self.fresh[lanes] = True

    def see(self, obs: Any) -> Any:
        """What networks see when environments show observations [B, ...]; arrays of its own."""
        for frames, x in zip(jax.tree.leaves(self.frames), jax.tree.leaves(obs), strict=True):
            frames[:, :-1] = frames[:, 1:]
            frames[:, -1] = x
            frames[self.fresh] = np.asarray(x)[self.fresh][:, None]
        self.actions[self.fresh] = 0
        self.fresh[:] = False
        return jax.tree.map(np.array, join(self.history, self.frames, self.actions))

    def did(self, actions: Shaped[np.ndarray, "B A"]) -> None:
        """Note what was done after the latest observations."""
        self.actions[:, :-1] = self.actions[:, 1:]
        self.actions[:, -1:] = actions[:, None]
