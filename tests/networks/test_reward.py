import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from scipy.special import logsumexp

from imitax.choices.discrimination import Discrimination
from imitax.choices.terminal import Terminal
from imitax.errors import ConfigError
from imitax.networks import Reward, RewardConfig
from imitax.spaces import Spec
from imitax.types import RewardInput, Transition

SPEC = Spec.flat(2, (-1.0,), (1.0,))
COLUMNS = ["obs", "obs", "action", "flag", "next_obs", "next_obs", "next_flag"]


def reward(flagged=False, absorbing=False, spec=SPEC, gamma=0.9, **changes):
    cfg = RewardConfig(**{"hidden": (8,), **changes})
    return Reward(spec, cfg, gamma=gamma, flagged=flagged, absorbing=absorbing, key=jr.key(0))


def points(count=6, seed=1):
    """Inputs from columns as in COLUMNS, the flags 0 and 1."""
    x = jr.normal(jr.key(seed), (count, 7))
    flags = (jnp.arange(count) % 3 == 0).astype(float)
    return of_columns(x.at[:, 3].set(flags).at[:, 6].set(1 - flags))


def of_columns(x):
    return RewardInput(x[:, :2], x[:, 2:3], x[:, 3], x[:, 4:6], x[:, 6])


def columns(x):
    return np.concatenate([x.obs, x.action, x.flag[:, None], x.next_obs, x.next_flag[:, None]], axis=1)


def with_layers(mlp, *layers):
    weights, biases = zip(*((jnp.asarray(w, jnp.float32), jnp.asarray(b, jnp.float32)) for w, b in layers), strict=True)
    return eqx.tree_at(lambda m: (m.weights, m.biases), mlp, (weights, biases))


@pytest.mark.parametrize("flagged", [False, True])
@pytest.mark.parametrize(
    ("inputs", "seen"),
    [("state_action", {"obs", "action"}), ("state", {"obs"}), ("state_next", {"obs", "next_obs"})],
)
def test_it_sees_what_it_is_told_to(inputs, seen, flagged):
    net = reward(flagged=flagged, absorbing=flagged, inputs=inputs, activation="tanh")
    if flagged:
        seen = seen | {"flag"} | ({"next_flag"} if inputs == "state_next" else set())
    slope = np.abs(columns(jax.grad(lambda x: net(x).sum())(points()))).max(0)
    assert {name for name, size in zip(COLUMNS, slope, strict=True) if size > 0} == seen


@pytest.mark.parametrize("inputs", ["state_action", "state", "state_next"])
def test_the_value_by_hand(inputs):
    net = reward(flagged=True, inputs=inputs, hidden=(), bound=None)
    seen = {"state_action": [0, 1, 2, 3], "state": [0, 1, 3], "state_next": [0, 1, 4, 5, 3, 6]}[inputs]
    w = np.arange(1, len(seen) + 1, dtype=np.float32)
    net = eqx.tree_at(lambda n: n.mlp, net, with_layers(net.mlp, (w[:, None], [0.5])))
    np.testing.assert_allclose(net(points()), columns(points())[:, seen] @ w + 0.5, rtol=1e-5)


def test_bounds():
    x = jax.tree.map(lambda x: 100 * x, points())
    free = reward(bound=None, hidden=())
    value = np.asarray(free(x))
    assert np.abs(value).max() > 20
    smooth, hard = reward(bound=3.0, hidden=()), reward(bound=3.0, bound_kind="clip", hidden=())
    np.testing.assert_allclose(smooth(x), 3 * np.tanh(value / 3), rtol=1e-4)
    np.testing.assert_allclose(hard(x), np.clip(value, -3, 3), rtol=1e-5)
    near = eqx.tree_at(lambda n: n.mlp.biases, hard, (jnp.array([9.0]),))
    assert float(eqx.filter_grad(lambda n: n(points()).sum())(near).mlp.biases[0][0]) == 0  # nothing pulls it back
    near = eqx.tree_at(lambda n: n.mlp.biases, smooth, (jnp.array([9.0]),))
    assert float(eqx.filter_grad(lambda n: n(points()).sum())(near).mlp.biases[0][0]) > 0


@pytest.mark.parametrize(
    ("flagged", "absorbing"), [(False, False), (True, False), (True, True)], ids=["mask", "reward_flag", "absorbing"]
)
def test_shaping_by_hand(flagged, absorbing):
    """g(s) + gamma b(s') - b(s); b of the end is zero, or its own where the end is a state."""
    net, x = reward(flagged=flagged, absorbing=absorbing, shaping=True, inputs="state"), points()
    here, there = (jnp.asarray(columns(x)[:, i]) for i in ([0, 1, 3], [4, 5, 6]))
    if flagged:
        b_here, b_there = (np.asarray(net.potential(s))[:, 0] for s in (here, there))
    else:
        b_here, b_there = (np.asarray(net.potential(s[:, :2]))[:, 0] for s in (here, there))
    if not absorbing:
        b_here, b_there = b_here * (1 - np.asarray(here[:, 2])), b_there * (1 - np.asarray(there[:, 2]))
    g = np.asarray(net.unshaped(x))
    np.testing.assert_allclose(net(x), g + 0.9 * b_there - b_here, rtol=1e-4, atol=1e-6)
    plain = np.asarray(10 * np.tanh(np.asarray(net.mlp(here if flagged else here[:, :2]))[:, 0] / 10))
    np.testing.assert_allclose(g, plain, rtol=1e-5)


