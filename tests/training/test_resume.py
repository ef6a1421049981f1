"""A run that was interrupted ends bit for bit where an uninterrupted one does."""

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import gymnasium as gym
import pytest
import toy
from interrupted import Interrupted, assert_equal_runs, stop_at

import imitax
from imitax.algorithms import adversarial, bc, ibc, ls_iq, sac
from imitax.checkpoint import checkpoints
from imitax.config import override
from imitax.datasets import Dataset, save_d4rl
from imitax.errors import CheckpointError, ConfigError, DataError
from imitax.files import read_json, write_json
from imitax.networks import EnergyConfig, Inference
from imitax.training.recorded import recorded_settings

pytestmark = pytest.mark.usefixtures("no_figures")

COMMON = {"env": toy.ENV, "chunk": 2, "eval_episodes": 2, "quiet": True}
OFFLINE = COMMON | {"steps": 20, "eval_every": 4, "checkpoint_every": 6}
ONLINE = COMMON | {"steps": 60, "eval_every": 10, "checkpoint_every": 20}
BC, SAC = toy.shrink(bc.Config()), toy.shrink(sac.Config(), buffer_size=30)  # the ring wraps twice


def start(kind, folder, demos, **options):
    if kind == "offline":
        return imitax.train(BC, demos=demos, out=folder, **OFFLINE | options)
    return imitax.train(SAC, out=folder, **ONLINE | options)


def interrupted(kind, folder, demos, step, **options):
    with pytest.raises(Interrupted):
        start(kind, folder, demos, callbacks=[stop_at(step)], **options)


