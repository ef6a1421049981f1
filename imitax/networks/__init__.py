"""Networks: multilayer perceptrons, the tanh-Gaussian policy, critics, rewards, the observation normaliser."""

from imitax.networks.action_range import ActionRange
from imitax.networks.convolution import CNN
from imitax.networks.critic import Critic, CriticConfig, CriticInput
from imitax.networks.dynamics import Dynamics, DynamicsConfig, ModelStep, Prediction
from imitax.networks.encoder import CombinedEncoder, Encoder, EncoderConfig, FlatEncoder, make_encoder
from imitax.networks.energy import (
    Energy,
    EnergyActor,
    EnergyConfig,
    EnergyInput,
    compared_transitions,
    draw_actions,
    explicit,
    join,
    log_probs,
    with_inference,
)
from imitax.networks.inference import Inference, InferenceKind, Langevin
from imitax.networks.mlp import MLP, Activation, Precision
from imitax.networks.normalizer import Normalizer
from imitax.networks.policy import Actor, Policy, PolicyConfig, TanhGaussian, require_own_encoder
from imitax.networks.reward import Reward, RewardConfig
from imitax.networks.termination import Termination, known_termination
from imitax.networks.value import Value

__all__ = [
    "CNN",
    "MLP",
    "ActionRange",
    "Activation",
    "Actor",
    "CombinedEncoder",
    "Critic",
    "CriticConfig",
    "CriticInput",
    "Dynamics",
    "DynamicsConfig",
    "Encoder",
    "EncoderConfig",
    "Energy",
    "EnergyActor",
    "EnergyConfig",
    "EnergyInput",
    "FlatEncoder",
    "Inference",
    "InferenceKind",
    "Langevin",
    "ModelStep",
    "Normalizer",
    "Policy",
    "PolicyConfig",
    "Precision",
    "Prediction",
    "Reward",
    "RewardConfig",
    "TanhGaussian",
    "Termination",
    "Value",
    "compared_transitions",
    "draw_actions",
    "explicit",
    "join",
    "known_termination",
    "log_probs",
    "make_encoder",
    "require_own_encoder",
    "with_inference",
]
