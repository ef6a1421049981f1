"""The doctor, on data whose ailments are known."""

from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from imitax.datasets import Dataset, Episode, select
from imitax.datasets.doctor import examine, policy, table
from imitax.errors import DataError
from imitax.figures.doctor import draw

RNG = np.random.default_rng(0)


def walk(steps=80, lag=0, policy=None, dims=2, start=None):
    """x moves by the action of `lag` steps before; the policy is noisy steering to the origin, or given."""
    obs = [RNG.uniform(-1, 1, dims) if start is None else np.asarray(start, float)]
    actions = []
    for t in range(steps):
        action = RNG.uniform(-1, 1, dims) if policy is None else policy(obs[-1])
        actions.append(action)
        obs.append(obs[-1] + 0.1 * (actions[t - lag] if t >= lag else 0))
    return Episode(np.array(obs), np.array(actions), np.ones(steps), False, True)


def steering(obs):
    return np.clip(-2 * obs, -1, 1)


@pytest.fixture(scope="module")
def healthy():
    return Dataset(tuple(walk() for _ in range(12)), action_low=(-1.0,) * 2, action_high=(1.0,) * 2)


def changed(data, key, change):
    return replace(data, episodes=tuple(replace(e, **{key: change(getattr(e, key).copy())}) for e in data.episodes))


def test_healthy_data(healthy):
    report = examine(healthy)
    bad = [f.name for f in report.findings if f.verdict in ("look", "problem")]
    assert bad == ["how many"]  # random actions cannot be predicted
    assert report["how many"].values["errors"][9] == pytest.approx(1, abs=0.15)
    assert report["action delay"].values["lag"] == 0


@pytest.mark.parametrize("lag", [1, 4])
def test_delay(lag):
    report = examine(Dataset(tuple(walk(lag=lag) for _ in range(12))))
    assert report["action delay"].values["lag"] == lag
    assert report["action delay"].verdict == "look"


def test_several_ways():
    def either(obs):
        return RNG.choice([-1.0, 1.0]) + 0.01 * RNG.normal(size=2)

    assert examine(Dataset(tuple(walk(policy=either) for _ in range(8))))["several ways"].values["share"] > 0.8
    assert examine(Dataset(tuple(walk(policy=steering) for _ in range(8))))["several ways"].values["share"] < 0.02


def test_how_many():
    sizes = np.array([1.0, 2, 4, 8])
    wanted, floor = policy._wanted(np.c_[sizes, 0.2 + 0.8 / sizes])
    assert (wanted, floor) == (40, pytest.approx(0.2))  # 0.2 + 0.8 / 40 = 1.1 * 0.2
    assert policy._wanted(np.c_[sizes, np.full(4, 0.3)])[0] == 1
    assert policy._wanted(np.c_[sizes, [0.9, 0.1, 0.1, 0.1]])[0] == 2
    easy = examine(Dataset(tuple(walk(30, policy=lambda o: -0.5 * o) for _ in range(40))))["how many"]
    assert easy.verdict == "good"
    assert easy.values["errors"][30] < 0.02
    assert examine(Dataset((walk(), walk())))["how many"].verdict == "unknown"


def test_dimensions(healthy):
    wide = changed(healthy, "observations", lambda o: np.c_[o, -3 * o[:, :1], np.full(len(o), 7.0)])
    report = examine(wide)
    assert report["constant"].values == {"observations": [3], "actions": []}
    assert report["duplicated"].values["pairs"] == [("obs 0", "obs 2")]
    assert report["duplicated"].verdict == "look"
    leaking = replace(
        healthy,
        episodes=tuple(
            replace(e, observations=np.c_[e.observations, np.r_[e.actions[:, :1], [[0.0]]]]) for e in healthy.episodes
        ),
    )
    assert examine(leaking)["duplicated"].verdict == "problem"


def test_saturation(healthy):
    clipped = changed(healthy, "actions", lambda a: np.clip(3 * a, -1, 1))
    np.testing.assert_allclose(examine(clipped)["saturation"].values["share"], 2 / 3, atol=0.05)


def test_jumps_and_pauses(healthy):
    def leap(obs):
        obs[40:] += 50
        return obs

    assert examine(changed(healthy, "observations", leap))["jumps"].values["count"] == 12

    def pause(obs):
        obs[40:] = obs[40]
        return obs

    assert examine(changed(healthy, "observations", pause))["standing still"].values["share"] == pytest.approx(0.5)


def test_episodes(healthy):
    first = healthy.episodes[0]
    bad = replace(first, rewards=np.full(80, -9.0), observations=first.observations + 1)
    short = replace(first, rewards=np.ones(3), observations=first.observations[:4], actions=first.actions[:3])
    report = examine(replace(healthy, episodes=(*healthy.episodes, first, bad, short)))
    assert report["copies"].values["repeated"] == 1
    assert report["returns"].values["low"] == [13, 14]
    assert report["lengths"].values["short"] == [14]
    ended = replace(healthy, episodes=tuple(replace(e, terminated=True, truncated=False) for e in healthy.episodes))
    assert examine(ended)["time limits"].values["suspected"] == 12


def test_coverage():
    apart = Dataset(tuple(walk(start=[100 * i, 100 * i]) for i in range(6)))
    assert examine(apart)["coverage"].values["ratio"] > 100


def test_leakage(healthy):
    parts = select(healthy, episodes=12, validation_episodes=4, seed=np.int64(0))
    assert examine(parts.train, parts.validation)["leakage"].verdict == "good"
    report = examine(healthy, parts.validation)
    assert report["leakage"].values["episodes"] == list(parts.validation_indices)
    assert report["leakage"].values["share"] == pytest.approx(1 / 3)
    with pytest.raises(DataError, match="2 and 3 observations"):
        examine(healthy, changed(healthy, "observations", lambda o: np.c_[o, o[:, :1]]))


@pytest.mark.filterwarnings("error")
def test_whatever_is_missing(tmp_path):
    bare = Dataset((Episode(np.zeros((3, 1)), None, None, True, False),), name="[/red]\x1b $x$")
    report = examine(bare)
    assert {f.verdict for f in report.findings} <= {"good", "look", "unknown"}
    draw(report.drawn, tmp_path / "bare.png")


def test_table_and_figure(healthy, tmp_path):
    report = examine(healthy)
    console = Console(width=80, record=True, quiet=False, file=open(tmp_path / "out", "w"))  # noqa: SIM115
    console.print(table(report))
    text = console.export_text()
    assert max(map(len, text.splitlines())) <= 80
    assert all(f.name in text for f in report.findings)
    console.file.close()
    draw(report.drawn, tmp_path / "doctor.png")
    assert (tmp_path / "doctor.png").stat().st_size > 10_000


def test_integer_actions_are_counted():
    def finite(share):
        episodes = []
        for _ in range(8):
            obs = RNG.uniform(-1, 1, (81, 2))
            actions = np.where(RNG.uniform(size=80) < share, 1, (obs[:-1, 0] > 0) * 2)
            episodes.append(Episode(obs, actions[:, None], np.ones(80), False, True))
        return Dataset(tuple(episodes))

    report = examine(finite(0.3))
    (share,) = report["actions"].values["share"]
    assert set(share) == {0, 1, 2}
    assert share[1] == pytest.approx(0.3, abs=0.1)
    assert report["actions"].verdict == "good"
    still = Dataset(tuple(replace(e, actions=e.actions * 0) for e in finite(0.3).episodes))
    assert examine(still)["actions"].verdict == "look"
