"""Training without an environment on integers: a finite set of actions, found out, given, kept, and measured."""

import json
import shutil
from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
import toy

import imitax
from imitax import cli
from imitax.algorithms import bc, ibc, iq_learn, omlirl, recoil
from imitax.config import Training
from imitax.datasets import Dataset, Episode, save_d4rl
from imitax.envs import Spaces
from imitax.errors import CheckpointError, ConfigError, DataError
from imitax.files import load_arrays, read_json, write_json
from imitax.run_config import task_of
from imitax.spaces import BoxActions, FiniteActions
from imitax.training.provenance import describe_task
from imitax.training.task import make_task

BC = toy.shrink(bc.Config())
SHORT = {"chunk": 2, "eval_every": 4, "checkpoint_every": 4, "steps": 8, "quiet": True}
FEW = ["--chunk", "2", "--eval-every", "4", "--checkpoint-every", "4", "--policy.hidden", "8", "--batch-size", "16"]
OBS = gym.spaces.Box(-9, 9, (2,))
THREE = FiniteActions((3,), (0,))


def choices(columns=1, count=4):
    """Episodes of 8 steps whose integers are 0 to 2, in each column."""
    rng, actions = np.random.default_rng(0), (np.arange(8)[:, None] + np.arange(columns)) % 3
    episodes = [Episode(rng.normal(size=(9, 2)), actions, np.ones(8), False, True) for _ in range(count)]
    return Dataset(tuple(episodes), name="choices")


