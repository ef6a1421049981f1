"""One paper, one file."""

from imitax.algorithm import ALGORITHMS, algorithm_of, find, register
from imitax.algorithms import (
    adversarial,
    bc,
    f_irl,
    ibc,
    iq_learn,
    ls_iq,
    mbpo,
    mopo,
    omlirl,
    rambo,
    recoil,
    recoil_online,
    rmirl,
    rmirl_implicit,
    sac,
)

__all__ = ["ALGORITHMS", "algorithm_of", "find"]

for module in (
    bc,
    ibc,
    adversarial,
    f_irl,
    iq_learn,
    ls_iq,
    mbpo,
    mopo,
    omlirl,
    rambo,
    recoil,
    recoil_online,
    rmirl,
    rmirl_implicit,
    sac,
):
    register(module)
