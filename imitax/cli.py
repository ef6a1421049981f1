"""The command line: every flag of `imitax train` comes from the dataclasses that the Python API takes."""

# Over 250 lines: four commands and their flags.

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, make_dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.console import Console
from rich.table import Table

from imitax.algorithm import find, names
from imitax.config import Training, renamed, setting_names
from imitax.errors import ConfigError, ImitaxError
from imitax.networks import InferenceKind

USAGE = """usage: imitax COMMAND ...

commands:
  train ALGORITHM   train a policy: {algorithms}
  train --resume    continue an interrupted run, or extend it with --steps
  eval RUN          roll out a run's policies on fresh episodes
  collect RUN       roll out a saved policy into a dataset
  datasets          list, show or validate demonstrations

imitax COMMAND --help explains every flag; imitax train ALGORITHM --help those of an algorithm.
"""


@dataclass(frozen=True)
class Resume:
    """Continue a run from its newest checkpoint."""

    resume: Path
    """Folder of the run."""
    steps: int | None = None
    """Extend the run to this many steps."""
    env_workers: int | None = None
    """Processes that step environments in parallel with the main process; as the run was started when not given."""
    quiet: bool = False
    """Print nothing."""


@dataclass(frozen=True)
class Evaluate:
    """Roll out a run's policies on fresh episodes; the last line of the output is one JSON object."""

    run: tyro.conf.Positional[Path]
    """Folder of the run."""
    episodes: int = 20
    """Episodes a seed."""
    which: Annotated[str, tyro.conf.arg(metavar="{last,best}")] = "last"
    """The last policies, or those with the best evaluation."""
    sample: bool = False
    """Sampled actions instead of the deterministic mode."""
    index: int = 1
    """Which set of episodes; 0 is the one that training evaluated on, every other is fresh."""
    inference: InferenceKind | None = None
    """Another way for implicit policies (ibc) to find their action than the run's own."""
    env_workers: int = 0
    """Processes that step environments in parallel with the main process, at most cores - 1; changes no score."""
    json: bool = False
    """Print nothing but the JSON object."""


@dataclass(frozen=True)
class Collect:
    """Roll out a saved policy into a dataset."""

    run: tyro.conf.Positional[Path]
    """Folder of the run."""
    out: str
    """A file name ending in .hdf5 (D4RL layout), or the id of a Minari dataset such as hopper/mine-v0."""
    episodes: int = 25
    """Episodes to keep."""
    seed: int = 0
    """Decides the environments' seeds and the noise of sampled actions."""
    policy_seed: int | None = None
    """Which seed's policy of the run; its first when not given."""
    which: Annotated[str, tyro.conf.arg(metavar="{last,best}")] = "last"
    """The last policy, or the one with the best evaluation."""
    deterministic: bool = False
    """Take the policy's mode instead of samples."""
    full_length_only: bool = False
    """Keep only episodes that ran to the time limit."""
    min_return: float | None = None
    """Keep only episodes with at least this return."""


