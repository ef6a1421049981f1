"""What a run learned from, as far as it can be looked at: a summary, and what the doctor says."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from imitax import trust
from imitax.datasets import load, summary
from imitax.datasets.doctor import Finding, examine
from imitax.datasets.loading import named
from imitax.errors import ImitaxError
from imitax.run import Run

SHOWN = (
    "episodes",
    "transitions",
    "return_mean",
    "return_sd",
    "length_mean",
    "terminated_share",
    "obs_dim",
    "action_dim",
)


@dataclass(frozen=True)
class Looked:
    """One dataset of a run."""

    role: str
    name: str
    digest: str
    facts: dict[str, Any] = field(default_factory=dict)
    """Numbers about it."""
    findings: list[Finding] = field(default_factory=list)
    returns: np.ndarray | None = None
    """Of its episodes, where they have rewards."""
    note: str = ""
    """Why there is no more, in words."""


def look(run: Run, trusted: bool) -> list[Looked]:
    """The datasets of a run, read again and examined.

    Args:
        run: the run.
        trusted: whether files that the run names may be read although its folder was copied here.
    """
    roles = {"demonstrations": ("data", "demos"), "other data": ("offline_data", "offline_data")}
    found = []
    for role, (key, option) in roles.items():
        about = run.config.get(key)
        if isinstance(about, dict):
            found.append(_one(run, role, about, run.config["training"].get(option), trusted))
    return found


def _one(run: Run, role: str, about: dict[str, Any], source: Any, trusted: bool) -> Looked:
    name, digest = str(about.get("name")), str(about.get("hash"))
    facts = {"episodes": about.get("episodes_available"), "return_mean": about.get("return_mean")}
    known = Looked(role, name, digest, {k: v for k, v in facts.items() if v is not None})
    training = run.config["training"]

    def without(why: str) -> Looked:
        return Looked(role, name, digest, known.facts, note=f"The data were not examined: {why}.")

    if source is None:
        return without("they were objects in memory")
    if not (trusted or trust.is_own(run.folder, run.config) or named(source)):
        return without("the run's folder was copied here, and names a file of its own; --trust-env reads it")
    try:
        data = load(
            source,
            env_kwargs=training.get("env_kwargs") or None,
            columns=training.get("columns") or None,
            repair=training.get("repair", False),
        )
        if data.hash() != digest:
            return without("they have changed since the run")
        report = examine(data)
    except (ImitaxError, OSError) as e:
        return without(str(e))
    numbers = summary(data)
    findings = [finding for finding in report.findings if finding.name != "leakage"]  # there is nothing to leak into
    returns = np.asarray(data.returns) if data.has_rewards else None
    return Looked(role, name, digest, {k: numbers[k] for k in SHOWN if numbers.get(k) is not None}, findings, returns)
