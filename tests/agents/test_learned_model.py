"""The model's part of a state: the penalty on uncertainty, and its weight."""

import ensembles
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from implied import transitions

from imitax.agents.learned_model import ModelConfig, create, penalty, tune_penalty
from imitax.agents.start import Start
from imitax.choices.dynamics_loss import DynamicsFit
from imitax.choices.pessimism import Pessimism
from imitax.learner import OptimizerConfig
from imitax.networks import Normalizer


def model(optimizer=None, **pessimism):
    cfg = ModelConfig(fit=DynamicsFit(optimizer=OptimizerConfig(lr=0.5)), pessimism=Pessimism(**pessimism))
    start = Start(ensembles.SPEC, Normalizer.identity(2), jr.key(0), ensembles.constant([0.0, 1.0]))
    return cfg, create(cfg, start, optimizer)


def uncertain():
    """Two transitions, and one of the absorbing state."""
    t = transitions(2, absorbing=1)
    return type(t)(t.obs, t.action, t.reward, t.next_obs, t.terminated, t.absorbing, jnp.array([0.25, 1.0, 9.0]))


@pytest.mark.parametrize(("kind", "expected"), [("max_norm", [0.5, 2, 0]), ("none", [0, 0, 0])])
def test_the_penalty_by_hand(kind, expected):
    """The absorbing state is certain; without pessimism nothing costs."""
    cfg, state = model(kind=kind, weight=2.0)
    np.testing.assert_allclose(penalty(state, uncertain(), cfg), expected, rtol=1e-6)


@pytest.mark.parametrize(("target", "direction"), [(10.0, 1), (1.0, -1)])
def test_lambda_is_tuned_towards_its_target(target, direction):
    """The mean penalty is 2 * 10.25 / 3, about 6.8; Adam's first step is as large as the rate."""
    cfg, state = model(kind="max_norm", weight=2.0, tuned=True, target=target, lr=0.1)
    after, metrics = tune_penalty(state, uncertain(), cfg)
    assert float(after.penalty_weight.net()) == pytest.approx(2 * np.exp(0.1 * direction), rel=1e-4)
    assert float(metrics["lambda"]) == float(after.penalty_weight.net())
    assert float(metrics["uncertainty"]) == pytest.approx(10.25 / 3)
    cfg, state = model(kind="max_norm", weight=2.0, target=target)
    assert float(tune_penalty(state, uncertain(), cfg)[0].penalty_weight.net()) == pytest.approx(2)


def test_steps_after_the_fit_may_have_an_optimizer_of_their_own():
    assert model()[1].dynamics.optimizer.lr == 0.5
    assert model(OptimizerConfig(lr=0.25))[1].dynamics.optimizer.lr == 0.25
