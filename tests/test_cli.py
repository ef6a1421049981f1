"""The command line: what it refuses, with which status, and what it passes on."""

import errno
import importlib
import io
import subprocess
import sys
import types
from pathlib import Path

import pytest

from imitax import cli
from imitax.algorithms import ALGORITHMS
from imitax.config import flatten
from imitax.errors import ConfigError


def ended(args, capsys):
    """Exit status and standard error of a command in this process."""
    with pytest.raises(SystemExit) as end:
        cli.main(args)
    return end.value.code, capsys.readouterr().err


def test_what_the_operating_system_refuses_ends_with_a_line(tmp_path, capsys):
    out = str(tmp_path / ("x" * 300))
    status, error = ended(["train", "bc", "--env", "Pendulum-v1", "--demos", "hopper-expert", "--out", out], capsys)
    assert status == 2
    assert error.endswith("x: File name too long\n")
    full = OSError(errno.ENOSPC, "No space left on device", "runs/a")
    assert cli.os_problem(full).startswith(
        "runs/a: No space left on device; make room, then go on with imitax train --r"
    )
    large = OSError(errno.EFBIG, "File too large", "runs/a")
    assert cli.os_problem(large).startswith(
        "runs/a: File too large; raise the limit of file sizes (ulimit -f), then go on with imitax train --resume"
    )


def test_what_the_output_cannot_encode_is_escaped(monkeypatch):
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="strict")
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(cli, "dispatch", lambda _: print("runs/qü") or 0)
    with pytest.raises(SystemExit) as end:
        cli.main([])
    assert (end.value.code, out.buffer.getvalue()) == (0, b"runs/q\\xfc\n")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["bc", "--average", "0.1"], "--average is called --ema now"),
        (["bc", "--average=0.1"], "--average is called --ema now"),
        (["sac", "--steps", "100", "--average", "0"], "--average is called --ema now"),
        (["ibc", "--buffer", "0.1"], "--buffer is called --range-margin now"),
        (["mbpo", "--imagination.horizon", "1"], "--imagination.horizon is called --model-rollouts.horizon now"),
        (["mopo", "--imagination.end-beyond=3"], "--imagination.end-beyond is called --model-rollouts.end-beyond now"),
        (
            ["rmirl", "--imagination.no-stop-at-end"],
            "--imagination.no-stop-at-end is called --model-rollouts.no-stop-at-end now",
        ),
    ],
)
def test_renamed_flags_are_refused_with_their_new_name(args, message, capsys):
    assert ended(["train", *args], capsys) == (2, f"imitax: {message}\n")


def test_a_flag_that_is_old_elsewhere_is_unknown(capsys):
    status, error = ended(["train", "bc", "--buffer", "1"], capsys)
    assert status == 2
    assert "range-margin" not in error


def test_a_renamed_flag_ends_the_process_without_a_traceback():
    call = [sys.executable, "-m", "imitax.cli", "train", "bc", "--average", "0.1"]
    done = subprocess.run(call, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "imitax: --average is called --ema now\n")


@pytest.mark.parametrize(
    ("args", "status", "message"),
    [
        ([], 2, ""),
        (["frobnicate"], 2, "unknown command 'frobnicate'; there are train, eval, collect, datasets"),
        (["train", "nonsense"], 2, "unknown algorithm 'nonsense'"),
        (["train", "bc", "--preset", "best"], 2, "bc has no preset 'best'"),
        (["train", "bc", "--env-kwargs", "{"], 2, "--env-kwargs takes a JSON object"),
        (["train", "bc", "--td-loss.delta", "1"], 2, ""),
        (["train"], 2, ""),
        (["train", "--help"], 0, ""),
        (["--version"], 0, ""),
    ],
)
def test_statuses(args, status, message, capsys):
    found, error = ended(args, capsys)
    assert found == status
    assert message in error


