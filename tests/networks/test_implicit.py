"""The implicit policy of a finite set against the softmax of its energies."""

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from imitax.errors import ConfigError
from imitax.networks import (
    ActionRange,
    Categorical,
    Energy,
    EnergyConfig,
    EnergyInput,
    FiniteEnergyActor,
    Inference,
    Normalizer,
    Policy,
    PolicyConfig,
    explicit,
    implicit_actor,
    with_inference,
)
from imitax.spaces import FiniteActions, Leaf, ObservationSpace, Spec

SPACE = FiniteActions((2, 3), (0, 0), (2,))
SPEC = Spec(ObservationSpace((Leaf((2,)),)), SPACE)
OBS = jnp.array([[0.3, -0.2], [1.0, 0.5]])


@pytest.fixture(scope="module")
def actor():
    energy = Energy(SPEC, EnergyConfig(hidden=(8,)), key=jr.key(0))
    amortised = Categorical(SPEC, PolicyConfig(hidden=(4,)), key=jr.key(1))
    made = implicit_actor(energy, amortised, ActionRange.box(SPEC), Inference("dfo"))
    assert isinstance(made, FiniteEnergyActor)
    return made


def test_the_policy_is_the_softmax_of_the_energies(actor):
    f = np.stack(
        [actor.energy(EnergyInput(OBS, jnp.tile(2 * action - 1, (2, 1)))) for action in jnp.asarray(SPACE.joint())], 1
    )  # [B K]
    share = np.exp(f) / np.exp(f).sum(1, keepdims=True)
    for k, action in enumerate(SPACE.joint()):
        logp = actor.log_prob(OBS, jnp.tile(jnp.asarray(action), (2, 1)))
        np.testing.assert_allclose(np.exp(logp), share[:, k], rtol=1e-5)
    np.testing.assert_array_equal(actor.mode(OBS), SPACE.joint()[f.argmax(1)])
    drawn, logp = actor.sample(jnp.tile(OBS[:1], (4000, 1)), jr.key(2))
    np.testing.assert_allclose(np.asarray(drawn).mean(0), share[0] @ SPACE.joint(), atol=0.03)
    np.testing.assert_allclose(logp[:5], actor.log_prob(OBS[:1].repeat(5, 0), drawn[:5]), rtol=1e-5)


def test_it_may_act_by_its_amortised_policy(actor):
    policy = Policy(Normalizer.identity(2), actor)
    amortised = with_inference(policy, "actor_mean")
    np.testing.assert_array_equal(amortised.actor.mode(OBS), actor.amortised.mode(OBS))
    np.testing.assert_array_equal(amortised.actor.sample(OBS, jr.key(0))[0], actor.amortised.sample(OBS, jr.key(0))[0])
    one = jnp.tile(jnp.asarray(SPACE.joint()[1]), (2, 1))
    np.testing.assert_array_equal(amortised.actor.log_prob(OBS, one), actor.amortised.log_prob(OBS, one))
    assert explicit(policy).actor is actor.amortised
    with pytest.raises(ConfigError, match="inference is one of"):
        with_inference(policy, "nonsense")
