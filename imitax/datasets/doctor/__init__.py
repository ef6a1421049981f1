"""The demonstration doctor: what a careful colleague would look for in demonstrations, with a verdict each."""

from imitax.datasets.doctor.report import Finding, Report, table
from imitax.datasets.doctor.rounds import examine

__all__ = ["Finding", "Report", "examine", "table"]