@pytest.fixture
def asked(monkeypatch):
    """What `imitax train` passes to `train`."""
    calls = []
    entry = importlib.import_module("imitax.training.entry")
    run = types.SimpleNamespace(folder="runs/x", summary={})
    monkeypatch.setattr(entry, "train", lambda cfg, **options: calls.append((cfg, options)) or run)
    monkeypatch.setattr(importlib.import_module("imitax.cli.scores"), "print_scores", lambda *_: None)
    return calls


@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_preset_reaches_training_as_it_is(name, asked):
    for preset, cfg in ALGORITHMS[name].PRESETS.items():
        assert cli.dispatch(["train", name, "--preset", preset, "--quiet"]) == 0
        passed, options = asked.pop()
        assert flatten(passed) == flatten(cfg)
        assert passed == cfg
        assert (options["preset"], options["quiet"]) == (preset, True)


def test_flags_change_the_parts_of_a_configuration(asked):
    flags = ["--gamma", "0.5", "--critic.hidden", "4", "4", "--ema", "0.25", "--warmup-steps", "7"]
    flags += ["--env-kwargs", '{"wall": 2}', "--seeds", "1", "2"]
    assert cli.dispatch(["train", "sac", *flags, "--quiet"]) == 0
    ((cfg, options),) = asked
    assert (cfg.agent.gamma, cfg.agent.critic.hidden, cfg.agent.ema) == (0.5, (4, 4), 0.25)
    assert cfg.replay.warmup_steps == 7
    assert (options["env_kwargs"], options["seeds"]) == ({"wall": 2}, (1, 2))


@pytest.mark.parametrize(("text", "value"), [("none", None), ("None", None), ("0.25", 0.25)])
def test_a_number_that_may_be_missing(asked, text, value):
    assert cli.dispatch(["train", "sac", "--ema-share", text, "--quiet"]) == 0
    ((cfg, _),) = asked
    assert cfg.agent.ema_share == value


def test_a_resumed_run_and_an_evaluation_take_workers(monkeypatch):
    calls = []
    run = types.SimpleNamespace(summary={}, evaluate=lambda *_, **options: calls.append(options) or {})
    monkeypatch.setattr("imitax.training.resume.resume", lambda _, **options: calls.append(options) or run)
    monkeypatch.setattr("imitax.run.Run", lambda _, **options: run)
    assert cli.dispatch(["train", "--resume", "runs/x", "--env-workers", "3", "--quiet"]) == 0
    assert cli.dispatch(["train", "--resume", "runs/x", "--quiet"]) == 0
    assert cli.dispatch(["eval", "runs/x", "--env-workers", "2", "--json"]) == 0
    assert [options["env_workers"] for options in calls] == [3, None, 2]
    with pytest.raises(ConfigError, match="--env-workers must not be negative, got -1"):
        cli.dispatch(["eval", "runs/x", "--env-workers", "-1"])


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (
            ["trian"],
            "unknown command 'trian'; there are train, eval, collect, datasets, select, reward, export, video, push, "
            "pull, plot, compare, report, completion; "
            "did you mean train?",
        ),
        (["train", "gial"], "did you mean gail?"),
        (["train", "bc", "--stpes", "3"], "unknown flag --stpes; did you mean --steps?"),
        (["eval", "--epsiodes=3"], "unknown flag --epsiodes; did you mean --episodes?"),
        (["eval", "x", "--episodes", "0"], "--episodes must be at least 1"),
        (["datasets", "lsit"], "did you mean list?"),
        (["train", "gail", "--preset", "dac"], "gail is the preset gail of another algorithm"),
    ],
)
def test_the_nearest_name_is_named(args, message, capsys):
    status, error = ended(args, capsys)
    assert status == 2
    assert message in error


def test_an_alias_is_a_preset(asked):
    assert cli.dispatch(["train", "gail", "--quiet"]) == 0
    ((cfg, options),) = asked
    assert (cfg, options["preset"]) == (ALGORITHMS["adversarial"].PRESETS["gail"], "gail")


