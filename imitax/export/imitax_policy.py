"""A policy that imitax exported, in NumPy alone. Copy this file and `policy.npz` to where the policy is to act.

    from imitax_policy import Policy

    policy = Policy("policy.npz")
    action = policy(obs)

`python imitax_policy.py policy.npz` says what the policy takes and gives, and how long a call lasts.

Observations are what the environment gave in training, one or several: [...] or [B, ...], arrays, dicts or tuples.
Actions are in the environment's units: float32 of a box, in its shape; whole numbers of a finite set. The action is the
deterministic one. The file of data holds arrays and a description in JSON; nothing in it is run.

A policy that sees the last K observations, or predicts H actions at once, remembers: give it one observation after the
other, and call `policy.reset()` when an episode begins. Rows of a batch are environments that step together.

Python 3.8 and NumPy 1.20, or later. Part of imitax, MIT licence. This file is the same for every policy.
"""

# Longer than the limit of 250 lines, because it is copied to places that have nothing but it and NumPy.

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping

import numpy as np

FORMAT = "imitax-numpy-policy-1"
FORMATS = (FORMAT, "imitax-numpy-policy-2")
"""Those that are read. The second has memory or actions without bounds, which earlier copies of this file lack."""


ACTIVATIONS = {
    "relu": lambda x: np.maximum(x, 0),
    "tanh": np.tanh,
    "silu": lambda x: x * (0.5 * (1 + np.tanh(0.5 * x))),  # x / (1 + exp(-x)), in a form that does not overflow
}


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
        if about.get("format") not in FORMATS:
            raise ValueError(f"{path} has the format {about.get('format')!r}; this file reads {', '.join(FORMATS)}")
        self.about, self.action = about["about"], about["action"]
        history, chunk = about.get("history"), about.get("chunk")
        self.seen = about["observation"]  # by the network
        self.space = self.seen if history is None else history["single"]
        self.inputs = [Leaf(leaf, i, arrays) for i, leaf in enumerate(about["leaves"])]
        self.layers = [(arrays[f"weight/{i}"], arrays[f"bias/{i}"]) for i in range(about["layers"])]
        self.activation = ACTIVATIONS[about["activation"]]
        self.flat = about["leaves"] == [self.seen] and self.inputs[0].is_flat
        self.steps = () if chunk is None else (chunk["horizon"],)
        if self.action["kind"] == "finite":
            count = int(np.prod(self.steps))
            self.sizes, self.starts = self.action["sizes"] * count, np.asarray(self.action["starts"] * count)
            self.ends = np.cumsum(self.sizes).tolist()
        else:
            self.middle, self.half = arrays["middle"], arrays["half"]
            self.low, self.high = arrays.get("low", -np.inf), arrays.get("high", np.inf)
            self.limit = np.float32(self.action.get("limit"))
        self.leaves = []  # of one observation, as the environment gives it
        put_together(self.space, lambda leaf: self.leaves.append(Leaf(leaf)))
        self.memory = Memory(self, history, chunk) if history or chunk else None

    def __call__(self, obs):
        """Actions of one observation or several.

        Raises:
            ValueError: the observations have another form, or hold NaN or infinity, or are of more or fewer
                environments than the policy remembers.
        """
        if self.memory is None:
            return self.predict(obs)
        arrays, lead = checked(self.space, self.leaves, obs)
        actions = self.memory.act(arrays if lead else [x[None] for x in arrays])
        return actions if lead else actions[0]

    def reset(self, lanes=None):
        """Begin episodes in some environments, which are rows of a batch: an index, several, a mask; or in all of them,
        whose number may be another then. Policies that remember nothing need no reset.

        Raises:
            ValueError: there are no such environments.
        """
        if self.memory is not None:
            self.memory.reset(lanes)

    def predict(self, obs):
        """Actions [*B, ...], or of a policy that predicts H at once, [*B, H, ...]; nothing is remembered.

        Args:
            obs: as the network sees them, one or several: stacked where there is a history.
        """
        if not self.flat:
            return self.network(*checked(self.seen, self.inputs, obs))
        x, lead = self.inputs[0].check(obs, "observation")
        return self.network([x], lead)

    def network(self, arrays, lead):
        """`predict` for checked arrays [*B, ...] of the observations; `lead` is B as a tuple."""
        parts = [encode(x, lead) for encode, x in zip(self.inputs, arrays)]
        x = parts[0] if len(parts) == 1 else np.concatenate(parts, -1)
        for weight, bias in self.layers[:-1]:
            x = self.activation(x @ weight + bias)
        weight, bias = self.layers[-1]
        return self.act(x @ weight + bias, lead + self.steps + tuple(self.action["shape"]))

    def act(self, x, shape):
        """The actions that the last layer's outputs mean: of a finite set the most probable ones; of a box squashed, or
        clipped where a side of it is open."""
        if self.action["kind"] == "finite":
            factors = [x[..., end - size : end].argmax(-1) for size, end in zip(self.sizes, self.ends)]
            whole = np.stack(factors, -1) + self.starts
            return whole.astype(self.action["dtype"]).reshape(shape)[()]
        if self.action["kind"] == "open box":
            return np.minimum(np.maximum(self.middle + self.half * x, self.low), self.high).reshape(shape)
        x = np.minimum(np.maximum(x, -self.limit), self.limit)
        return (self.middle + self.half * np.tanh(x)).reshape(shape)


