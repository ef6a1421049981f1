"""Where a batch comes from: recorded episodes, environments, model rollouts; `streams.py` has them all."""

from imitax.sources.offline import episode_buffer, initial_buffer
from imitax.sources.online import OnlineSource
from imitax.sources.rollouts import RolloutSource
from imitax.sources.streams import Streams

__all__ = ["OnlineSource", "RolloutSource", "Streams", "episode_buffer", "initial_buffer"]
