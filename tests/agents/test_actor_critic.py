"""Losses of soft actor-critic, and the value of an end in them."""

from dataclasses import replace

import equinox as eqx
import implied
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from implied import transition

from imitax.agents import actor_critic
from imitax.agents.actor_critic import SoftActorCritic, actor_loss, average_rate, improve, next_value, regression
from imitax.agents.start import Start
from imitax.choices.temperature import Temperature
from imitax.choices.terminal import Terminal, absorbing_transition
from imitax.errors import ConfigError
from imitax.networks import CriticConfig, Normalizer, PolicyConfig
from imitax.spaces import FiniteActions, Leaf, ObservationSpace, Spec
from imitax.types import concat


def test_the_policy_loss_by_hand():
    spec = Spec.flat(3, (-1.0, -1.0), (1.0, 2.0))
    cfg = SoftActorCritic(
        policy=PolicyConfig(hidden=(8,)),
        critic=CriticConfig(hidden=(8,), members=3),
        temperature=Temperature("fixed", initial=0.3),
    )
    agent = actor_critic.create(cfg, start(spec), jr.key(0))
    actor, critic, obs = agent.actor.net, agent.critic.net, jr.normal(jr.key(2), (6, 3))
    loss, metrics = actor_loss(actor, agent, obs, jnp.ones(6), cfg, jr.key(3))
    action, logp = actor.sample(obs, jr.key(3))
    q = np.asarray(critic(obs, action)).min(0)
    assert float(loss) == pytest.approx(float((0.3 * np.asarray(logp) - q).mean()), rel=1e-5)
    np.testing.assert_allclose(metrics["entropy"], -logp)
    real = np.array([1, 1, 0, 1, 0, 1], np.float32)  # the absorbing state is left out
    loss, _ = actor_loss(actor, agent, obs, jnp.asarray(real), cfg, jr.key(3))
    assert float(loss) == pytest.approx(float((0.3 * np.asarray(logp) - q)[real > 0].mean()), rel=1e-5)


# the tabular limit: one-hot states and a linear critic, so that the weight of a state is its value

KINDS = ["none", "mask", "reward_flag", "closed_form", "absorbing", "stay"]
GAMMA = 0.9


def start(spec):
    return Start(spec, Normalizer.identity(spec.obs_dim), jr.key(7))


def states(count):
    """A task whose observations are one-hot."""
    return Spec.flat(count, (-1.0,), (1.0,))


def solve(kind, alpha, t, end, steps=400):
    """Each state's Q at the fixed point of `r + gamma next_value`, and the entropy bonus of each next state.

    Absorbing transitions, the last ones if any, have the critic's flag in the place of a state.
    """
    count = t.obs.shape[1]
    cfg = SoftActorCritic(
        gamma=GAMMA,
        policy=PolicyConfig(hidden=()),
        critic=CriticConfig(hidden=()),
        terminal=Terminal(kind),
        temperature=Temperature("fixed", initial=alpha),
    )
    agent = actor_critic.create(cfg, start(states(count)), jr.key(0))
    key, zero = jr.key(1), jnp.zeros_like(agent.target.mlp.biases[0])

    def table(weights):
        return eqx.tree_at(lambda a: (a.target.mlp.weights, a.target.mlp.biases), agent, ((weights,), (zero,)))

    @jax.jit
    def sweep(weights):
        y = t.reward + GAMMA * next_value(table(weights), t, cfg, key, jnp.asarray(end))  # [B]
        real = y[: count - 1]  # the last state is only ever entered
        weights = weights.at[:, : count - 1, 0].set(jnp.broadcast_to(real, (2, count - 1)))
        return weights.at[:, -1, 0].set(y[-1]) if kind == "absorbing" else weights

    weights = jnp.zeros_like(agent.target.mlp.weights[0])
    for _ in range(steps):
        weights = sweep(weights)
    logp = agent.actor.net.sample(t.next_obs, key)[1]
    return np.asarray(weights[0, : count - 1, 0]), -alpha * np.asarray(logp)


def with_end(t, reward):
    """The transitions, and one of the absorbing state."""
    end = absorbing_transition(states(t.obs.shape[1]))
    return concat(t, replace(end, reward=jnp.asarray([reward], jnp.float32)))


