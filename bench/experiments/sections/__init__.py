"""The sections of README and docs that are generated from result files: one module for each kind of result."""

from typing import Any

Line = dict[str, Any]
"""One line of a result file."""
