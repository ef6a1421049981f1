"""Wrappers with running statistics: what an agent sees through them depends on what they have seen before."""

import warnings
from typing import Any, Literal

from imitax.envs.limits import layers
from imitax.errors import EnvWarning


def _statistics(layer: Any) -> Any:
    """Those of Gymnasium's NormalizeObservation and NormalizeReward, and of wrappers with the same attributes."""
    own = vars(layer)
    return own.get("obs_rms", own.get("return_rms"))


def settle(env: Any, name: str, mode: Literal["freeze", "leave", "new"]) -> None:
    """Stop running statistics where they are, and say so; say where there are none yet.

    Args:
        env: the environment that copies are made of, or one that a function made.
        name: of the environment.
        mode: freeze the statistics that there are; leave them running, in the user's own object; or every environment
            is a new one and starts without statistics.
    """
    for layer in layers(env):
        statistics, kind = _statistics(layer), type(layer).__name__
        if statistics is None or not getattr(layer, "update_running_mean", True):
            continue
        if mode != "new" and float(getattr(statistics, "count", 0)) >= 1:
            if mode == "freeze" and hasattr(layer, "update_running_mean"):
                layer.update_running_mean = False
                text = (
                    f"{name}: {kind} keeps the statistics that it has, in training and in evaluation; set its "
                    "update_running_mean to False to say so yourself"
                )
            else:
                text = (
                    f"{name}: {kind} goes on changing its statistics with every step, in evaluation too; set its "
                    "update_running_mean to False to keep them"
                )
        else:
            text = (
                f"{name}: {kind} starts without statistics and gathers them in each of the environments alone, so "
                "they do not show the policy one and the same thing; pass the environment itself, with its statistics "
                "and update_running_mean = False, or leave the wrapper out: imitax standardises observations"
            )
        warnings.warn(text, EnvWarning, stacklevel=2)
