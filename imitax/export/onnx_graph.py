"""A policy as a graph of ONNX, written operation by operation from its plan.

Opset 17 of 2022, so that older runtimes read it too. It has one input for each array of an observation, [batch, ...],
with the names that messages give them (`observation`, `observation.pixels`), and one output, `action`.

A graph remembers nothing. Of a policy with a history its inputs are the stacked observation; of one that predicts H
actions its output is all of them, [batch, H, ...]. The file's properties `history` and `chunk` say so in JSON.
"""

import importlib
import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from imitax.errors import ConfigError
from imitax.export.plan import Plan

OPSET, IR = 17, 8
"""Versions of the operations and of the file."""
MISSING = "ONNX needs the packages onnx and onnxruntime: pip install 'imitax[onnx]'"


def onnx() -> Any:
    """The package. Raises ConfigError where it is missing."""
    try:
        return importlib.import_module("onnx")
    except ImportError as error:
        raise ConfigError(MISSING) from error


class Graph:
    """Nodes and constants that are being put together; a value is the name of its tensor."""

    def __init__(self):
        self.helper, self.numpy = onnx().helper, onnx().numpy_helper
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, array: Any, dtype: Any = None) -> str:
        """A tensor of the file."""
        name = f"constant_{len(self.constants)}"
        self.constants.append(self.numpy.from_array(np.ascontiguousarray(np.asarray(array, dtype)), name))
        return name

    def __call__(self, op: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        """The output of an operation."""
        output = output or f"{op.lower()}_{len(self.nodes)}"
        self.nodes.append(self.helper.make_node(op, list(inputs), [output], **attributes))
        return output

    def reshape(self, x: str, shape: Sequence[int], output: str | None = None) -> str:
        """A tensor [batch, *shape]."""
        return self("Reshape", x, self.constant([-1, *shape], np.int64), output=output)

    def cast(self, x: str, dtype: Any, output: str | None = None) -> str:
        """A tensor of another type."""
        return self("Cast", x, output=output, to=self.type(dtype))

    def type(self, dtype: Any) -> int:
        """ONNX's number of a type of NumPy."""
        return self.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))


def input_type(leaf: dict[str, Any]) -> np.dtype:
    """Type of an input."""
    return np.dtype({"image": np.uint8, "categories": np.int64}.get(leaf["kind"], np.float32))


def build(plan: Plan, names: Sequence[str], about: dict[str, str]) -> Any:
    """The model.

    Args:
        plan: of the policy.
        names: of the arrays of an observation.
        about: text that the file carries.
    """
    g = Graph()
    parts = [_encoded(g, plan, i, name) for i, name in enumerate(names)]
    x = parts[0] if len(parts) == 1 else g("Concat", *parts, axis=1)
    for i in range(plan.layers):
        x = g("Gemm", x, g.constant(plan.arrays[f"weight/{i}"]), g.constant(plan.arrays[f"bias/{i}"]))
        if i < plan.layers - 1:
            x = _activated(g, x, plan.activation)
    dtype = _act(g, plan, x)
    value = g.helper.make_tensor_value_info
    inputs = [
        value(name, g.type(input_type(leaf)), ["batch", *leaf["shape"]])
        for name, leaf in zip(names, plan.leaves, strict=True)
    ]
    output = value("action", g.type(dtype), ["batch", *plan.steps, *plan.action["shape"]])
    graph = g.helper.make_graph(g.nodes, "policy", inputs, [output], g.constants)
    model = g.helper.make_model(
        graph, opset_imports=[g.helper.make_opsetid("", OPSET)], ir_version=IR, producer_name="imitax"
    )
    memory = {name: json.dumps(x) for name, x in (("history", plan.history), ("chunk", plan.chunk)) if x is not None}
    g.helper.set_model_props(model, about | memory)
    onnx().checker.check_model(model, full_check=True)
    return model


def _encoded(g: Graph, plan: Plan, i: int, x: str) -> str:
    """What the network sees of an input, [batch, D]."""
    leaf, arrays = plan.leaves[i], plan.arrays
    size = int(np.prod(leaf["shape"]))
    if leaf["kind"] == "categories":
        seen = g("Gather", g.reshape(x, [size]), g.constant(arrays[f"places/{i}"], np.int64), axis=1)
        return g.cast(g("Equal", seen, g.constant(arrays[f"values/{i}"], np.int64)), np.float32)
    if leaf["kind"] == "image":
        x = g.cast(x, np.float32)
    x = g("Div", g("Sub", x, g.constant(arrays[f"mean/{i}"])), g.constant(arrays[f"std/{i}"]))
    return g.reshape(x, [size]) if "cnn" not in leaf else _convolved(g, leaf, arrays, f"cnn/{i}", x)


def _convolved(g: Graph, leaf: dict[str, Any], arrays: dict[str, np.ndarray], at: str, x: str) -> str:
    """Features of images, [batch, D]."""
    height, width, *channels = (axis + 1 for axis in leaf["cnn"]["axes"])
    x = g("Transpose", x, perm=[0, *channels, height, width])
    shape = leaf["shape"]
    x = g.reshape(x, [int(np.prod([shape[axis - 1] for axis in channels])), shape[height - 1], shape[width - 1]])
    for n, stride in enumerate(leaf["cnn"]["strides"]):
        filters = g.constant(arrays[f"{at}/filter/{n}"].transpose(3, 2, 0, 1))
        x = g("Relu", g("Conv", x, filters, g.constant(arrays[f"{at}/bias/{n}"]), strides=[stride, stride]))
    weight = arrays[f"{at}/weight"]
    x = g.reshape(g("Transpose", x, perm=[0, 2, 3, 1]), [len(weight)])
    x = g("Gemm", x, g.constant(weight), g.constant(arrays[f"{at}/bias"]))
    ends = (g.constant(arrays[f"{at}/{name}"]) for name in ("scale", "offset"))
    return g("Tanh", g("LayerNormalization", x, *ends, axis=-1, epsilon=leaf["cnn"]["epsilon"]))


def _activated(g: Graph, x: str, kind: str) -> str:
    return g("Mul", x, g("Sigmoid", x)) if kind == "silu" else g({"relu": "Relu", "tanh": "Tanh"}[kind], x)


def _act(g: Graph, plan: Plan, x: str) -> str:
    """The action, as the output `action`. Returns its type."""
    action, arrays = plan.action, plan.arrays
    count, shape = math.prod(plan.steps), [*plan.steps, *action["shape"]]
    if action["kind"] != "finite":
        if action["kind"] == "box":
            x = g("Tanh", g("Clip", x, *(g.constant(sign * action["limit"], np.float32) for sign in (-1, 1))))
        x = g("Add", g("Mul", x, g.constant(arrays["half"])), g.constant(arrays["middle"]))
        if action["kind"] == "open box":
            x = g("Min", g("Max", x, g.constant(arrays["low"])), g.constant(arrays["high"]))
        g.reshape(x, shape, output="action")
        return "float32"
    sizes = [*action["sizes"]] * count
    factors = []
    for size, end in zip(sizes, np.cumsum(sizes).tolist(), strict=True):
        part = g("Slice", x, *(g.constant([at], np.int64) for at in (end - size, end, 1)))
        factors.append(g("ArgMax", part, axis=1, keepdims=1))
    whole = factors[0] if len(factors) == 1 else g("Concat", *factors, axis=1)
    whole = g("Add", whole, g.constant([*action["starts"]] * count, np.int64))
    g.reshape(g.cast(whole, action["dtype"]), shape, output="action")
    return action["dtype"]
