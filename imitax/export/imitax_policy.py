"""A policy that imitax exported, in NumPy alone. Copy this file and `policy.npz` to where the policy is to act.

    from imitax_policy import Policy

    policy = Policy("policy.npz")
    action = policy(obs)

`python imitax_policy.py policy.npz` says what the policy takes and gives, and how long a call lasts.

Observations are what the environment gave in training, one or several: [...] or [B, ...], arrays, dicts or tuples.
Actions are in the environment's units: float32 [A] or [B, A] of a box; whole numbers of a finite set. The action is the
deterministic one. The file of data holds arrays and a description in JSON; nothing in it is run.

Python 3.8 and NumPy 1.20, or later. Part of imitax, MIT licence. This file is the same for every policy.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping

import numpy as np

FORMAT = "imitax-numpy-policy-1"


def silu(x):
    """`x / (1 + exp(-x))`, in a form that does not overflow."""
    return x * (0.5 * (1 + np.tanh(0.5 * x)))


def relu(x):
    """The positive part."""
    return np.maximum(x, 0)


ACTIVATIONS = {"relu": relu, "tanh": np.tanh, "silu": silu}


class Policy:
    """An exported policy: `policy(obs)` is its deterministic action.

    Args:
        path: of `policy.npz`.

    Raises:
        ValueError: the file is none that imitax exported.
    """

    def __init__(self, path="policy.npz"):
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        if "description" not in arrays:
            raise ValueError(f"{path} is not an exported policy: it has no description")
        about = json.loads(arrays.pop("description").tobytes().decode())
        if about.get("format") != FORMAT:
            raise ValueError(f"{path} has the format {about.get('format')!r}; this file reads {FORMAT}")
        self.about, self.action = about["about"], about["action"]
        self.space = about["observation"]
        self.leaves = [Leaf(i, leaf, arrays) for i, leaf in enumerate(about["leaves"])]
        self.layers = [(arrays[f"weight/{i}"], arrays[f"bias/{i}"]) for i in range(about["layers"])]
        self.activation = ACTIVATIONS[about["activation"]]
        self.flat = about["leaves"] == [self.space] and self.leaves[0].is_flat
        if self.action["kind"] == "box":
            self.limit = np.float32(self.action["limit"])
            self.middle, self.half = arrays["middle"], arrays["half"]
        else:
            self.ends = np.cumsum(self.action["sizes"]).tolist()

    def __call__(self, obs):
        """Actions of one observation or several.

        Raises:
            ValueError: the observations have another form, or hold NaN or infinity.
        """
        if self.flat:
            x, lead = self.leaves[0](obs, "observation")
        else:
            parts = list(taken_apart(self.space, obs, "observation"))
            found = [(*leaf(x, name), name) for leaf, (x, name) in zip(self.leaves, parts)]
            lead = found[0][1]
            for _, other, name in found:
                if other != lead:
                    raise ValueError(f"{name} holds {other or 'one observation'}, {found[0][2]} {lead or 'one'}")
            x = np.concatenate([part for part, *_ in found], -1)
        for weight, bias in self.layers[:-1]:
            x = self.activation(x @ weight + bias)
        weight, bias = self.layers[-1]
        return self.act(x @ weight + bias, lead)

    def act(self, x, lead):
        """The action that the last layer's outputs mean: of a box, squashed; of a finite set, the most probable."""
        if self.action["kind"] == "box":
            x = np.minimum(np.maximum(x, -self.limit), self.limit)
            return (self.middle + self.half * np.tanh(x)).reshape(lead + tuple(self.action["shape"]))
        starts, sizes = self.action["starts"], self.action["sizes"]
        factors = [x[..., end - size : end].argmax(-1) for size, end in zip(sizes, self.ends)]
        whole = np.stack(factors, -1) + np.asarray(starts)
        return whole.astype(self.action["dtype"]).reshape(lead + tuple(self.action["shape"]))[()]


