"""The graph's interface: names, types and shapes, and what an older runtime needs."""

import exported
import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

from imitax.export.onnx_graph import build  # noqa: E402
from imitax.export.plan import plan  # noqa: E402
from imitax.observations import named  # noqa: E402


def model(name):
    policy = exported.policy(name)
    leaves = [leaf for leaf, _ in named(policy.actor.spec.observation.tree)]
    return build(plan(policy), leaves, {"algorithm": "bc"})


def test_inputs_are_the_arrays_of_an_observation():
    made = model("mixed")
    session = runtime.InferenceSession(made.SerializeToString())
    inputs = {x.name: (x.type, x.shape) for x in session.get_inputs()}
    assert inputs == {
        "observation.camera": ("tensor(uint8)", ["batch", 3, 8, 10]),
        "observation.frames": ("tensor(uint8)", ["batch", 2, 9, 8, 1]),
        "observation.small": ("tensor(uint8)", ["batch", 2, 2]),
        "observation.switch": ("tensor(float)", ["batch", 2]),
        "observation.where.0": ("tensor(float)", ["batch", 2, 2]),
        "observation.where.1": ("tensor(int64)", ["batch", 2]),
    }
    assert [(x.name, x.type, x.shape) for x in session.get_outputs()] == [("action", "tensor(float)", ["batch", 2])]
    assert session.get_modelmeta().custom_metadata_map == {"algorithm": "bc"}
    assert (made.ir_version, made.opset_import[0].version) == (8, 17)


def test_actions_of_a_finite_set_have_its_type_and_shape():
    session = runtime.InferenceSession(model("factors").SerializeToString())
    (action,) = session.run(None, {"observation": np.zeros((4, 3), np.float32)})
    assert (action.dtype, action.shape) == (np.int8, (4, 2))
    assert ((action >= [0, 5]) & (action < [2, 8])).all()
    session = runtime.InferenceSession(model("class").SerializeToString())
    (action,) = session.run(None, {"observation": np.ones(4, np.int64)})
    assert (action.dtype, action.shape) == (np.int64, (4,))
