"""Shared by all tests. Nothing imports imitax at the top: the jaxtyping hook is installed after this file is read."""

import os
import sys
from pathlib import Path

import jax
import pytest

FAST_TO_COMPILE = (
    "--xla_backend_optimization_level=0",
    "--xla_cpu_use_fusion_emitters=false",  # the older emitters: half of the time of all compilations
    "--xla_cpu_parallel_codegen_split_count=1",
)
"""Networks of tests are tiny and run a few steps: compiling them well takes longer than running them badly."""


def pytest_configure(config):
    os.environ["XLA_FLAGS"] = " ".join((os.environ.get("XLA_FLAGS", ""), *FAST_TO_COMPILE))
    jax.config.update("jax_numpy_rank_promotion", "raise")
    cache = getattr(config, "cache", None)  # absent under -p no:cacheprovider
    if cache is None:
        return
    folder = str(cache.mkdir("jax"))
    os.environ["JAX_COMPILATION_CACHE_DIR"] = folder  # for subprocesses
    jax.config.update("jax_compilation_cache_dir", folder)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


@pytest.fixture(autouse=True, scope="module")
def few_programs():
    """Compiled programs are let go before they fill the table of memory maps (65,530 on Linux), which crashes XLA."""
    yield
    maps = Path("/proc/self/maps")
    if maps.exists() and maps.read_bytes().count(b"\n") > 20_000:
        jax.clear_caches()


@pytest.fixture(autouse=True)
def own_programs(request):
    """A test that replaces parts of the library neither takes programs from before nor leaves its own to others."""
    replaces = "monkeypatch" in request.fixturenames
    if replaces:
        forget_programs()
    yield
    if replaces:
        forget_programs()


def forget_programs():
    """Let go of the programs that runs of one process share."""
    if compiled := sys.modules.get("imitax.compiled"):
        compiled.programs.cache_clear()


@pytest.fixture(scope="session")
def demos():
    """Eight episodes of the toy task's expert."""
    import toy

    return toy.demonstrations(8)


@pytest.fixture
def no_figures():
    """Runs without their figures, which take longer than a toy training."""
    from imitax.training import results

    with pytest.MonkeyPatch.context() as patch:
        for name in ("learning_curve", "error_curve", "training_figure"):
            patch.setattr(results.figures, name, lambda *_, **__: None)
        yield
