"""Networks: multilayer perceptrons, policies, critics, rewards, the observation normaliser."""

from imitax.networks.action_range import ActionRange
from imitax.networks.categorical import Categorical
from imitax.networks.choices import Choices, FiniteLoss
from imitax.networks.chunks import ActionChunks, ChunkActor, chunked, chunks_of, predict
from imitax.networks.convolution import CNN
from imitax.networks.critic import Critic, CriticConfig, CriticInput
from imitax.networks.dynamics import Dynamics, DynamicsConfig, ModelStep, Prediction
from imitax.networks.encoder import CombinedEncoder, Encoder, EncoderConfig, FlatEncoder, make_encoder
from imitax.networks.energy import (
    Energy,
    EnergyActor,
    EnergyConfig,
    EnergyInput,
    draw_actions,
    f_of,
    join,
    log_probs,
)
from imitax.networks.gaussian import Gaussian
from imitax.networks.head import PolicyHead, policy_head
from imitax.networks.implicit import (
    FiniteEnergyActor,
    ImplicitActor,
    compared_transitions,
    explicit,
    implicit_actor,
    with_inference,
)
from imitax.networks.inference import Inference, InferenceKind, Langevin
from imitax.networks.mlp import MLP, Activation, Precision
from imitax.networks.normalizer import Normalizer
from imitax.networks.policy import ActionMode, Actor, Policy, PolicyConfig, TanhGaussian, require_own_encoder
from imitax.networks.reward import Combine, Reward, RewardConfig
from imitax.networks.reward_ensemble import (
    AnyReward,
    RewardEnsemble,
    by_member,
    combined,
    disagreement,
    make_reward,
    of_members,
)
from imitax.networks.termination import Termination, known_termination
from imitax.networks.value import Value

__all__ = [
    "CNN",
    "MLP",
    "ActionChunks",
    "ActionMode",
    "ActionRange",
    "Activation",
    "Actor",
    "AnyReward",
    "Categorical",
    "Choices",
    "ChunkActor",
    "Combine",
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
    "FiniteEnergyActor",
    "FiniteLoss",
    "FlatEncoder",
    "Gaussian",
    "ImplicitActor",
    "Inference",
    "InferenceKind",
    "Langevin",
    "ModelStep",
    "Normalizer",
    "Policy",
    "PolicyConfig",
    "PolicyHead",
    "Precision",
    "Prediction",
    "Reward",
    "RewardConfig",
    "RewardEnsemble",
    "TanhGaussian",
    "Termination",
    "Value",
    "by_member",
    "chunked",
    "chunks_of",
    "combined",
    "compared_transitions",
    "disagreement",
    "draw_actions",
    "explicit",
    "f_of",
    "implicit_actor",
    "join",
    "known_termination",
    "log_probs",
    "make_encoder",
    "make_reward",
    "of_members",
    "policy_head",
    "predict",
    "require_own_encoder",
    "with_inference",
]
