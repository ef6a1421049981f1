"""All diagnoses of a run, over its seeds."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from imitax.datasets.doctor.report import Finding
from imitax.report import progress, signals
from imitax.report.series import About, Lines

CHECKS: dict[str, Callable[[Lines, About], Finding | None]] = {
    "progress": progress.start,
    "stability": progress.kept,
    "training length": progress.finished,
    "finite numbers": signals.finite,
    "discriminator": signals.discriminator,
    "entropy": signals.entropy,
    "Q values": signals.q_values,
    "temperature": signals.temperature,
    "model": signals.model,
    "overfitting": progress.overfitted,
}
"""Diagnoses by the name that a reader sees."""

ORDER = ("problem", "look", "unknown", "good")
"""Verdicts, the worst first."""


def diagnose(seeds: Mapping[int, Lines], about: About) -> list[Finding]:
    """The worst finding of each diagnosis over the seeds of a run, the worst first; it says how many seeds have it."""
    found = []
    for name, check in CHECKS.items():
        by_seed = {seed: finding for seed, lines in seeds.items() if (finding := check(lines, about)) is not None}
        if not by_seed:
            continue
        seed, worst = min(by_seed.items(), key=lambda item: ORDER.index(item[1].verdict))
        alike = sum(finding.verdict == worst.verdict for finding in by_seed.values())
        if len(seeds) > 1:
            who = "all" if alike == len(seeds) else f"{alike} of {len(seeds)}"
            worst = replace(worst, text=f"{worst.text} ({who} seeds; numbers of seed {seed})")
        found.append(replace(worst, name=name))
    return sorted(found, key=lambda finding: ORDER.index(finding.verdict))


def headline(findings: list[Finding]) -> str:
    """All findings in a sentence."""
    bad = [finding.name for finding in findings if finding.verdict == "problem"]
    look = [finding.name for finding in findings if finding.verdict == "look"]
    if bad:
        return f"Problems: {', '.join(bad)}." + (f" Worth a look: {', '.join(look)}." if look else "")
    return f"No problem. Worth a look: {', '.join(look)}." if look else "No problem was found."
