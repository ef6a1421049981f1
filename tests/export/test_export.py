"""Exports act as their originals do, and are not written where they do not."""

import importlib.util
import json

import exported
import numpy as np
import pytest

from imitax import export as module
from imitax.acting import Acting
from imitax.errors import ConfigError
from imitax.export import export, imitax_policy
from imitax.export.check import draw
from imitax.history import newest
from imitax.observations import rows

HAS_ONNX = all(importlib.util.find_spec(name) for name in ("onnx", "onnxruntime"))
onnx = pytest.param("onnx", marks=pytest.mark.skipif(not HAS_ONNX, reason="onnx and onnxruntime are not installed"))


@pytest.fixture(autouse=True)
def fewer(monkeypatch):
    monkeypatch.setattr(module, "OBSERVATIONS", 300)
    monkeypatch.setattr(module, "STEPS", 30)


@pytest.mark.parametrize("form", ["numpy", onnx])
@pytest.mark.parametrize("name", exported.SPACES)
def test_an_export_acts_as_its_original(name, form, tmp_path):
    done = export(exported.policy(name), {"algorithm": "bc", "seed": 0}, form, tmp_path / "a" / "b")
    assert done.difference <= 1e-5
    assert sorted(p.name for p in done.folder.iterdir()) == sorted(module.FILES[form])
    assert done.microseconds > 0
    assert done.rounding is None
    assert done.unit.startswith("nats" if name in ("class", "factors") else "in half-widths")


REMEMBERING = {
    "flat": {"length": 3, "actions": True, "action_horizon": 3, "action_ensemble": True},
    "mixed": {"length": 2, "actions": True},
    "factors": {"length": 2, "actions": True, "action_horizon": 3, "action_execute": 2},
    "open": {"action_horizon": 3},
    "class": {"length": 3},
}


@pytest.mark.parametrize("name", REMEMBERING)
def test_a_folder_remembers_as_its_original(name, tmp_path):
    """Three environments, of which one begins again in the middle, and then one alone."""
    policy = exported.remembering(name, **REMEMBERING[name])
    original, made = Acting(policy), module._write_numpy(policy, {}, tmp_path)
    shown, history, distinct = draw(policy, 24), policy.actor.spec.history, set()
    shown = shown if history is None else newest(history, shown)
    for t in range(8):
        if t == 5:
            original.reset([1])
            made.reset([1])
        obs = rows(shown, slice(3 * t, 3 * t + 3))
        expected, found = original(obs, None), made(obs)
        np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6)
        assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
        distinct |= set(np.ravel(found).tolist())
    assert len(distinct) > 1
    original.reset()
    made.reset()
    one = rows(shown, 0)
    np.testing.assert_allclose(made(one), original(one, None), rtol=0, atol=2e-6)
    assert np.shape(made(one)) == policy.actor.spec.action.shape


@pytest.mark.parametrize("form", ["numpy", onnx])
def test_an_export_of_a_policy_that_remembers(form, tmp_path, monkeypatch):
    policy = exported.remembering("flat", **REMEMBERING["flat"])
    done = export(policy, {}, form, tmp_path / form)
    assert done.difference <= 1e-5
    assert done.steps == (150 if form == "numpy" else 0)
    monkeypatch.setattr(imitax_policy.Memory, "encoded", lambda self, actions: 0 * actions)
    if form == "numpy":
        with pytest.raises(ConfigError, match="differs from its original"):
            export(policy, {}, form, tmp_path / "forgetful")


def test_a_policy_with_rounded_products_is_exported_without(tmp_path):
    done = export(exported.policy("flat", "bfloat16"), {}, "numpy", tmp_path)
    assert done.difference <= 1e-5
    assert done.rounding is not None
    assert 1e-5 < done.rounding < 0.1


def test_an_export_that_differs_is_not_written(tmp_path, monkeypatch):
    policy, honest = exported.policy("flat"), module.plan

    def wrong(policy):
        made = honest(policy)
        made.arrays["bias/1"] = made.arrays["bias/1"] + np.float32(1e-3)
        return made

    monkeypatch.setattr(module, "plan", wrong)
    with pytest.raises(ConfigError, match=r"differs from its original by .* more than 1e-05: nothing is written"):
        export(policy, {}, "numpy", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert export(policy, {}, "numpy", tmp_path / "out", tolerance=0.1).difference > 1e-5


def test_nothing_is_replaced_unasked(tmp_path):
    policy = exported.policy("flat")
    export(policy, {"seed": 0}, "numpy", tmp_path)
    with pytest.raises(ConfigError, match=r"policy.npz exists already: .*--overwrite"):
        export(policy, {"seed": 1}, "numpy", tmp_path)
    export(policy, {"seed": 1}, "numpy", tmp_path, overwrite=True)
    assert imitax_policy.Policy(tmp_path / "policy.npz").about == {"seed": 1}
    with pytest.raises(ConfigError, match=r"--out .*policy.npz/x cannot be written"):
        export(policy, {}, "numpy", tmp_path / "policy.npz" / "x")
    with pytest.raises(ConfigError, match="format is one of numpy, onnx, got 'pickle'"):
        export(policy, {}, "pickle", tmp_path)


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    def absent(name):
        raise ImportError(name)

    monkeypatch.setattr(module.importlib, "import_module", absent)
    with pytest.raises(ConfigError, match=r"pip install 'imitax\[onnx\]'"):
        export(exported.policy("flat"), {}, "onnx", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_format_is_the_old_one_where_nothing_is_new(tmp_path):
    """So that programs with an earlier imitax_policy.py read it, and refuse what they would not understand."""

    def written(policy):
        module._write_numpy(policy, {}, tmp_path)
        return json.loads(np.load(tmp_path / "policy.npz")["description"].tobytes())

    plain = written(exported.policy("flat"))
    assert (plain["format"], "history" in plain, "chunk" in plain) == ("imitax-numpy-policy-1", False, False)
    for policy in (exported.policy("open"), exported.remembering("flat", 2), exported.remembering("class", 2)):
        assert written(policy)["format"] == "imitax-numpy-policy-2"
