"""What methods with a learned model have in common: their settings, their state, and the batch they learn from."""

from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from jaxtyping import Array, Float, PRNGKeyArray

from imitax.choices import actor_critic
from imitax.choices.actor_critic import ActorCritic, AgentConfig
from imitax.choices.dynamics_loss import DynamicsFit
from imitax.choices.imagination import Imagination
from imitax.choices.pessimism import Pessimism
from imitax.choices.temperature import LogTemperature
from imitax.errors import ConfigError
from imitax.learner import Learner, OptimizerConfig
from imitax.networks import Dynamics, DynamicsConfig, Normalizer
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
        if not 0 <= self.real_share <= 1:
            raise ConfigError(f"real_share must lie in [0, 1], got {self.real_share}")


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


def mixed(real: Transition, imagined: Transition, cfg: ModelConfig) -> Transition:
    """A batch of both, real rows first."""
    n = round(cfg.real_share * cfg.batch_size)
    return concat(part(real, 0, n), part(imagined, 0, cfg.batch_size - n))


def fields(state: ModelState) -> dict[str, Any]:
    """The fields of a state, to build one with more of them."""
    return actor_critic.fields(state) | {"dynamics": state.dynamics, "penalty_weight": state.penalty_weight}


MS = TypeVar("MS", bound=ModelState)


def weigh(state: MS, imagined: Transition, cfg: ModelConfig) -> tuple[MS, Metrics]:
    """One step of the penalty's weight, where it is tuned."""
    assert imagined.uncertainty is not None
    weight = cfg.pessimism.update(state.penalty_weight, imagined.uncertainty)
    return replace(state, penalty_weight=weight), {"uncertainty": imagined.uncertainty.mean(), "lambda": weight.net()}
