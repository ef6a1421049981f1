import re

import gymnasium as gym
import numpy as np
import pictured
import pytest
import toy

from imitax.envs import Guard
from imitax.envs.guard import close, name_of
from imitax.errors import EnvError

FIRST = (np.zeros(1, np.float32), {})


class Answers(toy.Counter):
    """Answers with what it is given."""

    def __init__(self, first=FIRST, then=...):
        self.first, self.then = first, then

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.first

    def step(self, action):
        return super().step(action) if self.then is ... else self.then


ONE = np.zeros(1, np.float32)
ACTION = np.zeros(1, np.float32)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (ONE, r"reset of episode 1: reset returned an array of shape \(1,\) .* two values obs, info .* return obs, {}"),
        ([0.0, 1.0], "reset returned a list of 2 values"),
        (None, "reset returned None"),
        ((np.zeros(2), {}), r"the observation has shape \(2,\), the observation space \(1,\)"),
        ((np.zeros(()), {}), r"the observation has shape \(\), the observation space \(1,\)"),
        ((np.zeros((1, 1)), {}), r"shape \(1, 1\), the observation space \(1,\)"),
        (([0.5, 0.5]), "reset returned a list of 2 values, whose second is 0.5, in place of the two values obs, info"),
        (({"pixels": ONE}, {}), "the observation is a dict, not an array of numbers"),
        ((None, {}), "the observation is None"),
        ((np.array(["1"]), {}), "not an array of numbers"),
        ((np.array([np.nan]), {}), r"observation \[0\] is nan"),
        ((np.array([-np.inf]), {}), r"observation \[0\] is -inf"),
        ((np.array([1e300]), {}), r"observation \[0\] is 1e\+300, which 32-bit numbers do not hold"),
    ],
)
def test_wrong_answers_to_reset(answer, words):
    with pytest.raises(EnvError, match=f"^Answers, .*{words}"):
        Guard(Answers(answer)).reset(seed=0)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((ONE, 0.0, False, {}), "step returned the four values .* of the interface before Gymnasium; .*shimmy"),
        ((ONE, 0.0), "step returned a tuple of 2 values; step must return obs, reward"),
        (None, "step returned None"),
        ((ONE, None, False, False, {}), "the reward is None; return a number, 0.0 where the task has no reward"),
        (
            (ONE, np.ones(2), False, False, {}),
            r"the reward is an array of shape \(2,\) and type float64, not one number",
        ),
        ((ONE, "1", False, False, {}), "the reward is '1', not one number"),
        ((ONE, np.nan, False, False, {}), "the reward is nan"),
        ((ONE, np.float32("inf"), False, False, {}), "the reward is inf"),
        ((ONE, -1e20, False, False, {}), r"the reward is -1e\+20, whose square 32-bit .*; scale rewards down"),
        ((ONE, 0.0, None, False, {}), "terminated is None, not True or False"),
        ((ONE, 0.0, False, {}, {}), "truncated is a dict, not True or False"),
        ((np.zeros(3), 0.0, False, False, {}), r"shape \(3,\)"),
        ((np.array([np.nan]), 0.0, False, False, {}), r"observation \[0\] is nan"),
    ],
)
def test_wrong_answers_to_a_step(answer, words):
    env = Answers()
    guard = Guard(env)
    guard.reset(seed=0)
    guard.step(ACTION)
    env.then = answer
    with pytest.raises(EnvError, match=f"^Answers, step 2 of episode 1: .*{words}"):
        guard.step(ACTION)


@pytest.mark.parametrize(
    "answer", [(ONE, np.nan, False, False, {}), (np.array([np.nan]), 0.0, False, False, {})], ids=["reward", "obs"]
)
def test_an_action_that_is_not_finite_is_no_fault_of_the_environment(answer):
    env = Answers()
    guard = Guard(env)
    guard.reset(seed=0)
    env.then = answer
    for action, words in ((np.full(1, np.nan, np.float32), "NaN"), (np.full(1, -np.inf, np.float32), "infinite")):
        with pytest.raises(EnvError, match=f"the policy's action is {words}; training diverged, lower the learning"):
            guard.step(action)
    with pytest.raises(EnvError, match="is nan; repair the environment"):
        guard.step(ACTION)


def test_answers_that_are_put_right():
    """Lists, rewards in an array of one number, ends that are 0 or 1 or in an array, other number types."""
    guard = Guard(Answers(([3], None), [[4], np.array([[0.5]], np.float32), 1, np.array([False]), {}]))
    obs, info = guard.reset(seed=0)
    assert (obs.tolist(), obs.dtype, info) == ([3.0], np.float32, {})
    obs, *rest, _ = guard.step(ACTION)
    assert (obs.tolist(), rest) == ([4.0], [0.5, True, False])
    assert [type(x) for x in rest] == [float, bool, bool]


