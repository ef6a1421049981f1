import pytest

from bench.experiments import tables
from bench.experiments.mountain_car.learning import GOALS, TITLES
from bench.experiments.sections.learning import learning_section
from bench.experiments.sections.models import models_section
from bench.experiments.sections.mountain_car import MEASUREMENTS, mountain_car_section
from bench.experiments.sections.speed import peers_section, update_rate_section
from imitax.errors import DataError
from imitax.files import append_line

MARKERS = tables.MARKERS
EMPTY = f"{MARKERS.begin}\n{MARKERS.end}\n"
LINE = {
    "algorithm": "bc",
    "regime": "offline",
    "preset": "default",
    "variant": "",
    "env": "Hopper-v5",
    "env_kwargs": {},
    "data": "imitax/hopper-expert",
    "data_hash": "0123456789abcdef",
    "offline_data": None,
    "episodes": 10,
    "steps": 30000,
    "seed": 0,
    "eval_episodes": 20,
    "return_mean": 1607.015,
    "expert_fraction": 0.5,
    "d4rl": 50.0,
    "best_return_mean": 3234.3,
    "best_expert_fraction": 1.0,
    "best_steps": 20000,
    "wall_s": 100,
    "cores": 2,
    "seeds_in_run": 1,
    "commit": "a523fd6" + "0" * 33,
    "curve": "bench/results/curves/x.jsonl",
}
SAC = LINE | {
    "algorithm": "sac",
    "regime": "online",
    "env": "Pendulum-v1",
    "data": None,
    "data_hash": None,
    "episodes": None,
    "expert_fraction": None,
    "best_expert_fraction": None,
}


def rows(section):
    """The cells of the table's rows, without header and rule."""
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_one_seed():
    what = ["bc default", "Hopper-v5", "10 of imitax/hopper-expert (01234567)", "30,000 updates", "1 x 20"]
    assert rows(learning_section([LINE])) == [
        [*what, "last", "1,607", "0.500", "50.0", "a523fd6"],
        [*what, "best", "3,234", "1.000", "100.0", "a523fd6"],
    ]


def test_seeds_share_a_row_with_an_interval_from_three_on():
    dirty = {"commit": "b" * 40 + "-dirty"}
    lines = [LINE | {"seed": seed, "expert_fraction": share} for seed, share in enumerate([0.2, 0.3, 0.4])]
    lines[2] |= dirty
    (last, best) = rows(learning_section(lines))
    assert last[4:] == [
        "3 x 20",
        "last",
        "1,607 [1,607, 1,607]",
        "0.300 [0.200, 0.400]",
        "50.0 [50.0, 50.0]",
        "a523fd6, bbbbbbb-dirty",
    ]
    assert best[5] == "best"
    assert rows(learning_section(lines[:2]))[0][7] == "0.250"


@pytest.mark.parametrize(
    "other",
    [
        {"preset": "cleanil"},
        {"variant": "l2"},
        {"episodes": 5},
        {"steps": 40000},
        {"data_hash": "f" * 16},
        {"env_kwargs": {"a": 1}},
        {"eval_episodes": 5},
    ],
)
def test_what_differs_is_never_averaged(other):
    assert len(rows(learning_section([LINE, LINE | {"seed": 1} | other]))) == 4


def test_a_repeated_seed_counts_once_with_its_later_line():
    (last, _) = rows(learning_section([LINE, LINE | {"expert_fraction": 0.7}]))
    assert (last[4], last[7]) == ("1 x 20", "0.700")


def test_unknown_and_diverged_scores():
    last = rows(learning_section([SAC]))[0]
    assert last[2:] == ["-", "30,000 steps", "1 x 20", "last", "1,607", "-", "-", "a523fd6"]
    gone = {"return_mean": None, "expert_fraction": None, "d4rl": None}
    assert rows(learning_section([LINE | gone, LINE | {"seed": 1}]))[0][6:9] == ["not finite"] * 3
    assert rows(learning_section([LINE | gone]))[0][6] == "not finite"


