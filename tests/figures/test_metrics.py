"""Training metrics in panels."""

import numpy as np
import pytest
from matplotlib.image import imread

from imitax.errors import DataError
from imitax.figures import training_figure

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
    assert titles[:3] == ["critic/loss", "imitation", "penalty"]
    assert titles[3:] == ["q", "entropy", "temperature", "steps_done", "gradient norms"]
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
