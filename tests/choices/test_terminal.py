"""The six ways in which an episode ends, and what rewards and values see of it."""

import equinox as eqx
import implied
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from imitax.choices.terminal import (
    Terminal,
    absorbing_transition,
    continue_after_end,
    require_given_rewards,
    require_implied_rewards,
    require_one_end,
)
from imitax.errors import ConfigError
from imitax.spaces import Spec
from imitax.types import Transition

KINDS = ["none", "mask", "reward_flag", "closed_form", "absorbing", "stay"]


def test_terminal_states():
    v, ended = jnp.array([2.0, 3.0]), jnp.array([False, True])
    np.testing.assert_array_equal(Terminal("mask").next_value(v, ended), [2, 0])
    np.testing.assert_array_equal(Terminal("none").next_value(v, ended), [2, 3])
    np.testing.assert_array_equal(Terminal("mask").next_value(v, ended, 100.0), [2, 0])


def test_mask_stops_what_is_not_finite():
    v, ended = jnp.array([jnp.inf]), jnp.array([True])
    np.testing.assert_array_equal(Terminal("mask").next_value(v, ended), [0.0])


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("none", [2, 3]),
        ("mask", [2, 0]),
        ("reward_flag", [2, 0]),
        ("closed_form", [2, 7]),
        ("absorbing", [2, 7]),
        ("stay", [2, 7]),
    ],
)
def test_the_next_value_by_hand(kind, values):
    v, ended = jnp.array([2.0, 3.0]), jnp.array([False, True])
    np.testing.assert_array_equal(Terminal(kind).next_value(v, ended, 7.0), values)
    for end in (jnp.asarray(7.0), jnp.array([5.0, 7.0])):  # of all ends, or of each transition's
        np.testing.assert_array_equal(Terminal(kind).next_value(v, ended, end), values)


def test_which_kinds_have_what():
    assert [k for k in KINDS if Terminal(k).flagged] == ["reward_flag", "closed_form", "absorbing", "stay"]
    assert [k for k in KINDS if Terminal(k).has_one_end] == ["reward_flag", "closed_form", "absorbing"]
    assert [k for k in KINDS if Terminal(k).samples_absorbing] == ["closed_form", "absorbing"]


@pytest.mark.parametrize(
    ("kind", "count", "obs", "action", "flag", "next_obs", "next_flag"),
    [
        ("none", 2, [[1, 2], [3, 4]], [[5], [6]], [0, 0], [[7, 8], [9, 1]], [0, 0]),
        ("mask", 2, [[1, 2], [3, 4]], [[5], [6]], [0, 0], [[7, 8], [9, 1]], [0, 1]),
        ("reward_flag", 2, [[1, 2], [0, 0]], [[5], [0]], [0, 1], [[7, 8], [0, 0]], [0, 1]),
        ("stay", 2, [[1, 2], [9, 1]], [[5], [0]], [0, 1], [[7, 8], [9, 1]], [0, 1]),
        ("closed_form", 3, [[1, 2], [3, 4], [0, 0]], [[5], [6], [0]], [0, 0, 1], [[7, 8], [0, 0], [0, 0]], [0, 1, 1]),
        ("absorbing", 3, [[1, 2], [3, 4], [0, 0]], [[5], [6], [0]], [0, 0, 1], [[7, 8], [0, 0], [0, 0]], [0, 1, 1]),
    ],
)
def test_what_a_reward_sees_by_hand(kind, count, obs, action, flag, next_obs, next_flag):
    seen = Terminal(kind).reward_input(jax.tree.map(lambda x: x[:count], implied.ENDS))
    for array, expected in zip(seen, (obs, action, flag, next_obs, next_flag), strict=True):
        np.testing.assert_array_equal(array, expected)


def test_an_end_is_seen_leaf_by_leaf():
    """Images and vectors, as they are after normalisation."""
    obs, following = (
        {"image": jnp.full((2, 2, 2, 1), x, jnp.float32), "vector": jnp.full((2, 3), x, jnp.float32)} for x in (1, 2)
    )
    ended = jnp.array([False, True])
    t = Transition(obs, jnp.ones((2, 1)), jnp.zeros(2), following, ended, ended & False)
    seen = Terminal("stay").reward_input(t)
    for leaf in jax.tree.leaves(seen.obs):
        np.testing.assert_array_equal(leaf[0], np.ones_like(leaf[0]))
        np.testing.assert_array_equal(leaf[1], np.full_like(leaf[1], 2))
    np.testing.assert_array_equal(seen.action, [[1], [0]])
    assert seen.next_obs is following


@pytest.mark.parametrize("kind", ["closed_form", "absorbing"])
def test_the_absorbing_transition(kind):
    t = absorbing_transition(Spec.flat(2, (-1.0,), (1.0,)))
    seen = Terminal(kind).reward_input(t)
    for array, expected in zip(seen, ([[0, 0]], [[0]], [1], [[0, 0]], [1]), strict=True):
        np.testing.assert_array_equal(array, expected)
    np.testing.assert_array_equal(t.reward, [0])


@pytest.mark.parametrize("kind", KINDS)
def test_segments_with_their_end_by_hand(kind):
    """One ends after its second step; one is cut off there, before a step of another episode that ends; one ends last.

    Where the end is a state, the first one goes on in it.
    """
    obs = np.arange(1, 25, dtype=np.float32).reshape(3, 4, 2)
    ended = np.array([[0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], bool)
    alive = np.array([[1, 1, 0, 0], [1, 1, 0, 0], [1, 1, 1, 1]], bool)
    t = Transition(*map(jnp.asarray, (obs, obs[..., :1], obs[..., 0], obs + 1, ended, ended & False)))
    whole, counts = continue_after_end(Terminal(kind), t, jnp.asarray(alive))
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
def test_a_rollout_that_goes_on_ends_once(kind):
    """Steps after the first termination, which some rollouts have, become the end, or stay as they were told."""
    x = jnp.ones((1, 4, 1))
    ended = jnp.array([[False, True, False, True]])
    t = Transition(x, x, x[..., 0], x, ended, ended & False)
    whole, counts = continue_after_end(Terminal(kind), t, jnp.ones((1, 4), bool))
    assert np.asarray(counts).all()
    after = [0, 0, 1, 1] if Terminal(kind).samples_absorbing else [0, 0, 0, 0]
    np.testing.assert_array_equal(whole.absorbing[0], after)
    np.testing.assert_array_equal(whole.obs[0, :, 0], 1 - np.array(after))


def test_what_is_refused():
    for kind in KINDS:
        terminal = Terminal(kind)
        if terminal.flagged:
            with pytest.raises(
                ConfigError, match=f"terminal.kind={kind} is for learned rewards.* take mask or none, so"
            ):
                require_given_rewards(terminal, ", so")
        else:
            require_given_rewards(terminal)
        if kind != "stay":
            require_one_end(terminal, "is not for this")
        if kind not in ("reward_flag", "stay"):
            require_implied_rewards(terminal)
    for kind in ("reward_flag", "stay"):
        with pytest.raises(ConfigError, match=f"{kind} replaces an explicit reward at the end"):
            require_implied_rewards(Terminal(kind))
    with pytest.raises(ConfigError, match="stay is not for this: use absorbing or closed_form"):
        require_one_end(Terminal("stay"), "is not for this")
