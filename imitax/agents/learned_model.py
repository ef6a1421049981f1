"""What methods with a learned model have in common: the model's part of settings and state, penalty and batch."""

from dataclasses import field, replace

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from imitax.agents.model_rollouts import ModelRollouts
from imitax.agents.start import Start
from imitax.choices.dynamics_loss import DynamicsFit
from imitax.choices.pessimism import Pessimism
from imitax.choices.temperature import LogScalar
from imitax.learner import Learner, OptimizerConfig
from imitax.networks import Dynamics, DynamicsConfig
from imitax.settings import settings
from imitax.types import Metrics, Transition, concat, part


@settings()
class ModelConfig:
    """The learned model, its fit, its rollouts and the penalty on its uncertainty."""

    dynamics: DynamicsConfig = field(default_factory=DynamicsConfig)
    fit: DynamicsFit = field(default_factory=DynamicsFit)
    model_rollouts: ModelRollouts = field(default_factory=ModelRollouts)
    pessimism: Pessimism = field(default_factory=Pessimism)


class LearnedModel(eqx.Module):
    """The state of a model."""

    dynamics: Learner[Dynamics]
    """Its optimiser is the one of the steps after the fit."""
    penalty_weight: Learner[LogScalar]
    """lambda, of the penalty on uncertainty."""


def create(cfg: ModelConfig, start: Start, optimizer: OptimizerConfig | None = None) -> LearnedModel:
    """A model before the first update.

    Args:
        cfg: of the model.
        start: has the model, fitted or about to be.
        optimizer: of steps that change it after its fit; None is the fit's.
    """
    assert start.dynamics is not None
    return LearnedModel(
        dynamics=Learner.create(start.dynamics, cfg.fit.optimizer if optimizer is None else optimizer),
        penalty_weight=LogScalar.learner(cfg.pessimism.weight, cfg.pessimism.lr),
    )


def penalty(model: LearnedModel, t: Transition, cfg: ModelConfig) -> Float[Array, "B"]:
    """`lambda u` of model transitions, with the current lambda; zero in the absorbing state."""
    assert t.uncertainty is not None
    weight = model.penalty_weight.net() if cfg.pessimism.kind != "none" else jnp.zeros(())
    return weight * t.uncertainty * (1.0 - t.absorbing)


def penalised(model: LearnedModel, t: Transition, cfg: ModelConfig) -> tuple[Transition, Float[Array, "B"]]:
    """Model transitions with rewards less the penalty, as a policy learns from them, and the penalty."""
    less = penalty(model, t, cfg)
    return replace(t, reward=t.reward - less, uncertainty=None), less


def mixed(real: Transition, rollouts: Transition, real_share: float, batch_size: int) -> Transition:
    """A batch: real transitions first, then the model's."""
    n_real = round(real_share * batch_size)
    return concat(part(real, 0, n_real), part(rollouts, 0, batch_size - n_real))


def tune_penalty(model: LearnedModel, t: Transition, cfg: ModelConfig) -> tuple[LearnedModel, Metrics]:
    """One step of lambda, where it is tuned."""
    assert t.uncertainty is not None
    weight = cfg.pessimism.update(model.penalty_weight, t.uncertainty)
    return replace(model, penalty_weight=weight), {"uncertainty": t.uncertainty.mean(), "lambda": weight.net()}