def test_rows_are_ordered_whatever_the_order_of_the_file():
    lines = [SAC, LINE | {"episodes": 10}, LINE | {"episodes": 5}]
    assert learning_section(lines) == learning_section(lines[::-1])
    assert [row[2].split()[0] for row in rows(learning_section(lines))] == ["5", "5", "10", "10", "-", "-"]


def test_speed():
    line = {"update": "sac-2x256", "ms": 7.4, "gflop": 0.55, "matmul_gflops": 98.0, "share": 0.76, "cores": 1}
    line |= {"precision": "float32"}
    section = update_rate_section([line | {"ms": 9.0}, line])
    assert rows(section) == [["sac-2x256", "float32", "1", "1", "7.4", "0.55", "98", "0.76", "-", "-", "-", "-"]]
    old, new = line | {"commit": "a"}, line | {"commit": "b"}
    lines = [old | {"ms": 1.0}, new | {"ms": 9.0, "share": 0.5}, new, new | {"ms": 8000.0}]
    expected = ["sac-2x256", "float32", "1", "3", "9 [7.4, 8,000]", "0.55", "98", "0.76 [0.50, 0.76]"]
    assert rows(update_rate_section(lines)) == [[*expected, "-", "-", "-", "-"]]
    near = {"blocks": 15, "blocks_together": 5, "ms_together": 6.0, "share_together": 0.8}
    apart = {"blocks": 15, "blocks_together": 0, "ms_together": None, "share_together": None}
    lines[1:] = [new | {"ms": 9.0, "share": 0.5}, new | near, new | {"ms": 8000.0, "transitions_per_s": 1000} | apart]
    assert rows(update_rate_section(lines)) == [[*expected, "5 of 30", "6", "0.80", "1,000"]]
    comparison = {"comparison": "bc-2x256", "peer": "d3rlpy", "peer_version": "2.8.1", "ours_ms": 1.25, "peer_ms": 5.0}
    comparison |= {"ratio": 4.0, "ratio_min": 3.5, "ratio_max": 4.25, "rounds": 5, "cores": 1, "precision": "float32"}
    section = peers_section([{"round": 0, "library": "d3rlpy", "version": "2.8.1", "ms": 5.0}, comparison])
    assert rows(section) == [["bc-2x256", "d3rlpy 2.8.1", "float32", "1", "5", "1.25", "5", "4.00 [3.50, 4.25]"]]


def mountain_car(seed, value, **settings):
    """A line whose measurements are all `value`."""
    known = {"bins": 40, "demos": 10, "suboptimal": 1000, "episodes": 100, "seed": seed}
    measures = {method: dict.fromkeys(MEASUREMENTS, value) for method in TITLES}
    greedy = {"gym_return_mean": -112.4 - seed, "gym_return_std": 1.0, "gym_reached_flag": 1.0}
    goals = dict.fromkeys(GOALS, measures)
    return {"settings": known | settings, "greedy_optimal": greedy, **goals, "commit": LINE["commit"]}


def test_mountain_car_shows_the_span_of_its_seeds():
    section = mountain_car_section([mountain_car(0, 7.0), mountain_car(1, -1.5), mountain_car(0, -0.001)])
    cells = rows(section)
    assert len(cells) == len(GOALS) * len(MEASUREMENTS)
    assert cells[0] == ["a state like others", "return in Gymnasium", *["-2 to 0"] * 3]
    assert cells[-1] == ["absorbing", "rank correlation with optimal V in suboptimal data", *["-1.50 to 0.00"] * 3]
    note = " ".join(section.splitlines())
    assert "40 cells along positions, 10 demonstrations, 1,000 suboptimal episodes, 100 episodes" in note
    assert "seeds 0, 1 (commit a523fd6)" in note
    assert "returns -113 to -112 in Gymnasium and reaches the flag in a share of 1.00" in note