@pytest.mark.parametrize("alpha", [1e-6, 0.2, 3.0])
@pytest.mark.parametrize("end", [-2.0, 0.0, 1.5])
def test_closed_form_is_absorbing_in_the_tabular_limit(alpha, end):
    """s0 -> s1 -> s2 -> the end; the end's observation is a fourth state, which no loss may look at."""
    rewards, eye = np.array([1.0, -0.5, 0.25]), np.eye(4)
    t = with_end(transition(eye[:3], np.zeros((3, 1)), eye[1:], [False, False, True], reward=rewards), end)
    closed, bonus = solve("closed_form", alpha, t, end)
    explicit, _ = solve("absorbing", alpha, t, end)
    np.testing.assert_allclose(closed, explicit, rtol=1e-4, atol=1e-5)
    q2 = 0.25 + GAMMA * end / (1 - GAMMA)
    q1 = -0.5 + GAMMA * (q2 + bonus[1])
    np.testing.assert_allclose(closed, [1.0 + GAMMA * (q1 + bonus[0]), q1, q2], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("reward", [1.0, -1.0])
@pytest.mark.parametrize("kind", KINDS[1:])
def test_survival_bias(kind, reward):
    """A constant reward, after the end too, should not tell a step that stays from one that ends."""
    eye = np.eye(3)  # state 0 is never left, state 1 ends
    t = transition(eye[:2], np.zeros((2, 1)), eye[[0, 2]], [False, True], reward=reward)
    (stay, leave), _ = solve(kind, 1e-6, with_end(t, reward), reward)
    assert stay == pytest.approx(reward / (1 - GAMMA), rel=1e-3)
    if kind in ("mask", "reward_flag"):
        assert leave == pytest.approx(reward)
        assert np.sign(stay - leave) == np.sign(reward)  # living pays, or dying
    else:
        assert leave == pytest.approx(stay, rel=1e-3)


# losses and absorbing transitions

SPEC = Spec.flat(2, (-1.0,), (0.5,))


def create(kind, **changes):
    cfg = SoftActorCritic(
        policy=PolicyConfig(hidden=(8,)), critic=CriticConfig(hidden=(8,)), terminal=Terminal(kind), gamma=0.5
    )
    cfg = replace(cfg, **changes)
    return cfg, actor_critic.create(cfg, start(SPEC), jr.key(0))


def td_loss(agent, t, end, cfg, key):
    """The critics' loss, its target the one of most algorithms."""
    y = t.reward + cfg.gamma * next_value(agent, t, cfg, key, jnp.asarray(end))
    return regression(agent.critic.net, t, y, cfg)


def mixed(garbage):
    """Six steps and two absorbing transitions, which hold garbage in the place of zeros."""
    rng = np.random.default_rng(0)
    obs, following, action = rng.normal(size=(8, 2)), rng.normal(size=(8, 2)), rng.uniform(-1, 0.5, (8, 1))
    absorbing = np.arange(8) > 5
    obs[absorbing] = following[absorbing] = garbage
    action[absorbing] = 0
    return transition(obs, action, following, (np.arange(8) == 1) | absorbing, absorbing, reward=1.0)


@pytest.mark.parametrize("kind", ["closed_form", "absorbing"])
def test_policy_and_temperature_do_not_see_absorbing_transitions(kind):
    cfg, agent = create(kind)
    (one, first), (other, second) = (improve(agent, mixed(g), cfg, jr.key(1)) for g in (0.0, 5.0))
    for name in ("actor", "temperature", "ema"):
        for a, b in zip(*(jax.tree.leaves(getattr(s, name)) for s in (one, other)), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-6)
    for name in ("entropy", "q_policy"):
        assert float(first[name]) == pytest.approx(float(second[name]), rel=1e-6)
    assert not eqx.tree_equal(one.actor, agent.actor)


def test_the_critic_learns_absorbing_transitions_only_where_they_are_states():
    for kind, counts in (("closed_form", False), ("absorbing", True)):
        cfg, agent = create(kind)
        plain, moved = (
            td_loss(agent, replace(mixed(0.0), reward=jnp.where(jnp.arange(8) > 5, r, 1.0)), 0.3, cfg, jr.key(1))
            for r in (0.0, 9.0)
        )
        for name in ("critic_loss", "target"):
            assert (abs(float(plain[1][name]) - float(moved[1][name])) > 0.1) == counts, (kind, name)


def test_the_target_of_the_last_step_by_hand():
    data = jax.tree.map(lambda x: x[1:2], mixed(0.0))
    cfg, agent = create("closed_form")
    _, metrics = td_loss(agent, data, 0.3, cfg, jr.key(1))
    assert float(metrics["target"]) == pytest.approx(1 + 0.5 * 0.3 / (1 - 0.5), rel=1e-6)
    cfg, agent = create("stay")
    _, metrics = td_loss(agent, data, 0.3, cfg, jr.key(1))
    assert float(metrics["target"]) == pytest.approx(1 / (1 - 0.5), rel=1e-6)
    cfg, agent = create("absorbing")
    _, metrics = td_loss(agent, data, 0.3, cfg, jr.key(1))
    q = agent.target(jnp.zeros((1, 2)), jnp.zeros((1, 1)), jnp.ones(1)).min()
    assert float(metrics["target"]) == pytest.approx(1 + 0.5 * float(q), rel=1e-5)


@pytest.mark.parametrize(
    ("kind", "ends"),
    [
        ("none", (3, 7)),
        ("mask", (0, 0)),
        ("reward_flag", (0, 0)),
        ("closed_form", (0.3 / 0.5, 0.3 / 0.5)),
        ("absorbing", (3 + 10, 7 + 20)),
        ("stay", (1 / 0.5, 1 / 0.5)),
    ],
)
def test_whose_next_value_it_is_by_hand(kind, ends):
    """Critics of 3 and 5, targets of 7 and 9, in the absorbing state 10 and 20 more; entropy where it is asked for."""
    cfg, agent = create(kind, critic=CriticConfig(hidden=()), temperature=Temperature("fixed", initial=2.0))
    agent = implied.agent_with_values(agent, (3.0, 5.0), (7.0, 9.0))
    if kind == "absorbing":
        nets = [
            eqx.tree_at(lambda n: n.mlp.weights[0], net, net.mlp.weights[0].at[:, -1, 0].set(more))
            for net, more in ((agent.critic.net, 10.0), (agent.target, 20.0))
        ]
        agent = eqx.tree_at(lambda a: (a.critic.net, a.target), agent, tuple(nets))
    t = jax.tree.map(lambda x: x[:3], mixed(0.0))  # the second one ends
    bonus = -2 * np.asarray(agent.actor.net.sample(t.next_obs, jr.key(1))[1])
    assert np.abs(bonus).min() > 0.01
    for critic, value, end in ((agent.critic.net, 3, ends[0]), (agent.target, 7, ends[1])):
        for entropy in (True, False):
            got = next_value(replace(agent, target=critic), t, cfg, jr.key(1), 0.3, entropy)
            expected = value + entropy * bonus
            expected[1] = end + (entropy * bonus[1] if kind == "none" else 0)
            np.testing.assert_allclose(got, expected, rtol=1e-5)


def test_no_discount_is_allowed_where_the_end_has_no_reward():
    cfg, agent = create("mask", gamma=1.0)
    assert np.isfinite(td_loss(agent, mixed(0.0), 0.0, cfg, jr.key(1))[0])
    for kind in ("reward_flag", "closed_form", "absorbing", "stay"):
        with pytest.raises(
            ConfigError, match=f"gamma=1 makes what follows the end infinite under terminal.kind={kind}"
        ):
            create(kind, gamma=1.0)


def test_targets_and_averages_follow_by_hand():
    """The target critic moves a quarter of the way, the average of the policy's parameters a tenth."""
    cfg, agent = create("mask", polyak=0.25, ema=0.9)
    critic = agent.critic.net
    agent = replace(
        agent,
        critic=replace(
            agent.critic, net=eqx.tree_at(lambda c: c.mlp.weights, critic, tuple(w + 4 for w in critic.mlp.weights))
        ),
    )
    new, _ = improve(agent, mixed(0.0), cfg, jr.key(1))

    def first(net):
        return np.asarray(net.mlp.weights[0])

    np.testing.assert_allclose(first(new.target), first(agent.target) + 1, rtol=1e-5)
    moved = first(new.actor.net) - first(agent.actor.net)
    assert np.abs(moved).max() > 1e-4
    np.testing.assert_allclose(first(new.ema) - first(agent.ema), 0.1 * moved, atol=1e-7)
    np.testing.assert_array_equal(first(new.critic.net), first(agent.critic.net))
    new, _ = improve(agent, mixed(0.0), replace(cfg, ema=0.0), jr.key(1))
    assert eqx.tree_equal(new.ema, new.actor.net)


def test_the_window_of_the_average_grows_with_the_updates():
    """0.2 of the updates so far: every update is the newest policy alone until the fifth, the tenth counts one half."""
    growing = SoftActorCritic(ema=0.9, ema_share=0.2)
    rates = [float(average_rate(growing, jnp.asarray(n))) for n in (1, 5, 10, 25, 50, 1000)]
    np.testing.assert_allclose(rates, [1, 1, 0.5, 0.2, 0.1, 0.1], rtol=1e-5)
    assert average_rate(SoftActorCritic(ema=0.75), jnp.asarray(1)) == 0.25
    cfg, agent = create("mask", ema=0.9, ema_share=1.0)
    visited = []
    for i in range(3):
        agent, _ = improve(agent, mixed(0.0), cfg, jr.key(i))
        visited.append(agent.actor.net.mlp.weights[0])
    assert int(agent.updates) == 3
    np.testing.assert_allclose(agent.ema.mlp.weights[0], np.mean(visited, 0), rtol=1e-4, atol=1e-6)


# a finite set of actions: tables for critic and policy, every expectation by hand

ALPHA = 0.3
NEXT = np.array([[1, 2], [0, 2], [2, 0]])
"""The next state of each state and action."""


@pytest.fixture(scope="module")
def tables():
    """An agent whose linear networks on one-hot states are tables: Q of two critics, and the policy."""
    spec = Spec(ObservationSpace((Leaf((3,)),)), FiniteActions((2,), (0,)))
    cfg = SoftActorCritic(
        gamma=GAMMA,
        policy=PolicyConfig(hidden=()),
        critic=CriticConfig(hidden=()),
        temperature=Temperature("fixed", initial=ALPHA),
    )
    agent = actor_critic.create(cfg, start(spec), jr.key(0))
    logits = np.random.default_rng(0).normal(size=(3, 2))
    return cfg, with_tables(agent, np.random.default_rng(1).normal(size=(2, 3, 2)), logits), logits


def with_tables(agent, q, logits):
    for network, table in ((lambda a: a.target.mlp, q), (lambda a: a.actor.net.mlp, logits)):
        weights = jnp.asarray(table, jnp.float32).reshape(network(agent).weights[0].shape)
        zeros = jnp.zeros_like(network(agent).biases[0])
        agent = eqx.tree_at(lambda a, n=network: (n(a).weights, n(a).biases), agent, ((weights,), (zeros,)))
    return agent


def softmax(x):
    return np.exp(x) / np.exp(x).sum(-1, keepdims=True)


def test_soft_values_are_exact_expectations(tables):
    cfg, agent, logits = tables
    q, pi = np.asarray(agent.target.mlp.weights[0]).min(0), softmax(logits)
    expected = (pi * (q - ALPHA * np.log(pi))).sum(-1)
    value = actor_critic.soft_value(agent, agent.target, jnp.eye(3), cfg, jr.key(0))
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    mask = jnp.array([1.0, 1.0, 0.0])
    slow = replace(cfg, finite_values="target")
    loss, metrics = actor_loss(agent.actor.net, agent, jnp.eye(3), mask, slow, jr.key(0))
    followed = softmax(q / ALPHA)
    assert float(loss) == pytest.approx(-(followed * np.log(pi)).sum(-1)[:2].mean(), rel=1e-5)
    np.testing.assert_allclose(metrics["entropy"], -(pi * np.log(pi)).sum(-1), rtol=1e-5)
    np.testing.assert_allclose(metrics["soft_entropy"], -(followed * np.log(followed)).sum(-1), rtol=1e-5)
    loss, _ = actor_loss(agent.actor.net, agent, jnp.eye(3), mask, replace(slow, finite_loss="regression"), jr.key(0))
    gap = (np.log(pi) - q / ALPHA) @ (np.eye(2) - 0.5)  # less the mean
    assert float(loss) == pytest.approx((gap**2).sum(-1)[:2].mean() / 40, rel=1e-5)
    best = with_tables(agent, np.stack([q, q]), q / ALPHA)
    value = actor_critic.soft_value(best, best.target, jnp.eye(3), cfg, jr.key(0))
    np.testing.assert_allclose(value, ALPHA * np.log(np.exp(q / ALPHA).sum(-1)), rtol=1e-5)


@pytest.mark.parametrize("values", ["online", "target"])
def test_the_policy_and_its_temperature_follow_the_critics_that_are_named(tables, values):
    """The trained critics are indifferent and their policy is certain; the slow ones are the other way round."""
    cfg, agent, _ = tables
    certain = np.tile([[9.0, 0.0]], (3, 1))
    agent = with_tables(agent, np.stack([certain, certain]), certain)
    flat = jax.tree.map(lambda x: 0 * x, agent.critic.net.mlp)
    agent = eqx.tree_at(lambda a: a.critic.net.mlp, agent, flat)
    cfg = replace(cfg, finite_values=values, temperature=Temperature(initial=ALPHA, target_entropy=0.3))
    t = transition(np.eye(3), np.eye(2)[[0, 1, 0]], np.eye(3), [False] * 3)
    new, metrics = improve(agent, t, cfg, jr.key(0))
    soft = {"online": np.log(2), "target": 0}[values]
    assert float(metrics["soft_entropy"]) == pytest.approx(soft, abs=1e-5)
    assert float(metrics["entropy"]) == pytest.approx(0, abs=2e-3)
    change = np.asarray(new.actor.net.mlp.weights[0] - agent.actor.net.mlp.weights[0]).reshape(3, 2)
    assert (change[:, 1] > 0).all() == (values == "online")  # indifferent critics draw the policy from its certainty
    assert new.temperature.net() > agent.temperature.net()  # both entropies, its own and the other, are below 0.3
    mixed = with_tables(agent, np.stack([certain, certain]), 0 * certain)  # a policy that is uniform
    new, metrics = improve(mixed, t, cfg, jr.key(0))
    assert float(metrics["entropy"]) == pytest.approx(np.log(2), rel=1e-5)
    assert (new.temperature.net() > mixed.temperature.net()) == (values == "target")


def test_the_value_of_a_policy_in_a_small_mdp(tables):
    """The fixed point of the target against the linear system that defines it."""
    cfg, agent, logits = tables
    reward = np.array([[1.0, -0.5], [0.3, 0.0], [-1.0, 2.0]])
    states, actions = np.repeat(np.arange(3), 2), np.tile(np.arange(2), 3)
    eye = np.eye(3)
    t = transition(eye[states], np.eye(2)[actions], eye[NEXT[states, actions]], [False] * 6, reward=reward.ravel())

    @jax.jit
    def sweep(q):
        y = t.reward + GAMMA * next_value(with_tables_in_jit(agent, q), t, cfg, jr.key(0))
        return jnp.broadcast_to(y.reshape(3, 2), (2, 3, 2))

    q = jnp.zeros((2, 3, 2))
    for _ in range(300):
        q = sweep(q)
    pi = softmax(logits)
    bonus = -ALPHA * (pi * np.log(pi)).sum(-1)  # V = sum_a pi (r + gamma V') + bonus
    move = np.zeros((3, 3))
    for s in range(3):
        for a in range(2):
            move[s, NEXT[s, a]] += pi[s, a]
    v = np.linalg.solve(np.eye(3) - GAMMA * move, (pi * reward).sum(-1) + bonus)
    np.testing.assert_allclose(q[0], reward + GAMMA * v[NEXT], rtol=1e-4)


def with_tables_in_jit(agent, q):
    return eqx.tree_at(lambda a: a.target.mlp.weights, agent, (q,))