def test_help_has_what_matters(capsys):
    assert cli.dispatch(["train", "bc", "--help"]) == 0
    text = capsys.readouterr().out
    assert {"--demos", "--batch-size", "--policy.*", "--help-all"} <= set(text.split())
    assert "--offline-data" not in text
    assert text.count("\n") < 60
    assert max(map(len, text.splitlines())) <= 100


def test_completion(capsys):
    assert cli.dispatch(["completion", "words", "--", "train"]) == 0
    assert {"bc", "gail", "--resume"} <= set(capsys.readouterr().out.split())
    assert cli.dispatch(["completion", "words", "--", "train", "sac"]) == 0
    assert {"--steps", "--critic.hidden"} <= set(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("command", "flag"),
    [
        ("eval", "--index"),
        ("collect", "--min-return"),
        ("datasets", "--against"),
        ("export", "--format"),
        ("video", "--policy-seed"),
        ("push", "--private"),
        ("pull", "--revision"),
        ("reward", "--demos"),
    ],
)
def test_flags_of_every_command_are_completed(command, flag, capsys):
    assert cli.dispatch(["completion", "words", "--", command, "x"]) == 0
    assert {flag, "--help"} <= set(capsys.readouterr().out.split())


def test_an_export_and_a_video_take_their_options(monkeypatch, capsys):
    calls = []
    exported = types.SimpleNamespace(folder="out", format="onnx", difference=1e-7, unit="u", observations=9)
    exported.microseconds, exported.rounding, exported.steps = 12.3, 0.01, 0
    filmed = types.SimpleNamespace(path="x.gif", frames=3, fps=25.0, returns=[1.0, 2000.0])
    run = types.SimpleNamespace(
        export=lambda *args, **options: calls.append((args, options)) or exported,
        video=lambda *args, **options: calls.append((args, options)) or filmed,
    )
    monkeypatch.setattr("imitax.run.Run", lambda *_, **__: run)
    monkeypatch.setattr("imitax.envs.rendering.prepare", lambda: calls.append("prepared"))
    for line in (
        "export r --format onnx --out o --policy-seed 2 --which best --tolerance 1e-4",
        "video r --out x.gif --episodes 2 --seed 3 --policy-seed 1",
    ):
        assert cli.dispatch(line.split()) == 0
    options = {"seed": 2, "which": "best", "inference": None, "tolerance": 1e-4, "overwrite": False}
    assert calls == [
        (("onnx", Path("o")), options),
        "prepared",
        ((Path("x.gif"),), {"episodes": 2, "seed": 3, "policy_seed": 1, "which": "last"}),
    ]
    shown = capsys.readouterr().out
    assert "out: policy.onnx\nlargest difference from the policy: 1e-07 (u), 9 observations\n" in shown
    assert "its own actions differ by up to 0.01" in shown
    assert "x.gif: 3 frames, 25 a second; return 1.0, 2,000.0" in shown


LIGHT = """
import sys
from imitax import cli
try:
    cli.main(sys.argv[1:])
except SystemExit:
    pass
print(sorted({"jax", "scipy", "matplotlib", "optax"} & set(sys.modules)))
"""


@pytest.mark.parametrize("args", [["--help"], ["datasets", "list"]])
def test_short_commands_import_nothing_heavy(args):
    done = subprocess.run([sys.executable, "-c", LIGHT, *args], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("args", [["--env", "imitax_task_here:X-v0"], ["--env=imitax_task_here:X-v0"]])
def test_an_environment_of_the_working_directory(args, tmp_path, monkeypatch, capsys):
    """As for `python -m`; the command `imitax` has another first place in which modules are searched."""
    (tmp_path / "imitax_task_here.py").write_text("raise RuntimeError('imported')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p])
    with pytest.raises(RuntimeError, match="imported"):
        cli.main(["train", "bc", "--demos", "hopper-expert", "--steps", "100", *args])
    assert sys.path[-1] == str(tmp_path)
