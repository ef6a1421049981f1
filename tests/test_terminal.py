"""The five ways in which an episode ends, and the rows that stand for what follows."""

from dataclasses import replace

import equinox as eqx
import implied
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from imitax.choices import actor_critic
from imitax.choices.actor_critic import ActorCriticConfig, improve, soft_q_loss
from imitax.choices.temperature import Temperature
from imitax.choices.terminal import Terminal, absorbing_transition
from imitax.datasets import Dataset, Episode
from imitax.networks import CriticConfig, Normalizer, PolicyConfig
from imitax.sources import Buffer, episode_buffer, online
from imitax.sources.buffer import pack
from imitax.stacking import stack
from imitax.types import Batch, Spec, Transition, concat

KINDS = ["none", "mask", "reward_flag", "closed_form", "absorbing"]


def transition(obs, action, next_obs, terminated, absorbing=None, reward=0.0):
    obs, action, next_obs = (jnp.asarray(x, jnp.float32) for x in (obs, action, next_obs))
    n = len(obs)
    absorbing = [False] * n if absorbing is None else absorbing
    return Transition(
        obs, action, jnp.broadcast_to(jnp.asarray(reward, jnp.float32), (n,)), next_obs,
        jnp.asarray(terminated), jnp.asarray(absorbing),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "values"),
    [("none", [2, 3]), ("mask", [2, 0]), ("reward_flag", [2, 0]), ("closed_form", [2, 7]), ("absorbing", [2, 7])],
)
def test_the_next_value_by_hand(kind, values):
    v, ended = jnp.array([2.0, 3.0]), jnp.array([False, True])
    np.testing.assert_array_equal(Terminal(kind).next_value(v, ended, 7.0), values)
    np.testing.assert_array_equal(Terminal(kind).next_value(v, ended, jnp.asarray(7.0)), values)


def test_which_kinds_have_what():
    assert [k for k in KINDS if Terminal(k).flagged] == ["reward_flag", "closed_form", "absorbing"]
    assert [k for k in KINDS if Terminal(k).rows] == ["closed_form", "absorbing"]


ROWS = transition([[1, 2], [3, 4], [0, 0]], [[5], [6], [0]], [[7, 8], [9, 1], [0, 0]], [0 > 1, 1 > 0, 1 > 0],
                  [0 > 1, 0 > 1, 1 > 0])  # fmt: skip
"""A step, a terminating one, and one of the absorbing state."""


@pytest.mark.parametrize(
    ("kind", "rows", "obs", "action", "flag", "next_obs", "next_flag"),
    [
        ("none", 2, [[1, 2], [3, 4]], [[5], [6]], [0, 0], [[7, 8], [9, 1]], [0, 0]),
        ("mask", 2, [[1, 2], [3, 4]], [[5], [6]], [0, 0], [[7, 8], [9, 1]], [0, 1]),
        ("reward_flag", 2, [[1, 2], [0, 0]], [[5], [0]], [0, 1], [[7, 8], [0, 0]], [0, 1]),
        ("closed_form", 3, [[1, 2], [3, 4], [0, 0]], [[5], [6], [0]], [0, 0, 1], [[7, 8], [0, 0], [0, 0]], [0, 1, 1]),
        ("absorbing", 3, [[1, 2], [3, 4], [0, 0]], [[5], [6], [0]], [0, 0, 1], [[7, 8], [0, 0], [0, 0]], [0, 1, 1]),
    ],
)
def test_what_a_reward_sees_by_hand(kind, rows, obs, action, flag, next_obs, next_flag):
    seen = Terminal(kind).reward_input(jax.tree.map(lambda x: x[:rows], ROWS))
    for array, expected in zip(seen, (obs, action, flag, next_obs, next_flag), strict=True):
        np.testing.assert_array_equal(array, expected)


@pytest.mark.parametrize("kind", ["closed_form", "absorbing"])
def test_the_absorbing_transition(kind):
    t = absorbing_transition(2, 1)
    seen = Terminal(kind).reward_input(t)
    for array, expected in zip(seen, ([[0, 0]], [[0]], [1], [[0, 0]], [1]), strict=True):
        np.testing.assert_array_equal(array, expected)
    np.testing.assert_array_equal(t.reward, [0])


