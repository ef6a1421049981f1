"""An algorithm's settings as a run recorded them, by this version or an older one."""

from typing import Any, TypeVar

from imitax.config import from_flat, setting_names

T = TypeVar("T")

LACKED = {
    "horizon_share": None,
    "stay_share": None,
    "amortised": "energy",
    "policy_update": {},
    "finite_loss": "cross_entropy",
}
"""Settings whose defaults would change runs of versions that did not have them, and what those runs did."""


def recorded_settings(cls: type[T], config: dict[str, Any]) -> T:
    """The settings in the config of a run's folder. Raises ConfigError where they are not those of the algorithm."""
    known = set(setting_names(cls))
    return from_flat(cls, {name: value for name, value in LACKED.items() if name in known} | config["config"])
