"""What every algorithm and preset owes: two steps that are finite, deterministic, and keep the state's structure."""

import functools
from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import toy

from imitax.algorithms import ALGORITHMS, find, name_of
from imitax.errors import ConfigError
from imitax.networks import Dynamics, Normalizer, Policy, Termination
from imitax.types import Batch, Spec, Transition

SPEC = Spec(3, 2, (-0.3, -2.0), (1.2, 0.5))
TERMINATION = Termination((-2.0, *(-float("inf"),) * 2), (float("inf"),) * 3)
CASES = [(name, preset) for name, module in ALGORITHMS.items() for preset in module.PRESETS]


def transitions(seed, count=16):
    rng = np.random.default_rng(seed)
    obs, following = (jnp.asarray(rng.normal(size=(count, 3)), jnp.float32) for _ in range(2))
    action = jnp.asarray(rng.uniform(SPEC.action_low, SPEC.action_high, (count, 2)), jnp.float32)
    action = action.at[0].set(jnp.asarray(SPEC.action_high))  # saturated
    return Transition(
        obs,
        action,
        jnp.asarray(rng.normal(size=count), jnp.float32),
        following,
        jnp.arange(count) % 5 == 0,
        jnp.zeros(count, bool),
    )


@functools.cache
def compiled(module):
    return eqx.filter_jit(module.update)


def two_steps(module, cfg, seed):
    normalizer = Normalizer(jnp.array([0.1, 0.0, -0.2]), jnp.array([1.0, 2.0, 0.5]))
    needs = cfg.needs
    given = {}
    if "model" in needs:
        given = {"dynamics": Dynamics(SPEC, cfg.dynamics, TERMINATION, key=jr.key(9))}
    state = module.init(cfg, SPEC, normalizer, jr.key(seed), **given)
    batch = Batch(
        expert=transitions(1) if "expert" in needs else None,
        replay=transitions(2) if "env" in needs else None,
        initial=transitions(3) if getattr(cfg, "needs_initial", False) else None,
        offline=transitions(4) if "offline data" in needs else None,
        imagined=replace(transitions(5), uncertainty=jnp.linspace(0.1, 2, 16)) if "model" in needs else None,
    )
    step = compiled(module)
    states, metrics = [state], {}
    for i in range(2):
        state, metrics = step(state, batch, cfg, jr.fold_in(jr.key(seed), i))
        states.append(state)
    return states, metrics


@pytest.mark.parametrize(("name", "preset"), CASES)
def test_contract(name, preset):
    module = ALGORITHMS[name]
    cfg = toy.shrink(module.PRESETS[preset])
    (before, middle, after), metrics = two_steps(module, cfg, 0)
    assert metrics
    for key, value in metrics.items():
        assert jnp.shape(value) == (), key
        assert np.isfinite(value), key
    types = [jax.tree.map(jax.typeof, eqx.filter(s, eqx.is_array)) for s in (before, middle, after)]
    assert types[0] == types[1] == types[2]  # weak types too: another type compiles the training anew
    assert jax.tree.structure(before) == jax.tree.structure(after)
    for leaf in jax.tree.leaves(eqx.filter(after, eqx.is_inexact_array)):
        assert np.isfinite(leaf).all()
    np.testing.assert_array_equal(after.normalizer.mean, before.normalizer.mean)
    if preset != "default":  # the rest is the algorithm's, whatever its numbers
        return
    again, same = two_steps(module, cfg, 0)
    assert eqx.tree_equal(again[-1], after)
    assert eqx.tree_equal(same, metrics)
    other, _ = two_steps(module, cfg, 1)
    assert not eqx.tree_equal(other[-1], after)

    policies = [module.policy(s) for s in (before, after)]
    assert isinstance(policies[1], Policy)
    assert not eqx.tree_equal(policies[0].actor, policies[1].actor)
    obs = 30 * jr.normal(jr.key(5), (64, 3))
    for mode in ("mode", "sample"):
        action = np.asarray(policies[1].act(obs, jr.key(6), mode))
        assert action.shape == (64, 2)
        assert (action >= np.float32(SPEC.action_low)).all()
        assert (action <= np.float32(SPEC.action_high)).all()


def test_the_registry():
    assert find("b-c".replace("-", "")) is ALGORITHMS["bc"]
    for name, module in ALGORITHMS.items():
        for cfg in module.PRESETS.values():
            assert name_of(cfg) == name
    with pytest.raises(ConfigError, match="unknown algorithm 'nonsense'; there are bc"):
        find("nonsense")
    with pytest.raises(ConfigError, match="not the configuration of an algorithm"):
        name_of(3)