def test_the_action_stays_as_it_is():
    class InPlace(toy.Counter):
        def step(self, action):
            action *= 0
            return super().step(action)

    guard, action = Guard(InPlace()), np.ones(1, np.float32)
    action.setflags(write=False)
    guard.reset(seed=0)
    guard.step(action)
    assert action == 1


def test_older_interfaces_are_named():
    class Old(toy.Counter):
        def reset(self):
            return ONE

    with pytest.raises(EnvError, match=r"^Old, reset of episode 1: TypeError.*seed.*reset must take a seed"):
        Guard(Old()).reset(seed=0)
    made = gym.make("ImitaxCounter-v0")
    made.unwrapped.step = lambda action: (ONE, 0.0)
    guard = Guard(made)
    guard.reset(seed=0)
    with pytest.raises(EnvError, match=r"^ImitaxCounter-v0, step 1 of episode 1: .*step must return obs, reward, term"):
        guard.step(ACTION)


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("fault", [AssertionError("too large"), ValueError("shapes (3,) (4,)"), TypeError("not a str")])
def test_a_fault_of_the_environment_is_no_older_interface(fault, wrapped):
    class Faulty(toy.Counter):
        def step(self, action):
            raise fault

    guard = Guard(gym.wrappers.TimeLimit(Faulty(), 9) if wrapped else Faulty())
    guard.reset(seed=0)
    name = re.escape(f"{type(fault).__name__}: {fault}")
    with pytest.raises(EnvError, match=rf"{name}; raised by the environment's own code, .*test_guard.py, line \d+$"):
        guard.step(ACTION)


def test_an_old_interface_within_a_wrapper_of_the_users():
    class Old(toy.Counter):
        def step(self, action):
            return ONE, 0.0, False, {}

    class Wrapper(gym.Wrapper):
        def step(self, action):
            obs, reward, terminated, truncated, info = self.env.step(action)
            return obs, reward, terminated, truncated, info

    guard = Guard(Wrapper(Old()))
    guard.reset(seed=0)
    with pytest.raises(EnvError, match=r"to unpack.*; step must return obs, .*; raised at .*test_guard.py, line"):
        guard.step(ACTION)


def test_an_old_reset_within_a_wrapper_of_the_users():
    class Old(toy.Counter):
        def reset(self):
            return ONE

    class Wrapper(gym.Wrapper):
        def reset(self, **options):
            return self.env.reset(**options)

    with pytest.raises(EnvError, match=r"'seed'; reset must take a seed: .*; raised at .*test_guard.py, line \d+$"):
        Guard(Wrapper(Old())).reset(seed=0)


def test_a_fault_deep_in_a_library_is_told_by_the_users_line():
    class Faulty(toy.Counter):
        def step(self, action):
            np.linalg.solve(np.zeros((2, 2)), np.zeros(3))

    guard = Guard(Faulty())
    guard.reset(seed=0)
    with pytest.raises(EnvError, match=r"own code, .*test_guard.py, line \d+$"):
        guard.step(ACTION)


def test_errors_of_the_environment_are_its_own_after_its_first_step():
    class Late(toy.Counter):
        def step(self, action):
            if self.t:
                raise ValueError("out of memory")
            return super().step(action)

    guard = Guard(Late())
    guard.reset(seed=0)
    guard.step(ACTION)
    with pytest.raises(ValueError, match=r"^out of memory\n") as error:
        guard.step(ACTION)
    assert (str(error.value), error.value.__notes__) == ("out of memory", ["raised by Late in step 2 of episode 1"])


def test_one_object_has_one_guard():
    env = toy.Counter()
    first = Guard(env)
    with pytest.raises(EnvError, match="Counter: the function that makes environments returned the same object twice"):
        Guard(gym.wrappers.TimeLimit(env, 3))
    Guard(env, owned=False)
    first.close()
    Guard(env).close()


def test_names():
    assert name_of(gym.make("ImitaxCounter-v0")) == "ImitaxCounter-v0"
    assert name_of(gym.wrappers.TimeLimit(toy.Point(), 3)) == "Point"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda obs: obs | {"state": 3},
            "observation.state is 3, not a dict with place, quadrant; make",
        ),
        (lambda obs: obs | {"pixels": obs["pixels"] / 255}, "observation.pixels is float64 from 0 to 1, not bytes"),
        (lambda obs: obs | {"pixels": obs["pixels"][..., 0]}, r"observation.pixels has shape \(12, 12\), its space"),
        (lambda obs: obs | {"state": obs["state"] | {"quadrant": 5}}, "observation.state.quadrant is 5, which is none"),
    ],
)
def test_wrong_parts_of_an_observation_are_named(change, words):
    class Env(pictured.Pictured):
        def observe(self):
            return change(super().observe())

    with pytest.raises(EnvError, match=f"^Env, reset of episode 1: {words}"):
        Guard(Env()).reset(seed=0)


def test_an_environment_without_close():
    close(object())
