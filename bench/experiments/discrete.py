"""Imitation with discrete actions: every method on three classic tasks, with one and with ten demonstrations.

    python -m bench.experiments.discrete --list           # list unfinished jobs
    python -m bench.experiments.discrete --only bc-cartpole-10 adversarial-cartpole-10

The demonstrations are the bundled `cartpole-expert`, `acrobot-expert` and `lunarlander-expert` (LunarLander needs
`gymnasium[box2d]`); `bench/experiments/expert.py` has the commands that made them. Three seeds a
cell, one seed of every cell before a second of any. BC is trained for as many updates as the others take steps.
"""

from bench.experiments.queue import Row, options, report_unfinished, reported, work_in_groups

TASKS = {
    "cartpole": ("CartPole-v1", "cartpole-expert", 50_000),
    "acrobot": ("Acrobot-v1", "acrobot-expert", 50_000),
    "lunarlander": ("LunarLander-v3", "lunarlander-expert", 200_000),
}
"""Environment, demonstrations and steps."""
METHODS = ("bc", "iq_learn", "ls_iq", "sqil", "adversarial")


def cell(method: str, task: str, episodes: int) -> Row:
    """A method on a task."""
    env, demos, steps = TASKS[task]
    flags = ("--env", env, "--demos", demos, "--episodes", str(episodes), "--steps", str(steps))
    return Row(f"{method}-{task}-{episodes}", (method, *flags), 3)


def groups() -> list[list[Row]]:
    """The rows of each task."""
    return [[cell(m, task, episodes) for episodes in (10, 1) for m in METHODS] for task in TASKS]


def main() -> None:
    """Run the queue; an error ends it with a message and status 2."""
    args = options(__doc__, "runs/discrete").parse_args()
    with reported():
        left = work_in_groups(groups(), args)
    report_unfinished(left)


if __name__ == "__main__":
    main()
