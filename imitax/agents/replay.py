"""How an agent collects its own experience."""

from imitax.settings import Count, CountOrZero, settings


@settings()
class Replay:
    """The replay buffer and its first steps."""

    warmup_steps: CountOrZero = 5000
    """Environment steps with uniformly random actions, and no updates, at the start."""
    buffer_size: Count = 1_000_000
    """Transitions that the replay buffer holds."""
