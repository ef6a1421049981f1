"""Configurations as they are written, read and changed."""

import json
from dataclasses import dataclass, field, is_dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest

import imitax
from imitax.algorithms import ALGORITHMS, bc, ibc, mbpo, sac
from imitax.config import (
    RENAMED,
    Training,
    flatten,
    from_flat,
    override,
    renamed,
    require_multiples,
    setting_names,
)
from imitax.errors import ConfigError
from imitax.files import plain
from imitax.settings import INLINE

PRESETS = [(name, preset) for name, algorithm in ALGORITHMS.items() for preset in algorithm.PRESETS]


@dataclass(frozen=True)
class Net:
    hidden: tuple[int, ...] = (8, 8)
    activation: Literal["relu", "tanh"] = "relu"


@dataclass(frozen=True)
class Rate:
    lr: float = 1e-3
    clip: float | None = None


@dataclass(frozen=True)
class Agent:
    gamma: float = 0.99
    critic: Net = Net((16,))
    rate: Annotated[Rate, INLINE] = Rate()


@dataclass(frozen=True)
class Toy:
    batch_size: int = 4
    agent: Annotated[Agent, INLINE] = Agent()
    policy: Net = field(default_factory=Net)
    file: Path | None = None
    options: dict[str, Any] = field(default_factory=dict)


FLAT = {
    "batch_size": 4,
    "gamma": 0.99,
    "critic": Net((16,)),
    "lr": 1e-3,
    "clip": None,
    "policy": Net(),
    "file": None,
    "options": {},
}


def test_parts_are_written_beside_their_owner_and_named_fields_below_their_name():
    assert flatten(Toy()) == FLAT
    assert setting_names(Toy) == list(FLAT)
    assert flatten(Toy(agent=Agent(0.5, rate=Rate(clip=3.0)))) == FLAT | {"gamma": 0.5, "clip": 3.0}


def test_what_json_holds_is_read_back():
    made = Toy(7, Agent(0.5, Net((2,), "tanh"), Rate(2.0, 1.0)), Net(()), Path("a/b"), {"wall": 2})
    text = json.dumps(plain(flatten(made)))
    assert json.loads(text)["critic"] == {"hidden": [2], "activation": "tanh"}
    assert from_flat(Toy, json.loads(text)) == made
    assert from_flat(Toy, {}) == Toy()
    read = from_flat(Toy, {"lr": 1, "critic": {"hidden": [3]}})  # a whole number is a float, the rest has its default
    assert read == Toy(agent=Agent(critic=Net((3,)), rate=Rate(1.0)))
    assert isinstance(read.agent.rate.lr, float)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            {"momentum": 1},
            "unknown field momentum; there are batch_size, clip, critic, file, gamma, lr, options, policy",
        ),
        ({"agent": {}}, "unknown field agent"),
        ({"critic": {"width": 1}}, r"unknown field critic\.width; there are activation, hidden"),
        ({"critic": 3}, "critic must be a mapping, got 3"),
        ({"critic": {"hidden": 3}}, r"critic\.hidden must be a list, got 3"),
        ({"critic": {"hidden": [1.5]}}, r"critic\.hidden must be int, got 1\.5"),
        ({"critic": {"activation": "gelu"}}, r"critic\.activation must be one of relu, tanh, got 'gelu'"),
        ({"batch_size": True}, "batch_size must be int, got True"),
        ({"batch_size": 1.0}, "batch_size must be int, got 1.0"),
        ({"gamma": "much"}, "gamma must be float, got 'much'"),
        ({"file": 3}, "file must be a path, got 3"),
        ({"options": 3}, "options must be a mapping, got 3"),
    ],
)
def test_what_does_not_fit_is_refused_by_its_name(data, message):
    with pytest.raises(ConfigError, match=f"^{message}"):
        from_flat(Toy, data)


