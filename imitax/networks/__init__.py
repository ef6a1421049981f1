"""Networks: multilayer perceptrons, the tanh-Gaussian policy, critics, rewards, the observation normaliser."""

from imitax.networks.critic import Critic, CriticConfig
from imitax.networks.mlp import MLP, Activation, Precision
from imitax.networks.normalizer import Normalizer
from imitax.networks.policy import Policy, PolicyConfig, TanhGaussian
from imitax.networks.reward import Reward, RewardConfig

__all__ = [
    "MLP",
    "Activation",
    "Critic",
    "CriticConfig",
    "Normalizer",
    "Policy",
    "PolicyConfig",
    "Precision",
    "Reward",
    "RewardConfig",
    "TanhGaussian",
]
