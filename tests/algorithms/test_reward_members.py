"""Every algorithm that learns a reward learns several side by side."""

from dataclasses import replace

import numpy as np
import pytest
import toy

import imitax
from imitax.algorithms import ALGORITHMS, f_irl
from imitax.config import override
from imitax.errors import ConfigError
from imitax.networks import RewardConfig

WITH_REWARD = sorted(name for name, algorithm in ALGORITHMS.items() if algorithm.reward is not None)
LENGTH = {"steps": 24, "chunk": 4, "eval_every": 8, "checkpoint_every": 8, "eval_episodes": 1, "quiet": True}


@pytest.mark.long
@pytest.mark.parametrize("name", WITH_REWARD)
def test_members_are_learned_saved_and_loaded(name, demos, tmp_path):
    algorithm = ALGORITHMS[name]
    cfg = override(toy.shrink(algorithm.PRESETS["default"]), **{"reward.members": 2})
    needs = algorithm.needs(cfg)
    if needs.model is not None:
        cfg = override(cfg, **{"dynamics.termination": "learned"})
    data = {"offline_data": replace(demos, name="other")} if needs.offline else {}
    run = imitax.train(cfg, env=toy.ENV, demos=demos, out=tmp_path / "run", **data, **LENGTH)
    t = demos.transitions()
    each = run.reward_members(t.obs[:5], t.action[:5], t.next_obs[:5])
    assert each.shape == (2, 5)
    assert np.ptp(each, axis=0).min() > 0
    np.testing.assert_allclose(run.reward(t.obs[:5], t.action[:5], t.next_obs[:5]), each.mean(0), rtol=1e-4)
    lines = [line for line in run.metrics() if "reward_disagreement" in line]
    assert lines[-1]["reward_disagreement"] > 0


def test_the_density_of_f_irl_is_one():
    with pytest.raises(ConfigError, match="one of rewards"):
        f_irl.Config(density=RewardConfig(inputs="state", members=2))