@dataclass(frozen=True)
class Datasets:
    """List, show or validate demonstrations."""

    action: tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="{list,show,validate}")]]
    """list: bundled and local Minari datasets. show: statistics of one. validate: check one, with its environment."""
    source: tyro.conf.Positional[str | None] = None
    """A D4RL-layout HDF5 file, a bundled name, a Minari id or folder."""
    env: str | None = None
    """validate against this environment; without it the one that the file names."""
    env_kwargs: Annotated[dict[str, Any], tyro.conf.arg(metavar="JSON")] = field(default_factory=dict)
    """Keyword arguments of the environment, as JSON."""


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point of `imitax`; bad input ends with a message and status 2, without a traceback."""
    args = list(sys.argv[1:] if argv is None else argv)
    try:
        sys.exit(dispatch(args))
    except ImitaxError as e:
        print(f"imitax: {e}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("imitax: interrupted; continue with imitax train --resume RUN", file=sys.stderr)
        sys.exit(130)


def dispatch(args: list[str]) -> int:
    """Run one command; returns its exit status."""
    usage = USAGE.format(algorithms=", ".join(names()))
    if not args or args[0] in ("-h", "--help"):
        print(usage, end="")
        return 0 if args else 2
    if args[0] == "--version":
        from imitax import __version__

        print(__version__)
        return 0
    command, rest = args[0], args[1:]
    commands = {"train": _train, "eval": _eval, "collect": _collect, "datasets": _datasets}
    if command not in commands:
        raise ConfigError(f"unknown command {command!r}; there are {', '.join(commands)}")
    return commands[command](rest)


def _parse(cls: Any, args: list[str], prog: str, default: Any = None) -> Any:
    kwargs = {} if default is None else {"default": default}
    return tyro.cli(cls, args=args, prog=prog, registry=_registry(), **kwargs)


def _registry() -> tyro.constructors.ConstructorRegistry:
    """Environment keyword arguments are one JSON object on the command line."""
    registry = tyro.constructors.ConstructorRegistry()

    @registry.primitive_rule
    def env_kwargs(info: tyro.constructors.PrimitiveTypeInfo) -> tyro.constructors.PrimitiveConstructorSpec | None:
        if info.type != dict[str, Any]:
            return None
        return tyro.constructors.PrimitiveConstructorSpec(
            nargs=1,
            metavar="JSON",
            instance_from_str=lambda words: _json_object(words[0]),
            is_instance=lambda value: isinstance(value, dict),
            str_from_instance=lambda value: [json.dumps(value)],
        )

    return registry


def _json_object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as e:
        raise ConfigError(f"--env-kwargs takes a JSON object such as '{{\"key\": 1}}', got {text!r}: {e}") from e
    if not isinstance(value, dict):
        raise ConfigError(f"--env-kwargs takes a JSON object such as '{{\"key\": 1}}', got {text!r}")
    return value


def _train(args: list[str]) -> int:
    if any(a == "--resume" or a.startswith("--resume=") for a in args):
        from imitax.training.resume import resume

        resumption: Resume = _parse(Resume, args, "imitax train")
        workers, quiet = resumption.env_workers, resumption.quiet or None
        run = resume(resumption.resume, steps=resumption.steps, env_workers=workers, quiet=quiet)
        _print_scores(run.summary, resumption.quiet)
        return 0
    if not args or args[0].startswith("-"):
        print("usage: imitax train ALGORITHM [flags], or imitax train --resume RUN\n")
        print(f"algorithms: {', '.join(names())}")
        return 0 if args else 2
    algorithm = find(args[0])
    _refuse_renamed(args[1:], setting_names(algorithm.Config))
    from imitax.training.entry import preset_config, train

    preset = _preset(args[1:])
    cfg = preset_config(algorithm.name, preset)
    job = make_dataclass(
        "Job",
        [
            ("preset", str, field(default=preset)),
            ("out", Path | None, field(default=None)),
            ("training", Annotated[Training, tyro.conf.arg(name="")], field(default_factory=Training)),
            ("cfg", Annotated[algorithm.Config, tyro.conf.arg(name="")], field(default=cfg)),
        ],
        frozen=True,
    )
    job.__doc__ = f"""{algorithm.Config.__doc__}

    Args:
        preset: Named configuration whose values are the defaults below: {", ".join(algorithm.PRESETS)}.
        out: Folder of the run; runs/ALGORITHM-ENV-TIME when not given.
    """
    order: Any = _parse(job, args[1:], f"imitax train {args[0]}")
    training = {f.name: getattr(order.training, f.name) for f in fields(Training)}
    env, demos = training.pop("env"), training.pop("demos")
    run = train(order.cfg, env=env, demos=demos, out=order.out, preset=preset, **training)
    _print_scores(run.summary, order.training.quiet)
    if not order.training.quiet:
        print(f"run: {run.folder}")
    return 0


def _refuse_renamed(args: list[str], known: list[str]) -> None:
    """Name the present flag where an argument is one of imitax 0.1; `known` are the algorithm's settings."""
    for flag in (arg.partition("=")[0] for arg in args if arg.startswith("--")):
        name = flag[2:].replace("-", "_")
        now = renamed(name)
        if now != name and now.partition(".")[0] in known:
            raise ConfigError(f"{flag} is called --{now.replace('_', '-')} now")


def _preset(args: list[str]) -> str:
    """The preset's name has to be known before the flags are parsed, since it decides their defaults."""
    for i, arg in enumerate(args):
        if arg == "--preset" and i + 1 < len(args):
            return args[i + 1]
        if arg.startswith("--preset="):
            return arg.partition("=")[2]
    return "default"


