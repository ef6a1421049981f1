"""Exports act as their originals do, and are not written where they do not."""

import importlib.util

import exported
import numpy as np
import pytest

from imitax import export as module
from imitax.errors import ConfigError
from imitax.export import export, imitax_policy

HAS_ONNX = all(importlib.util.find_spec(name) for name in ("onnx", "onnxruntime"))
onnx = pytest.param("onnx", marks=pytest.mark.skipif(not HAS_ONNX, reason="onnx and onnxruntime are not installed"))


@pytest.fixture(autouse=True)
def fewer(monkeypatch):
    monkeypatch.setattr(module, "OBSERVATIONS", 300)


@pytest.mark.parametrize("form", ["numpy", onnx])
@pytest.mark.parametrize("name", exported.SPACES)
def test_an_export_acts_as_its_original(name, form, tmp_path):
    done = export(exported.policy(name), {"algorithm": "bc", "seed": 0}, form, tmp_path / "a" / "b")
    assert done.difference <= 1e-5
    assert sorted(p.name for p in done.folder.iterdir()) == sorted(module.FILES[form])
    assert done.microseconds > 0
    assert done.rounding is None
    assert done.unit.startswith("nats" if name in ("class", "factors") else "in half-widths")


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