@pytest.mark.parametrize("kind", KINDS)
def test_stretches_with_their_end_by_hand(kind):
    """One ends after its second step; one is cut off there, before a row of another episode that ends; one ends last.

    Where the end is a state, the first one goes on in it.
    """
    obs = np.arange(1, 25, dtype=np.float32).reshape(3, 4, 2)
    ended = np.array([[0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], bool)
    alive = np.array([[1, 1, 0, 0], [1, 1, 0, 0], [1, 1, 1, 1]], bool)
    t = Transition(*map(jnp.asarray, (obs, obs[..., :1], obs[..., 0], obs + 1, ended, ended & False)))
    whole, counts = Terminal(kind).with_end(t, jnp.asarray(alive))
    if kind not in ("closed_form", "absorbing"):
        assert eqx.tree_equal(whole, t)
        np.testing.assert_array_equal(counts, alive)
        return
    after = np.array([[0, 0, 1, 1], [0, 0, 0, 0], [0, 0, 0, 0]], bool)
    np.testing.assert_array_equal(counts, alive | after)
    np.testing.assert_array_equal(whole.absorbing, after)
    np.testing.assert_array_equal(whole.terminated, ended | after)
    for x, expected in ((whole.obs, obs), (whole.action, obs[..., :1]), (whole.next_obs, obs + 1)):
        np.testing.assert_array_equal(x, np.where(after[..., None], 0, expected))
    seen = Terminal(kind).reward_input(jax.tree.map(lambda x: x[0], whole))
    np.testing.assert_array_equal(seen.flag, [0, 0, 1, 1])
    np.testing.assert_array_equal(seen.next_flag, [0, 1, 1, 1])


@pytest.mark.parametrize("kind", [k for k in KINDS if k != "none"])
def test_a_rollout_that_is_imagined_on_ends_once(kind):
    """Steps after the first termination, which some rollouts have, become the end, or stay as they were told."""
    x = jnp.ones((1, 4, 1))
    ended = jnp.array([[False, True, False, True]])
    t = Transition(x, x, x[..., 0], x, ended, ended & False)
    whole, counts = Terminal(kind).with_end(t, jnp.ones((1, 4), bool))
    assert np.asarray(counts).all()
    after = [0, 0, 1, 1] if Terminal(kind).rows else [0, 0, 0, 0]
    np.testing.assert_array_equal(whole.absorbing[0], after)
    np.testing.assert_array_equal(whole.obs[0, :, 0], 1 - np.array(after))


# the tabular limit: one-hot states and a linear critic, so that the weight of a state is its value

GAMMA = 0.9


def solve(kind, alpha, t, end, steps=400):
    """Q of each row's state at the fixed point of `r + gamma next_value`, and the entropy bonus of each next state.

    Absorbing rows, the last ones if any, have the critic's flag in the place of a state.
    """
    states = t.obs.shape[1]
    cfg = ActorCriticConfig(
        gamma=GAMMA,
        policy=PolicyConfig(hidden=()),
        critic=CriticConfig(hidden=()),
        terminal=Terminal(kind),
        temperature=Temperature("fixed", initial=alpha),
    )
    spec = Spec(states, 1, (-1.0,), (1.0,))
    state = actor_critic.create(cfg, spec, Normalizer.identity(states), jr.key(0))
    key, zero = jr.key(1), jnp.zeros_like(state.target.mlp.biases[0])

    def table(weights):
        return eqx.tree_at(lambda s: (s.target.mlp.weights, s.target.mlp.biases), state, ((weights,), (zero,)))

    @jax.jit
    def sweep(weights):
        y = t.reward + GAMMA * actor_critic.next_value(table(weights), t, cfg, key, jnp.asarray(end))  # [B]
        real = y[: states - 1]  # the last state is only ever entered
        weights = weights.at[:, : states - 1, 0].set(jnp.broadcast_to(real, (2, states - 1)))
        return weights.at[:, -1, 0].set(y[-1]) if kind == "absorbing" else weights

    weights = jnp.zeros_like(state.target.mlp.weights[0])
    for _ in range(steps):
        weights = sweep(weights)
    logp = state.actor.net.sample(t.next_obs, key)[1]
    return np.asarray(weights[0, : states - 1, 0]), -alpha * np.asarray(logp)


def with_end(t, reward):
    """The rows, and one of the absorbing state."""
    row = absorbing_transition(t.obs.shape[1], 1)
    return concat(t, replace(row, reward=jnp.asarray([reward], jnp.float32)))


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


# losses and absorbing rows

SPEC = Spec(2, 1, (-1.0,), (0.5,))


def agent(kind):
    cfg = ActorCriticConfig(
        policy=PolicyConfig(hidden=(8,)), critic=CriticConfig(hidden=(8,)), terminal=Terminal(kind), gamma=0.5
    )
    return cfg, actor_critic.create(cfg, SPEC, Normalizer.identity(2), jr.key(0))


def mixed(garbage):
    """Six steps and two absorbing rows, which hold garbage in the place of zeros."""
    rng = np.random.default_rng(0)
    obs, following, action = rng.normal(size=(8, 2)), rng.normal(size=(8, 2)), rng.uniform(-1, 0.5, (8, 1))
    absorbing = np.arange(8) > 5
    obs[absorbing] = following[absorbing] = garbage
    action[absorbing] = 0
    return transition(obs, action, following, (np.arange(8) == 1) | absorbing, absorbing, reward=1.0)


@pytest.mark.parametrize("kind", ["closed_form", "absorbing"])
def test_policy_and_temperature_do_not_see_absorbing_rows(kind):
    cfg, state = agent(kind)
    (one, first), (other, second) = (improve(state, state.critic, mixed(g), cfg, jr.key(1)) for g in (0.0, 5.0))
    for name in ("actor", "temperature", "average"):
        for a, b in zip(*(jax.tree.leaves(getattr(s, name)) for s in (one, other)), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-6)
    for name in ("entropy", "q_policy"):
        assert float(first[name]) == pytest.approx(float(second[name]), rel=1e-6)
    assert not eqx.tree_equal(one.actor, state.actor)


def test_the_critic_learns_absorbing_rows_only_where_they_are_states():
    for kind, counts in (("closed_form", False), ("absorbing", True)):
        cfg, state = agent(kind)
        plain, moved = (
            soft_q_loss(state.critic.net, state, replace(mixed(0.0), reward=jnp.where(jnp.arange(8) > 5, r, 1.0)), 0.3,
                        cfg, jr.key(1))
            for r in (0.0, 9.0)
        )  # fmt: skip
        for name in ("critic_loss", "target"):
            assert (abs(float(plain[1][name]) - float(moved[1][name])) > 0.1) == counts, (kind, name)


def test_the_target_of_the_last_step_by_hand():
    data = jax.tree.map(lambda x: x[1:2], mixed(0.0))
    cfg, state = agent("closed_form")
    _, metrics = soft_q_loss(state.critic.net, state, data, 0.3, cfg, jr.key(1))
    assert float(metrics["target"]) == pytest.approx(1 + 0.5 * 0.3 / (1 - 0.5), rel=1e-6)
    cfg, state = agent("absorbing")
    _, metrics = soft_q_loss(state.critic.net, state, data, 0.3, cfg, jr.key(1))
    q = state.target(jnp.zeros((1, 2)), jnp.zeros((1, 1)), jnp.ones(1)).min()
    assert float(metrics["target"]) == pytest.approx(1 + 0.5 * float(q), rel=1e-5)


@pytest.mark.parametrize(
    ("kind", "ends"),
    [
        ("none", (3, 7)),
        ("mask", (0, 0)),
        ("reward_flag", (0, 0)),
        ("closed_form", (0.3 / 0.5, 0.3 / 0.5)),
        ("absorbing", (3 + 10, 7 + 20)),
    ],
)
def test_whose_next_value_it_is_by_hand(kind, ends):
    """Critics of 3 and 5, targets of 7 and 9, in the absorbing state 10 and 20 more; entropy where it is asked for."""
    cfg, _ = agent(kind)
    cfg = replace(cfg, critic=CriticConfig(hidden=()), temperature=Temperature("fixed", initial=2.0))
    state = actor_critic.create(cfg, SPEC, Normalizer.identity(2), jr.key(0))
    state = implied.with_values(state, (3.0, 5.0), (7.0, 9.0))
    if kind == "absorbing":
        nets = [
            eqx.tree_at(lambda n: n.mlp.weights[0], net, net.mlp.weights[0].at[:, -1, 0].set(more))
            for net, more in ((state.critic.net, 10.0), (state.target, 20.0))
        ]
        state = eqx.tree_at(lambda s: (s.critic.net, s.target), state, tuple(nets))
    t = jax.tree.map(lambda x: x[:3], mixed(0.0))  # the second one ends
    bonus = -2 * np.asarray(state.actor.net.sample(t.next_obs, jr.key(1))[1])
    assert np.abs(bonus).min() > 0.01
    for critic, value, end in ((state.critic.net, 3, ends[0]), (None, 7, ends[1])):
        for entropy in (True, False):
            got = actor_critic.next_value(state, t, cfg, jr.key(1), 0.3, critic=critic, entropy=entropy)
            expected = value + entropy * bonus
            expected[1] = end + (entropy * bonus[1] if kind == "none" else 0)
            np.testing.assert_allclose(got, expected, rtol=1e-5)


def test_no_discount_is_allowed_where_the_end_has_no_reward():
    cfg, state = agent("mask")
    cfg = replace(cfg, gamma=1.0)
    assert np.isfinite(soft_q_loss(state.critic.net, state, mixed(0.0), 0.0, cfg, jr.key(1))[0])


# sources


def episode(steps, terminated):
    return Episode(np.ones((steps + 1, 2)), np.ones((steps, 1)), np.ones(steps), terminated, not terminated)


def dataset(*ends):
    return Dataset(tuple(episode(n, terminated) for n, terminated in ends))


@pytest.mark.parametrize("subsample", [1, 4, 10])
def test_the_experts_absorbing_share(subsample):
    """DAC: absorbing rows are never dropped, and weigh 1 / k: two of 40 steps, whatever is kept of these."""
    data = [dataset((20, True), (10, False), (10, True)), dataset((40, False))]
    buffer = episode_buffer(data, subsample, (0, 1), absorbing_rows=True)
    np.testing.assert_allclose(buffer.absorbing, [2 / subsample, 0])
    if subsample in (1, 10):  # which divide all lengths
        share = buffer.absorbing / (buffer.size + buffer.absorbing)
        np.testing.assert_allclose(share, [2 / 42, 0], rtol=1e-6)
    first = jax.tree.map(lambda x: x[0], buffer)
    t = first.take(first.draw(40_000, jr.key(0)))
    exact = 2 / subsample / (int(first.size) + 2 / subsample)
    assert float(t.absorbing.mean()) == pytest.approx(exact, abs=0.004)
    ended = np.asarray(t.absorbing)
    assert np.asarray(t.terminated)[ended].all()
    for x in (t.obs, t.action, t.next_obs, t.reward):
        assert (np.asarray(x)[ended] == 0).all()
        assert (np.asarray(x)[~ended] == 1).all()


def test_buffers_without_such_rows_draw_none():
    buffer = jax.tree.map(lambda x: x[0], episode_buffer([dataset((3, True))], 1, (0,)))
    rows = buffer.draw(500, jr.key(0))
    assert int(rows.min()) == 0
    assert not buffer.take(rows).absorbing.any()


def test_the_replay_counts_terminations_as_they_are_overwritten():
    rng = np.random.default_rng(0)
    ended = rng.random(40) < 0.3
    ended[36] = True
    rows = pack(
        Transition(*(np.ones((40, n), np.float32) for n in (2, 1)), np.ones(40), np.ones((40, 2)), ended, ended)
    )
    buffer, start = Buffer.empty(7, 2, 1, absorbing_rows=True), 0
    assert float(buffer.absorbing) == 0
    for count in (3, 4, 2, 7, 1, 5, 6, 7, 5):
        buffer = buffer.write(jnp.asarray(rows[start : start + count]), start)
        start += count
        assert float(buffer.absorbing) == ended[max(0, start - 7) : start].sum()
        assert int(buffer.size) == min(start, 7)
    share = float(buffer.absorbing / (buffer.absorbing + 7))
    t = buffer.take(buffer.draw(40_000, jr.key(1)))
    assert float(t.absorbing.mean()) == pytest.approx(share, abs=0.01)
    assert share > 0


def test_the_replay_is_written_in_place():
    buffer = stack([Buffer.empty(10_000, 3, 2)])
    rows, at = jnp.ones((1, 5, buffer.rows.shape[2])), jnp.asarray(0)
    compiled = online._write.lower(buffer, rows, at, online._terminations(buffer, at, 5)).compile()
    assert compiled.memory_analysis().temp_size_in_bytes < buffer.rows.nbytes / 100


def test_the_absorbing_state_is_zero_after_normalisation():
    normalizer = Normalizer(jnp.array([5.0, -3.0]), jnp.array([0.1, 2.0]))
    t = normalizer.batch(Batch(replay=ROWS)).replay
    np.testing.assert_array_equal(t.obs[2], [0, 0])
    np.testing.assert_array_equal(t.next_obs[2], [0, 0])
    np.testing.assert_allclose(t.obs[:2], [[-40, 2.5], [-20, 3.5]], rtol=1e-5)
    np.testing.assert_allclose(t.next_obs[1], [40, 2], rtol=1e-5)  # the true observation at the end


def test_offsets_of_subsampling_do_not_depend_on_such_rows():
    data = [dataset((20, True))]
    plain, with_rows = (episode_buffer(data, 4, (3,), flag) for flag in (False, True))
    np.testing.assert_array_equal(plain.rows, with_rows.rows)