def resume(kind, folder, demos, **options):
    return imitax.resume(folder, demos=demos if kind == "offline" else None, **options)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Uninterrupted runs, trained once."""
    made = {}

    def get(kind, demos, **options):
        key = (kind, *sorted(options.items()))
        if key not in made:
            made[key] = tmp_path_factory.mktemp("whole") / "run"
            start(kind, made[key], demos, **options)
        return made[key]

    return get


@pytest.mark.parametrize(("kind", "step"), [("offline", 16), ("offline", 4), ("online", 50), ("online", 10)])
def test_an_interrupted_run(kind, step, whole, tmp_path, demos):
    interrupted(kind, tmp_path / "run", demos, step)
    resume(kind, tmp_path / "run", demos)
    assert_equal_runs(whole(kind, demos), tmp_path / "run")


@pytest.mark.parametrize(("kind", "step"), [("offline", 16), ("online", 50)])
def test_an_interrupted_run_of_two_seeds(kind, step, whole, tmp_path, demos):
    interrupted(kind, tmp_path / "run", demos, step, seeds=(0, 3))
    resume(kind, tmp_path / "run", demos)
    assert_equal_runs(whole(kind, demos, seeds=(0, 3)), tmp_path / "run", (0, 3))


def test_a_run_interrupted_after_a_checkpoint_in_the_warmup(whole, tmp_path):
    """Episodes that ended before the checkpoint are reported by both runs, or by neither."""
    options = {"checkpoint_every": 4, "steps": 40}
    interrupted("online", tmp_path / "run", None, 10, **options)
    resume("online", tmp_path / "run", None)
    assert_equal_runs(whole("online", None, **options), tmp_path / "run")


def test_an_interrupted_run_with_several_environments(whole, tmp_path):
    """The whole run steps them in its own process, the interrupted one in workers: the numbers are the same."""
    options = {"num_envs": 2, "seeds": (0, 3)}
    interrupted("online", tmp_path / "run", None, 50, env_workers=2, **options)
    run = resume("online", tmp_path / "run", None)
    assert_equal_runs(whole("online", None, **options), tmp_path / "run", (0, 3))
    assert run.evaluate(3, env_workers=2)["per_seed"] == run.evaluate(3)["per_seed"]
    assert [run.replay(seed).transition_count for seed in (0, 3)] == [60, 60]
    assert run.replay(0).hash() != run.replay(3).hash()


def damage(path):
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def test_a_damaged_checkpoint_is_passed_over(whole, tmp_path, demos, capsys):
    interrupted("offline", tmp_path / "run", demos, 16)
    kept = checkpoints(tmp_path / "run" / "checkpoints")
    assert [p.name for p in kept] == ["step-000000006", "step-000000012"]
    damage(kept[-1] / "state.safetensors")
    resume("offline", tmp_path / "run", demos)
    assert "damaged" in capsys.readouterr().err
    assert_equal_runs(whole("offline", demos), tmp_path / "run")


def test_a_damaged_shard_is_passed_over(whole, tmp_path, capsys):
    with pytest.raises(Interrupted):
        start("online", tmp_path / "run", None, callbacks=[stop_at(50)])
    shards = sorted((tmp_path / "run" / "replay").glob("*.safetensors"))
    assert len(shards) == 2
    damage(shards[-1])
    resume("online", tmp_path / "run", None)
    assert "damaged" in capsys.readouterr().err
    assert_equal_runs(whole("online", None), tmp_path / "run")


def test_nothing_whole_is_an_error(tmp_path, demos):
    interrupted("offline", tmp_path / "run", demos, 16)
    for path in checkpoints(tmp_path / "run" / "checkpoints"):
        damage(path / "manifest.json")
    with pytest.raises(CheckpointError, match="every checkpoint is damaged"):
        resume("offline", tmp_path / "run", demos)


@pytest.mark.parametrize(("kind", "old", "new"), [("offline", 12, 20), ("online", 40, 60)])
def test_an_extended_run(kind, old, new, whole, tmp_path, demos):
    assert "unfinished" not in repr(start(kind, tmp_path / "run", demos, steps=old))
    shown = []

    def look(event):
        shown.append(repr(imitax.Run(event.folder)))

    run = resume(kind, tmp_path / "run", demos, steps=new, callbacks=[look])
    assert shown
    assert all("unfinished" in text for text in shown)
    assert run.summary["steps"] == new
    assert run.config["training"]["steps"] == new
    assert_equal_runs(whole(kind, demos), tmp_path / "run")


def test_a_finished_run_is_left_alone(whole, tmp_path, demos):
    shutil.copytree(whole("offline", demos), tmp_path / "run")
    before = {p: p.read_bytes() for p in (tmp_path / "run").rglob("*") if p.is_file()}
    resume("offline", tmp_path / "run", demos)
    assert {p: p.read_bytes() for p in (tmp_path / "run").rglob("*") if p.is_file()} == before


def test_a_finished_run_without_checkpoints_is_not_begun_again(whole, tmp_path, demos):
    folder = tmp_path / "run"
    shutil.copytree(whole("offline", demos), folder)
    shutil.rmtree(folder / "checkpoints")
    before = (folder / "metrics.jsonl").read_bytes()
    assert resume("offline", folder, demos).summary["steps"] == 20
    with pytest.raises(CheckpointError, match="has finished, but its checkpoints are gone"):
        resume("offline", folder, demos, steps=30)
    assert (folder / "metrics.jsonl").read_bytes() == before


def test_an_environment_in_memory_goes_on_for_an_id_with_arguments(tmp_path):
    start("online", tmp_path / "run", None, steps=40, env_kwargs={"wall": 1.4})
    run = imitax.resume(tmp_path / "run", env=lambda: gym.make(toy.ENV, wall=1.4), steps=60)
    assert run.summary["steps"] == 60


def test_what_does_not_fit(whole, tmp_path, demos):
    folder = whole("offline", demos)
    with pytest.raises(DataError, match="demonstrations have changed"):
        imitax.resume(folder, demos=toy.demonstrations(8, seed=1))
    with pytest.raises(ConfigError, match="give a larger number"):
        resume("offline", folder, demos, steps=10)
    with pytest.raises(ConfigError, match="demonstrations in memory"):
        imitax.resume(folder)
    with pytest.raises(CheckpointError, match="not a run"):
        imitax.resume(tmp_path / "nothing")


class Wider(gym.Wrapper):
    """The toy task with another range of actions."""

    def __init__(self, factor=1.0):
        super().__init__(gym.make(toy.ENV))
        own = self.env.action_space
        self.action_space = gym.spaces.Box(own.low * factor, own.high * factor)


@pytest.mark.filterwarnings("ignore:.*do not look like one task")
@pytest.mark.parametrize("kind", ["offline", "online"])
def test_an_environment_with_another_range_of_actions_is_refused(kind, tmp_path, demos):
    start(kind, tmp_path / "run", demos, env=Wider)
    with pytest.raises(ConfigError, match=r"was started with the actions Box\(.*\), this environment takes Box"):
        resume(kind, tmp_path / "run", demos, env=lambda: Wider(2.0), steps=100)
    steps = 22 if kind == "offline" else 62
    assert resume(kind, tmp_path / "run", demos, env=Wider, steps=steps).summary["steps"] == steps


SCRIPT = """
import sys, toy, imitax
from imitax.algorithms import bc
imitax.train(toy.shrink(bc.Config()), demos=sys.argv[1], out=sys.argv[2], env=toy.ENV, steps=1000, chunk=10,
             eval_every=1000, checkpoint_every=10, eval_episodes=2, quiet=True)
