"""Two updates of an algorithm on the data of a task, and what is owed for them."""

from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from imitax.agents.start import Start
from imitax.algorithms import ALGORITHMS
from imitax.artifacts import load_policy, load_reward, save_policy, save_reward
from imitax.compiled import jit
from imitax.datasets import normalization
from imitax.networks import Dynamics, Normalizer, Termination
from imitax.observations import rows
from imitax.types import Batch, Transition


def batch_of(demos, count, space=None):
    """Every kind of data, with absorbing transitions as a buffer gives them.

    Args:
        demos: whose rows are repeated.
        count: of the rows.
        space: encodes the actions; None leaves them as they are.
    """
    t = rows(demos.transitions(), np.arange(count) % demos.transition_count)
    absorbing = np.arange(count) % 4 == 3
    obs, next_obs = (
        jax.tree.map(lambda x: np.where(absorbing.reshape(-1, *(1,) * (x.ndim - 1)), x.dtype.type(0), x), tree)
        for tree in (t.obs, t.next_obs)
    )
    action = np.where(absorbing[:, None], np.float32(0), t.action if space is None else space.encode(t.action))
    t = Transition(obs, action, t.reward, next_obs, t.terminated | absorbing, absorbing)
    t = jax.tree.map(jnp.asarray, t)
    return Batch(expert=t, replay=t, initial=t, offline=t)


def initial_state(name, cfg, task, demos):
    """Of an algorithm, before its first update."""
    algorithm = ALGORITHMS[name]
    needs, space = algorithm.needs(cfg), task.spec.observation
    normalizer, dynamics = Normalizer.of(space, normalization(demos)), None
    if needs.model is not None:
        no_end = Termination((-float("inf"),) * space.size, (float("inf"),) * space.size)
        dynamics = Dynamics(task.spec, needs.model.dynamics, no_end, key=jr.key(9))
    return eqx.filter_jit(lambda key: algorithm.init(cfg, Start(task.spec, normalizer, key, dynamics)))(jr.key(0))


def check_two_updates(name, cfg, task, demos, folder):
    """The updates are finite and deterministic, and what they make of a policy and a reward is saved and loaded."""
    algorithm = ALGORITHMS[name]
    needs = algorithm.needs(cfg)
    arrays, static = eqx.partition(initial_state(name, cfg, task, demos), eqx.is_array)
    whole = batch_of(demos, algorithm.schedule(cfg).batch_size, task.spec.action)
    uncertain = None if needs.model is None else jnp.linspace(0.1, 2, len(whole.expert))
    batch = whole._replace(
        expert=whole.expert if needs.expert else None,
        replay=whole.replay if needs.env else None,
        initial=whole.initial if needs.initial else None,
        offline=whole.offline if needs.offline else None,
        rollouts=None if needs.model is None else replace(whole.expert, uncertainty=uncertain),
    )

    @jit
    def two(arrays, batch):
        def update(arrays, key):
            new, metrics = algorithm.update(eqx.combine(arrays, static), batch, cfg, key)
            return eqx.filter(new, eqx.is_array), metrics

        return jax.lax.scan(update, arrays, jr.split(jr.key(1), 2))

    first, metrics = two(arrays, batch)
    again, _ = two(arrays, batch)
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(metrics))
    for a, b in zip(jax.tree.leaves(first), jax.tree.leaves(again), strict=True):
        np.testing.assert_array_equal(a, b)
    check_saved(name, eqx.combine(first, static), cfg, task, demos, folder)


def check_saved(name, state, cfg, task, demos, folder):
    """The policy acts, and it and the reward are saved and loaded."""
    algorithm = ALGORITHMS[name]
    policy = algorithm.policy(state)
    save_policy(folder / "policy.safetensors", policy, {})
    loaded, _ = load_policy(folder / "policy.safetensors")
    assert loaded.actor.spec == task.spec
    assert same(loaded, policy)
    if name != "ibc":  # whose search is compiled for longer than all of this
        action = policy.act(rows(demos.episodes[0].observations, np.s_[:3]), jr.key(0), "mode")
        assert (action.shape, np.isfinite(action).all()) == ((3, task.spec.action_dim), True)
    if algorithm.reward is not None:
        reward = algorithm.reward(state, cfg)
        save_reward(folder / "reward.safetensors", reward, {})
        assert same(load_reward(folder / "reward.safetensors")[0], reward)


def same(first, second):
    first, second = (eqx.filter(tree, eqx.is_array) for tree in (first, second))
    return all((a == b).all() for a, b in zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True))
