"""The table of results: every method on every task, three seeds a cell.

    make bench-table                                  # all cells, one job at a time; can be interrupted
    python -m bench.experiments.table --list          # list unfinished jobs
    python -m bench.experiments.table --groups 1 5    # only these groups

Several processes, each bound to a core of its own, can work on the same queue. The groups are worked on in their
order; within a group, one seed of every cell runs before a second seed of any. Demonstrations are the bundled
TASK-expert sets, recorded data are data/TASK-medium-replay.hdf5. A run is evaluated on 20 episodes every 5,000 steps or
updates, every 10,000 where it is longer than 200,000.
"""

from dataclasses import replace

from bench.experiments.offline import medium_replay
from bench.experiments.queue import Row, options, report_unfinished, reported, work_in_groups

THREE = {"hopper": "Hopper-v5", "halfcheetah": "HalfCheetah-v5", "walker2d": "Walker2d-v5"}
FOUR = {**THREE, "ant": "Ant-v5"}
ANT = ("--env-kwargs", '{"include_cfrc_ext_in_observation": false}')


def cell(algorithm: str, task: str, steps: int, *args: str, seeds: int = 3) -> Row:
    """A method on a task. `algorithm` may name a preset after a slash."""
    method, _, preset = algorithm.partition("/")
    environment = ("--env", FOUR[task], *(ANT if task == "ant" else ()))
    every = ("--eval-every", "10000") if steps > 200_000 else ()
    flags = (*(("--preset", preset) if preset else ()), *environment, *args, "--steps", str(steps), *every)
    return Row("-".join([*algorithm.split("/"), task]), (method, *flags), seeds)


def demonstrated(task: str, episodes: int, *, offline: bool = False) -> tuple[str, ...]:
    """Arguments for demonstrations, with recorded data beside them where `offline` is set."""
    recorded = ("--offline-data", medium_replay(task)) if offline else ()
    return ("--demos", f"{task}-expert", "--episodes", str(episodes), *recorded)


def model_from(algorithm: str, task: str) -> tuple[str, ...]:
    """Arguments that load the model which another cell of the same task and seed has fitted to the same data."""
    return ("--model-from", "{folder}/" + f"{algorithm}-{task}" + "-seed{seed}")


def online(methods: tuple[str, ...], tasks: tuple[str, ...], episodes: int = 10, seeds: int = 3) -> list[Row]:
    """Imitation with an environment, 200,000 steps."""
    rows = [cell(m, task, 200_000, *demonstrated(task, episodes), seeds=seeds) for m in methods for task in tasks]
    return rows if episodes == 10 else [replace(row, name=f"{row.name}-{episodes}") for row in rows]


def offline() -> list[Row]:
    """Imitation from recorded data, 20 demonstrations, 100,000 updates."""
    rows = []
    for method in ("bc", "ibc", "iq_learn/offline", "recoil"):
        for task in THREE:
            rows.append(cell(method, task, 100_000, *demonstrated(task, 20, offline=method == "recoil")))
    return rows


def model_based_imitation() -> list[Row]:
    """Imitation in a learned model. The first method of a task fits the model for all three."""
    rows = []
    for method in ("omlirl", "rmirl", "rmirl_implicit"):
        for task in THREE:
            model = () if method == "omlirl" else model_from("omlirl", task)
            steps = 200_000 if task == "hopper" else 300_000
            rows.append(cell(method, task, steps, *demonstrated(task, 10, offline=True), *model))
    return rows


def with_rewards() -> list[Row]:
    """Reinforcement learning: with an environment, and in a model of recorded data."""
    rows = [cell("sac", task, 300_000 if task == "hopper" else 500_000) for task in THREE]
    for method in ("mopo", "rambo"):
        for task in THREE:
            model = () if method == "mopo" else model_from("mopo", task)
            rows.append(cell(method, task, 200_000, "--offline-data", medium_replay(task), *model))
    return rows


def presets() -> list[Row]:
    """Presets named after papers, one seed."""
    methods = (*(f"adversarial/{p}" for p in ("gail", "dac", "airl", "fairl", "gaifo")), "ls_iq/sqil", "f_irl")
    second = ("adversarial/dac", "adversarial/airl", "f_irl")
    return [*online(methods, ("hopper",), seeds=1), *online(second, ("halfcheetah",), seeds=1)]


def groups() -> dict[int, list[Row]]:
    """The rows of the table, by the number of their group."""
    return {
        1: online(("adversarial", "ls_iq", "iq_learn", "recoil_online"), tuple(FOUR)),
        2: offline(),
        3: model_based_imitation(),
        4: with_rewards(),
        5: online(("adversarial", "ls_iq"), tuple(FOUR), episodes=1),
        6: presets(),
        7: [cell("mbpo", task, 100_000, seeds=1) for task in THREE],
        8: [replace(row, seeds=5) for row in [*online(("adversarial",), tuple(FOUR)), *offline()[:3]]],
    }


def main() -> None:
    """Run the queue; an error ends it with a message and status 2."""
    parser = options(__doc__, "runs/table")
    parser.add_argument("--groups", type=int, nargs="+", metavar="GROUP", help="only these groups")
    args = parser.parse_args()
    with reported():
        wanted = [rows for n, rows in groups().items() if args.groups is None or n in args.groups]
        left = work_in_groups(wanted, args)
    report_unfinished(left)


if __name__ == "__main__":
    main()
