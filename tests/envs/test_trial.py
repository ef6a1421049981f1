from typing import ClassVar

import numpy as np
import pytest
import toy

from imitax.envs import Guard, Task
from imitax.envs.trial import differ, same, share_state, trace
from imitax.errors import EnvError, EnvWarning


class Client(toy.Point):
    """A client of one simulator, which it holds by its number."""

    server: ClassVar = {}

    @property
    def x(self):
        return Client.server["x"]

    @x.setter
    def x(self, value):
        Client.server["x"] = value


class Random(toy.Point):
    """Takes no notice of seeds."""

    def reset(self, *, seed=None, options=None):
        self.x = np.random.default_rng().uniform(-0.9, 0.9, 2).astype(np.float32)
        return self.x, {}


def test_a_shared_simulator_is_noticed():
    assert share_state(Guard(Client()), Guard(Client()))
    assert not share_state(Guard(toy.Point()), Guard(toy.Point()))
    assert not share_state(Guard(Random()), Guard(Random()))  # says nothing
    with pytest.raises(EnvError, match="Client: the environments that are made share one simulator"):
        Task.create(lambda: Client()).check()
    with pytest.warns(EnvWarning, match="Client: its copies share one simulator, so it is used alone"):
        assert Task.create(Client()).sole is not None


def test_a_copy_that_does_something_else():
    class Forgetful(toy.Point):
        def __reduce__(self):
            return Forgetful, ()

    env = Forgetful()
    env.wall = 0.01
    assert differ(Guard(env), Guard(Forgetful()))
    assert not differ(Guard(Random()), Guard(Random()))
    with pytest.warns(EnvWarning, match="Forgetful: its copies do something else than it does, so it is used alone"):
        assert Task.create(env).make() is env


def test_a_trace_repeats():
    guard = Guard(toy.Point())
    first = trace(guard)
    assert same(first, trace(guard))
    assert not same(first, first[:-1])
    assert 2 <= len(first) <= 6
