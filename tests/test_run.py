"""A finished run: what it hands out."""

import numpy as np
import pytest
import toy

import imitax
from imitax.algorithms import adversarial
from imitax.errors import ConfigError

pytestmark = pytest.mark.usefixtures("no_figures")


@pytest.fixture(scope="module")
def learned(demos, tmp_path_factory):
    """A run that has learned a reward."""
    folder = tmp_path_factory.mktemp("learned") / "run"
    options = {"env": toy.ENV, "chunk": 2, "eval_every": 10, "eval_episodes": 2, "checkpoint_every": 10, "quiet": True}
    return imitax.train(toy.shrink(adversarial.Config()), demos=demos, out=folder, steps=20, **options)


def arrays(demos):
    t = demos.transitions()
    return t.obs, t.action, t.next_obs, t.terminated


def test_a_run_has_its_reward(learned, demos):
    values = learned.reward(*arrays(demos))
    assert values.shape == (demos.transition_count,)
    np.testing.assert_allclose(values, learned.load_reward()(*arrays(demos)), rtol=1e-6)


def test_one_transition_and_bad_shapes(learned, demos):
    obs, action, next_obs, _ = arrays(demos)
    one = learned.reward(obs[0], action[0], next_obs[0])
    assert one.shape == ()
    np.testing.assert_allclose(one, learned.reward(obs, action, next_obs)[0], rtol=1e-5)
    with pytest.raises(ConfigError, match="action has 3 dimensions, the reward takes 2"):
        learned.reward(obs[0], np.zeros(3), next_obs[0])
