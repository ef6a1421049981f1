"""Policies that predict several actions: their likelihoods, and what a step sees of them."""

from dataclasses import replace

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from imitax.artifacts import load_policy, save_policy
from imitax.execution import Memory
from imitax.networks import (
    ActionChunks,
    ChunkActor,
    Normalizer,
    Policy,
    PolicyConfig,
    chunked,
    chunks_of,
    explicit,
    policy_head,
    predict,
)
from imitax.spaces import BoxActions, FiniteActions, History, Leaf, ObservationSpace, Spec

OBS = ObservationSpace((Leaf((3,)),))
SPACES = {
    "open": BoxActions.of((-np.inf, 0.0), (np.inf, 5.0)),
    "box": BoxActions((-1.0, 0.0), (1.0, 5.0)),
    "finite": FiniteActions((2, 3), (0, 1), (2,)),
}
CHUNKS = ActionChunks(action_horizon=3, action_execute=2)


def policy(kind, history=None):
    spec = Spec(OBS, SPACES[kind], history)
    head = policy_head(chunked(spec, 3), PolicyConfig(hidden=(8,)), key=jr.key(0))
    return Policy(Normalizer.identity(3), ChunkActor(head, spec, CHUNKS))


@pytest.fixture(params=SPACES)
def kind(request):
    return request.param


def test_the_steps_of_a_chunk_have_likelihoods_of_their_own(kind):
    acting, obs = policy(kind), jr.normal(jr.key(1), (4, 3))
    head = acting.actor.head
    actions = head.sample(obs, jr.key(2))[0]
    by_step = head.log_prob_by_step(obs, actions, 3)
    assert by_step.shape == (4, 3)
    np.testing.assert_allclose(by_step.sum(-1), head.log_prob(obs, actions), rtol=1e-5)
    size = acting.actor.spec.action_dim
    others = actions.at[:, size:].set(jnp.roll(actions[:, size:], 1, axis=0))  # the later actions of other rows
    np.testing.assert_allclose(head.log_prob_by_step(obs, others, 3)[:, 0], by_step[:, 0], rtol=1e-5)
    np.testing.assert_allclose(acting.log_prob(obs, actions[:, :size]), by_step[:, 0], rtol=1e-5)


def test_predictions_and_the_first_action(kind):
    acting, obs = policy(kind), jr.normal(jr.key(1), (4, 3))
    for mode in ("mode", "sample"):
        rows = predict(acting, obs, jr.key(3), mode)
        columns = SPACES[kind].columns
        assert rows.shape == (4, 3 * columns)
        first = acting.columns(obs, jr.key(3), mode)
        np.testing.assert_array_equal(rows[:, :columns], first)
    if kind == "finite":
        assert set(np.unique(rows[:, ::2]).tolist()) <= {0, 1}
        assert set(np.unique(rows[:, 1::2]).tolist()) <= {1, 2, 3}
    action, logp = acting.actor.sample(obs, jr.key(3))
    np.testing.assert_allclose(logp, acting.actor.log_prob(obs, action), rtol=1e-5)


def test_files_hold_the_horizon_and_the_history(kind, tmp_path):
    history = History(3, False, ObservationSpace((Leaf((1,)),)))
    acting, obs = policy(kind, history), jr.normal(jr.key(1), (4, 3))
    save_policy(tmp_path / "policy.safetensors", acting, {"env": "somewhere"})
    loaded, about = load_policy(tmp_path / "policy.safetensors")
    assert (chunks_of(loaded), loaded.actor.spec, about["env"]) == (CHUNKS, acting.actor.spec, "somewhere")
    np.testing.assert_array_equal(predict(loaded, obs, jr.key(0), "mode"), predict(acting, obs, jr.key(0), "mode"))
    altered = replace(acting.actor.spec, history=replace(history, length=4))
    save_policy(tmp_path / "other.safetensors", Policy(acting.normalizer, replace(acting.actor, spec=altered)), {})
    with pytest.raises(ValueError, match="the last 4 observations do not make an observation of 3 numbers"):
        load_policy(tmp_path / "other.safetensors")
    assert explicit(loaded).actor.spec.action_dim == 3 * SPACES[kind].size


def test_one_action_is_an_ordinary_policy():
    spec = Spec(OBS, SPACES["box"])
    assert chunked(spec, 1) is spec
    plain = Policy(Normalizer.identity(3), policy_head(spec, PolicyConfig(hidden=(8,)), key=jr.key(0)))
    assert chunks_of(plain) == ActionChunks()
    assert Memory.of(plain) is None
    assert Memory.of(policy("box")) is not None
