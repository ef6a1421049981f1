"""The table of scores, as it is printed."""

import io

from rich.console import Console

from imitax.record import error_table, score_table


def render(table):
    console = Console(file=io.StringIO(), width=120)
    console.print(table)
    lines = console.file.getvalue().splitlines()
    return [
        [cell.strip() for cell in line.strip("│┃").replace("┃", "│").split("│")] for line in lines if line[0] in "│┃"
    ]


def test_score_table():
    rows = [
        {"label": label, "seed": s, "returns": [top + s * 100, top + s * 100 + 2], "lengths": [900, 1000],
         "expert_fraction": 0.9 + s / 100, "d4rl": None}
        for label, top in (("last", 3000), ("best", 3100)) for s in range(3)
    ]  # fmt: skip
    table = render(score_table(rows, "IQ-Learn"))
    assert table[0] == ["policy", "seed", "return ± sd", "length", "of demonstrations", "D4RL"]
    assert table[1] == ["last", "0", "3,001 ± 1.4", "950", "90.0%", "-"]
    assert table[4] == ["last", "IQM", "3,101 [3,001, 3,201]", "", "91.0% [90.0%, 92.0%]", "-"]
    assert [row[:2] for row in table[5:]] == [["best", "0"], ["best", "1"], ["best", "2"], ["best", "IQM"]]


def test_score_table_of_one_seed_has_no_iqm():
    table = render(
        score_table([{"seed": 5, "returns": [0.51], "lengths": [7], "expert_fraction": None, "d4rl": 101.25}])
    )
    assert table == [["seed", "return ± sd", "length", "of demonstrations", "D4RL"], ["5", "0.51", "7", "-", "101.2"]]


def test_error_table():
    score = {"error": 0.05, "action_error_mode": 0.25, "log_likelihood": -1.5}
    score |= {"action_error_by_dimension": [0.5, 0.0], "error_by_time": [0.1, None]}
    boxed = render(error_table({"last": score, "best": None}, "bc", {"last": "100"}, "the action range"))
    assert boxed == [
        ["", "share of range", "action units", "log-likelihood"],
        ["last (step 100)", "5 %", "0.25", "-1.5"],
        ["action 0", "", "0.5", ""],
        ["action 1", "", "0", ""],
        ["0 to 50 % of time", "10 %", "", ""],
        ["50 to 100 % of time", "-", "", ""],
    ]
    discrete = render(error_table({"last": score}, "bc", {}, "the actions"))
    assert discrete[:3] == [
        ["", "share of wrong actions", "log-likelihood"],
        ["last", "5 %", "-1.5"],
        ["action 0", "50 %", ""],
    ]
    assert discrete[-1] == ["50 to 100 % of time", "-", ""]