class Memory:
    """What is remembered of B environments that step together, each in an episode of its own.

    Args:
        policy: whose memory it is.
        history: None, or how the network sees the last `length` K observations, and with `actions` the K - 1 between.
        chunk: None, or how `horizon` H actions are predicted at once. The first `execute` of them are carried out, then
            comes the next prediction. With `ensemble` one is made at every step, and the action is the mean of all that
            were made for it; the i-th oldest has the weight exp(-`decay` i).
    """

    def __init__(self, policy, history, chunk):
        self.policy, self.history, self.chunk = policy, history, chunk
        self.reset()

    def reset(self, lanes=None):
        """Begin episodes in some environments, or in all, whose number may be another then."""
        if lanes is None:
            self.age = np.zeros(0, int)  # steps since the beginning of each episode, [B]
            return
        try:
            self.age[lanes] = 0
        except (IndexError, TypeError, ValueError) as error:
            raise ValueError(f"reset({lanes!r}): the policy acts in {len(self.age)} environments; {error}") from error

    def act(self, arrays):
        """Actions for the arrays [B, ...] of the next observations."""
        lanes = len(arrays[0])
        if not len(self.age):
            self.begin(lanes)
        if lanes != len(self.age):
            what = f"the policy acts in {len(self.age)} environments since its reset, and got observations of {lanes}"
            raise ValueError(f"{what}: each row is one environment; call policy.reset() before other episodes")
        if self.history:
            arrays = self.see(arrays)
        actions = self.carried_out(lambda: self.policy.network(arrays, (lanes,)))
        self.age += 1
        if self.history:
            self.actions[:, :-1] = self.actions[:, 1:]
            self.actions[:, -1] = self.encoded(actions)
        return actions

    def begin(self, lanes):
        """Make room for a number of environments."""
        self.age, self.latest, self.planned = np.zeros(lanes, int), [], np.zeros((lanes, 0))
        if self.history:
            length, action = self.history["length"], self.policy.action
            size = sum(action["sizes"]) if action["kind"] == "finite" else int(np.prod(action["shape"]))
            self.frames = [np.zeros((lanes, length, *leaf.shape), leaf.dtype) for leaf in self.policy.leaves]
            self.actions = np.zeros((lanes, length - 1, size), np.float32)

    def see(self, arrays):
        """What the network sees: the oldest observation first. At the beginning of an episode its first observation is
        repeated, and actions are zeros."""
        fresh = self.age == 0
        for frames, x in zip(self.frames, arrays):
            frames[:, :-1] = frames[:, 1:]
            frames[:, -1] = x
            frames[fresh] = x[fresh][:, None]
        self.actions[fresh] = 0
        inputs, seen = self.policy.inputs, [*self.frames, self.actions] if self.history["actions"] else self.frames
        if len(inputs) == 1:  # actions stand behind a vector, and beside everything else
            seen = [np.concatenate([x.reshape(len(x), -1) for x in seen], 1)]
        return [x.reshape(len(x), *leaf.shape) for x, leaf in zip(seen, inputs)]

    def encoded(self, actions):
        """Actions [B, ...] as the network sees them, [B, A]: of a finite set one-hot."""
        columns, action = actions.reshape(len(actions), -1), self.policy.action
        if action["kind"] != "finite":
            return columns
        index = columns.astype(int) - np.asarray(action["starts"])
        return np.concatenate([np.eye(n)[index[:, i]] for i, n in enumerate(action["sizes"])], 1)

    def carried_out(self, predict):
        """The next actions [B, ...]; `predict` makes new predictions [B, H, ...], and is called where one is due."""
        if self.chunk is None:
            return predict()
        if self.chunk["ensemble"]:
            return self.mean(predict())
        place = self.age % self.chunk["execute"]
        due = place == 0
        if due.all():
            self.planned = predict()
        elif due.any():
            self.planned[due] = predict()[due]
        return self.planned[np.arange(len(place)), place]

    def mean(self, new):
        """Of all predictions for this step, of which `new` are the latest."""
        horizon = self.chunk["horizon"]
        self.latest = [new, *self.latest][:horizon]  # the newest first
        there = np.minimum(self.age + 1, horizon)  # predictions of this episode for this step
        rank = there[:, None] - 1 - np.arange(len(self.latest))  # 0 is the oldest
        weight = np.where(rank >= 0, np.exp(-self.chunk["decay"] * np.maximum(rank, 0)), 0.0)
        actions = np.stack([x[:, i] for i, x in enumerate(self.latest)], 1)  # [B, P, A]
        return ((weight[..., None] * actions).sum(1) / weight.sum(1, keepdims=True)).astype(np.float32)


