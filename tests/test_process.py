import jax
import jax.numpy as jnp
import pytest

from imitax import process
from imitax.errors import ConfigError
from imitax.process import entry


@entry
def ones():
    return jnp.ones(2).dtype


def test_computations_stay_in_32_bits():
    with jax.enable_x64(True):
        assert jnp.ones(2).dtype == "float64"
        assert ones() == "float32"
        assert jnp.ones(2).dtype == "float64"
    assert ones() == "float32"


def test_a_forked_process_is_refused(monkeypatch):
    jnp.ones(2)  # JAX has started
    monkeypatch.setattr(process, "_forked", False)
    process._after_fork()
    with pytest.raises(ConfigError, match=r"forked from one in which JAX runs threads.*get_context\('spawn'\)"):
        ones()
