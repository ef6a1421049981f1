"""The graph's interface: names, types and shapes, and what an older runtime needs."""

import json
import re
from pathlib import Path

import exported
import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

from imitax.export import _write_numpy  # noqa: E402
from imitax.export.check import draw  # noqa: E402
from imitax.export.onnx_graph import build  # noqa: E402
from imitax.export.plan import plan  # noqa: E402
from imitax.observations import named  # noqa: E402

WHERE = np.array([[0, -1, 1, 1], [1, 0, 0, -1]])
"""Classes of two observations in one, whole numbers."""


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


def test_a_graph_takes_stacks_and_gives_chunks(tmp_path):
    policy = exported.remembering("mixed", 2, True, action_horizon=3)
    data, seen = plan(policy), draw(policy, 2)
    made = build(data, [leaf for leaf, _ in named(seen)], {})
    session = runtime.InferenceSession(made.SerializeToString())
    inputs = {x.name: x.shape for x in session.get_inputs()}
    assert inputs["observation.observation.camera"] == ["batch", 2, 3, 8, 10]
    assert inputs["observation.previous_actions"] == ["batch", 2]
    (actions,) = session.run(None, dict(named(seen)) | {"observation.observation.where.1": WHERE})
    assert actions.shape == (2, 3, 2)
    seen["observation"]["where"] = (seen["observation"]["where"][0], WHERE)
    np.testing.assert_allclose(actions, _write_numpy(policy, {}, tmp_path).predict(seen), atol=2e-6)
    said = session.get_modelmeta().custom_metadata_map
    assert json.loads(said["chunk"]) == {"horizon": 3, "execute": 3, "ensemble": False, "decay": 0.01}
    assert (json.loads(said["history"])["length"], json.loads(said["history"])["actions"]) == (2, True)


def test_the_documented_memory_of_a_graph(tmp_path):
    """The example of docs/deploy.md, in two episodes."""
    page = (Path(__file__).parents[2] / "docs" / "deploy.md").read_text()
    (block,) = re.findall(r"^```python\n(class Remembering:.*?)^```$", page, re.DOTALL | re.MULTILINE)
    scope = {"np": np}
    exec(block, scope)
    policy = exported.remembering("flat", 3, action_horizon=4, action_execute=2)
    session = runtime.InferenceSession(build(plan(policy), ["observation"], {}).SerializeToString())
    acting, expected = scope["Remembering"](session), _write_numpy(policy, {}, tmp_path)
    for obs in np.random.default_rng(0).normal(size=(2, 5, 3)):
        acting.reset()
        expected.reset()
        np.testing.assert_allclose([acting(x) for x in obs], [expected(x) for x in obs], atol=2e-6)


def test_actions_of_a_finite_set_have_its_type_and_shape():
    session = runtime.InferenceSession(model("factors").SerializeToString())
    (action,) = session.run(None, {"observation": np.zeros((4, 3), np.float32)})
    assert (action.dtype, action.shape) == (np.int8, (4, 2))
    assert ((action >= [0, 5]) & (action < [2, 8])).all()
    session = runtime.InferenceSession(model("class").SerializeToString())
    (action,) = session.run(None, {"observation": np.ones(4, np.int64)})
    assert (action.dtype, action.shape) == (np.int64, (4,))