class Leaf:
    """One array of an observation: checked, normalised and encoded.

    Args:
        about: its description.
        index: of the leaf.
        arrays: of the file; none where it is only checked.
    """

    def __init__(self, about, index=0, arrays=None):
        arrays = arrays or {}
        self.kind, self.shape, self.cnn = about["kind"], tuple(about["shape"]), about.get("cnn")
        self.size, self.dtype = int(np.prod(self.shape)), np.uint8 if self.kind == "image" else np.float32
        self.is_flat = self.kind == "vector" and len(self.shape) == 1
        if self.kind == "categories":
            self.first = np.reshape(about["first"], self.shape)
            self.last = self.first + np.reshape(about["categories"], self.shape) - 1
        self.mean, self.std = arrays.get(f"mean/{index}", 0.0), arrays.get(f"std/{index}", 1.0)
        self.places, self.values = arrays.get(f"places/{index}"), arrays.get(f"values/{index}")
        mine = f"cnn/{index}/"
        self.parts = {name[len(mine) :]: x for name, x in arrays.items() if name.startswith(mine)}

    def check(self, value, name):
        """Values [*B, *shape], and B as a tuple of no or one number."""
        x = np.asarray(value)
        if x.dtype.kind not in "biuf":
            raise ValueError(f"{name} is no array of numbers")
        lead = x.shape[: x.ndim - len(self.shape)]
        if len(lead) > 1 or x.shape[len(lead) :] != self.shape or x.ndim < len(self.shape):
            raise ValueError(f"{name} has the shape {x.shape}; it must be {self.shape} or {('B', *self.shape)}")
        whole = x.dtype == np.uint8 or (x.dtype.kind in "iu" and x.min() >= 0 and x.max() <= 255)
        if self.kind == "image" and not whole:
            raise ValueError(f"{name} must be bytes (uint8, 0 to 255), got {x.dtype}")
        x = np.asarray(x, self.dtype)
        if not np.isfinite(x).all():
            raise ValueError(f"{name} has NaN or infinity")
        if self.kind == "categories" and not ((x >= self.first) & (x <= self.last) & (x == np.floor(x))).all():
            raise ValueError(f"{name} has a number that is none of its classes")
        if self.kind == "binary" and not ((x == 0) | (x == 1)).all():
            raise ValueError(f"{name} must be zeros and ones")
        return x, lead

    def __call__(self, x, lead):
        """What the layers see of checked values [*B, *shape], as [*B, D]; `lead` is B as a tuple."""
        if self.kind == "categories":  # one-hot vectors of all numbers side by side
            return (x.reshape((*lead, self.size))[..., self.places] == self.values).astype(np.float32)
        x = (np.asarray(x, np.float32) - self.mean) / self.std
        return x.reshape((*lead, self.size)) if self.cnn is None else self.convolved(x, lead)

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


def checked(space, leaves, obs):
    """The checked arrays of one observation or several, and B as a tuple of no or one number."""
    parts = list(taken_apart(space, obs, "observation"))
    found = [(*leaf.check(x, name), name) for leaf, (x, name) in zip(leaves, parts)]
    lead = found[0][1]
    for _, other, name in found:
        if other != lead:
            raise ValueError(f"{name} holds {other or 'one observation'}, {found[0][2]} {lead or 'one'}")
    return [x for x, *_ in found], lead


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
        return {key: put_together(space["dict"][key], leaf) for key in sorted(space["dict"])}
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
    if chosen.memory is not None:
        print("remembers; call reset() when an episode begins")
    print(f"a call takes {microseconds(chosen):.0f} us")
