"""Compilation options."""

import resource

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from imitax.compiled import IN_CACHE, ONLY_PRODUCTS, WIDE, _known, _options, filter_jit, guarded, jit, shared
from imitax.errors import ConfigError


def test_options_that_the_installed_xla_lacks_are_left_out():
    assert not _known("xla_cpu_no_such_option", 1)
    assert not _known("xla_cpu_scheduler_type", "NO_SUCH_TYPE")
    assert _known("xla_cpu_prefer_vector_width", 256)


def test_the_options_in_use_are_those_that_it_knows():
    always = {name: value for name, value in (WIDE | ONLY_PRODUCTS).items() if _known(name, value)}
    assert _options(in_cache=False) == always  # tests run on the CPU
    options = _options(in_cache=True)
    assert options is not None
    assert options == {name: value for name, value in (always | IN_CACHE).items() if _known(name, value)}
    assert jit(lambda x: 2 * x)(jnp.asarray(3.0)) == 6


def test_programs_run_in_the_calling_thread():
    f, x = jit(lambda x: jnp.tanh(x).sum()), jnp.ones(50_000)  # cheaper programs run there by themselves
    f(x)
    before = resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw
    for _ in range(50):
        float(f(x))
    assert resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw - before < 25  # one a call where another thread runs it


@pytest.mark.parametrize("compile_with", [jit, filter_jit])
def test_a_product_that_is_multiplied_and_summed_is_right(compile_with):
    rng = np.random.default_rng(0)
    root = rng.standard_normal((5, 60, 60)).astype(np.float32)
    e = root @ root.swapaxes(-1, -2) / 60

    def f(e, c):  # jaxlib 0.10.2 makes 1e23 to 1e33 of it with the options that it chooses itself
        return ((e @ jnp.broadcast_to(c, e.shape)) * e).sum((1, 2))

    expected = ((e.astype(np.float64) @ np.full_like(e, 0.3, np.float64)) * e).sum((1, 2))
    np.testing.assert_allclose(compile_with(f)(jnp.asarray(e), jnp.asarray(0.3)), expected, rtol=1e-5)


@pytest.mark.parametrize("compile_with", [jit, filter_jit])
def test_the_squared_length_of_many_products_is_right(compile_with):
    first = jnp.arange(32_769, dtype=jnp.float32)  # jax-ml/jax issue 39103
    x = jnp.stack([first, 0 * first, 0 * first], 1)
    lengths = compile_with(lambda x, m: jnp.sum((x @ m.T) ** 2, -1))(x, jnp.eye(3))
    np.testing.assert_array_equal(lengths, np.asarray(first) ** 2)


def test_a_compiled_function_within_another_one():
    twice = filter_jit(lambda x: 2 * x)
    assert twice(jnp.asarray(3.0)) == 6
    assert jit(lambda x: twice(x) + twice(jnp.asarray(1.0)) + twice(2.0))(jnp.asarray(3.0)) == 12
    assert jax.grad(twice)(3.0) == 2
    assert (jax.vmap(twice)(jnp.arange(3)) == 2 * jnp.arange(3)).all()


@pytest.mark.parametrize("other", [({"a": 1.0}, 2), ({"a": True}, 2), ({"b": 1}, 2), ({"a": 1}, 3), ({"a": [1]}, 2)])
def test_a_program_is_kept_for_equal_arguments_of_equal_types(other):
    make = shared(lambda part, factor: jit(lambda x: part["a"] * factor * x))
    first = make({"a": 1}, 2)
    assert make({"a": 1}, 2) is first
    assert make(*other) is not first
    assert shared(lambda part, factor: None)({"a": 1}, 2) is None  # of another function


def test_what_cannot_be_compared_is_not_kept():
    make = shared(lambda array: jit(lambda x: array * x))
    assert make(jnp.ones(2)) is not make(jnp.ones(2))
    assert make(np.ones(2))(3.0).tolist() == [3, 3]


def test_guarded_functions_compute_in_32_bits():
    ones = guarded(lambda: jnp.ones(2).dtype)
    with jax.enable_x64(True):
        assert jnp.ones(2).dtype == "float64"
        assert ones() == "float32"
        assert jnp.ones(2).dtype == "float64"


@pytest.mark.parametrize(
    "error",
    [RuntimeError("Unable to initialize backend 'tpu': INTERNAL: Failed to open\nlibtpu.so"), AssertionError()],
)
def test_a_device_that_is_not_there_is_told(error, monkeypatch):
    def fails(*_):
        raise error

    monkeypatch.setenv("JAX_PLATFORMS", "tpu")
    monkeypatch.setattr(jax, "devices", fails)
    with pytest.raises(ConfigError, match=r"JAX finds no device: .*; JAX_PLATFORMS is 'tpu': install what it"):
        guarded(fails)()


def test_other_errors_of_a_guarded_function_are_left_as_they_are():
    for error in (RuntimeError("mine"), AssertionError(), AssertionError("mine")):

        def fails(error=error):
            raise error

        with pytest.raises(type(error)) as found:
            guarded(fails)()
        assert found.value is error
