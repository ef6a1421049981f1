"""imitax: deep imitation learning and inverse reinforcement learning on JAX."""

__version__ = "0.1.0"
