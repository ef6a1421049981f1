"""The machine's own rates: matrix products, copies, loops, round trips to the host, and an environment."""

import itertools
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any
from unittest import mock

import gymnasium as gym
import jax
import jax.numpy as jnp
import numpy as np
from accelerator_parts.part import MATMUL, Part

from imitax import evaluate, seeding
from imitax.artifacts import load_policy
from imitax.catalogue import BUNDLED
from imitax.seeding import Purpose
from imitax.stacking import stack


def run(part: Part) -> None:
    """One line for each."""
    stats = jax.devices()[0].memory_stats() or {}
    versions = {name: sys.modules[name].__version__ for name in ("jax", "jaxlib", "numpy", "equinox", "optax")}
    part.line(backend=jax.default_backend(), memory_gb=round(stats.get("bytes_limit", 0) / 1e9, 1), **versions)
    side, layer, count = (64, 32, 4) if part.toy else (8192, 256, 256)
    for precision, shape in itertools.product(MATMUL, ((side, side), (count, layer, layer))):
        rate, error = product_rate(precision, shape)
        part.line(product=shape, precision=precision, matmul_gflops=round(rate, 1), product_error=error)
    x = jnp.ones(2**14 if part.toy else 2**28)
    add = jax.jit(lambda x: x + 1)
    part.line(copy_gb_s=round(2 * x.nbytes / seconds_of(lambda: add(x)) / 1e9, 1))
    loop = jax.jit(lambda x: jax.lax.fori_loop(0, 1000, lambda _, x: jnp.sin(x), x))
    part.line(loop_iteration_us=round(seconds_of(lambda: loop(jnp.ones(256))) * 1e3, 2))
    host = np.ones((32, 11), np.float32)
    part.line(round_trip_us=round(seconds_of(lambda: [np.asarray(add(host)) for _ in range(100)]) * 1e4, 1))
    part.line(env_steps_per_s=round(env_rate(200 if part.toy else 3000)))
    for place in (None, jax.devices("cpu")[0]):
        part.line(acting_on="accelerator" if place is None else "cpu", acting_us=round(acting_us(place), 1))


def seconds_of(f: Callable[[], Any], least: float = 0.15, most: int = 15) -> float:
    """Median time of a call, the first of which is not counted."""
    times: list[float] = []
    while len(times) < 2 or (sum(times[1:]) < least and len(times) <= most):
        start = time.perf_counter()
        jax.block_until_ready(f())
        times.append(time.perf_counter() - start)
    return median(times[1:])


def product_rate(precision: str, shape: tuple[int, ...]) -> tuple[float, float]:
    """GFLOP/s of a matrix product of random numbers, and its relative error against float64."""
    dtype = jnp.bfloat16 if precision == "bfloat16" else jnp.float32
    a, b = (jax.random.normal(jax.random.key(i), shape, dtype) for i in range(2))
    with jax.default_matmul_precision(MATMUL[precision]):
        product = jax.jit(lambda a, b: jnp.matmul(a, b, preferred_element_type=jnp.float32)).lower(a, b).compile()
    repeats = 4
    seconds = seconds_of(lambda: [product(a, b) for _ in range(repeats)]) / repeats
    few = np.asarray(a[..., :4, :], np.float64)
    exact = np.matmul(few, np.asarray(b, np.float64))
    error = np.linalg.norm(np.asarray(product(a, b)[..., :4, :]) - exact) / np.linalg.norm(exact)
    return float(2 * np.prod(shape) * shape[-1] / seconds / 1e9), float(error)


def env_rate(steps: int) -> float:
    """Steps a second of one Hopper in this process."""
    env = gym.make("Hopper-v5")
    env.reset(seed=0)
    start = time.perf_counter()
    for _ in range(steps):
        _, _, terminated, truncated, _ = env.step(env.action_space.sample())
        if terminated or truncated:
            env.reset()
    return steps / (time.perf_counter() - start)


def acting_us(place: Any) -> float:
    """Microseconds of the actions of three Hopper policies for twenty observations each, as an evaluation asks them."""
    policies = stack([load_policy(BUNDLED / "hopper-expert.policy.safetensors")[0]] * 3)
    obs = np.zeros((3, 20, 11), np.float32)
    with mock.patch.object(evaluate, "acting_device", return_value=place):
        act = evaluate.make_act(policies, seeding.keys((0, 1, 2), Purpose.EVALUATION), "mode")
    return seconds_of(lambda: [act(policies, obs, i) for i in range(100)]) * 1e4
