"""The model card says what was measured, and shows text as text."""

import re

import finished

from imitax.files import read_json
from imitax.hub.card import card
from imitax.hub.shared import without_machine


def parts(folder):
    return [without_machine(read_json(folder / name)) for name in ("config.json", "summary.json")]


def test_scores_are_labelled_and_the_origin_is_said(tmp_path):
    config, summary = parts(finished.write(tmp_path / "run", seeds=(0, 3)))
    text = card(config, summary, ["video.mp4"], "me/mine")
    assert "| last | 7.0 | - | 50.0% | 7.0 (seed 0), 10.0 (seed 3) |" in text
    assert "| best | 8.0 | - | 50.0% | 8.0 (seed 0), 11.0 (seed 3) |" in text
    assert "it is optimistic" in text
    assert "| demonstrations | mine, 3 episodes a seed, hash 0123456789abcdef |" in text
    for line in (
        "| seeds | 0, 3 |",
        "| steps | 40 |",
        "| commit | c0ffee |",
        "| versions | imitax 0.2.0, jax 0.10.2 |",
    ):
        assert line in text
    assert 'run = imitax.hub.pull("me/mine")' in text
    assert "[video.mp4](video.mp4)" in text
    assert text.startswith('---\nlibrary_name: imitax\ntags:\n- "imitax"\n')
    assert not re.search(r"/home|secret|Linux-of-mine|~|npz", text)


def test_names_from_a_run_cannot_write_markdown(tmp_path):
    config, summary = parts(finished.write(tmp_path / "run"))
    config["env"]["id"] = '<img src=x>\n---\n- "evil'
    config["data"]["name"] = "[click](http://x) | `a`"
    text = card(config, summary, [], "me/mine")
    assert "<img" not in text.replace("\\<img", "")
    assert r"\[click\](http://x) \| \`a\`" in text
    assert '- "-img-src-x---------evil"' in text
    assert text.count("\n---\n") == 1


def test_a_run_without_an_environment_has_errors(tmp_path):
    config, _ = parts(finished.write(tmp_path / "run"))
    config["env"] = {"id": None, "kwargs": {}, "data": "mine"}
    score = {"error": 0.0312, "per_seed": [{"seed": 0, "error": 0.0312}]}
    about = {"env": None, "steps": 40, "eval_episodes": 2, "measured_on": "held-out episodes"}
    text = card(config, about | {"error_of": "the action range", "last": score, "best": None}, [], "me/mine")
    assert "Differences from recorded actions, as a share of the action range:" in text
    assert re.search(r"\| last \| 3\.12?\d* ?% \| 3\.12?\d* ?% \|", text), text
    assert "| best" not in text
