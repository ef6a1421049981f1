"""What the doctor says: findings, and their table."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from rich.table import Table
from rich.text import Text

Verdict = Literal["good", "look", "problem", "unknown"]
COLOURS = {"good": "green", "look": "yellow", "problem": "red", "unknown": "dim"}


@dataclass(frozen=True)
class Finding:
    """One check."""

    name: str
    verdict: Verdict
    """`look` needs an eye, `problem` needs mending, `unknown` could not be checked."""
    text: str
    """In words, with the numbers."""
    values: Mapping[str, Any] = field(default_factory=dict)
    """The numbers."""


@dataclass(frozen=True)
class Report:
    """All checks of one dataset."""

    name: str
    findings: tuple[Finding, ...]
    drawn: Mapping[str, Any]
    """What the figure shows, as plain arrays."""

    def __getitem__(self, name: str) -> Finding:
        return next(finding for finding in self.findings if finding.name == name)


def table(report: Report) -> Table:
    """The findings for a terminal, in 80 columns; nothing from the data is taken as markup."""
    out = Table(title=Text(f"doctor: {report.name}"), title_justify="left", width=80, show_lines=False)
    out.add_column("check", width=15)
    out.add_column("verdict", width=8)
    out.add_column("what was found", ratio=1)
    for finding in report.findings:
        verdict = Text(finding.verdict, style=COLOURS[finding.verdict])
        out.add_row(Text(finding.name), verdict, Text(finding.text))
    return out
