"""Learning curves: what is drawn, and where."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from imitax.errors import DataError
from imitax.figures import align, draw_learning_curve, error_curve, learning_curve, seed_curves


def records(scores, steps=None, **fields):
    """One record a seed and step with two episodes around the score; `scores` is [S T]."""
    return [
        {"kind": "eval", "seed": seed, "step": step, "returns": [score - 10, score + 10], **fields}
        for seed, row in enumerate(scores)
        for step, score in zip(steps or range(0, 1000 * len(row), 1000), row, strict=False)
    ]


def draw(curves, **options):
    axes = Figure().subplots()
    draw_learning_curve(axes, curves, **options)
    return axes, {line.get_label(): line for line in axes.lines}


def test_the_curve_is_the_iqm_over_seeds():
    scores = [[100, 200], [300, 400], [500, 600], [9000, 9000]]
    axes, lines = draw({"bc": records(scores)}, expert_return=3000.0, random_return=20.0)
    np.testing.assert_allclose(lines["bc"].get_xdata(), [0, 1000])
    np.testing.assert_allclose(lines["bc"].get_ydata(), [400, 500])
    np.testing.assert_allclose(lines["_bc seed 3"].get_ydata(), [9000, 9000])
    assert set(lines["demonstrations"].get_ydata()) == {3000}
    assert set(lines["random"].get_ydata()) == {20}
    assert axes.collections  # the band
    assert {text.get_text() for text in axes.texts} == {"bc", "demonstrations", "random"}
    assert axes.get_legend() is None
    assert axes.get_ylim()[0] == 0


def test_two_seeds_have_a_mean_and_no_band():
    axes, lines = draw({"bc": records([[-100, 200], [-300, 400]])})
    np.testing.assert_allclose(lines["bc"].get_ydata(), [-200, 300])
    assert not axes.collections
    assert axes.get_ylim()[0] < -300


def test_unequal_lengths_stop_the_iqm_where_the_first_seed_stops():
    _, lines = draw({"bc": records([[1, 2, 3, 4], [1, 2, 3], [1, 2]])})
    np.testing.assert_allclose(lines["bc"].get_xdata(), [0, 1000])
    np.testing.assert_allclose(lines["_bc seed 0"].get_xdata(), [0, 1000, 2000, 3000])


def test_seeds_evaluated_at_other_steps_are_interpolated():
    steps, scores = align({0: (np.array([0.0, 10.0]), np.array([0.0, 100.0])), 1: (np.array([5.0, 20.0]), np.ones(2))})
    np.testing.assert_allclose(steps, [5, 10])
    np.testing.assert_allclose(scores, [[50, 1], [100, 1]])


def test_records_of_both_kinds_of_file():
    lines = [
        {"kind": "train", "seed": 0, "step": 1, "loss": 0.5},
        {"seed": 0, "steps": 20, "wall_s": 1.0, "returns": [1, 3]},
        {"kind": "eval", "seed": 0, "step": 10, "returns": [1.0, None]},
        {"kind": "eval", "seed": 0, "step": 20, "returns": [4, 6]},
    ]
    steps, means = seed_curves(lines)[0]
    np.testing.assert_allclose(steps, [10, 20])
    np.testing.assert_allclose(means, [np.nan, 5])


def test_a_diverged_run_is_still_drawn(tmp_path):
    curves = {"bc": records([[1, 2, np.nan]] * 3), "gone": records([[np.nan, np.nan]])}
    figure = learning_curve(curves, tmp_path / "a.png")
    lines = {line.get_label(): line.get_ydata() for line in figure.axes[0].lines}
    np.testing.assert_allclose(lines["bc"], [1, 2, np.nan])
    assert [text.get_text() for text in figure.axes[0].texts] == [
        "bc (3 seeds)",
        "interquartile mean over 1 or 3 seeds, with 95 % bootstrap interval from 3 seeds on",
    ]


@pytest.mark.parametrize(("seeds", "evaluations"), [(1, 1), (1, 9), (5, 1), (5, 9)])
def test_png(tmp_path, seeds, evaluations):
    scores = np.random.default_rng(0).normal(3000, 100, (seeds, evaluations))
    path = tmp_path / "new" / "curve.png"
    figure = learning_curve({"bc": records(scores)}, path, expert_return=3500.0, title="Hopper-v5")
    height, width, _ = imread(path).shape
    assert (width, height) == (1125, 675)
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts[-1] == ("1 seed" if seeds == 1 else "interquartile mean over 5 seeds, with 95 % bootstrap interval")


def test_svg_is_reproducible(tmp_path):
    for name in ("a.svg", "b.svg"):
        learning_curve({"bc": records([[1, 2], [2, 3]])}, tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert b"</svg>" in (tmp_path / "a.svg").read_bytes()


def test_many_labels_get_a_legend_in_the_order_of_their_ends():
    axes, _ = draw({f"m{i}": records([[0, 100 * i]]) for i in range(9)}, expert_return=350.0)
    texts = [text.get_text() for text in axes.get_legend().get_texts()]
    assert texts == ["m8", "m7", "m6", "m5", "m4", "demonstrations", "m3", "m2", "m1", "m0"]


def test_labels_of_close_lines_keep_apart():
    axes, _ = draw({f"m{i}": records([[0, 1000 + i]]) for i in range(5)}, expert_return=1004.0)
    heights = np.array([text.xy[1] for text in axes.texts])
    assert (np.diff(heights) > 0.06).all()


@pytest.mark.parametrize("lowest", [-500.0, 0.0])
def test_labels_stand_at_their_lines(lowest):
    axes, _ = draw({"a": records([[lowest, 4000]]), "b": records([[lowest, 7000]])}, expert_return=9900.0)
    low, high = axes.get_ylim()
    heights = {text.get_text(): low + text.xy[1] * (high - low) for text in axes.texts}
    assert heights == pytest.approx({"a": 4000, "b": 7000, "demonstrations": 9900})


def test_nothing_to_draw(tmp_path):
    with pytest.raises(DataError, match="no evaluation"):
        learning_curve({"bc": [{"kind": "train", "step": 1, "seed": 0}]}, tmp_path / "a.png")
    assert not list(tmp_path.iterdir())


def test_errors_are_drawn_where_there_are_no_returns(tmp_path):
    lines = [{"seed": s, "step": t, "returns": None, "error": 0.1 * s + 0.2 / t} for s in (0, 1) for t in (1, 2)]
    figure = error_curve({"bc": [*lines, {"kind": "train"}]}, "error", tmp_path / "curve.png", y_label="error")
    (axes,) = figure.axes
    (line,) = (line for line in axes.lines if line.get_label() == "bc")
    np.testing.assert_allclose(line.get_ydata(), [0.25, 0.15])
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("updates", "error")
    assert (tmp_path / "curve.png").exists()
    with pytest.raises(DataError, match="no evaluation"):
        error_curve({"bc": lines}, "validation_error", tmp_path / "none.png")


def test_a_line_that_ends_early_is_labelled_where_it_ends():
    axes, _ = draw({"short": records([[0, 50]]), "long": records([list(range(0, 110, 10))])})
    places = {text.get_text(): text.xy[0] for text in axes.texts}
    assert places["short"] == pytest.approx(1000 / axes.get_xlim()[1] + 0.015)
    assert places["long"] > 1


def test_close_lines_that_end_early_keep_their_labels_apart():
    axes, _ = draw({"a": records([[0, 50]]), "b": records([[0, 51]]), "long": records([list(range(0, 110, 10))])})
    heights = {text.get_text(): text.xy[1] for text in axes.texts}
    assert heights["b"] - heights["a"] > 0.06


def test_near_perfect_runs_use_the_whole_height():
    axes, _ = draw({"bc": records([[3400, 3500, 3550]])}, expert_return=3580.0)
    low, high = axes.get_ylim()
    assert 3300 < low < 3400
    assert 3580 < high < 3700
    axes, _ = draw({"bc": records([[3579.9, 3580]])})
    low, high = axes.get_ylim()
    assert high - low > 150  # noise is not blown up
    assert draw({"bc": records([[20, 3500]])})[0].get_ylim()[0] == 0


def test_a_single_evaluation_stands_free_of_the_frame():
    axes, lines = draw({"bc": records([[100]], steps=[20_000])})
    assert axes.get_xlim()[0] < 0 < 20_000 < axes.get_xlim()[1]
    assert (lines["bc"].get_marker(), lines["bc"].get_clip_on()) == ("o", False)


def test_lines_say_how_many_seeds_they_have():
    axes, _ = draw({"a": records([[1, 2]] * 3), "b": records([[5, 9]])})
    assert {text.get_text() for text in axes.texts} == {"a (3 seeds)", "b (1 seed)"}
