"""The report on a learned reward: what is drawn of it, and what is said of the rest."""

import re
import shutil
import xml.etree.ElementTree as ET

import equinox as eqx
import finished
import gymnasium as gym
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pictured
import pytest
import toy
from written_runs import write_run

from imitax import cli
from imitax.artifacts import save_policy, save_reward
from imitax.choices.discrimination import RewardHead
from imitax.choices.learned_reward import LearnedReward
from imitax.choices.terminal import Terminal
from imitax.datasets import collect, save_d4rl
from imitax.errors import ConfigError
from imitax.files import read_json, save_arrays, write_json
from imitax.networks import Normalizer, Policy, PolicyConfig, Reward, RewardConfig, policy_head
from imitax.observation_spaces import of_space
from imitax.observations import named
from imitax.report import heat, reward_charts
from imitax.report.reward import look
from imitax.report.svg import Chart
from imitax.rewards.views import ActionCurve, Map, chosen
from imitax.run import Run
from imitax.spaces import FiniteActions, Spec
from imitax.trust import mark

VERSIONS = {"imitax": "0.2.0", "gymnasium": "1.0", "mujoco": "3.0"}


def save(folder, spec, inputs="state_action"):
    """A policy and a reward of some numbers; the reward does not see the first action."""
    net = Reward(spec, RewardConfig((8,), inputs=inputs), gamma=0.9, flagged=False, absorbing=False, key=jr.key(0))
    if inputs == "state_action" and not spec.is_finite:
        first = net.mlp.weights[0].at[net.encoder.size].set(0)  # [I, O]
        net = eqx.tree_at(lambda net: net.mlp.weights[0], net, first)
    reward = LearnedReward(Normalizer.identity(spec.observation), net, Terminal("none"), RewardHead("logit"), 1.0)
    save_reward(folder / "reward.safetensors", reward, {})
    policy = Policy(Normalizer.identity(spec.observation), policy_head(spec, PolicyConfig((8,)), key=jr.key(0)))
    save_policy(folder / "policy.safetensors", policy, {})


def record(folder, data):
    """A replay that holds some episodes."""
    flat = data.transitions()
    ends = np.zeros(len(flat.reward), bool)
    ends[np.cumsum(data.lengths) - 1] = True
    fields = {"obs": flat.obs, "action": data.actions, "reward": flat.reward, "next_obs": flat.next_obs}
    fields |= {"terminated": flat.terminated, "ends": ends}
    arrays = {name: x for field, tree in fields.items() for name, x in named(tree, field, "/")}
    save_arrays(folder / "replay" / "000000000-000000100.safetensors", arrays, {})


@pytest.fixture(scope="module")
def folder(demos, tmp_path_factory):
    """A run with a reward, demonstrations in a file, and a replay."""
    root = tmp_path_factory.mktemp("rewarded")
    save_d4rl(demos, root / "toy.hdf5")
    folder = write_run(root / "run", {0: [1.0, 2.0]}, env=toy.ENV, algorithm="<b>adversarial", versions=VERSIONS)
    config = read_json(folder / "config.json")
    training = config["training"] | {"demos": str(root / "toy.hdf5")}
    config["data"] |= {"hash": demos.hash(), "episodes_available": 8, "validation_episodes": {"0": None}}
    write_json(folder / "config.json", config | {"training": training, "folder_mark": mark(folder)})
    save(folder, finished.SPEC)
    record(folder, toy.demonstrations(3, seed=7))
    return folder


def titles(part):
    return [figure.title for figure in part.figures]


def test_everything_that_there_is(folder):
    part = look(Run(folder), None, True, False)
    assert (part.notes, part.seed, part.several) == ([], 0, False)
    assert titles(part) == ["Map", "Along a demonstration", "Along an episode of the policy"]
    assert "principal components" in part.figures[0].caption
    assert part.figures[0].legend[0].text == "demonstrations"
    assert [entry.text for entry in part.figures[1].legend] == ["learned reward", "true reward"]
    assert "their correlation is " in part.figures[1].caption
    ignored, seen = ([*map(float, re.findall(r"-?[\d.]+", line(figure)))][1::2] for figure in part.actions)
    assert np.ptp(ignored) == 0
    assert np.ptp(seen) > 5  # units of the view box
    assert "lines are means" in part.about_actions
    assert look(Run(finished.write(folder.parent / "bc")), None, True, False) is None


def line(figure):
    """The path of the mean."""
    return re.search(r'<path class="line c0" d="(.*?)"', figure.chart)[1]


def test_the_page(folder, tmp_path):
    other = write_run(tmp_path / "other", {0: [1.0, 2.0]}, env=toy.ENV)
    out = tmp_path / "r.html"
    assert cli.dispatch(["report", str(folder), str(other), "--out", str(out), "--reward-dims", "1", "0"]) == 0
    html = out.read_text()
    section = re.search(r'<section id="reward">.*?</section>', html, re.DOTALL)[0]
    assert '<a href="#reward">' in html
    assert section.count("<svg") == 3 * 2 + 2  # a wide and a narrow one of each figure, and the actions
    assert section.count("<h4>Map</h4>") == 1  # the other run has learned no reward
    assert "Axes are observations 1 and 0" in section
    assert "<b>adversarial" not in html
    for svg in re.findall(r"<svg.*?</svg>", section, re.DOTALL):
        ET.fromstring(svg)
    assert not re.search(r"href=|src=|url\(|style=", section)


