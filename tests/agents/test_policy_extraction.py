from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from implied import SPEC, constant, transitions

from imitax.agents.actor_critic import SoftActorCritic, actor_loss, create, improve
from imitax.agents.policy_extraction import PolicyUpdate, climbing_loss, cloning_loss, extract
from imitax.agents.start import Start
from imitax.errors import ConfigError
from imitax.networks import Critic, CriticConfig, Normalizer, PolicyConfig, TanhGaussian

ACTOR = TanhGaussian(SPEC, PolicyConfig(hidden=(8,)), key=jr.key(0))
CRITIC = Critic(SPEC, CriticConfig(hidden=(8,)), key=jr.key(1))


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
    losses = {kind: float(cloning_loss(ACTOR, flat, t, PolicyUpdate(kind), jr.key(2))[0]) for kind in ("awr", "bc")}
    expected = -float(ACTOR.log_prob(t.obs, t.action).mean())
    assert losses["awr"] == pytest.approx(expected, rel=1e-5)
    assert losses["bc"] == pytest.approx(expected, rel=1e-5)


def test_the_loss_by_hand():
    """Advantage against a given baseline, absorbing transitions left out."""
    t = transitions(4, terminated=True, absorbing=2)
    baseline = jnp.arange(6.0) / 10
    loss, metrics = cloning_loss(ACTOR, CRITIC, t, PolicyUpdate("awr", beta=0.5), jr.key(2), baseline)
    advantage = np.asarray(CRITIC(t.obs, t.action).min(0) - baseline)[:4]
    nll = -np.asarray(ACTOR.log_prob(t.obs, t.action))[:4]
    assert float(loss) == pytest.approx((np.exp(advantage / 0.5) * nll).mean(), rel=1e-5)
    np.testing.assert_allclose(metrics["advantage"][:4], advantage, rtol=1e-5)


def test_the_sampled_baseline_tends_to_the_policys_value():
    t = transitions(4)
    many = cloning_loss(ACTOR, CRITIC, t, PolicyUpdate("awr", samples=4000), jr.key(2))[1]["q_policy"]
    again = cloning_loss(ACTOR, CRITIC, t, PolicyUpdate("awr", samples=4000), jr.key(3))[1]["q_policy"]
    np.testing.assert_allclose(many, again, atol=0.02)
    one = jax.jit(lambda key: cloning_loss(ACTOR, CRITIC, t, PolicyUpdate("awr", samples=1), key)[1]["q_policy"])
    few = [one(jr.key(i)) for i in range(400)]
    np.testing.assert_allclose(np.mean(few, 0), many, atol=0.05)


def test_no_gradient_goes_through_the_weights():
    """Where the data's log-likelihood cannot change, nothing does: a baseline that follows the policy is held fixed."""
    t = transitions(4)
    choice = PolicyUpdate("awr", samples=2)
    weights = cloning_loss(ACTOR, CRITIC, t, choice, jr.key(2))[1]["weight"]
    grad = eqx.filter_grad(lambda a: cloning_loss(a, CRITIC, t, choice, jr.key(2))[0])(ACTOR)
    fixed = eqx.filter_grad(lambda a: -(weights * a.log_prob(t.obs, t.action)).mean())(ACTOR)
    for a, b in zip(jax.tree.leaves(grad), jax.tree.leaves(fixed), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_noise_is_for_the_last_transitions_and_stays_in_the_box():
    choice = PolicyUpdate("awr", noise=5.0, noise_share=0.25)
    action = jnp.full((8, 1), 0.2)
    noised = np.asarray(choice.noisy(action, SPEC.half, SPEC.middle, jr.key(0)))
    np.testing.assert_array_equal(noised[:6], action[:6])
    assert (noised[6:] != 0.2).all()
    assert (noised >= -1).all()
    assert (noised <= 0.5).all()


AGENT = SoftActorCritic(policy=PolicyConfig(hidden=(8,)), critic=CriticConfig(hidden=(8,)))


def agent():
    return create(AGENT, Start(SPEC, Normalizer.identity(2), jr.key(0)), jr.key(0))


def test_sac_is_the_step_of_soft_actor_critic():
    t = transitions(4, terminated=True, absorbing=2)
    ours, metrics = extract(agent(), t, 3, (AGENT, PolicyUpdate()), jr.key(2))
    expected, same = improve(agent(), t, AGENT, jr.key(2))
    assert eqx.tree_equal(ours, expected)
    assert metrics == same


def test_cloning_beside_the_critic_by_hand():
    """Three of six transitions are demonstrated, and the third of them is absorbing: two are cloned."""
    t, state, update = transitions(5, terminated=True, absorbing=1), agent(), PolicyUpdate(cloning=0.5)
    t = replace(t, absorbing=jnp.arange(6) == 2)
    climb, _ = actor_loss(state.actor.net, state, t.obs, 1.0 - t.absorbing, AGENT, jr.key(2))
    loss, metrics = climbing_loss(state.actor.net, state, t, 3, (AGENT, update), jr.key(2))
    nll = -np.asarray(state.actor.net.log_prob(t.obs, t.action))[:2].mean()
    assert float(loss) == pytest.approx(float(climb) + 0.5 * nll, rel=1e-5)
    np.testing.assert_allclose(metrics["nll"], nll, rtol=1e-5)


def test_no_gradient_of_cloning_reaches_what_nobody_demonstrated():
    """The actions of the others may be anything: the step is the same."""
    t, update = transitions(6), PolicyUpdate(cloning=0.5)
    other = replace(t, action=t.action.at[4:].set(0.3))
    first, second = (extract(agent(), x, 4, (AGENT, update), jr.key(2))[0] for x in (t, other))
    assert eqx.tree_equal(first, second)
    third = extract(agent(), replace(t, action=t.action.at[3:].set(0.3)), 4, (AGENT, update), jr.key(2))[0]
    assert not eqx.tree_equal(first.actor, third.actor)


@pytest.mark.parametrize("kind", ["awr", "bc"])
def test_cloning_takes_its_step_and_all_that_follows(kind):
    """The actor descends the cloning loss; temperature, average and target follow as in soft actor-critic."""
    t, before = transitions(4, terminated=True, absorbing=2), agent()
    after, metrics = extract(before, t, 3, (AGENT, PolicyUpdate(kind)), jr.key(2))
    actor, expected = before.actor.descend(cloning_loss, before.critic.net, t, PolicyUpdate(kind), jr.key(2))
    assert eqx.tree_equal(after.actor, actor)
    assert eqx.tree_equal(after.ema, actor.net)
    assert not eqx.tree_equal(after.temperature.net, before.temperature.net)
    assert float(metrics["nll"]) == pytest.approx(float(expected["nll"][:4].mean()), rel=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"beta": 0.0}, "beta must be positive"),
        ({"clip": -1.0}, "clip must be positive"),
        ({"samples": 0}, "samples must be at least 1"),
        ({"noise": -0.1}, "noise must not be negative"),
        ({"noise_share": 1.5}, "noise_share must lie"),
        ({"cloning": -0.1}, "cloning must not be negative"),
    ],
)
def test_bad_values_are_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        PolicyUpdate("awr", **change)
