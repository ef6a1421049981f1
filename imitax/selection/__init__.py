"""Which of a run's policies to take: rules that need the environment's reward, and rules that do not."""

from imitax.selection.choice import PolicyChoice, select
from imitax.selection.rules import RULES

__all__ = ["RULES", "PolicyChoice", "select"]
