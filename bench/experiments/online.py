"""Imitation with an environment: the table of the adversarial and implicit-Q methods on Hopper-v5.

    make bench-online                                   # all rows, one job at a time; can be interrupted
    python -m bench.experiments.online --minutes 60     # start no job after an hour
    python -m bench.experiments.online --list           # list unfinished jobs

Several processes, each bound to a core of its own, can work on the same queue. Demonstrations are ten episodes of the
bundled hopper-expert unless a row says otherwise; `--ant FILE` adds Ant-v5. After the table come ablations of the
default preset, with one choice changed at a time.
"""

from pathlib import Path

from bench.experiments.queue import Row, options, report_unfinished, reported, work_in_groups

HOPPER = ("--env", "Hopper-v5", "--demos", "hopper-expert")
TEN = (*HOPPER, "--episodes", "10")
SMALL = ("--policy.hidden", "256", "256", "--critic.hidden", "256", "256", "--reward.hidden", "256", "256")


def rows(ant: Path | None = None) -> list[Row]:
    """The table's rows in order."""
    long, short = ("--steps", "200000"), ("--steps", "100000")
    table = [Row("adversarial", ("adversarial", *TEN, *long), seeds=3)]
    table += [Row(name, (name, *TEN, *long), seeds=3) for name in ("ls_iq", "recoil_online", "iq_learn")]
    table += [
        Row(name, ("adversarial", "--preset", name, *TEN, *short)) for name in ("gail", "dac", "airl", "fairl", "gaifo")
    ]
    table += [
        Row("sqil", ("ls_iq", "--preset", "sqil", *TEN, *short)),
        Row("f_irl", ("f_irl", *TEN, *short)),
        Row("bc", ("bc", *TEN, "--steps", "30000")),
    ]
    for name, loss, seeds in (
        ("squared", ("squared",), 3),
        ("huber1", ("huber", "--td-loss.delta", "1"), 3),
        ("huber10", ("huber", "--td-loss.delta", "10"), 1),
        ("huber100", ("huber", "--td-loss.delta", "100"), 1),
    ):
        args = ("adversarial", "--preset", "cleanil", *SMALL, "--td-loss.kind", *loss, "--variant", f"2x256,td={name}")
        table.append(Row(f"cleanil-{name}", (*args, *TEN, *short), seeds))
    table.append(Row("adversarial-one", ("adversarial", *HOPPER, "--episodes", "1", *short)))
    if ant is not None:
        table.append(Row("ant", ("adversarial", "--env", "Ant-v5", "--demos", str(ant), "--episodes", "10", *short)))
    for name in ("adversarial", "airl"):
        reward = ("--reward", "{folder}/" + f"{name}-seed0", "--variant", f"reward={name}")
        table.append(Row(f"sac-on-{name}", ("sac", "--env", "Hopper-v5", *short, *reward)))
    return table


def ablations() -> list[Row]:
    """Ablations of the adversarial default: one choice changed at a time."""
    changes = (
        ("critic=plain", ("--critic.no-layer-norm",)),
        ("terminal=mask", ("--terminal.kind", "mask")),
        ("loss=linear", ("--discrimination.kind", "linear")),
        ("expert_share=0", ("--expert-share", "0")),
        ("ema=0", ("--ema", "0")),
    )
    args = ("adversarial", *TEN, "--steps", "100000")
    return [Row(f"ablation-{name}", (*args, *change, "--variant", name)) for name, change in changes]


def main() -> None:
    """Run the queue; an error ends it with a message and status 2."""
    parser = options(__doc__, "runs/online")
    parser.add_argument("--ant", type=Path, help="demonstrations of Ant-v5")
    args = parser.parse_args()
    with reported():
        left = work_in_groups([rows(args.ant), ablations()], args)
    report_unfinished(left)


if __name__ == "__main__":
    main()