"""


def test_kill_minus_nine(tmp_path, demos):
    imitax.datasets.save_d4rl(demos, tmp_path / "demos.hdf5")
    options = COMMON | {"steps": 1000, "chunk": 10, "eval_every": 1000, "checkpoint_every": 10}
    call = [sys.executable, "-c", SCRIPT, str(tmp_path / "demos.hdf5"), str(tmp_path / "run")]
    with subprocess.Popen(call, env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}) as process:
        deadline = time.monotonic() + 120
        while len(checkpoints(tmp_path / "run" / "checkpoints")) < 2 and time.monotonic() < deadline:
            assert process.poll() is None, "the run ended before it could be killed"
            time.sleep(0.02)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert not (tmp_path / "run" / "summary.json").exists()
    imitax.resume(tmp_path / "run")
    imitax.train(BC, demos=tmp_path / "demos.hdf5", out=tmp_path / "whole", **options)
    assert_equal_runs(tmp_path / "whole", tmp_path / "run")


def test_an_adversarial_run_that_was_interrupted(tmp_path, demos):
    """With absorbing states, whose count is rebuilt from the shards, and a ring that wraps."""
    cfg = toy.shrink(adversarial.Config(), buffer_size=30)
    for name, steps in (("whole", 60), ("part", 40)):
        imitax.train(cfg, demos=demos, out=tmp_path / name, **ONLINE | {"steps": steps})
    imitax.resume(tmp_path / "part", demos=demos, steps=60)
    assert_equal_runs(tmp_path / "whole", tmp_path / "part")
    rewards = [(tmp_path / name / "reward.safetensors").read_bytes() for name in ("whole", "part")]
    assert rewards[0] == rewards[1]


def test_a_relative_path_is_seen_from_where_one_stands(tmp_path, monkeypatch, demos):
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    save_d4rl(imitax.load(demos), tmp_path / "here" / "demos.hdf5")
    monkeypatch.chdir(tmp_path / "here")
    imitax.train(BC, demos="demos.hdf5", out=tmp_path / "run", **OFFLINE)
    monkeypatch.chdir(tmp_path / "there")
    with pytest.raises(DataError, match=r"are not at demos\.hdf5, seen from the current folder, any more"):
        imitax.resume(tmp_path / "run", steps=40)
    assert imitax.resume(tmp_path / "run", steps=40, demos="../here/demos.hdf5").summary["steps"] == 40


def test_an_ibc_run_of_an_older_version_goes_on_as_it_was(tmp_path, demos):
    """Its config lacks what its amortised policy is trained by, and where its energy and its search differ."""
    head = toy.shrink(ibc.PRESETS["cleanil"]).policy
    cfg = ibc.Config(
        energy=EnergyConfig((8,)), amortised="energy", inference=Inference("actor_polish", actor_samples=4)
    )
    cfg = replace(toy.shrink(cfg), policy=head)
    length = COMMON | {"steps": 20, "eval_every": 10, "checkpoint_every": 10}
    imitax.train(cfg, demos=demos, out=tmp_path / "whole", **length)
    with pytest.raises(Interrupted):
        imitax.train(cfg, demos=demos, out=tmp_path / "cut", callbacks=[stop_at(20)], **length)
    config = read_json(tmp_path / "cut" / "config.json")
    del config["config"]["amortised"], config["config"]["energy"]["residual"]
    del config["config"]["inference"]["actor_first"]
    write_json(tmp_path / "cut" / "config.json", config)
    imitax.resume(tmp_path / "cut", demos=demos)
    assert_equal_runs(tmp_path / "whole", tmp_path / "cut")


def test_a_run_of_a_version_without_cloning_goes_on_without(tmp_path, demos):
    cfg = toy.shrink(override(ls_iq.Config(), **{"policy_update.cloning": 0.0}))
    imitax.train(cfg, demos=demos, out=tmp_path / "whole", **ONLINE)
    with pytest.raises(Interrupted):
        imitax.train(cfg, demos=demos, out=tmp_path / "cut", callbacks=[stop_at(40)], **ONLINE)
    config = read_json(tmp_path / "cut" / "config.json")
    del config["config"]["policy_update"]
    assert recorded_settings(ls_iq.Config, config).policy_update == cfg.policy_update
    write_json(tmp_path / "cut" / "config.json", config)
    imitax.resume(tmp_path / "cut", demos=demos)
    assert_equal_runs(tmp_path / "whole", tmp_path / "cut")


def test_an_environment_keeps_the_version_that_it_began_with(tmp_path, demos):
    run = imitax.train(BC, demos=demos, out=tmp_path / "run", **OFFLINE | {"env": toy.ENV})
    assert run.config["training"]["env"] == toy.ENV
    with pytest.warns(UserWarning, match="latest versioned environment"):
        run = imitax.train(BC, demos=demos, out=tmp_path / "bare", **OFFLINE | {"env": toy.ENV.removesuffix("-v0")})
    assert run.config["training"]["env"] == run.config["env"]["id"] == toy.ENV


def test_a_run_without_an_environment_whose_records_are_gone(tmp_path, demos, capsys):
    """It goes on, says so, and names no best policy whose errors it does not know."""
    plain = Dataset(demos.episodes, name="plain")
    options = {"demos": plain, "chunk": 2, "eval_every": 4, "checkpoint_every": 4, "steps": 8, "quiet": True}
    run = imitax.train(BC, env=None, out=tmp_path / "run", **options)
    records, best = run.folder / "metrics.jsonl", run.summary["best_steps"]["0"]
    lines = records.read_text()
    (run.folder / "summary.json").unlink()
    records.unlink()
    with pytest.raises(CheckpointError, match=r"metrics\.jsonl has no evaluation of step 8, the last one: put"):
        imitax.resume(run.folder, demos=plain)
    records.write_text("".join(x for x in lines.splitlines(True) if f'"step": {best},' not in x))
    again = imitax.resume(run.folder, demos=plain, steps=10, quiet=False)
    assert f"metrics.jsonl has lost evaluations, such as the best one, of step {best}: " in capsys.readouterr().err
    assert again.summary["last"]["error"] > 0
    assert again.summary["best_steps"]["0"] == 10 or again.summary["best"] is None
