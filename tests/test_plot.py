"""`imitax plot`, and a run as a data frame."""

import sys

import pytest
from written_runs import write_run

from imitax import cli
from imitax.errors import ConfigError
from imitax.run import Run

TRAIN = [{"kind": "train", "step": s, "nll": 1.0 / s, "entropy": float(s)} for s in (100, 200)]


@pytest.fixture
def drawn(monkeypatch):
    """What would be drawn."""
    from imitax import figures

    calls = []
    for name in ("learning_curve", "error_curve", "compare", "training_figure"):
        monkeypatch.setattr(figures, name, lambda *args, name=name, **options: calls.append((name, args, options)))
    return calls


def test_what_is_drawn(tmp_path, drawn, capsys):
    a = str(write_run(tmp_path / "a", {0: [1.0, 2.0], 1: [1.0, 2.0]}, lines=TRAIN))
    b = str(
        write_run(
            tmp_path / "b", {0: [1.0]}, algorithm="sac", lines=[{"kind": "train", "step": 9, "episode_return": 1.0}]
        )
    )
    c = str(write_run(tmp_path / "c", {0: [0.3, 0.2]}, env=None))
    assert cli.dispatch(["plot", a, f"mine={b}", "--out", "x.svg"]) == 0
    assert capsys.readouterr().out == "figure: x.svg\n"
    name, (records, path), options = drawn.pop()
    assert (name, path.name, {label: len(lines) for label, lines in records.items()}) == (
        "learning_curve",
        "x.svg",
        {"a": 8, "mine": 2},
    )
    assert options == {"expert_return": 100.0, "title": "Toy-v0", "x_label": "steps"}
    cli.dispatch(["plot", a])
    assert drawn.pop()[2]["x_label"] == "updates"
    cli.dispatch(["plot", b, "--title", "T"])
    assert drawn.pop()[2] == {"expert_return": 100.0, "title": "T", "x_label": "environment steps"}
    cli.dispatch(["plot", c])
    assert drawn.pop()[:2][0] == "error_curve"
    cli.dispatch(["plot", a, "--metrics", "nll", "entropy"])
    assert drawn.pop()[1][1] == ("nll", "entropy")
    cli.dispatch(["plot", a, "--training"])
    assert drawn.pop()[2]["title"] == "bc on Toy-v0"


def test_refused(tmp_path):
    a, b = (str(write_run(tmp_path / n, {0: [1.0]}, env=f"{n}-v0", lines=TRAIN)) for n in "ab")
    for args, message in (
        (["--out", "x.gif"], r"--out ends in .png, .svg, .pdf"),
        (["--metrics", "loss"], "no run has recorded loss; there are .*entropy"),
        (["--training", "--metrics", "nll"], "--training draws one run"),
        ([b], "a plot shows one task, these are runs of a-v0, b-v0"),
    ):
        with pytest.raises(ConfigError, match=message):
            cli.dispatch(["plot", a, *args])


def test_frame(tmp_path, monkeypatch):
    run = Run(write_run(tmp_path / "a", {0: [1.0, 2.0], 3: [5.0]}, lines=TRAIN))
    frame = run.frame()
    assert list(frame.columns[:4]) == ["kind", "step", "seed", "wall_s"]
    assert len(frame) == 2 + 1 + 4
    assert frame[frame.kind == "eval"].groupby("seed").return_mean.max().to_dict() == {0: 2.0, 3: 5.0}
    assert frame[frame.kind == "train"].nll.tolist() == [0.01, 0.005] * 2
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ConfigError, match=r"needs pandas: pip install 'imitax\[data\]'"):
        run.frame()
