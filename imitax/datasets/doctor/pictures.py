"""Checks of images: those that never change, use little of their range, or are recorded more than once."""

import hashlib
from itertools import pairwise

import numpy as np

from imitax.datasets.doctor.report import Finding
from imitax.datasets.episode import Dataset
from imitax.observations import images

NARROW = 16
"""Levels of brightness, of 256, that are few for an image."""
FRAMES = 5000
"""At most, drawn evenly."""


def findings(data: Dataset) -> tuple[Finding, ...]:
    """One finding for each leaf that is an image; none without images."""
    names = [name for name, _ in images(data.episodes[0].observations)]
    return tuple(_picture(data, index, name) for index, name in enumerate(names))


def _picture(data: Dataset, index: int, name: str) -> Finding:
    frames = [images(e.observations)[index][1] for e in data.episodes]
    stride = max(1, sum(map(len, frames)) // FRAMES)
    some = np.concatenate([f[::stride] for f in frames])
    low, high = int(some.min()), int(some.max())
    constant = float((some == some[:1]).all(axis=0).mean())
    repeated = float(np.mean([_repeats(f) for f in frames]))
    values = {"low": low, "high": high, "constant": constant, "repeated": repeated}
    text = f"values from {low} to {high}; {constant:.0%} of the pixels never change; {repeated:.0%} of the frames "
    text += "repeat the one before"
    if constant == 1:
        return Finding(name, "problem", text + ": the picture is always the same: a camera that was off?", values)
    if high - low < NARROW:
        text += ": nearly without contrast; were images from 0 to 1 stored as bytes?"
        return Finding(name, "problem", text, values)
    if repeated > 0.2:
        return Finding(name, "look", text + ": the camera is slower than the recorder, or froze", values)
    return Finding(name, "good", text, values)


def _repeats(frames: np.ndarray) -> float:
    """Share of frames that are the one before."""
    digests = [hashlib.sha256(frame.tobytes()).digest() for frame in frames]
    return float(np.mean([a == b for a, b in pairwise(digests)]))
