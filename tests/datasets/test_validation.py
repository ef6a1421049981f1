"""What validation notices in a dataset, and what it says."""

from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
from toy_datasets import NEXT, but

from imitax.datasets import Dataset, Episode, load, validate
from imitax.errors import DataError


def spoiled(dataset, key, value, *, episode=1, row=2):
    array = getattr(dataset.episodes[episode], key).copy()
    array[row] = value
    episodes = list(dataset.episodes)
    episodes[episode] = replace(episodes[episode], **{key: array})
    return replace(dataset, episodes=tuple(episodes))


BOX = gym.spaces.Box(-1, 1, (4,))


ACTIONS = gym.spaces.Box(-1, 1, (2,))


@pytest.mark.parametrize(
    ("spoil", "arguments", "message"),
    [
        (lambda d: spoiled(d, "observations", np.nan), {}, "observations hold NaN or infinity: episode 1 row 2;"),
        (lambda d: spoiled(d, "actions", -np.inf), {}, "actions hold NaN or infinity: episode 1 row 2;"),
        (lambda d: spoiled(d, "rewards", np.inf), {}, "rewards hold NaN or infinity: episode 1 row 2;"),
        (lambda d: spoiled(d, "observations", np.nan, row=slice(3, 5)), {}, r"episode 1 row 3 \(2 rows\)"),
        (
            lambda d: spoiled(d, "actions", [0, 2.5]),
            {},
            r"in dimension 1: 1 rows, the worst 2.5 at episode 1 row 2, bounds \[-1, 1\]; rescale",
        ),
        (lambda d: d, {"action_space": gym.spaces.Box(-0.5, 0.5, (2,))}, r"bounds \[-0.5, 0.5\]"),
        (lambda d: spoiled(d, "observations", 0, row=-1), {}, "final next observations are all zero: episode 1 row 7"),
        (lambda d: d, {"observation_space": gym.spaces.Box(-1, 1, (5,))}, "4 dimensions, the environment's 5"),
        (lambda d: d, {"action_space": gym.spaces.Box(-1, 1, (3,))}, "actions have 2 dimensions, the environment's 3"),
        (lambda d: d, {"action_space": gym.spaces.Text(2)}, "the action space is Text"),
        (
            lambda d: d,
            {"observation_space": gym.spaces.Box(0, 1, (4, 4))},
            r"its observation has shape \[4\], the environment's \[4, 4\]",
        ),
        (lambda d: d, {"env_id": "Walker2d-v5"}, "recorded in Hopper-v5, not in Walker2d-v5"),
        (lambda d: d, {"env_id": "Hopper-v5", "env_kwargs": {}}, "the environment has {}"),
        (
            lambda d: Dataset(tuple(Episode(e.observations, None, None, True, False) for e in d.episodes)),
            {"need_actions": True},
            "has no actions",
        ),
        (
            lambda d: Dataset(tuple(Episode(e.observations, None, None, True, False) for e in d.episodes)),
            {"need_rewards": True},
            "has no rewards",
        ),
    ],
)
def test_validation(dataset, spoil, arguments, message):
    good = {"observation_space": BOX, "action_space": ACTIONS, "env_id": "Hopper-v5", "env_kwargs": dataset.env_kwargs}
    validate(dataset, **good, need_actions=True, need_rewards=True)
    with pytest.raises(DataError, match=message):
        validate(spoil(dataset), **arguments)


def test_what_float32_cannot_hold_is_infinite():
    with pytest.raises(DataError, match="rewards hold NaN or infinity: episode 0 row 5"):
        validate(load(but(next_observations=NEXT, rewards=[*np.ones(5), 1e300])))


def test_what_squares_to_more_than_float32_holds_is_refused():
    validate(load(but(next_observations=NEXT, rewards=[*np.ones(5), 1e15])))
    with pytest.raises(DataError, match=r"1 rewards are beyond ±1e\+15, whose squares .*; scale them down"):
        validate(load(but(next_observations=NEXT, rewards=[*np.ones(5), -1e20])))


def test_validation_lists_every_problem(dataset):
    broken = spoiled(spoiled(dataset, "actions", 3.0), "observations", np.nan, episode=3, row=0)
    with pytest.raises(DataError) as raised:
        validate(broken, env_id="Ant-v5")
    assert str(raised.value).count("\n- ") == 4  # the environment, NaN, and two dimensions of the actions


def test_validation_names_a_few_places(dataset):
    many = replace(dataset, episodes=dataset.episodes[1:2] * 9)
    zeroed = replace(many, episodes=tuple(spoiled(many, "observations", 0, row=-1).episodes[1:2] * 9))
    with pytest.raises(DataError, match="episode 4 row 7 and 4 more;"):
        validate(zeroed)


def test_a_zero_observation_that_the_task_visits_is_no_damage():
    walk = np.array([[1.0], [0.0], [1.0], [0.0]])
    validate(load([{"observations": walk, "terminated": True}]))


@pytest.mark.parametrize(
    ("space", "advice"),
    [
        (gym.spaces.Discrete(16), "give its classes as integers of shape"),
        (gym.spaces.Tuple([gym.spaces.Discrete(32)] * 4), "give a tuple of arrays, one for each part"),
    ],
)
def test_columns_of_a_table_in_place_of_classes(dataset, space, advice):
    with pytest.raises(DataError, match=advice):
        validate(dataset, observation_space=space)
