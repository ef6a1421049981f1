import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from imitax.choices.discrimination import RewardHead
from imitax.choices.learned_reward import LearnedReward
from imitax.choices.terminal import Terminal
from imitax.errors import ConfigError
from imitax.learner import Learner, OptimizerConfig
from imitax.networks import (
    Normalizer,
    Reward,
    RewardConfig,
    RewardEnsemble,
    by_member,
    combined,
    disagreement,
    make_reward,
    of_members,
)
from imitax.spaces import Spec
from imitax.types import RewardInput, parameters

SPEC = Spec.flat(2, (-1.0,), (1.0,))
N = 3


def ensemble(seed=0, **changes):
    cfg = RewardConfig(**{"hidden": (8,), "members": N, **changes})
    return make_reward(cfg, spec=SPEC, gamma=0.9, flagged=True, absorbing=False, key=jr.key(seed))


def points(count=6, seed=1):
    x = jr.normal(jr.key(seed), (count, 5))
    flags = (jnp.arange(count) % 3 == 0).astype(float)
    return RewardInput(x[:, :2], x[:, 2:3], flags, x[:, 3:], 1 - flags)


def member(net, i):
    return jax.tree.map(lambda x: x[i] if eqx.is_array(x) else x, net.members)


def values(net, x):
    return np.stack([member(net, i)(x) for i in range(N)])


def test_one_member_is_a_reward():
    alone = RewardConfig(hidden=(8,))
    options = {"spec": SPEC, "gamma": 0.9, "flagged": True, "absorbing": False, "key": jr.key(0)}
    net = make_reward(alone, **options)
    assert eqx.tree_equal(net, Reward(cfg=alone, **options))
    x = points()
    np.testing.assert_array_equal(combined(net, lambda one: one(x)), net(x))
    np.testing.assert_array_equal(of_members(net, lambda one: one(x)), net(x)[None])
    assert disagreement(net, lambda one: one(x)) == {}
    for change in ({"combine": "minimum"}, {"deviations": 2.0}):
        with pytest.raises(ConfigError, match=r"give reward\.members"):
            RewardConfig(**change)


@pytest.mark.parametrize(
    ("combine", "expected"),
    [
        ("mean", lambda v: v.mean(0)),
        ("minimum", lambda v: v.min(0)),
        ("pessimistic", lambda v: v.mean(0) - 2 * v.std(0)),
    ],
)
def test_the_members_count_as_one(combine, expected):
    net, x = ensemble(combine=combine, deviations=2.0, shaping=True), points()
    each = values(net, x)
    assert np.ptp(each, axis=0).min() > 0
    np.testing.assert_allclose(net(x), expected(each), atol=1e-6)
    plain = np.stack([member(net, i).unshaped(x) for i in range(N)])
    np.testing.assert_allclose(net.unshaped(x), expected(plain), atol=1e-6)
    several = disagreement(net, lambda one: 2 * one(x))["reward_disagreement"]
    np.testing.assert_allclose(several, 2 * each.std(0).mean(), rtol=1e-5)


def test_units_are_dropped_of_each_member():
    net, x = ensemble(dropout=0.5), points()
    assert not np.allclose(net(x, jr.key(0)), net(x, jr.key(1)))
    assert np.isfinite(net(x, jr.key(0))).all()


def loss(net, old, shift, key):
    """Of one reward; `old` may be another ensemble, whose members belong to the ones of this."""
    x = points()
    noise = jr.normal(key, (len(x.flag),))
    moved = (net(x) - old(x) + shift + noise) ** 2
    return moved.mean(), {"moved": moved.mean()}


def test_each_member_takes_the_step_that_it_would_take_alone():
    net, old, key = ensemble(0, spectral_norm=True), ensemble(1), jr.key(5)
    optimizer = OptimizerConfig(lr=0.01)
    together, metrics = Learner.create(net, optimizer).descend(by_member(loss), old, 2.0, key)
    moved = []
    for i, k in enumerate(jr.split(key, N)):
        alone, own = Learner.create(member(net, i), optimizer).descend(loss, member(old, i), 2.0, k)
        moved.append(own["moved"])
        mine = member(together.net, i)
        for a, b in zip(jax.tree.leaves(parameters(mine)), jax.tree.leaves(parameters(alone.net)), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-5)
        for a, b in zip(mine.mlp.singular, alone.net.mlp.singular, strict=True):
            np.testing.assert_allclose(a.value, b.value, atol=1e-5)
    np.testing.assert_allclose(metrics["moved"], np.mean(moved), rtol=1e-5)


def test_a_single_reward_keeps_its_loss():
    net = ensemble(members=1)
    assert isinstance(net, Reward)
    wanted, found = loss(net, net, 1.0, jr.key(0)), by_member(loss)(net, net, 1.0, jr.key(0))
    assert eqx.tree_equal(wanted, found)


def test_a_learned_reward_counts_its_members_in_any_way():
    net, x = ensemble(), points()
    head = RewardHead("gail")
    learned = LearnedReward(Normalizer.identity(SPEC.observation), net, Terminal("mask"), head, 0.5)
    given = (x.obs, x.action, x.next_obs, np.zeros(len(x.flag), bool))
    each = np.asarray(learned.each(*given))
    assert each.shape == (N, len(x.flag))
    np.testing.assert_allclose(learned(*given), each.mean(0), atol=1e-6)
    np.testing.assert_allclose(learned.counted("minimum")(*given), each.min(0), atol=1e-6)
    alone = LearnedReward(learned.normalizer, member(net, 1), learned.terminal, head, 0.5)
    np.testing.assert_allclose(alone(*given), each[1], atol=1e-6)
    assert isinstance(net, RewardEnsemble)
    with pytest.raises(ConfigError, match="one member"):
        alone.counted("minimum")
