"""One paper, one file. This is the one registry: the command line, the loop and the tests find algorithms here."""

from types import ModuleType

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
from imitax.errors import ConfigError

ALGORITHMS: dict[str, ModuleType] = {
    "bc": bc,
    "ibc": ibc,
    "adversarial": adversarial,
    "f_irl": f_irl,
    "iq_learn": iq_learn,
    "ls_iq": ls_iq,
    "mbpo": mbpo,
    "mopo": mopo,
    "omlirl": omlirl,
    "rambo": rambo,
    "recoil": recoil,
    "recoil_online": recoil_online,
    "rmirl": rmirl,
    "rmirl_implicit": rmirl_implicit,
    "sac": sac,
}
"""Modules by name, each with `Config`, `State`, `init`, `update` and `policy`."""


def find(name: str) -> ModuleType:
    """The algorithm's module; hyphens and underscores are the same.

    Raises:
        ConfigError: there is no algorithm of this name.
    """
    try:
        return ALGORITHMS[name.replace("-", "_")]
    except KeyError:
        raise ConfigError(f"unknown algorithm {name!r}; there are {', '.join(ALGORITHMS)}") from None


def name_of(cfg: object) -> str:
    """The name of the algorithm that a configuration belongs to."""
    for name, module in ALGORITHMS.items():
        if isinstance(cfg, module.Config):
            return name
    raise ConfigError(f"{type(cfg).__name__} is not the configuration of an algorithm")
