"""Names that are known without importing what they stand for: algorithms, their short names, datasets, public names.

The command line prints help from here, and packages find what they export (PEP 562), so nothing heavy is imported.
"""

import importlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

BUILT_IN = (
    "bc",
    "ibc",
    "adversarial",
    "f_irl",
    "iq_learn",
    "ls_iq",
    "mbpo",
    "ml_irl",
    "mopo",
    "omlirl",
    "rambo",
    "recoil",
    "recoil_online",
    "rmirl",
    "rmirl_implicit",
    "sac",
)
"""The algorithms of the package: modules of `imitax.algorithms`."""

ALIASES = {
    "gail": ("adversarial", "gail"),
    "dac": ("adversarial", "dac"),
    "airl": ("adversarial", "airl"),
    "fairl": ("adversarial", "fairl"),
    "gaifo": ("adversarial", "gaifo"),
    "hype": ("adversarial", "hype"),
    "sqil": ("ls_iq", "sqil"),
    "piro": ("ml_irl", "piro"),
}
"""Methods that are presets of an algorithm: by the name people type, the algorithm and its preset."""

_SPELLED = {"adversarial": "Adversarial", "iq_learn": "IQLearn", "recoil": "ReCOIL", "gaifo": "GAIfO", "hype": "HyPE"}
_SPELLED |= {"recoil_online": "ReCOILOnline", "rmirl_implicit": "RMIRLImplicit", "rambo": "RAMBO"}

CLASSES = {_SPELLED.get(name, name.replace("_", "").upper()): name for name in (*BUILT_IN, *ALIASES)}
"""Estimators that `imitax` exports, and the algorithm or alias of each: BC is bc, GAIL is gail."""

GROUP = "imitax.algorithms"
"""Entry-point group of packages that bring algorithms."""

BUNDLED = Path(__file__).parent / "datasets" / "bundled"
"""Where the datasets that come with imitax lie."""


def bundled(folder: Path = BUNDLED) -> list[str]:
    """Names of the datasets that come with imitax, such as "imitax/hopper-expert"."""
    return sorted(f"imitax/{path.stem}" for path in folder.glob("*.hdf5"))


def minari_path(dataset_id: str = "") -> Path:
    """Folder of a dataset in Minari's local store, and of the store itself without an id."""
    store = os.environ.get("MINARI_DATASETS_PATH") or Path.home() / ".minari" / "datasets"
    return Path(store) / dataset_id


def local_minari() -> list[str]:
    """Ids of the datasets in Minari's local store."""
    store = minari_path()
    return sorted(str(p.parent.parent.relative_to(store)) for p in store.glob("**/data/metadata.json"))


def split_alias(name: str) -> tuple[str, str | None]:
    """The algorithm that a name stands for, with underscores, and the preset if the name is one's alias."""
    name = name.replace("-", "_")
    algorithm, preset = ALIASES.get(name.lower(), (name, None))
    return algorithm, preset


def lazy(package: str, homes: Mapping[str, tuple[str, ...]]) -> Callable[[str], Any]:
    """A module-level `__getattr__` (PEP 562) that imports a package's public names when they are first used.

    Args:
        package: its dotted name.
        homes: modules below the package, and the names that each defines.
    """
    home = {name: module for module, names in homes.items() for name in names}

    def attribute(name: str) -> Any:
        if name not in home:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{package}.{home[name]}"), name)

    return attribute
