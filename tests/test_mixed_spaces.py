"""Observations of any kind with a finite set of actions: dicts with an image, from collection to a saved policy."""

import dataclasses

import gymnasium as gym
import numpy as np
import pictured
import pytest
import toy

import imitax
from imitax.config import override
from imitax.datasets import collect, validate
from imitax.datasets.doctor.rounds import examine
from imitax.errors import ConfigError
from imitax.networks import CNN

ENV = "ImitaxPicturedSteps-v0"
SHORT = {"steps": 20, "chunk": 10, "eval_every": 20, "checkpoint_every": 20, "eval_episodes": 2, "quiet": True}


class PicturedSteps(toy.Steps):
    """`toy.Steps` as a dict: the picture, and the place."""

    def __init__(self):
        super().__init__("discrete")
        self.observation_space = gym.spaces.Dict({"pixels": pictured.PIXELS, "place": pictured.PLACE})

    def seen(self):
        return {"pixels": pictured.picture(self.x), "place": self.x}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.seen(), {}

    def step(self, action):
        _, *rest = super().step(action)
        return self.seen(), *rest


if ENV not in gym.registry:
    gym.register(ENV, PicturedSteps, max_episode_steps=8)


@pytest.fixture(scope="module")
def demos():
    act = toy.stepping("discrete")
    return collect(lambda obs, step: act(obs["place"]), lambda: gym.make(ENV), episodes=4, seed=0, name="pictured")


def check_policy(run, demos):
    obs = demos.episodes[0].observations
    many = run.policy({key: x[:3] for key, x in obs.items()})
    one = run.policy({key: x[0] for key, x in obs.items()})
    assert many.shape == (3,)
    assert one.shape == ()
    assert set(many.tolist()) <= {-1, 0, 1}
    assert one == many[0]


def test_data_of_both_kinds(demos):
    assert demos.actions.dtype == np.int64
    assert set(demos.actions.ravel().tolist()) <= {-1, 0, 1}
    assert demos.episodes[0].observations["pixels"].dtype == np.uint8
    validate(demos, observation_space=PicturedSteps().observation_space)
    assert examine(demos).findings


def test_cloning(demos, tmp_path, no_figures):
    cfg = pictured.tiny(imitax.preset_config("bc"))
    run = imitax.train(cfg, env=ENV, demos=demos, validation_episodes=1, out=tmp_path, **SHORT)
    check_policy(run, demos)
    assert np.isfinite(run.metrics()[-1]["validation_action_error_mode"])


@pytest.mark.long
def test_actor_critic_and_reward_with_a_shared_encoder(demos, tmp_path, no_figures):
    cfg = pictured.tiny(imitax.preset_config("adversarial"))
    cfg = override(cfg, policy=dataclasses.replace(cfg.agent.policy, share_encoder=True))
    run = imitax.train(cfg, env=ENV, demos=demos, env_workers=1, out=tmp_path, **SHORT)
    check_policy(run, demos)
    episode = run.replay().episodes[0]
    assert episode.actions.dtype == np.int64
    now, then = ({key: x[rows] for key, x in episode.observations.items()} for rows in (np.s_[:-1], np.s_[1:]))
    values = run.reward(now, episode.actions[:, 0], then)
    assert values.shape == (len(episode),)
    first = run.reward({k: x[0] for k, x in now.items()}, episode.actions[0, 0], {k: x[0] for k, x in then.items()})
    np.testing.assert_allclose(first, values[0], rtol=1e-5)
    pixels, place = run.load_policy().actor.encoder.images
    assert isinstance(pixels, CNN)
    assert place is None


def test_distances_between_pictures_select_no_policy(demos, tmp_path):
    cfg = pictured.tiny(imitax.preset_config("bc"))
    with pytest.raises(ConfigError, match=r"--select agreement cannot be used: .* not defined for images"):
        imitax.train(cfg, env=ENV, demos=demos, select="agreement", out=tmp_path / "run", **SHORT)