@pytest.fixture
def train(tmp_path, no_figures):
    def start(algorithm=BC, **options):
        return imitax.train(algorithm, out=tmp_path / "run", **SHORT | options)

    return start


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run with figures, whose data lie in a file."""
    folder = tmp_path_factory.mktemp("choices")
    save_d4rl(choices(), folder / "data.hdf5")
    return imitax.train(BC, demos=folder / "data.hdf5", out=folder / "run", **SHORT | {"seeds": (0, 3)})


def test_integers_are_a_finite_set(run):
    assert run.load_policy(0).actor.spec.action == THREE
    about = run.config["env"]
    assert (about["id"], about["bounds"], about["action_sizes"], about["action_starts"]) == (None, "inferred", [3], [0])
    assert run.config["training"]["action_low"] is None
    action = run.policy(np.zeros((5, 2)))
    assert (action.shape, action.dtype) == ((5,), np.int64)
    loaded = imitax.load_policy(run.seed_folder(0))
    np.testing.assert_array_equal(loaded(np.zeros((5, 2))), action)
    assert loaded.score(choices()) < 0
    assert imitax.Run(run.folder).task.action_space == gym.spaces.Discrete(3)


def decided(data, spaces=None, **options):
    """The task of a run, the options, and what both become when they are read from its config again."""
    place = None if spaces is None else Spaces.of(spaces)
    task, found = make_task(place, Training(env=None, **{"quiet": True} | options), [data], bc.needs(BC))
    return task, found, task_of(json.loads(json.dumps(describe_task(task))))


def test_what_the_log_says(capsys):
    decided(choices(), quiet=False)
    said = (
        "imitax: no environment: 2 observations, discrete actions 0 to 2, inferred from the data; if they are amounts"
    )
    assert capsys.readouterr().err.startswith(said)
    decided(choices(2), (OBS, gym.spaces.MultiDiscrete([3, 4], start=[0, -1])), quiet=False)
    assert "2 observations, discrete actions 0 to 2, -1 to 2, as given\n" in capsys.readouterr().err


def test_limits_make_integers_amounts():
    given, options, _ = decided(choices(), action_low=(0.0,), action_high=(2.0,))
    assert (given.spec.action, given.recorded.bounds) == (BoxActions((0.0,), (2.0,)), "given")
    assert (options.action_low, options.action_high) == ((0.0,), (2.0,))
    below, _, _ = decided(choices(), action_low=(-1.0,))
    assert below.spec.action.low == (-1.0,)
    assert below.spec.action.high == pytest.approx((2.1,), abs=0.11)
    declared, _, again = decided(replace(choices(), action_low=(-1.0,), action_high=(3.0,)))
    assert (declared.spec.action, declared.recorded.bounds) == (BoxActions((-1.0,), (3.0,)), "recorded")
    assert again.spec == declared.spec


@pytest.mark.parametrize(
    ("space", "actions"),
    [
        (gym.spaces.Discrete(5, start=-1, dtype=np.int32), FiniteActions((5,), (-1,), (), "int32")),
        (gym.spaces.MultiDiscrete([[3, 4]]), FiniteActions((3, 4), (0, 0), (1, 2))),
        (gym.spaces.MultiDiscrete([3, 4], np.int8, start=[0, -1]), FiniteActions((3, 4), (0, -1), (2,), "int8")),
    ],
)
def test_a_set_is_given(space, actions):
    task, options, again = decided(choices(actions.columns), (OBS, space))
    assert task.spec.action == actions
    assert (again.spec, again.action_space) == (task.spec, space)
    assert (options.action_low, options.action_high) == (None, None)


def test_switches():
    on = tuple(replace(e, actions=np.asarray(e.actions) > 0) for e in choices(2).episodes)
    for episodes in (on, tuple(replace(e, actions=np.asarray(e.actions, float)) for e in on)):  # floats as they may be
        task, _, again = decided(replace(choices(2), episodes=episodes), (OBS, gym.spaces.MultiBinary(2)))
        assert task.spec.action == again.spec.action == FiniteActions((2, 2), (0, 0), (2,), "int8")
    task, _, _ = decided(replace(choices(2), episodes=on))
    assert task.spec.action == FiniteActions((2, 2), (0, 0), (2,))


def test_a_value_outside_of_a_given_set():
    with pytest.raises(DataError, match=r"not in the given set: dimension 0: 8 rows, the first 2 at episode 0 row 2"):
        decided(choices(), (OBS, gym.spaces.Discrete(2)))
    with pytest.raises(DataError, match="choices has 1 actions, the given space 2"):
        decided(choices(), (OBS, gym.spaces.MultiBinary(2)))


def test_the_error_is_the_share_of_wrong_actions(run):
    held = run.config["data"]["validation_episodes"]["0"]
    assert held
    episode = choices().episodes[held[0]]
    right = run.policy(episode.observations[:-1]) == np.asarray(episode.actions)[:, 0]
    last = run.summary["last"]["per_seed"][0]
    assert last["error"] == pytest.approx(1 - right.mean())
    assert last["action_error_by_dimension"] == pytest.approx([1 - right.mean()])
    assert last["log_likelihood"] < 0
    assert run.summary["error_of"] == "the actions"
    again = imitax.Run(run.folder).evaluate()
    assert again["error"] == pytest.approx(run.summary["last"]["error"])
    assert again["error_of"] == "the actions"
    assert (run.folder / "figures" / "learning-curve.png").stat().st_size > 1000


def test_evaluation_on_actions_that_the_policy_does_not_have(run):
    other = replace(choices(), episodes=(Episode(np.zeros((3, 2)), np.array([[0], [3]]), None, False, True),))
    with pytest.raises(DataError, match=r"the policy's set: dimension 0: 1 rows, the first 3 at episode 0 row 1"):
        run.evaluate(demos=other)


def test_resumption_is_exact_and_keeps_the_set(train, tmp_path):
    options = {"demos": choices(), "spaces": (OBS, gym.spaces.Discrete(7))}
    folder = train(**options, steps=4).folder
    with pytest.raises(DataError, match="choices has 2 actions, the given space 1"):
        imitax.resume(folder, demos=choices(2), steps=8)
    again = imitax.resume(folder, demos=choices(), steps=8)
    assert gym.spaces.Discrete(7).contains(again.policy(np.zeros(2)))
    whole = imitax.train(BC, out=tmp_path / "whole", **options, **SHORT)
    a, b = (load_arrays(f / "policy.safetensors")[0] for f in (folder, whole.folder))
    assert a.keys() == b.keys()
    for name, array in a.items():
        np.testing.assert_array_equal(array, b[name], err_msg=name)


@pytest.mark.parametrize(
    "damage",
    [
        {"action_sizes": [3, 3]},
        {"action_sizes": None},
        {"action_starts": "0"},
        {"action_sizes": [2.5]},
        {"action_sizes": [1]},
        {"bounds": "?"},
    ],
)
def test_a_damaged_set_in_the_config(damage, run, tmp_path):
    shutil.copytree(run.folder, tmp_path / "copy")
    config = read_json(run.folder / "config.json")
    config["env"] |= damage
    if "bounds" in damage:
        config["env"] = {k: v for k, v in config["env"].items() if k != "action_dtype"}
    write_json(tmp_path / "copy" / "config.json", config, exact=True)
    with pytest.raises(CheckpointError, match="does not say the spaces"):
        task_of(config["env"])
    with pytest.raises(CheckpointError, match="does not say the spaces"):
        imitax.resume(tmp_path / "copy", demos=choices(), steps=16, trust_env=True)


@pytest.mark.parametrize(
    ("algorithm", "options"),
    [
        (toy.shrink(iq_learn.PRESETS["offline"]), {}),
        pytest.param(toy.shrink(ibc.Config()), {}, marks=pytest.mark.long),
        pytest.param(
            toy.shrink(recoil.Config()), {"offline_data": replace(choices(2), name="other")}, marks=pytest.mark.long
        ),
    ],
)
def test_other_methods(algorithm, options, train):
    done = train(algorithm, demos=choices(2), steps=4, **options)
    assert np.isfinite(done.summary["last"]["error"])
    assert gym.spaces.MultiDiscrete([3, 3]).contains(done.policy(np.zeros(2)))


@pytest.mark.parametrize(
    ("algorithm", "data", "message"),
    [
        (omlirl.Config(), choices(), r"actions of choices, Discrete\(3\), because .*if they are amounts, give"),
        (
            iq_learn.PRESETS["offline"],
            choices(7),
            "and choices has 2,187, more than 1,024: .* or fewer actions; if they",
        ),
    ],
)
def test_what_algorithms_cannot_take(algorithm, data, message, train):
    offline = {"offline_data": data} if algorithm == omlirl.Config() else {}
    with pytest.raises(ConfigError, match=message):
        train(algorithm, demos=data, **offline)


def test_integers_and_floats_among_episodes(capsys):
    data = choices()
    first, *others = data.episodes
    whole = replace(first, actions=np.asarray(first.actions, float))
    with pytest.raises(DataError, match="floats by type in 1 of 4 episodes, such as episode 0 of choices"):
        decided(replace(data, episodes=(whole, *others)))
    given, _, _ = decided(replace(data, episodes=(whole, *others)), (OBS, gym.spaces.Discrete(3)))
    assert given.spec.action == THREE
    halves = replace(first, actions=np.asarray(first.actions) / 2)
    task, _, _ = decided(replace(data, episodes=(halves, *others)), quiet=False)
    assert "all are taken as amounts" in capsys.readouterr().err
    assert isinstance(task.spec.action, BoxActions)


def test_a_warm_start_needs_the_same_set(run, train):
    words = r"2 observations and the actions Discrete\(3\), .* Discrete\(4\); give spaces"
    with pytest.raises(ConfigError, match=words):
        train(demos=choices(), init_from=run.seed_folder(0), spaces=(OBS, gym.spaces.Discrete(4)))
    with pytest.raises(ConfigError, match=r"the actions Discrete\(3\), this run's data have 2 and Box\("):
        train(demos=choices(), init_from=run.seed_folder(0), action_low=0, action_high=2)


def test_estimators(tmp_path, no_figures):
    fitted = imitax.BC(batch_size=16, policy__hidden=(8,)).fit(choices(), out=tmp_path / "run", **SHORT | {"steps": 4})
    assert fitted.predict(np.zeros((3, 2))).dtype == np.int64
    assert fitted.score(choices()) < 0


def test_the_command_line_reads_a_table(tmp_path, monkeypatch, capsys, no_figures):
    monkeypatch.chdir(tmp_path)
    rows = [f"{e},{0.1 * t - e},{e},{(t + e) % 4}" for e in range(4) for t in range(9)]
    (tmp_path / "log.csv").write_text("\n".join(["episode,obs_0,obs_1,action", *rows]))

    def command(*args):
        with pytest.raises(SystemExit) as end:
            cli.main(list(args))
        assert not end.value.code
        return capsys.readouterr()

    shown = command("train", "bc", "--demos", "log.csv", *FEW, "--steps", "4", "--out", "run")
    assert "discrete actions 0 to 3, inferred from the data" in shown.err
    assert "% of the actions, log-likelihood" in shown.out
    assert "share of wrong actions" in shown.out
    assert "action units" not in shown.out
    command("train", "--resume", "run", "--steps", "8")
    assert "share of wrong actions" in command("eval", "run").out
    found = json.loads(command("eval", "run", "--json").out.splitlines()[-1])
    assert found["error_of"] == "the actions"
    assert 0 <= found["error"] <= 1