def _print_scores(summary: dict[str, Any], quiet: bool) -> None:
    if quiet:
        return
    table = Table(title=f"{summary['algorithm']} {summary['env']}, {summary['eval_episodes']} episodes a seed")
    for column in ("evaluation", "return IQM", "95 % interval", "of demonstrations", "D4RL"):
        table.add_column(column, justify="left" if column == "evaluation" else "right")
    for which in ("last", "best"):
        score = summary[which]
        low, high = score["interval"]
        interval = "" if low is None else f"{low:,.0f} to {high:,.0f}"
        fraction, d4rl = score["expert_fraction"], score["d4rl"]
        cells = ["" if fraction is None else f"{fraction:.3f}", "" if d4rl is None else f"{d4rl:.1f}"]
        iqm = "not finite" if score["iqm"] is None else f"{score['iqm']:,.0f}"
        table.add_row(which, iqm, interval, *cells)
    Console().print(table)


def _which(value: str) -> Any:
    if value not in ("last", "best"):
        raise ConfigError(f"--which is last or best, got {value!r}")
    return value


def _eval(args: list[str]) -> int:
    from imitax.record import score_table
    from imitax.run import Run

    order: Evaluate = _parse(Evaluate, args, "imitax eval")
    if order.episodes < 1:
        raise ConfigError(f"--episodes must be at least 1, got {order.episodes}")
    if order.env_workers < 0:
        raise ConfigError(f"--env-workers must not be negative, got {order.env_workers}")
    run = Run(order.run)
    result = run.evaluate(
        order.episodes,
        which=_which(order.which),
        sample=order.sample,
        index=order.index,
        inference=order.inference,
        env_workers=order.env_workers,
    )
    if not order.json:
        rows = [entry | {"label": order.which} for entry in result["per_seed"]]
        Console().print(score_table(rows, title=f"{run.config['algorithm']} {run.config['env']['id']}"))
    from imitax.files import plain

    print(json.dumps(plain(result)))
    return 0


def _collect(args: list[str]) -> int:
    from imitax.datasets import collect, save_d4rl, save_minari
    from imitax.run import Run
    from imitax.training.provenance import commit

    order: Collect = _parse(Collect, args, "imitax collect")
    run = Run(order.run)
    is_file = order.out.endswith((".hdf5", ".h5"))
    if is_file and Path(order.out).exists():
        raise ConfigError(f"{order.out} exists already: choose another --out")
    act = run.actor(order.policy_seed, _which(order.which), None if order.deterministic else order.seed)
    data = collect(
        act,
        run.task.make,
        episodes=order.episodes,
        seed=order.seed,
        full_length_only=order.full_length_only,
        min_return=order.min_return,
        name=Path(order.out).stem if is_file else order.out,
    )
    about = {
        "algorithm": run.config["algorithm"],
        "policy_seed": str(run.seeds[0] if order.policy_seed is None else order.policy_seed),
        "policy": order.which,
        "policy_commit": run.config["commit"],
        "commit": commit(),
        "actions": "mode" if order.deterministic else "sampled",
        "training_steps": str(run.config["training"]["steps"]),
    }
    data = replace(data, attributes=data.attributes | about)
    if is_file:
        save_d4rl(data, order.out)
    else:
        save_minari(data, order.out)
    print(f"{order.out}: {len(data.episodes)} episodes, return {data.returns.mean():,.1f} ± {data.returns.std():,.1f}")
    return 0


def _datasets(args: list[str]) -> int:
    from imitax.datasets import list_bundled, load, summary, validate
    from imitax.envs import Task

    order: Datasets = _parse(Datasets, args, "imitax datasets")
    if order.action == "list":
        import minari

        for name in list_bundled():
            print(f"{name}  (bundled)")
        for name in minari.list_local_datasets():
            print(f"{name}  (Minari, local)")
        return 0
    if order.action not in ("show", "validate"):
        raise ConfigError(f"imitax datasets takes list, show or validate, got {order.action!r}")
    if order.source is None:
        raise ConfigError(f"imitax datasets {order.action} needs a file, a bundled name or a Minari id")
    data = load(order.source, env_kwargs=order.env_kwargs or None)
    if order.action == "show":
        for key, value in summary(data).items():
            print(f"{key:18} {value}")
        for key, value in data.attributes.items():
            print(f"{key:18} {value}")
        return 0
    env_id = order.env or data.env_id
    if env_id is None:
        validate(data)
        print(f"{order.source}: no problem found; it names no environment, so pass --env to check against one")
        return 0
    kwargs = order.env_kwargs or data.env_kwargs
    task = Task.create(env_id, kwargs)
    validate(
        data,
        observation_space=task.observation_space,
        action_space=task.action_space,
        env_id=env_id,
        env_kwargs=kwargs,
    )
    print(f"{order.source}: no problem found, and it fits {env_id}")
    return 0


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    main()
