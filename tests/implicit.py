"""What the tests of implicit policies share: a small one, and a function whose highest point is known."""

import jax.numpy as jnp
import jax.random as jr

from imitax.networks import (
    ActionRange,
    Energy,
    EnergyActor,
    EnergyConfig,
    Inference,
    Langevin,
    PolicyConfig,
    TanhGaussian,
)
from imitax.spaces import Spec

SPEC = Spec.flat(3, (-0.3, -2.0), (1.2, 0.5))
PART = ActionRange(jnp.array([-0.2, -1.0]), jnp.array([1.0, 0.25]))
SHORT = Langevin(iterations=20)


def implicit(kind="dfo", searched=PART, spec=SPEC, residual=False, **options):
    energy = Energy(spec, EnergyConfig((16, 16), residual=residual), key=jr.key(1))
    actor = TanhGaussian(spec, PolicyConfig((16, 16)), key=jr.key(2))
    return EnergyActor(
        energy, actor, searched, Inference(kind, **({"samples": 32, "actor_steps": 2, "langevin": SHORT} | options))
    )


def quadratic(top):
    return lambda a: -20 * sum((a[..., i] - x) ** 2 for i, x in enumerate(top))
