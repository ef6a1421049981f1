"""Compilation options."""

import jax.numpy as jnp

from imitax.compiled import IN_CACHE, WIDE, _known, _options, jit


def test_options_that_the_installed_xla_lacks_are_left_out():
    assert not _known("xla_cpu_no_such_option", 1)
    assert not _known("xla_cpu_scheduler_type", "NO_SUCH_TYPE")
    assert _known("xla_cpu_prefer_vector_width", 256)


def test_the_options_in_use_are_those_that_it_knows():
    assert _options(in_cache=False) == WIDE  # tests run on the CPU
    options = _options(in_cache=True)
    assert options is not None
    assert options == {name: value for name, value in (WIDE | IN_CACHE).items() if _known(name, value)}
    assert jit(lambda x: 2 * x)(jnp.asarray(3.0)) == 6
