"""Learned dynamics: the table of the model-based methods on Hopper-v5, with rewards and with demonstrations.

    make bench-model                                        # everything, one job at a time; interrupt it as you like
    python -m imitax.experiments.model_based --list         # what is unfinished

Start it twice, each process on a core of its own, and both work on the same queue. Recorded data are
data/hopper-medium-replay.hdf5, demonstrations ten episodes of the bundled hopper-expert, runs are 200,000 updates,
unless the row says otherwise. The first row on some data fits their model, which the others of that seed take: the
fit would be the same.
"""

from imitax.experiments.offline import MEDIUM_REPLAY
from imitax.experiments.queue import Row, chosen, options, report_unfinished, reported, unfinished, work

TASK = ("--env", "Hopper-v5")
RECORDED = (*TASK, "--offline-data", MEDIUM_REPLAY)
DEMONSTRATED = (*RECORDED, "--demos", "hopper-expert", "--episodes", "10")
LONG = ("--steps", "200000")


def with_rewards() -> list[Row]:
    """Reinforcement learning in a model, and cloning of the same data."""
    return [
        Row("mopo", ("mopo", *RECORDED, *LONG), seeds=3),
        Row("rambo", ("rambo", *RECORDED, *LONG, "--model-from", "{folder}/mopo-seed{seed}"), seeds=3),
        Row("bc-on-replay", ("bc", *TASK, "--demos", MEDIUM_REPLAY, "--steps", "30000"), seeds=3),
        Row("mbpo", ("mbpo", *TASK, "--steps", "60000")),
    ]


def with_demonstrations() -> list[Row]:
    """Imitation in a model."""
    model = ("--model-from", "{folder}/omlirl-seed{seed}")
    table = [Row("omlirl", ("omlirl", *DEMONSTRATED, *LONG), seeds=3)]
    table += [Row(name, (name, *DEMONSTRATED, *LONG, *model), seeds=3) for name in ("rmirl", "rmirl_implicit")]
    for kind in ("none", "mask"):  # claim C7, with the flags of this step
        args = ("omlirl", "--preset", "blog", "--terminal.kind", kind, "--variant", f"terminal={kind}")
        table.append(Row(f"c7-{kind}", (*args, *DEMONSTRATED, *LONG, *model), seeds=3))
    for how in ("excluded", "upsampled"):  # claim C9; included is the row omlirl
        args = ("omlirl", "--demonstrations", how, "--variant", f"demonstrations={how}")
        table.append(Row(f"c9-{how}", (*args, *DEMONSTRATED, *LONG), seeds=3))
    return table


def main() -> None:
    """Work off the queue; what goes wrong ends with a message and status 2."""
    args = options(__doc__, "runs/model_based").parse_args()
    with reported():
        table = chosen(with_rewards() + with_demonstrations(), args.only)
        left = unfinished(table, args.folder)
        if not args.list:
            left = work(table, args.folder, args.results, minutes=args.minutes)
    report_unfinished(left)


if __name__ == "__main__":
    main()
