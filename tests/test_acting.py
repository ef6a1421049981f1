import jax.random as jr
import numpy as np
import pytest

from imitax.acting import Acting, noise_seed
from imitax.errors import ConfigError
from imitax.networks import Normalizer, Policy, PolicyConfig, TanhGaussian
from imitax.spaces import Spec


@pytest.fixture(scope="module")
def policy():
    spec = Spec.flat(3, (-1.0, 0.0), (1.0, 5.0))
    return Policy(Normalizer.identity(3), TanhGaussian(spec, PolicyConfig(hidden=(8,)), key=jr.key(0)))


@pytest.fixture(scope="module")
def acting(policy):
    return Acting(policy)


def test_actions_are_those_of_the_policy(policy, acting):
    obs = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    np.testing.assert_allclose(acting(obs, None), policy.act(obs, jr.key(0), "mode"), rtol=1e-5)
    assert (acting(obs[0].tolist(), None).shape, acting(obs[0], None).dtype) == ((2,), np.float32)
    for sample in (0, 3, 2**31):
        np.testing.assert_allclose(acting(obs, sample), policy.act(obs, jr.key(sample), "sample"), rtol=1e-5)


def test_what_decides_the_noise(acting):
    obs = np.zeros((1, 3), np.float32)
    np.testing.assert_array_equal(acting(obs, False), acting(obs, None))
    assert [noise_seed(sample) for sample in (None, False, 3, np.int64(3))] == [None, None, 3, 3]
    for wrong in (True, 0.5, "a"):
        with pytest.raises(ConfigError, match=r"^sample "):
            noise_seed(wrong)


def test_observations_that_no_policy_acts_on(acting):
    with pytest.raises(ConfigError, match="the pair obs, info that reset returns, give its first part"):
        acting((np.zeros(3), {}), None)
    with pytest.raises(ConfigError, match="observation 0 is inf"):
        acting([1e300, 0.0, 0.0], None)

    class Tensor:
        def __array__(self, dtype=None, copy=None):
            raise RuntimeError("call detach() first")

    with pytest.raises(ConfigError, match=r"must be numbers, .*call detach\(\) first"):
        acting(Tensor(), None)
    with pytest.raises(ConfigError, match="observations have 2 dimensions, the policy takes 3"):
        acting(np.zeros(2), None)
    with pytest.raises(ConfigError, match="observation 1 is nan: a policy acts on finite numbers"):
        acting([0.0, np.nan, 0.0], None)
    with pytest.raises(ConfigError, match="observation 2 of row 1 is inf"):
        acting([[0.0, 0.0, 0.0], [0.0, 0.0, np.inf]], 0)
    with pytest.raises(ConfigError, match="dimensions"):
        acting(1.0, None)
    with pytest.raises(ConfigError, match="dimensions"):
        acting(np.zeros((2, 2, 3)), None)
    with pytest.raises(ConfigError, match=r"the shape \[0, 3\]"):
        acting(np.zeros((0, 3)), None)
