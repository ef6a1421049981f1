import toy

from bench.experiments.random_policy import random_score
from imitax.envs import Task


def test_the_score_of_random_actions():
    assert random_score(Task.create("ImitaxCounter-v0"), 0, 3).tolist() == [15.0] * 3
    first, again, other = (random_score(Task.create(toy.ENV), seed, 4).tolist() for seed in (0, 0, 1))
    assert first == again != other
