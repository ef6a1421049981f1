"""Figures of the claims, from result lines and their curves."""

import json

import pytest

from bench.experiments import claims


@pytest.fixture
def root(tmp_path):
    """Two settings of C5, one of them with a repeated seed, and one of C7."""
    (tmp_path / "bench" / "results").mkdir(parents=True)
    lines = []
    for number, (label, seed) in enumerate([("squared", 0), ("squared", 0), ("huber1", 0), ("huber1", 1)]):
        lines.append(
            {"algorithm": "adversarial", "preset": "cleanil", "variant": f"2x256,td={label}", "env": "Hopper-v5"}
            | {"seed": seed, "regime": "online", "return_mean": 500.0, "expert_fraction": 0.5}
            | {"curve": f"bench/results/{number}.jsonl"}
        )
    lines.append(lines[0] | {"algorithm": "omlirl", "preset": "blog", "variant": "terminal=mask"})
    for number, line in enumerate(lines[:4]):
        curve = [{"seed": line["seed"], "steps": s, "wall_s": 1, "returns": [100.0 * number]} for s in (5, 10, 20)]
        curve = curve if number == 1 else curve[:2]  # trained for longer than the others
        (tmp_path / line["curve"]).write_text("".join(json.dumps(x) + "\n" for x in curve))
    (tmp_path / "bench" / "results" / "learning.jsonl").write_text("".join(json.dumps(x) + "\n" for x in lines))
    return tmp_path


def test_claims_are_drawn_from_results(root, monkeypatch):
    drawn = []
    monkeypatch.setattr(claims.figures, "learning_curve", lambda *args, **kwargs: drawn.append((args, kwargs)))
    assert claims.draw(root) == [root / "bench" / "results" / "claims" / "c5.png"]  # of C7 there is one side only
    ((curves, _), options) = drawn[0]
    assert list(curves) == ["squared", "Huber, delta 1"]
    assert [x["returns"] for x in curves["squared"]] == [[100.0]] * 2  # the later line of a repeated seed
    assert [x["steps"] for x in curves["squared"]] == [5, 10]  # as far as the other side goes
    assert {x["seed"] for x in curves["Huber, delta 1"]} == {0, 1}
    assert options["expert_return"] == 1000.0
    assert options["x_label"] == "environment steps"


def test_every_claim_has_two_sides_that_differ():
    for _, settings in claims.CLAIMS.values():
        assert len({tuple(sorted(s.items())) for s in settings.values()}) == len(settings) >= 2
