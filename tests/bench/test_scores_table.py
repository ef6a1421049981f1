"""README's table of scores, from made-up result lines."""

import json

import pytest

from bench import scores_table as scores

SETS = frozenset({"hopper-medium-replay", "walker2d-medium-replay"})
LINE = {
    "algorithm": "bc",
    "regime": "offline",
    "preset": "default",
    "variant": "",
    "env": "Hopper-v5",
    "env_kwargs": {},
    "data": "imitax/hopper-expert",
    "data_hash": "aa",
    "offline_data": None,
    "episodes": 10,
    "steps": 30_000,
    "seed": 0,
    "return_mean": 1800.0,
    "expert_fraction": 0.5,
}


def rows(*lines):
    return [
        [cell.strip() for cell in row.strip("|").split("|")]
        for row in scores.scores_table([LINE | line for line in lines], SETS).splitlines()[2:]
    ]


def test_a_cell_is_the_mean_over_seeds_with_their_number():
    table = rows({"seed": 0}, {"seed": 1, "return_mean": 2000.0}, {"seed": 1, "return_mean": 1000.0})
    assert table == [
        ["*demonstrations*", "", "", "3,600", "-", "-", "-"],
        ["`bc`", "10 expert", "30k updates", "1,400 (2)", "-", "-", "-"],
    ]


def test_tasks_stand_side_by_side_and_a_range_of_lengths_is_shown():
    walker = {"env": "Walker2d-v5", "data": "imitax/walker2d-expert", "data_hash": "bb", "steps": 50_000}
    ant = {"env": "Ant-v5", "env_kwargs": scores.TASKS["Ant-v5"], "data": "imitax/ant-expert", "data_hash": "ee"}
    recorded = {"algorithm": "recoil", "offline_data": "hopper-medium-replay@cc"}
    assert rows({}, walker, ant, recorded)[1:] == [
        ["`bc`", "10 expert", "30k to 50k updates", "1,800 (1)", "-", "1,800 (1)", "1,800 (1)"],
        ["`recoil`", "10 expert + medium-replay", "30k updates", "1,800 (1)", "-", "-", "-"],
    ]


def test_more_seeds_count_before_a_longer_run():
    two = [{"seed": 0, "return_mean": 10.0}, {"seed": 1, "return_mean": 20.0}]
    assert rows({"steps": 90_000}, *two)[1][2:4] == ["30k updates", "15 (2)"]
    assert rows({"steps": 90_000, "return_mean": 7.0}, two[0])[1][2:4] == ["90k updates", "7 (1)"]


@pytest.mark.parametrize(
    "line",
    [
        {"data": "walker2d-expert", "env": "Walker2d-v5"},
        {"offline_data": "somebody-elses@dd"},
        {"preset": "cleanil"},
        {"variant": "td=huber1"},
        {"env": "Ant-v5", "data": "imitax/ant-expert"},
    ],
)
def test_what_is_not_shipped_or_not_our_preset_is_left_out(line):
    assert [row[0] for row in rows(line)] == ["*demonstrations*"]


def test_rewards_random_actions_and_divergence():
    sac = {"algorithm": "sac", "regime": "online", "data": None, "data_hash": None, "episodes": None}
    nothing = {"algorithm": "random", "preset": "", "episodes": 0, "steps": 0, "return_mean": 17.0}
    table = rows(sac | {"expert_fraction": None, "return_mean": None}, nothing | {"expert_fraction": 0.005})
    assert table[1] == ["`random`", "", "", "17 (1)", "-", "-", "-"]
    assert table[2] == ["`sac`", "rewards", "30k steps", "not finite (1)", "-", "-", "-"]


def curve(path, *points):
    path.write_text("".join(json.dumps({"seed": 0, "steps": step, "returns": list(x)}) + "\n" for step, *x in points))
    return {"curve": path.name}


def test_choices_are_grouped_by_what_one_has_with_the_steps_to_95_percent(tmp_path):
    reached = curve(tmp_path / "a.jsonl", (5000, 3000, 3000), (10000, 3400, 3500), (15000, 0, 0))
    never = curve(tmp_path / "b.jsonl", (5000, 3419, 3419))
    lines = [
        LINE | {"algorithm": "sac", "regime": "online", "data": None, "expert_fraction": None} | never,
        LINE | {"return_mean": 1800.0, "expert_fraction": 0.5} | reached,
        LINE | {"seed": 1, "return_mean": -3.0, "expert_fraction": -0.001} | never,
        LINE | {"algorithm": "recoil", "offline_data": "hopper-medium-replay@cc"} | reached,
        LINE | {"data": "hopper-medium-replay", "episodes": 816} | never,
    ]
    table = [row.split(" | ") for row in scores.choice_table(lines, SETS, tmp_path).splitlines()[2:]]
    assert [row[:2] + row[4:6] for row in table] == [
        ["| demonstrations", "`bc`", "0.25 [0.00, 0.50] (2)", "10k, 1 never"],
        ["| demonstrations, other data", "`recoil`", "0.50 (1)", "10k"],
        ["| an environment with rewards", "`sac`", "0.50 (1)", "never"],
        ["| recorded data", "`bc`", "0.50 (1)", "never"],
    ]


def test_a_line_on_speed_for_each_algorithm():
    sac = {"comparison": "sac-2x256", "peer": "sbx", "peer_version": "1", "ours_ms": 2.0, "peer_ms": 5.0, "ratio": 2.5}
    lines = [{"round": 0, "ms": 9.9}, sac | {"ratio": 9.0}, sac, sac | {"peer": "sb3", "ratio": 3.0, "peer_ms": 6.0}]
    shown = "- `sac`: 2 ms. sbx 1 takes 2.5 times as long (5 ms), sb3 1 takes 3.0 times as long (6 ms)."
    assert scores.speed_lines(lines) == shown


def test_markers_are_replaced_and_missing_ones_refused():
    text = "a\n<!-- speed:begin -->\nold\n<!-- speed:end -->\nb"
    assert scores.Markers("speed").replace(text, "new") == text.replace("old", "new")
    with pytest.raises(ValueError, match="once each"):
        scores.Markers("scores").replace(text, "new")


def test_pages_are_up_to_date():
    with pytest.raises(SystemExit) as end:
        scores.main(["--check"])
    assert end.value.code == 0
