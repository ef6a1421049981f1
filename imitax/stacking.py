"""Several seeds as one pytree: arrays stacked along a leading axis, and functions mapped over it.

Several devices share the seeds equally: the leading axis is split over them, and each runs what concerns its own seeds.
"""

import contextlib
import os
from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from imitax.errors import ConfigError
from imitax.processes import cores

AXIS = "seeds"
_HOST_DEVICES = "xla_force_host_platform_device_count"


def stack(trees: Sequence[Any]) -> Any:
    """Pytrees of one structure with their arrays stacked along a new leading axis."""
    arrays = [eqx.filter(t, eqx.is_array) for t in trees]
    static = eqx.filter(trees[0], eqx.is_array, inverse=True)
    return eqx.combine(jax.tree.map(lambda *x: jnp.stack(x), *arrays), static)


def unstack(tree: Any, index: int) -> Any:
    """One seed's pytree of a stacked one."""
    return jax.tree.map(lambda x: x[index] if eqx.is_array(x) else x, tree)


def over_seeds(f: Callable[..., Any], seeds: int, shared: int = 0, devices: int = 1) -> Callable[..., Any]:
    """`f` for arguments that carry a leading axis of seeds, but for the last `shared` ones.

    Several seeds run as a vmap. One seed runs as it is: a batch of one would turn its products into batched ones.
    Several devices, whose number divides that of the seeds, do the same with their own seeds.
    """

    def alone(*args: Any) -> Any:
        own, common = args[: len(args) - shared], args[len(args) - shared :]
        out = f(*jax.tree.map(lambda x: x[0], own), *common)
        return jax.tree.map(lambda x: x[None], out)

    def together(*args: Any) -> Any:
        return jax.vmap(f, in_axes=(0,) * (len(args) - shared) + (None,) * shared)(*args)

    own = alone if seeds == devices else together
    if devices == 1:
        return own

    def apart(*args: Any) -> Any:
        split, whole = PartitionSpec(AXIS), PartitionSpec()
        specs = (split,) * (len(args) - shared) + (whole,) * shared
        # Nothing is exchanged between devices, so what varies over them need not be checked; the kernels are opaque.
        return jax.shard_map(own, mesh=_mesh(devices), in_specs=specs, out_specs=split, check_vma=False)(*args)

    return apart


def reserve_cpus(seeds: int, wanted: int | None) -> None:
    """Make JAX present the CPU's cores as devices that can share the seeds; without effect once JAX has started.

    Args:
        seeds: their number.
        wanted: the number of devices; None takes as many cores as can share the seeds equally.
    """
    devices = _equal_shares(seeds, cores()) if wanted is None else wanted
    count: int = jax.config.jax_num_cpu_devices  # pyright: ignore[reportAttributeAccessIssue]  added at run time
    decided = count > 0 or _HOST_DEVICES in os.environ.get("XLA_FLAGS", "")
    if devices > 1 and seeds % devices == 0 and not decided:
        with contextlib.suppress(RuntimeError):  # JAX has started
            jax.config.update("jax_num_cpu_devices", devices)


def device_count(seeds: int, wanted: int | None) -> int:
    """Devices that share the seeds.

    Args:
        seeds: their number.
        wanted: the number of devices; None takes as many as can share the seeds equally, one for each core at most on
            a CPU.

    Raises:
        ConfigError: there are not so many devices, or they cannot share the seeds equally.
    """
    if wanted == 1:
        return 1
    present = jax.local_device_count()
    if wanted is None:
        limit = cores() if jax.default_backend() == "cpu" else present
        return _equal_shares(seeds, min(present, limit))
    if wanted > present:
        raise ConfigError(
            f"devices must not exceed what JAX has here, got {wanted}: there are {present} ({jax.default_backend()})"
        )
    if seeds % wanted:
        raise ConfigError(f"devices must share the seeds equally, got {wanted} devices and {seeds} seeds")
    return wanted


def _equal_shares(seeds: int, limit: int) -> int:
    return next(d for d in range(min(limit, seeds), 0, -1) if seeds % d == 0)


def spread(tree: Any, devices: int) -> Any:
    """The tree with the leading axis of its arrays split over devices."""
    if devices == 1:
        return tree
    sharding = NamedSharding(_mesh(devices), PartitionSpec(AXIS))
    return jax.tree.map(lambda x: jax.device_put(x, sharding) if eqx.is_array(x) else x, tree)


def gathered(tree: Any) -> Any:
    """The tree with those of its arrays that are split over devices on the first one."""
    first = jax.local_devices()[0]
    return jax.tree.map(
        lambda x: jax.device_put(x, first) if isinstance(x, jax.Array) and len(x.devices()) > 1 else x, tree
    )


def _mesh(devices: int) -> Mesh:
    return Mesh(jax.local_devices()[:devices], (AXIS,))
