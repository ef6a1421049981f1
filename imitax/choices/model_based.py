"""What methods with a learned model have in common: their settings, their state, and the batch they learn from."""

from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from imitax.choices import actor_critic
from imitax.choices.actor_critic import ActorCritic, AgentConfig, improve, soft_q_loss
from imitax.choices.dynamics_loss import DynamicsFit
from imitax.choices.imagination import Imagination
from imitax.choices.pessimism import Pessimism
from imitax.choices.temperature import LogTemperature
from imitax.errors import ConfigError
from imitax.learner import Learner, OptimizerConfig
from imitax.networks import CriticConfig, Dynamics, DynamicsConfig, Normalizer
from imitax.types import Metrics, Spec, Transition, concat, part


@dataclass(frozen=True)
class ModelConfig(AgentConfig):
    """What every method with a learned model is told."""

    dynamics: DynamicsConfig = field(default_factory=DynamicsConfig)
    fit: DynamicsFit = field(default_factory=DynamicsFit)
    imagination: Imagination = field(default_factory=Imagination)
    pessimism: Pessimism = field(default_factory=Pessimism)
    real_share: float = 0.5
    """Share of real transitions in a batch, the others are imagined."""

    def __post_init__(self):
        super().__post_init__()
        if not 0 <= self.real_share <= 1:
            raise ConfigError(f"real_share must lie in [0, 1], got {self.real_share}")


@dataclass(frozen=True)
class OfflineModelConfig(ModelConfig):
    """What methods with recorded rewards and a model, and no environment, are told."""

    average: float = 0.999
    critic: CriticConfig = field(default_factory=lambda: CriticConfig(layer_norm=True))
    critic_optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    normalize_obs: bool = True
    """Standardise observations with the statistics of the data."""

    @property
    def needs(self) -> frozenset[str]:
        """What it learns from."""
        return frozenset({"offline data", "model"})

    @property
    def needs_rewards(self) -> bool:
        """The data's rewards are what it learns from."""
        return True

    def __post_init__(self):
        super().__post_init__()
        self.terminal.for_given_rewards()


class ModelState(ActorCritic):
    """An actor-critic with a model."""

    dynamics: Learner[Dynamics]
    """Its optimiser is the one of the steps after the fit."""
    penalty_weight: Learner[LogTemperature]


def create(
    cfg: ModelConfig,
    spec: Spec,
    normalizer: Normalizer,
    key: PRNGKeyArray,
    dynamics: Dynamics,
    optimizer: OptimizerConfig | None = None,
) -> ModelState:
    """A state before its first update.

    Args:
        dynamics: the model, fitted or about to be.
        optimizer: of steps that change it after its fit; None is the fit's.
    """
    return ModelState(
        **actor_critic.fields(actor_critic.create(cfg, spec, normalizer, key)),
        dynamics=Learner.create(dynamics, cfg.fit.optimizer if optimizer is None else optimizer),
        penalty_weight=cfg.pessimism.create(),
    )


def penalised(state: ModelState, t: Transition, cfg: ModelConfig) -> tuple[Transition, Float[Array, "B"]]:
    """Imagined transitions with the penalty taken off their rewards, by today's weight; and the penalty."""
    assert t.uncertainty is not None
    weight = state.penalty_weight.net() if cfg.pessimism.kind != "none" else 0.0
    penalty = weight * t.uncertainty * (1.0 - t.absorbing)
    return replace(t, reward=t.reward - penalty, uncertainty=None), penalty


def fields(state: ModelState) -> dict[str, Any]:
    """The fields of a state, to build one with more of them."""
    return actor_critic.fields(state) | {"dynamics": state.dynamics, "penalty_weight": state.penalty_weight}


MS = TypeVar("MS", bound=ModelState)


def weigh(state: MS, imagined: Transition, cfg: ModelConfig) -> tuple[MS, Metrics]:
    """One step of the penalty's weight, where it is tuned."""
    assert imagined.uncertainty is not None
    weight = cfg.pessimism.update(state.penalty_weight, imagined.uncertainty)
    return replace(state, penalty_weight=weight), {"uncertainty": imagined.uncertainty.mean(), "lambda": weight.net()}


def mixed(real: Transition, imagined: Transition, cfg: ModelConfig) -> Transition:
    """A batch of both, real rows first."""
    n = round(cfg.real_share * cfg.batch_size)
    return concat(part(real, 0, n), part(imagined, 0, cfg.batch_size - n))


def rewarded_step(
    state: MS, real: Transition, imagined: Transition, cfg: ModelConfig, key: PRNGKeyArray
) -> tuple[MS, Metrics]:
    """One update of the policy, on rewards of the data and of the model less today's penalty."""
    kc, ka = jr.split(key)
    priced, penalty = penalised(state, imagined, cfg)
    mix = mixed(real, priced, cfg)
    critic, mc = state.critic.descend(soft_q_loss, state, mix, 0.0, cfg, kc)
    state, ma = improve(state, critic, mix, cfg, ka)
    state, mp = weigh(state, imagined, cfg)
    return state, mc | ma | mp | {"model_penalty": penalty.mean()}
