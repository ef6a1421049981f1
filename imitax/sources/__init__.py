"""Where a batch comes from: demonstrations (offline), environments (online), models (imagined)."""

from imitax.sources.buffer import Buffer
from imitax.sources.imagined import ImaginedBuffer, ImaginedSource
from imitax.sources.offline import episode_buffer, initial_buffer
from imitax.sources.online import OnlineSource

__all__ = [
    "Buffer",
    "ImaginedBuffer",
    "ImaginedSource",
    "OnlineSource",
    "episode_buffer",
    "initial_buffer",
]