def test_settings_are_changed_by_the_names_of_their_flags():
    changed = override(Toy(), batch_size=5, gamma=0.5, clip=2.0, **{"critic.hidden": (1,), "policy.activation": "tanh"})
    assert changed == Toy(5, Agent(0.5, Net((1,)), Rate(clip=2.0)), Net(activation="tanh"))
    assert override(Toy(), policy=Net((9,))) == Toy(policy=Net((9,)))  # a whole part of that name
    assert override(Toy()) == Toy()
    for name in ("momentum", "agent", "rate", "critic.width", "momentum.of"):
        with pytest.raises(ConfigError, match="unknown setting"):
            override(Toy(), **{name: 1})


@pytest.mark.parametrize(("name", "preset"), PRESETS)
def test_every_preset_is_written_and_read(name, preset):
    cfg = ALGORITHMS[name].PRESETS[preset]
    flat = flatten(cfg)
    assert list(flat) == setting_names(type(cfg))
    text = json.dumps(plain(flat))
    assert from_flat(type(cfg), json.loads(text)) == cfg
    default = ALGORITHMS[name].PRESETS["default"]
    assert override(default, **flat) == cfg
    assert override(cfg, **flatten(default)) == default
    assert imitax.preset_config(name, preset, **flatten(default)) == default


def flags(cfg, prefix=""):
    """Every flag of a configuration: `gamma`, `critic.hidden`."""
    for name, value in flatten(cfg).items():
        yield from flags(value, f"{prefix}{name}.") if is_dataclass(value) else [prefix + name]


@pytest.mark.parametrize("name", ALGORITHMS)
def test_names_of_settings_are_unique(name):
    for cfg in ALGORITHMS[name].PRESETS.values():
        known = list(flags(cfg))
        assert len(set(known)) == len(known)
        assert not set(known) & {*flags(Training()), "preset", "out", "resume"}
        assert not set(setting_names(type(cfg))) & set(RENAMED)


def test_unknown_presets_are_refused():
    with pytest.raises(ConfigError, match="bc has no preset 'best'; there are default, "):
        imitax.preset_config("bc", "best")
    changed = imitax.preset_config("sac", "frugal", **{"critic.hidden": (4,), "gamma": 0.5})
    assert (changed.agent.critic.hidden, changed.agent.gamma, changed.batch_size) == ((4,), 0.5, 128)


@pytest.mark.parametrize(
    ("cls", "old", "new"),
    [
        (bc.Config, "average", "ema"),
        (sac.Config, "average", "ema"),
        (ibc.Config, "buffer", "range_margin"),
        (mbpo.Config, "imagination.horizon", "model_rollouts.horizon"),
        (mbpo.Config, "imagination", "model_rollouts"),
    ],
)
def test_renamed_settings_are_refused_with_their_new_name(cls, old, new):
    assert renamed(old) == new
    with pytest.raises(ConfigError, match=f"^{old} is called {new} now$"):
        override(cls(), **{old: 1})
    first, _, rest = old.partition(".")
    with pytest.raises(ConfigError, match=f"^{first} is called {new.partition('.')[0]} now$"):
        from_flat(cls, {first: {rest: 1} if rest else 1})


def test_a_name_that_is_old_elsewhere_is_unknown():
    assert set(RENAMED.values()) <= {name for a in ALGORITHMS.values() for name in setting_names(a.Config)}
    with pytest.raises(ConfigError, match="unknown setting buffer"):
        override(bc.Config(), buffer=1)
    with pytest.raises(ConfigError, match="unknown field imagination"):
        from_flat(sac.Config, {"imagination": {}})


def test_environments_step_together():
    require_multiples(4, chunk=8, steps=None)
    with pytest.raises(ConfigError, match=r"chunk must be a multiple of num_envs \(4\), got 6: .*--chunk or"):
        require_multiples(4, steps=8, chunk=6)
    assert replace(Training(), num_envs=5).chunk == 50
    with pytest.raises(ConfigError, match="steps must be a multiple of num_envs"):
        Training(num_envs=25, steps=110)
