"""Where a batch comes from: demonstrations (offline), environments (online)."""

from imitax.sources.buffer import Buffer
from imitax.sources.offline import expert_buffer, initial_buffer
from imitax.sources.online import OnlineSource

__all__ = ["Buffer", "OnlineSource", "expert_buffer", "initial_buffer"]
