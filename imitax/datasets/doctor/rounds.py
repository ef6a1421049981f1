"""All checks of one dataset."""

from typing import Any

import numpy as np

from imitax.datasets.doctor import episodes, pictures, policy, values
from imitax.datasets.doctor.report import Finding, Report
from imitax.datasets.doctor.samples import Rows, rows_of
from imitax.datasets.episode import Dataset
from imitax.errors import DataError


def examine(data: Dataset, against: Dataset | None = None) -> Report:
    """Look at demonstrations as a careful colleague would; nothing is changed, and the same data get the same report.

    Args:
        data: the demonstrations.
        against: data that should share no episode with them, such as a test set.

    Images are looked at by themselves; of observations that are nothing else, the checks of numbers are left out, and
    there is no figure.

    Raises DataError when there are fewer than two rows of finite numbers, or when the two differ in their sizes.
    """
    if against is not None and against.obs_dim != data.obs_dim:
        raise DataError(f"{data.name} and {against.name} have {data.obs_dim} and {against.obs_dim} observations")
    shown = pictures.findings(data)
    if not data.episodes[0].vectors.shape[1]:
        return _of_images_alone(data, against, shown)
    rows = rows_of(data)
    if len(rows.obs) < 2:
        raise DataError(f"{data.name} has fewer than two rows of finite numbers; see imitax datasets validate")
    finite = data.has_actions and np.issubdtype(data.actions.dtype, np.integer)
    delay, lags = policy.delay(rows)
    enough, curve = policy.enough(rows)
    findings = (
        episodes.returns(data),
        episodes.lengths(data),
        values.coverage(data, rows),
        values.counts(data) if finite else values.saturated(data, rows),
        values.constant(rows),
        values.duplicated(rows),
        values.jumps(data, rows),
        *shown,
        episodes.copies(data),
        episodes.time_limits(data),
        delay,
        policy.several_ways(rows),
        values.still(rows),
        episodes.leakage(data, against),
        enough,
    )
    return Report(data.name, findings, _drawn(data, rows, lags, curve))


def _of_images_alone(data: Dataset, against: Dataset | None, shown: tuple[Finding, ...]) -> Report:
    whole = (episodes.returns(data), episodes.lengths(data), *shown, episodes.copies(data))
    return Report(data.name, (*whole, episodes.time_limits(data), episodes.leakage(data, against)), {})


def _drawn(data: Dataset, rows: Rows, lags: np.ndarray, curve: np.ndarray) -> dict[str, Any]:
    """What the figure shows."""
    centred = rows.scaled_obs()
    plane = np.linalg.svd(centred[:: max(1, len(centred) // 5000)], full_matrices=False)[2][:2]
    return {
        "name": data.name,
        "lengths": data.lengths,
        "returns": data.returns if data.has_rewards else None,
        "actions": rows.action,
        "bounds": (data.action_low, data.action_high),
        "lags": lags,
        "curve": curve,
        "plane": centred @ plane.T,
        "episode": rows.episode,
        "steps": np.linalg.norm((rows.next_obs - rows.obs), axis=1),
    }
