"""Models as files."""

import equinox as eqx
import jax.numpy as jnp
import pytest
from ensembles import constant

from imitax.artifacts import load_dynamics, save_dynamics
from imitax.errors import CheckpointError
from imitax.networks import Termination


def test_models_are_files(tmp_path):
    dynamics = constant([0.0, 1.0, 2.0])
    dynamics = eqx.tree_at(lambda d: (d.elites, d.output_std), dynamics, (jnp.array([2, 0, 1]), jnp.arange(1.0, 4)))
    save_dynamics(tmp_path / "d.safetensors", dynamics, {"env": "x"})
    again, about = load_dynamics(tmp_path / "d.safetensors", None)
    assert eqx.tree_equal(again, dynamics)
    assert about == {"env": "x"}
    with pytest.raises(CheckpointError, match="termination is learned; give --dynamics"):
        load_dynamics(tmp_path / "d.safetensors", Termination((0.0,) * 2, (1.0,) * 2))
