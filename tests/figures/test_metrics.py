"""Training metrics in panels."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from imitax.errors import DataError
from imitax.figures import compare, training_figure
from imitax.figures.style import log_axis

EVALUATION = {"kind": "eval", "seed": 0, "step": 0, "returns": [-9, 11]}


def test_training_panels(tmp_path):
    names = ["steps_done", "temperature", "entropy", "q", "penalty", "imitation", "critic/loss", "extra", "b", "c"]
    norms = ["actor/grad_norm", "critic/grad_norm"]
    lines = [
        {"kind": "train", "seed": seed, "step": step, "wall_s": 1.0} | dict.fromkeys(names + norms, seed + 1.0)
        for step in (100, 200)
        for seed in (0, 1)
    ]
    lines[0]["entropy"] = None
    figure = training_figure([*lines, EVALUATION], tmp_path / "t.png", title="bc")
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles[:4] == ["policy entropy (nats)", "Q, batch", "critic/loss", "imitation loss"]
    assert titles[4:] == ["gradient penalty", "temperature", "steps_done", "extra", "b", "c", "gradient norms"]
    means = {line.get_label(): line.get_ydata() for axes in figure.axes for line in axes.lines}
    np.testing.assert_allclose(means["critic/loss"], [1.5, 1.5])
    np.testing.assert_allclose(means["entropy"], [np.nan, 1.5])
    assert figure.axes[-1].get_yscale() == "log"
    assert imread(tmp_path / "t.png").shape[1] > 1000


def test_training_figure_of_one_line(tmp_path):
    training_figure([{"kind": "train", "seed": 0, "step": 5, "wall_s": 0.0, "loss": 1.0}], tmp_path / "t.png")
    assert (tmp_path / "t.png").exists()


def test_nothing_to_draw(tmp_path):
    with pytest.raises(DataError, match="no training metric"):
        training_figure([EVALUATION], tmp_path / "a.png")
    assert not list(tmp_path.iterdir())


def test_what_pages_say_to_watch_is_shown_and_constants_are_named(tmp_path):
    lines = [
        {
            "kind": "train",
            "seed": 0,
            "step": s,
            "wall_s": 0.0,
            "accuracy": s / 300,
            "saturation": s / 400,
            "alpha": 0.01,
        }
        | {"entropy": -s / 100, "q": float(s), "q_policy": float(s), "l2": 0.0, "critic_loss": 10.0 ** (s / 50)}
        for s in (100, 200)
    ]
    held_out = [
        {"kind": "eval", "seed": 0, "step": s, "train_error": 1.0 / s, "validation_error": 2.0 / s, "lengths": [s]}
        for s in (100, 200)
    ]
    figure = training_figure([*lines, *held_out], tmp_path / "t.png", title="sac on X-v0, seed 0", x_label="updates")
    axes = {a.get_title(loc="left"): a for a in figure.axes}
    assert list(axes) == [
        "discriminator accuracy",
        "share of saturated logits",
        "policy entropy (nats)",
        "error (share)",
        "Q",
        "critic loss",
    ]
    assert [t.get_text() for t in axes["error (share)"].get_legend().get_texts()] == ["training", "held out"]
    assert [t.get_text() for t in axes["Q"].get_legend().get_texts()] == ["batch", "policy"]
    below = figure.get_supxlabel()
    assert below == "updates; one seed\nconstant: temperature 0.01, weight penalty 0"
    assert figure.get_suptitle() == "sac on X-v0, seed 0"


@pytest.mark.parametrize(
    ("values", "expected"), [((1.88, 1.95), 4), ((0.02, 0.9), 5), ((1e-4, 1e3), 4)], ids=["narrow", "decades", "wide"]
)
def test_log_axes_have_plain_numbers(values, expected):
    figure = Figure()
    axes = figure.subplots()
    axes.plot([0, 1], values)
    log_axis(axes)
    figure.draw_without_rendering()
    low, high = axes.get_ylim()
    shown = [t for t in axes.get_yticklabels() if t.get_text() and low <= float(t.get_position()[1]) <= high]
    assert len(shown) >= min(expected, 3)
    assert all(float(t.get_text()) == pytest.approx(float(t.get_position()[1])) for t in shown)
    assert not any(t.get_text() for t in axes.get_yticklabels(minor=True))


def test_comparisons_have_intervals_and_say_their_seeds(tmp_path):
    def curve(label, seeds):
        return [
            {"seed": seed, "step": step, "return_mean": float(step + seed)}
            for seed in range(seeds)
            for step in (1, 2, 3)
        ]

    curves = {f"m{i}": curve(i, 5) for i in range(4)}
    figure = compare(curves, ("return_mean",), tmp_path / "c.png", title="C1", x_label="updates")
    (axes,) = figure.axes
    assert (len(axes.lines), len(axes.collections)) == (4, 4)  # an IQM and a band each, no thin lines
    np.testing.assert_allclose(axes.lines[0].get_ydata(), [3, 4, 5])
    assert (axes.get_title(loc="left"), axes.get_xlabel()) == ("return", "updates")
    assert [t.get_text() for t in figure.texts][-1] == "interquartile mean over 5 seeds, with 95 % bootstrap interval"
    assert [t.get_text() for t in figure.legends[0].get_texts()] == list(curves)
    figure = compare({"a": curve("a", 3), "b": curve("b", 1)}, ("return_mean",), tmp_path / "d.png")
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["a (3 seeds)", "b (1 seed)"]
    with pytest.raises(DataError, match="no evaluation with q"):
        compare(curves, ("q",), tmp_path / "e.png")