def test_mountain_cars_settings_are_never_merged():
    one, two = mountain_car(0, 1.0), mountain_car(1, 2.0, bins=20)
    section = mountain_car_section([one, two])
    assert section == mountain_car_section([two, one])
    assert {row[2] for row in rows(section) if row[1] == "return in Gymnasium"} >= {"1", "2"}
    assert (section.count("40 cells"), section.count("20 cells")) == (1, 1)
    assert rows(mountain_car_section([mountain_car(0, None)]))[0][2:] == ["not finite"] * 3


def test_models_are_judged_by_their_elites():
    line = {"row": "mopo", "seed": 0, "algorithm": "mopo", "env": "Hopper-v5", "offline_data": "x@0123", "epochs": 7}
    line |= {"demonstrations": None, "transitions": 1234, "error": [0.3, 0.1, 0.2], "elites": [1, 2], "commit": "abc"}
    line |= {"coverage": {"0.5": 0.456, "0.9": 0.8}, "rollout_errors": [0.1] * 9 + [0.25]}  # of 10 steps
    cells = ["0", "1,234", "7", "0.1500", "0.3000", "0.46", "0.80", "0.100", "0.250", "-", "abc"]
    assert rows(models_section([line])) == [["Hopper-v5", "x", *cells]]
    assert rows(models_section([line | {"demonstrations": "included"}]))[0][1] == "x, demonstrations included"


def test_without_results_a_section_says_what_makes_them():
    assert "--results bench/results/learning.jsonl" in learning_section([])
    assert "bench/update_rate.py" in update_rate_section([])
    assert "bench/peers.py" in peers_section([])
    assert "make bench-model" in models_section([])
    assert "make mountain-car" in mountain_car_section([])


def test_only_what_stands_between_the_markers_changes():
    begin, end = MARKERS.begin, MARKERS.end
    assert MARKERS.replace(f"a\n{begin}\nold\n{end}\nb", "new") == f"a\n{begin}\nnew\n{end}\nb"
    for text in ("", begin, end, f"{end}{begin}", f"{begin}{begin}{end}"):
        with pytest.raises(DataError, match="results:begin"):
            MARKERS.replace(text, "new")


def test_pages_are_stale_until_written(tmp_path):
    (tmp_path / "docs").mkdir()
    pages = [tmp_path / "README.md", *(tmp_path / "docs" / name for name in ("bc.md", "sac.md", "tabular.md"))]
    for page in pages:
        page.write_text(EMPTY)
    assert tables.update(tmp_path, write=False) == pages
    assert pages[0].read_text() == EMPTY
    assert tables.update(tmp_path, write=True) == pages
    assert tables.update(tmp_path, write=False) == []
    append_line(tmp_path / tables.RESULTS / "learning.jsonl", LINE)
    assert tables.update(tmp_path, write=True) == pages[:2]  # a result of BC is none of SAC's page
    append_line(tmp_path / tables.RESULTS / "mountain_car.jsonl", mountain_car(0, 1.0))
    assert tables.update(tmp_path, write=True) == pages[3:]
    assert [len(rows(page.read_text())) for page in pages] == [2, 2, 0, len(GOALS) * len(MEASUREMENTS)]


def test_the_overview_is_on_a_page_of_its_own_or_in_readme(tmp_path):
    (tmp_path / "docs").mkdir()
    with pytest.raises(DataError, match=r"README\.md or docs/results\.md must hold"):
        tables.update(tmp_path, write=False)
    readme, results = tmp_path / "README.md", tmp_path / "docs" / "results.md"
    results.write_text(EMPTY)
    assert tables.update(tmp_path, write=True) == [results]
    readme.write_text(EMPTY)
    assert tables.update(tmp_path, write=True) == [readme]
    assert readme.read_text() == results.read_text()


def test_check_exits_with_one_when_stale(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tables, "ROOT", tmp_path)
    (tmp_path / "README.md").write_text(EMPTY)
    for arguments, status in ((["--check"], 1), ([], 0), (["--check"], 0)):
        with pytest.raises(SystemExit) as end:
            tables.main(arguments)
        assert end.value.code == status
    assert "stale" in capsys.readouterr().out
