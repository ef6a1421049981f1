"""Networks: multilayer perceptrons, the tanh-Gaussian policy, critics, the observation normaliser."""

from imitax.networks.critic import Critic, CriticConfig
from imitax.networks.mlp import MLP, Activation, Precision
from imitax.networks.normalizer import Normalizer
from imitax.networks.policy import Policy, PolicyConfig, TanhGaussian

__all__ = [
    "MLP",
    "Activation",
    "Critic",
    "CriticConfig",
    "Normalizer",
    "Policy",
    "PolicyConfig",
    "Precision",
    "TanhGaussian",
]
