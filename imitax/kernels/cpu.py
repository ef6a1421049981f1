"""Which kernel replaces which plain function on the CPU."""

from imitax import learner
from imitax.kernels import columns, elementwise, products, reductions
from imitax.networks import dynamics, mlp


def install() -> None:
    """Give the plain functions their kernels. Doing it again changes nothing."""
    mlp.matmul.kernel = products.matmul
    dynamics.forward.kernel = columns.forward
    dynamics.softplus.kernel = elementwise.softplus
    learner.clip_by_global_norm.kernel = reductions.clip_by_global_norm