def test_without_flags_as_inputs_the_end_is_no_direction():
    """A gradient penalty must not see the slope of switching the potential off."""
    net = reward(shaping=True, inputs="state")
    slope = jax.grad(lambda x: net(x).sum())(points())
    np.testing.assert_array_equal([slope.flag, slope.next_flag], np.zeros((2, 6)))
    assert np.abs(slope.next_obs).max() > 0


@pytest.mark.parametrize("share", [{"dropout": 0.4}, {"input_dropout": 0.4}])
def test_units_are_dropped_only_with_a_key(share):
    x = jax.tree.map(lambda x: jnp.repeat(x[1:2], 20_000, axis=0), points())
    net, plain = reward(hidden=(8,), bound=None, **share), reward(hidden=(8,), bound=None)
    np.testing.assert_array_equal(net(x), plain(x))
    dropped = np.asarray(net(x, jr.key(1)))
    assert len(np.unique(dropped)) > 4
    if "dropout" in share:  # the last layer is linear, so that the mean over what is dropped is the plain value
        assert dropped.mean() == pytest.approx(float(plain(x)[0]), abs=0.02)
    assert not np.array_equal(dropped, net(x, jr.key(2)))
    np.testing.assert_array_equal(dropped, net(x, jr.key(1)))


# AIRL: the reward of a small deterministic world, from its optimal policy


GAMMA = 0.9
LINKED = np.array([[1, 2], [2, 3], [3, 0], [0, 1]])
"""Next states by state and action; every two states can be reached, through others, from a common one."""
PARTED = np.array([[1, 3], [0, 2], [1, 3], [0, 2]])
"""Even and odd states alternate: the dynamics are not decomposable."""
TRUE = np.array([1.0, -0.5, 0.3, 0.0])
"""Reward of each state."""


def soft_solution(next_state):
    """V and log pi* = A* of maximum-entropy control at temperature 1."""
    v = np.zeros(4)
    for _ in range(2000):
        q = TRUE[:, None] + GAMMA * v[next_state]
        v = logsumexp(q, axis=1)
    return v, q - v[:, None]


def every_step(next_state):
    """All state-action pairs, states one-hot."""
    eye = np.eye(4, dtype=np.float32)
    s, a = np.repeat(np.arange(4), 2), np.tile([0, 1], 4)
    to = next_state[s, a]
    no = np.zeros(8, bool)
    return (
        s,
        to,
        Transition(
            *map(jnp.asarray, (eye[s], a[:, None].astype(np.float32), np.zeros(8, np.float32), eye[to], no, no))
        ),
    )


def tabular(g, h):
    """The library's network with one weight a state."""
    spec = Spec.flat(4, (0.0,), (1.0,))
    net = reward(spec=spec, gamma=GAMMA, hidden=(), bound=None, inputs="state", shaping=True)
    layers = [with_layers(mlp, (x[:, None], [0.0])) for mlp, x in ((net.mlp, g), (net.potential, h))]
    return eqx.tree_at(lambda n: (n.mlp, n.potential), net, tuple(layers))


@pytest.mark.parametrize("world", [LINKED, PARTED])
def test_airl_is_solved_by_the_true_reward(world):
    """Fu et al. 2018, section 5: g = r, h = V* give f = A* = log pi*, where the discriminator's loss is least."""
    v, advantage = soft_solution(world)
    _, _, t = every_step(world)
    net = tabular(TRUE, v)
    x = Terminal("mask").reward_input(t)
    np.testing.assert_allclose(net(x), advantage.ravel(), atol=1e-5)
    np.testing.assert_allclose(net.unshaped(x), np.repeat(TRUE, 2), atol=1e-6)
    log_pi = jnp.asarray(np.tile(advantage.ravel(), 2), jnp.float32)  # of both halves

    def loss(net):
        return Discrimination()(lambda x: net(x) - log_pi, x, x, jr.key(0))[0]

    value, slope = eqx.filter_value_and_grad(loss)(net)
    assert float(value) == pytest.approx(2 * np.log(2), rel=1e-6)
    for leaf in jax.tree.leaves(slope):
        np.testing.assert_allclose(leaf, np.zeros_like(leaf), atol=1e-6)


def test_airl_recovers_the_reward_up_to_a_constant():
    """All g, h with g(s) + gamma h(s') - h(s) = A*(s, a): a line in decomposable worlds, along a constant."""
    for world, dimensions in ((LINKED, 1), (PARTED, 2)):
        _, advantage = soft_solution(world)
        s, to, t = every_step(world)
        design = np.concatenate([np.eye(4)[s], GAMMA * np.eye(4)[to] - np.eye(4)[s]], axis=1)
        assert 8 - np.linalg.matrix_rank(design) == dimensions
        g, h = np.split(np.linalg.lstsq(design, advantage.ravel(), rcond=None)[0], 2)
        net = tabular(g, h)
        x = Terminal("mask").reward_input(t)
        np.testing.assert_allclose(net(x), advantage.ravel(), atol=1e-5)
        offset = np.asarray(net.unshaped(x)) - TRUE[s]
        assert (np.ptp(offset) < 1e-4) == (dimensions == 1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bound": 0.0}, "reward.bound must be positive, got 0.0"),
        ({"bound": -1.0}, "reward.bound must be positive"),
        ({"dropout": 1.0}, r"reward.dropout must lie in \[0, 1\), got 1.0"),
        ({"input_dropout": -0.1}, "reward.input_dropout must lie"),
    ],
)
def test_bad_values(changes, message):
    with pytest.raises(ConfigError, match=message):
        RewardConfig(**changes)
