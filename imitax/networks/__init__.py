"""Networks: multilayer perceptrons, the tanh-Gaussian policy, critics, rewards, the observation normaliser."""

from imitax.networks.critic import Critic, CriticConfig
from imitax.networks.energy import ActionRange, Energy, EnergyActor, EnergyConfig, explicit, join, with_inference
from imitax.networks.inference import Inference, InferenceKind, Langevin
from imitax.networks.mlp import MLP, Activation, Precision
from imitax.networks.normalizer import Normalizer
from imitax.networks.policy import Actor, Policy, PolicyConfig, TanhGaussian
from imitax.networks.reward import Reward, RewardConfig
from imitax.networks.value import Value

__all__ = [
    "MLP",
    "ActionRange",
    "Activation",
    "Actor",
    "Critic",
    "CriticConfig",
    "Energy",
    "EnergyActor",
    "EnergyConfig",
    "Inference",
    "InferenceKind",
    "Langevin",
    "Normalizer",
    "Policy",
    "PolicyConfig",
    "Precision",
    "Reward",
    "RewardConfig",
    "TanhGaussian",
    "Value",
    "explicit",
    "join",
    "with_inference",
]