class Leaf:
    """One array of an observation: checked, normalised and encoded.

    Args:
        index: of the leaf.
        about: its description.
        arrays: of the file.
    """

    def __init__(self, index, about, arrays):
        self.kind, self.shape = about["kind"], tuple(about["shape"])
        self.mean, self.std = arrays[f"mean/{index}"], arrays[f"std/{index}"]
        self.is_flat = self.kind == "vector" and len(self.shape) == 1
        self.size = int(np.prod(self.shape))
        if self.kind == "categories":
            self.places, self.values = arrays[f"places/{index}"], arrays[f"values/{index}"]
        self.cnn = about.get("cnn")
        if self.cnn is not None:
            mine = f"cnn/{index}/"
            self.parts = {name[len(mine) :]: x for name, x in arrays.items() if name.startswith(mine)}

    def __call__(self, value, name):
        """What the network sees of values [*B, *shape], as [*B, D], and B as a tuple of no or one number."""
        x = np.asarray(value)
        if x.dtype.kind not in "biuf":
            raise ValueError(f"{name} is no array of numbers")
        lead = x.shape[: x.ndim - len(self.shape)]
        if len(lead) > 1 or x.shape[len(lead) :] != self.shape or x.ndim < len(self.shape):
            raise ValueError(f"{name} has the shape {x.shape}; it must be {self.shape} or {('B', *self.shape)}")
        if self.kind == "image" and not is_bytes(x):
            raise ValueError(f"{name} must be bytes (uint8, 0 to 255), got {x.dtype}")
        x = np.asarray(x, np.float32)
        if not np.isfinite(x).all():
            raise ValueError(f"{name} has NaN or infinity")
        if self.kind == "categories":
            return self.one_hot(x.reshape((*lead, self.size)), name), lead
        x = (x - self.mean) / self.std
        return (x.reshape((*lead, self.size)) if self.cnn is None else self.convolved(x, lead)), lead

    def one_hot(self, x, name):
        """One-hot vectors of all numbers side by side."""
        found = (x[..., self.places] == self.values).astype(np.float32)
        if not (found.sum(-1) == self.size).all():
            raise ValueError(f"{name} has a number that is none of its classes")
        return found

    def convolved(self, x, lead):
        """Features of images with values from 0 to 1: convolutions, a linear layer, layer normalisation, tanh."""
        x = x.reshape(-1, *self.shape).transpose([0] + [axis + 1 for axis in self.cnn["axes"]])
        x = x.reshape((*x.shape[:3], -1))  # [B, height, width, channels]
        for i, stride in enumerate(self.cnn["strides"]):
            filters = self.parts[f"filter/{i}"]
            side = filters.shape[0]
            seen = np.lib.stride_tricks.sliding_window_view(x, (side, side), axis=(1, 2))[:, ::stride, ::stride]
            seen = seen.transpose(0, 1, 2, 4, 5, 3)  # [B, P, Q, side, side, channels]
            seen = seen.reshape((*seen.shape[:3], -1))
            x = np.maximum(seen @ filters.reshape(-1, filters.shape[-1]) + self.parts[f"bias/{i}"], 0)
        x = x.reshape(-1, len(self.parts["weight"])) @ self.parts["weight"] + self.parts["bias"]
        x = x - x.mean(-1, keepdims=True)
        x = x / np.sqrt((x * x).mean(-1, keepdims=True) + np.float32(self.cnn["epsilon"]))
        return np.tanh(x * self.parts["scale"] + self.parts["offset"]).reshape(lead + x.shape[1:])


def is_bytes(x):
    """Whether an array holds whole numbers from 0 to 255."""
    return x.dtype == np.uint8 or (x.dtype.kind in "iu" and x.min() >= 0 and x.max() <= 255)


def taken_apart(space, obs, name):
    """The arrays of an observation with their names, in the order of the space."""
    if "dict" in space:
        wanted = space["dict"]
        if not isinstance(obs, Mapping) or set(obs) != set(wanted):
            raise ValueError(f"{name} must be a dict with the keys {', '.join(sorted(wanted))}")
        for key in sorted(wanted):
            yield from taken_apart(wanted[key], obs[key], f"{name}.{key}")
    elif "tuple" in space:
        wanted = space["tuple"]
        if not isinstance(obs, (tuple, list)) or len(obs) != len(wanted):
            raise ValueError(f"{name} must be a tuple of {len(wanted)}")
        for i, (part, value) in enumerate(zip(wanted, obs)):
            yield from taken_apart(part, value, f"{name}.{i}")
    else:
        yield obs, name


def put_together(space, leaf):
    """An observation of a space, with an array made by `leaf(description)` for each of its arrays."""
    if "dict" in space:
        return {key: put_together(part, leaf) for key, part in space["dict"].items()}
    if "tuple" in space:
        return tuple(put_together(part, leaf) for part in space["tuple"])
    return leaf(space)


def example(space):
    """One observation of zeros, or of the lowest classes."""

    def zeros(leaf):
        shape = tuple(leaf["shape"])
        if leaf["kind"] == "categories":
            return np.reshape(leaf["first"], shape)
        return np.zeros(shape, np.uint8 if leaf["kind"] == "image" else np.float32)

    return put_together(space, zeros)


def microseconds(policy, calls=2000):
    """Microseconds of a call with one observation: the median of ten rounds."""
    obs, rounds = example(policy.space), []
    for _ in range(10):
        start = time.perf_counter()
        for _ in range(calls // 10):
            policy(obs)
        rounds.append((time.perf_counter() - start) / (calls // 10))
    return float(np.median(rounds)) * 1e6


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python imitax_policy.py policy.npz")
    chosen = Policy(sys.argv[1])
    print("from", json.dumps(chosen.about))
    print("takes", json.dumps(chosen.space))
    print("gives", json.dumps(chosen.action))
    print(f"a call takes {microseconds(chosen):.0f} us")
