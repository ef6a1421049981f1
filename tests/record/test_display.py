"""What a run prints."""

import io

from recording import EVALUATION, recorder
from rich.console import Console


def test_a_pipe_gets_one_line_an_evaluation(tmp_path):
    out = io.StringIO()
    with recorder(tmp_path, seeds=(0, 1), quiet=False, console=Console(file=out)) as record:
        record.message("[compiling]")
        record.training(100, {"loss": 1.0}, 0.0)
        record.evaluation(500, 0, EVALUATION, 0.0)
        record.evaluation(500, 1, EVALUATION | {"return_mean": 3000.0, "expert_fraction": 0.9}, 0.0)
        record.evaluation(1000, 0, {"return_mean": None}, 0.0)
        record.evaluation(1000, 1, {"return_mean": 1.0}, 0.0)
    message, first, second = out.getvalue().splitlines()
    assert message == "[compiling]"
    assert first.startswith("bc Hopper-v5  500/1,000 steps  return 1,550 (70 % of the demonstrations)  ")
    assert "steps/s  elapsed 0:00:0" in first
    assert "1,000/1,000 steps  return nan  " in second
    assert second.endswith("left 0:00:00")


def test_a_terminal_gets_a_progress_bar(tmp_path):
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=160, color_system=None, legacy_windows=False)
    with recorder(tmp_path, quiet=False, console=console, unit="updates") as record:
        record.evaluation(500, 0, EVALUATION, 0.0)
        record.training(500, {"loss": 1.0}, 0.0)
    assert "bc Hopper-v5" in out.getvalue()
    assert "500/1,000 updates" in out.getvalue()
    assert "return 100 (50 % of the demonstrations)" in out.getvalue()


def test_quiet_prints_nothing(tmp_path, capsys):
    with recorder(tmp_path) as record:
        record.message("hello")
        record.evaluation(500, 0, EVALUATION, 0.0)
    record.close()
    assert capsys.readouterr() == ("", "")


def test_errors_are_shown_where_there_are_no_returns(tmp_path):
    out = io.StringIO()
    nothing = {"return_mean": None, "validation_log_likelihood": -2.5}
    with recorder(tmp_path, seeds=(0, 1), quiet=False, console=Console(file=out)) as record:
        record.evaluation(500, 0, nothing | {"validation_error": 0.02, "train_error": 1.0}, 0.0)
        record.evaluation(500, 1, nothing | {"validation_error": 0.04}, 0.0)
        for seed in (0, 1):
            record.evaluation(1000, seed, {"return_mean": None, "train_error": 0.5, "train_log_likelihood": 1.0}, 0.0)
    first, second = out.getvalue().splitlines()
    assert "held-out error 3 % of the action range, log-likelihood -2.5  " in first
    assert "training error 50 % of the action range, log-likelihood 1  " in second
