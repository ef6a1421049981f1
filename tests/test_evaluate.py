import jax
import jax.random as jr
import numpy as np
import pytest
import toy

from imitax import evaluate, seeding
from imitax.envs import Task
from imitax.evaluate import Evaluator
from imitax.networks import Normalizer, Policy, PolicyConfig, TanhGaussian
from imitax.seeding import ENVIRONMENT_SEEDS, Purpose
from imitax.stacking import stack


def policy(task, seed=0):
    actor = TanhGaussian(task.spec, PolicyConfig(hidden=(8,)), key=jr.key(seed))
    return Policy(Normalizer.identity(task.spec.obs_dim), actor)


def test_known_returns():
    task = Task.create("ImitaxCounter-v0")
    evaluator = Evaluator(task, (0, 4), 3)
    for result in evaluator(stack([policy(task), policy(task, 1)])):
        np.testing.assert_array_equal(result.returns, [15.0] * 3)  # 1 + 2 + 3 + 4 + 5
        np.testing.assert_array_equal(result.lengths, [5] * 3)
        assert result.terminated.all()
    evaluator.close()


def test_time_limits_are_not_terminations():
    task = Task.create("ImitaxCounter-v0", {"max_episode_steps": 3})
    evaluator = Evaluator(task, (0,), 2)
    (result,) = evaluator(stack([policy(task)]))
    np.testing.assert_array_equal(result.returns, [6.0] * 2)
    assert not result.terminated.any()


def test_nothing_is_evaluated_on_what_it_was_trained_on():
    task = Task.create(toy.ENV)
    seeds = (0, 1, 12345)
    held_out = set()
    for index in range(3):
        evaluator = Evaluator(task, seeds, 20, index=index)
        fresh = set(evaluator.env_seeds)
        assert len(fresh) == 60
        assert not fresh & held_out
        held_out |= fresh
        evaluator.close()
    for purpose in (Purpose.TRAINING, Purpose.COLLECTION):
        block = range(purpose * ENVIRONMENT_SEEDS, (purpose + 1) * ENVIRONMENT_SEEDS)
        assert not any(s in block for s in held_out)
        for seed in seeds:
            assert all(seeding.environment_seed(purpose, seed, i) in block for i in (0, 1, 10**6, 2**29 - 1))


def test_each_seed_is_evaluated_as_if_alone():
    task = Task.create(toy.ENV)
    policies = [policy(task, i) for i in (0, 1)]
    both = Evaluator(task, (3, 8), 4)(stack(policies))
    for result, seed, one in zip(both, (3, 8), policies, strict=True):
        (alone,) = Evaluator(task, (seed,), 4)(stack([one]))
        np.testing.assert_allclose(result.returns, alone.returns, rtol=1e-4)
        np.testing.assert_array_equal(result.lengths, alone.lengths)


@pytest.mark.parametrize("mode", ["mode", "sample"])
def test_worker_processes_change_no_score(mode):
    task = Task.create(toy.ENV)
    policies = stack([policy(task, i) for i in (0, 1)])
    alone, spread = (Evaluator(task, (3, 8), 4, mode=mode, workers=workers) for workers in (0, 3))
    for _ in range(2):  # the second time its environments have been used
        for a, b in zip(alone(policies), spread(policies), strict=True):
            for name in ("returns", "lengths", "terminated"):
                np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    spread.close()


def test_small_policies_act_on_the_cpu_beside_an_accelerator(monkeypatch):
    task = Task.create(toy.ENV)
    policies, keys = stack([policy(task)]), seeding.keys((0,), Purpose.EVALUATION)
    obs = np.ones((1, 4, task.spec.obs_dim), np.float32)
    assert evaluate.acting_device(policies) is None
    here = evaluate.make_act(policies, keys, "sample")(policies, obs, 3)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert evaluate.acting_device(policies) == jax.local_devices(backend="cpu")[0]
    beside = evaluate.make_act(policies, keys, "sample")(policies, obs, 3)
    np.testing.assert_allclose(beside, here, atol=1e-5)