def test_dimensions_that_are_not_there(folder):
    for dims in ((0, 2), (1, 1), (-1, 0)):
        with pytest.raises(ConfigError, match=r"two different observations of .*, from 0 to 1"):
            look(Run(folder), dims, True, False)


def test_data_of_copies_are_not_read_unasked(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    part = look(Run(copy), None, True, False)
    assert titles(part) == ["Map", "Along an episode of the policy"]
    assert "--trust-env reads it" in part.notes[0]
    assert titles(look(Run(copy), None, True, True)) == [
        "Map",
        "Along a demonstration",
        "Along an episode of the policy",
    ]
    shutil.rmtree(copy / "replay")
    assert look(Run(copy), None, False, False).notes[0] == "Demonstrations were not read (--no-data)."
    part = look(Run(copy), None, True, False)
    assert not part.figures
    assert [note.partition(":")[0] for note in part.notes[1:]] == [
        "Episodes of the policy are not shown",
        "There is nothing to show the reward on",
    ]
    (copy / "reward.safetensors").write_bytes(b"no reward")
    assert look(Run(copy), None, True, False).notes[0].startswith("The reward cannot be shown: ")


def test_a_reward_of_states_says_nothing_of_actions(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    save(copy, finished.SPEC, "state_next")
    part = look(Run(copy), None, True, False)
    assert titles(part) == ["Map", "Along an episode of the policy"]
    assert (part.actions, part.notes[-1]) == ([], "There are no figures by action: this reward sees states alone.")
    assert "the action" not in part.figures[0].caption


def other(root, space, data):
    """A run whose data were in memory, with a replay of other spaces."""
    folder = write_run(root / "run", {0: [1.0]}, env="Other-v0", versions=VERSIONS)
    save(folder, space)
    record(folder, data)
    return look(Run(folder), None, True, False)


@pytest.mark.long
def test_observations_of_several_parts_have_no_map(tmp_path):
    make = lambda: gym.make(pictured.ENVS["dict"])  # noqa: E731
    data = collect(lambda obs, step: np.zeros((1, 2)), make, episodes=1, seed=0, num_envs=1)
    part = other(tmp_path, Spec(of_space(make().observation_space), finished.SPEC.action), data)
    assert titles(part) == ["Along an episode of the policy"]
    assert "There is no map: observations are not one vector of numbers." in part.notes
    assert "objects in memory" in part.notes[0]
    assert len(part.actions) == 2


def test_finite_actions(tmp_path):
    part = other(tmp_path, Spec(finished.SPEC.observation, FiniteActions((3,), (-1,))), toy.stepped("discrete", 2))
    assert [figure.chart.count("<circle") for figure in part.actions] == [3]
    assert "The reward of each action at" in part.about_actions


def test_a_map_of_a_known_reward():
    x = y = np.linspace(0, 1, 5)
    found = Map(x, y, x[None] + 10 * y[:, None])
    places = {"demonstrations": np.array([[0.5, 0.5], [0.25, 1.0]]), "policy": np.array([[0.0, 0.0], [9.0, 0.0]])}
    figure = reward_charts.reward_map(found, chosen(0, 1, 2), places, True)
    wide, narrow = (ET.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", str(figure.chart)))
    assert (wide.get("class"), narrow.get("class")) == ("chart wide", "chart narrow")
    cells = next(g for g in wide if g.get("class") == "cells")
    low, high = cells[0], cells[-1]
    assert (low.get("fill"), high.get("fill")) == (heat.colours()[0], heat.colours()[-1])
    assert low.get("d").startswith("M0 4h")  # the lowest reward is at the bottom on the left
    assert high.get("d") == "M3 0h2v1h-2z"
    assert [path.get("d").count("M") for path in wide if path.get("class") in ("points p0", "points p1")] == [2, 1]
    assert "25 % of the points lie beyond the axes." in figure.caption
    assert "Bright where the reward is high" in figure.caption


def test_colours():
    np.testing.assert_array_equal(heat.levels(np.array([0.0, 1, 2, np.nan, 9]), (0, 2)), [0, 16, 31, -1, 31])
    np.testing.assert_array_equal(heat.levels(np.ones(2), (1, 1)), [16, 16])
    chart = Chart((0, 1), (0, 1))
    heat.cells(chart, np.full((2, 2), np.nan), (0, 1))
    assert "<path" not in chart.parts[0]


def test_along_an_episode():
    learned = np.arange(1000.0)
    figure = reward_charts.along_episode("x", learned, 5 - 2 * learned)
    assert "their correlation is -1.00. A point is the mean of 5 steps." in figure.caption
    assert "The true reward is not recorded." in reward_charts.along_episode("x", learned, None).caption
    constant = reward_charts.along_episode("x", learned[:3], np.ones(3))
    assert "one of them is constant." in constant.caption


def test_flat_curves_look_flat():
    values = np.linspace(-1, 1, 3)
    curve = ActionCurve("action 0", values, np.full(3, 1e-9), np.zeros(3), np.zeros(3), (0.0, 0.5))
    (figure,) = reward_charts.actions([curve], False, 2.0)
    heights = re.findall(r"[ML][\d.]+ ([\d.]+)", line(figure))
    assert len(set(heights)) == 1
    ticks = re.findall(r'text-anchor="end">(.*?)<', figure.chart)
    assert ticks[0] == "-0.2"
    assert jnp.isfinite(float(ticks[-1]))
