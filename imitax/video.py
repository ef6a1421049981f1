"""Videos of a policy: its episodes drawn by the environment, as MP4 or GIF."""

import importlib
import math
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from imitax.envs import EPISODE_LIMIT, Guard, Task
from imitax.envs.rendering import frame, rendered
from imitax.errors import ConfigError

RATES = {".mp4": 60.0, ".gif": 25.0}
"""Kinds of files, and the most frames a second of each; of a faster environment, frames are left out."""
USUAL = 30.0
"""Frames a second of an environment that does not say."""


@dataclass
class Film:
    """What was filmed."""

    path: Path
    frames: int = 0
    fps: float = USUAL
    """Frames a second, so that time passes as in the environment."""
    returns: list[float] = field(default_factory=list)
    """Of the episodes."""
    lengths: list[int] = field(default_factory=list)
    """Of the episodes, in steps."""


def check_path(path: Path) -> None:
    """Refuse a file that cannot be written. Raises ConfigError, with what to do."""
    if path.suffix not in RATES:
        raise ConfigError(f"videos are {' and '.join(RATES)}, got {path}")
    if path.suffix == ".mp4":
        _av()
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK | os.X_OK) or path.is_dir():
        raise ConfigError(f"{path} cannot be written: there is no such folder, or it is closed; choose another --out")


def film(
    task: Task, act: Callable[[Any], Any], path: Path, seeds: list[int], begin: Callable[[], None] = lambda: None
) -> Film:
    """Write a video of one episode for each seed.

    Args:
        task: the environment.
        act: from one observation to an action.
        path: of the video, which is replaced; its suffix says the kind.
        seeds: of the episodes' resets.
        begin: called before each episode, for a policy that remembers.

    Raises:
        ConfigError: the environment cannot be rendered, or a package is missing.
        EnvError: it fails to draw.
    """
    check_path(path)
    guard = Guard(rendered(task), owned=task.sole is None)
    with closing(guard):
        rate = float(guard.env.metadata.get("render_fps") or USUAL)
        every = math.ceil(rate / RATES[path.suffix])
        result = Film(path, fps=rate / every)
        limit = task.max_episode_steps or EPISODE_LIMIT
        frames = _counted(_episodes(guard, act, begin, seeds, limit, result), every, result)
        temporary = path.with_name(f".{secrets.token_hex(4)}{path.suffix}")
        try:
            {".mp4": _mp4, ".gif": _gif}[path.suffix](temporary, frames, result.fps)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    return result


def _episodes(
    env: Guard, act: Callable[[Any], Any], begin: Callable[[], None], seeds: list[int], limit: int, result: Film
) -> Iterator[Callable[[], np.ndarray]]:
    """What draws the frame of each step, to be called before the next one."""
    for seed in seeds:
        obs = env.reset(seed=seed)[0]
        begin()
        total, steps, ended = 0.0, 0, False
        yield lambda: frame(env.env)
        while not ended and steps < limit:
            obs, reward, terminated, truncated, _ = env.step(act(obs))
            total, steps, ended = total + reward, steps + 1, terminated or truncated
            yield lambda: frame(env.env)
        result.returns.append(total)
        result.lengths.append(steps)


def _counted(draw: Iterator[Callable[[], np.ndarray]], every: int, result: Film) -> Iterator[np.ndarray]:
    for i, picture in enumerate(draw):
        if i % every == 0:
            result.frames += 1
            yield picture()


def _av() -> Any:
    try:
        return importlib.import_module("av")
    except ImportError as error:
        raise ConfigError("MP4 needs av: pip install 'imitax[video]'; a .gif does not") from error


def _mp4(path: Path, frames: Iterator[np.ndarray], fps: float) -> None:
    """H.264 in the format that every browser plays; sides are made even by repeating the last row or column."""
    av, first = _av(), next(frames)
    height, width = (side + side % 2 for side in first.shape[:2])
    with av.open(str(path), "w", format="mp4", options={"movflags": "faststart"}) as file:
        stream = file.add_stream("libx264", rate=Fraction(fps).limit_denominator(1000), options={"crf": "23"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for picture in chain([first], frames):
            margins = ((0, height - picture.shape[0]), (0, width - picture.shape[1]), (0, 0))
            whole = np.ascontiguousarray(np.pad(picture, margins, mode="edge"))
            file.mux(stream.encode(av.VideoFrame.from_ndarray(whole, format="rgb24")))
        file.mux(stream.encode(None))


def _gif(path: Path, frames: Iterator[np.ndarray], fps: float) -> None:
    image = importlib.import_module("PIL.Image")
    pictures = (image.fromarray(picture) for picture in frames)
    next(pictures).save(path, save_all=True, append_images=pictures, duration=round(1000 / fps), loop=0)
