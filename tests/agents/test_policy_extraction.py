import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from implied import SPEC, constant, transitions

from imitax.choices.policy_update import PolicyUpdate, sac_policy_loss
from imitax.errors import ConfigError
from imitax.networks import Critic, CriticConfig, PolicyConfig, TanhGaussian

ACTOR = TanhGaussian(SPEC, PolicyConfig(hidden=(8,)), key=jr.key(0))
CRITIC = Critic(SPEC, CriticConfig(hidden=(8,)), key=jr.key(1))
ALPHA = jnp.asarray(0.1)


def test_weights_by_hand():
    advantage, real = jnp.array([0.0, 0.2, -0.2, 9.0]), jnp.ones(4)
    weights = PolicyUpdate("awr", beta=0.2, clip=20.0).weights(advantage, real)
    np.testing.assert_allclose(weights, [1, np.e, 1 / np.e, 20], rtol=1e-5)
    np.testing.assert_array_equal(PolicyUpdate("bc").weights(advantage, real), 1)


def test_normalised_weights_do_not_depend_on_the_scale_of_the_values():
    choice = PolicyUpdate("awr", beta=1.0, normalize=True)
    advantage, real = jnp.array([1.0, -1.0, 1.0, -1.0, 50.0]), jnp.array([1.0, 1.0, 1.0, 1.0, 0.0])
    np.testing.assert_allclose(choice.weights(advantage, real)[:2], [np.e, 1 / np.e], rtol=1e-4)
    np.testing.assert_allclose(choice.weights(30 * advantage, real)[:4], choice.weights(advantage, real)[:4], rtol=1e-4)


def test_a_flat_critic_makes_advantage_weighting_cloning():
    t = transitions(6)
    flat = constant(CRITIC, 3.0, 5.0)
    losses = {kind: float(PolicyUpdate(kind)(ACTOR, flat, t, ALPHA, jr.key(2))[0]) for kind in ("awr", "bc")}
    expected = -float(ACTOR.log_prob(t.obs, t.action).mean())
    assert losses["awr"] == pytest.approx(expected, rel=1e-5)
    assert losses["bc"] == pytest.approx(expected, rel=1e-5)


def test_the_loss_by_hand():
    """Advantage against a given baseline, absorbing rows left out."""
    t = transitions(4, terminated=True, absorbing=2)
    baseline = jnp.arange(6.0) / 10
    loss, metrics = PolicyUpdate("awr", beta=0.5)(ACTOR, CRITIC, t, ALPHA, jr.key(2), baseline)
    advantage = np.asarray(CRITIC(t.obs, t.action).min(0) - baseline)[:4]
    nll = -np.asarray(ACTOR.log_prob(t.obs, t.action))[:4]
    assert float(loss) == pytest.approx((np.exp(advantage / 0.5) * nll).mean(), rel=1e-5)
    np.testing.assert_allclose(metrics["advantage"][:4], advantage, rtol=1e-5)


def test_the_sampled_baseline_tends_to_the_policys_value():
    t = transitions(4)
    many = PolicyUpdate("awr", samples=4000)(ACTOR, CRITIC, t, ALPHA, jr.key(2))[1]["q_policy"]
    again = PolicyUpdate("awr", samples=4000)(ACTOR, CRITIC, t, ALPHA, jr.key(3))[1]["q_policy"]
    np.testing.assert_allclose(many, again, atol=0.02)
    one = jax.jit(lambda key: PolicyUpdate("awr", samples=1)(ACTOR, CRITIC, t, ALPHA, key)[1]["q_policy"])
    few = [one(jr.key(i)) for i in range(400)]
    np.testing.assert_allclose(np.mean(few, 0), many, atol=0.05)


def test_no_gradient_goes_through_the_weights():
    """Where the data's log-likelihood cannot change, nothing does: a baseline that follows the policy is held fixed."""
    import equinox as eqx

    t = transitions(4)
    choice = PolicyUpdate("awr", samples=2)
    weights = choice(ACTOR, CRITIC, t, ALPHA, jr.key(2))[1]["weight"]
    grad = eqx.filter_grad(lambda a: choice(a, CRITIC, t, ALPHA, jr.key(2))[0])(ACTOR)
    fixed = eqx.filter_grad(lambda a: -(weights * a.log_prob(t.obs, t.action)).mean())(ACTOR)
    for a, b in zip(jax.tree.leaves(grad), jax.tree.leaves(fixed), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_noise_is_for_the_last_rows_and_stays_in_the_box():
    choice = PolicyUpdate("awr", noise=5.0, noise_share=0.25)
    action = jnp.full((8, 1), 0.2)
    noised = np.asarray(choice.noised(action, SPEC.half, SPEC.middle, jr.key(0)))
    np.testing.assert_array_equal(noised[:6], action[:6])
    assert (noised[6:] != 0.2).all()
    assert (noised >= -1).all()
    assert (noised <= 0.5).all()


def test_sac_is_the_loss_of_soft_actor_critic():
    t = transitions(4, terminated=True, absorbing=2)
    loss, _ = PolicyUpdate()(ACTOR, CRITIC, t, ALPHA, jr.key(2))
    expected, _ = sac_policy_loss(ACTOR, CRITIC, t.obs, 1.0 - t.absorbing, ALPHA, jr.key(2))
    assert float(loss) == float(expected)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"beta": 0.0}, "beta must be positive"),
        ({"clip": -1.0}, "clip must be positive"),
        ({"samples": 0}, "samples must be at least 1"),
        ({"noise": -0.1}, "noise must not be negative"),
        ({"noise_share": 1.5}, "noise_share must lie"),
    ],
)
def test_bad_values_are_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        PolicyUpdate("awr", **change)
