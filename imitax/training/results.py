"""What a finished run writes: its summary, its figures, and lines of result files."""

from pathlib import Path
from typing import Any

import jax

from imitax import figures
from imitax.files import append_line, from_here, read_json, read_lines, write_atomic, write_json
from imitax.files import line as line_bytes
from imitax.held_out import MEASURES, summarise_errors
from imitax.processes import cores
from imitax.record import METRICS, seed_folder
from imitax.statistics import summarise
from imitax.training.progress import SUMMARY, Progress
from imitax.training.setup import CURVES, Setup

Curve = list[dict[str, Any]]
"""One seed's evaluations."""


def summarise_run(setup: Setup, progress: Progress) -> None:
    """Write `summary.json`, the figures, and result lines where they are wanted.

    Where every return of every evaluation is 0, the environment gives no score, and none of the policies is the best.
    """
    options, folder = setup.training, setup.folder
    lines = {seed: read_lines(seed_folder(folder, options.seeds, seed) / METRICS) for seed in options.seeds}
    curves = [[line for line in lines[seed] if line["kind"] == "eval"] for seed in options.seeds]
    recorded = setup.task.recorded is not None
    scored = recorded or any(value for curve in curves for line in curve for value in line["returns"])
    summary = errors_of(setup, progress, curves) if recorded else summary_of(setup, progress, curves)
    if not scored:
        summary |= {"best": None, "best_steps": None}
        for path in (p for name in ("policy", "reward") for p in folder.rglob(f"{name}-best.safetensors")):
            path.unlink()
    write_json(folder / SUMMARY, summary)
    label = setup.algorithm.name + (f" {options.variant}" if options.variant else "")
    draw_curve(setup, {label: [line for curve in curves for line in curve]})
    for seed in options.seeds:
        path = seed_folder(folder, options.seeds, seed) / "figures" / "training.png"
        title, x_label = f"{label} on {setup.task.label}, seed {seed}", steps_of(setup)
        figures.training_figure(lines[seed], path, title=title, x_label=x_label)
    if options.results is not None:
        for i, curve in enumerate(curves):
            append_result(setup, summary, i, curve, options.results)


def draw_curve(setup: Setup, curves: dict[str, Curve]) -> None:
    """The learning curve: returns, or without an environment, errors."""
    path = setup.folder / "figures" / "learning-curve.png"
    if setup.task.recorded is not None:
        prefix, what, _ = measured_on(setup)
        title = f"{setup.task.label}, {what}"
        y_label = f"error, share of {setup.task.spec.action.error_of}"
        figures.error_curve(curves, f"{prefix}error", path, title=title, y_label=y_label)
        return
    figures.learning_curve(
        curves,
        path,
        expert_return=setup.expert_return,
        title=setup.task.env_id,
        x_label=steps_of(setup),
    )


def steps_of(setup: Setup) -> str:
    """What the steps of a run are."""
    return "environment steps" if setup.needs.env else "updates"


def measured_on(setup: Setup) -> tuple[str, str, int]:
    """Of a run without an environment: prefix of its measures, what they are taken on, and of how many episodes."""
    assert setup.measured is not None
    episodes, kind = setup.measured
    held_out = setup.data.held_out(0) is not None
    return "validation_" if held_out else "train_", kind, len(episodes[setup.training.seeds[0]].episodes)


def errors_of(setup: Setup, progress: Progress, curves: list[Curve]) -> dict[str, Any]:
    """The summary of a run without an environment: errors of the last and of the best evaluation."""
    seeds, (prefix, kind, count) = setup.training.seeds, measured_on(setup)

    def scores(steps: dict[int, int]) -> dict[str, Any]:
        lines = {s: next(x for x in c if x["step"] == steps[s]) for s, c in zip(seeds, curves, strict=True)}
        return summarise_errors({s: {name: as_number(x[prefix + name]) for name in MEASURES} for s, x in lines.items()})

    known = [{line["step"] for line in curve} for curve in curves]
    found = zip(seeds, progress.best, known, strict=True)
    best = {seed: b["step"] for seed, b, steps in found if "error" in b and b["step"] in steps}
    return {
        "algorithm": setup.algorithm.name,
        "env": None,
        "data": setup.task.label,
        "steps": progress.step,
        "eval_episodes": count,
        "measured_on": kind,
        "error_of": setup.task.spec.action.error_of,
        "expert_return": setup.expert_return,
        "last": scores({seed: curve[-1]["step"] for seed, curve in zip(seeds, curves, strict=True)}),
        "best": scores(best) if len(best) == len(seeds) else None,
        "best_steps": {str(seed): step for seed, step in best.items()} if len(best) == len(seeds) else None,
        "wall_s": round(progress.wall_s, 1),
        "commit": read_json(setup.folder / "config.json")["commit"],
    }


def as_number(value: Any) -> Any:
    """Nulls of a file as the NaN that they were."""
    if isinstance(value, list):
        return [as_number(x) for x in value]
    return float("nan") if value is None else value


def summary_of(setup: Setup, progress: Progress, curves: list[Curve]) -> dict[str, Any]:
    """Scores of the last and the best evaluations."""
    seeds, env_id, expert_return = setup.training.seeds, setup.task.env_id, setup.expert_return
    last = {seed: curve[-1]["return_mean"] for seed, curve in zip(seeds, curves, strict=True)}
    best = {seed: b["return_mean"] for seed, b in zip(seeds, progress.best, strict=True)}
    return {
        "algorithm": setup.algorithm.name,
        "env": env_id,
        "steps": progress.step,
        "eval_episodes": setup.training.eval_episodes,
        "expert_return": expert_return,
        "last": summarise(last, env_id, expert_return),
        "best": summarise(best, env_id, expert_return),
        "best_steps": {str(s): b["step"] for s, b in zip(seeds, progress.best, strict=True)},
        "wall_s": round(progress.wall_s, 1),
        "commit": read_json(setup.folder / "config.json")["commit"],
    }


def append_result(setup: Setup, summary: dict[str, Any], index: int, curve: Curve, results: Path) -> None:
    """One seed's line in a result file, and its curve beside it."""
    config, options = read_json(setup.folder / "config.json"), setup.training
    seed, data, offline = options.seeds[index], config["data"], config["offline_data"]
    last = summary["last"]["per_seed"][index]
    best = {"return_mean": None, "expert_fraction": None, "steps": None}
    if summary["best"] is not None:
        best = summary["best"]["per_seed"][index] | {"steps": summary["best_steps"][str(seed)]}
    curve_file = write_curve(setup, config, seed, curve, results)
    append_line(
        results,
        {
            "algorithm": config["algorithm"],
            "regime": "online" if setup.needs.env else "offline",
            "preset": config["preset"],
            "variant": options.variant,
            "env": setup.task.env_id or None,
            "env_kwargs": setup.task.env_kwargs,
            "data": None if data is None else data["name"],
            "data_hash": None if data is None else data["hash"],
            "offline_data": None if offline is None else f"{offline['name']}@{offline['hash'][:12]}",
            **drawn_episodes(setup, index),
            "steps": summary["steps"],
            "seed": seed,
            "eval_episodes": summary["eval_episodes"],
            "return_mean": last["return_mean"],
            "expert_fraction": last["expert_fraction"],
            "d4rl": last["d4rl"],
            "best_return_mean": best["return_mean"],
            "best_expert_fraction": best["expert_fraction"],
            "best_steps": best["steps"],
            "wall_s": summary["wall_s"],
            "cores": cores(),
            "device": jax.local_devices()[0].device_kind,
            "seeds_in_run": len(options.seeds),
            "commit": config["commit"],
            "curve": from_here(curve_file),
            "run": from_here(setup.folder),
            "config": config["config"],
        }
        | ({} if setup.task.recorded is None else error_fields(summary, index)),
    )


def drawn_episodes(setup: Setup, index: int) -> dict[str, int | None]:
    """Episodes of demonstrations that a seed was given, and how many of these were held out."""
    if not setup.data.selections:
        return {"episodes": None, "held_out_episodes": 0}
    selection = setup.data.selections[index]
    held_out = len(selection.validation_indices)
    return {"episodes": len(selection.train.episodes) + held_out, "held_out_episodes": held_out}


def error_fields(summary: dict[str, Any], index: int) -> dict[str, Any]:
    """What a result line without returns says of one seed, beside the nulls."""
    last, best = summary["last"]["per_seed"][index], summary["best"]
    return {
        "measured_on": summary["measured_on"],
        "error": last["error"],
        "log_likelihood": last["log_likelihood"],
        "best_error": None if best is None else best["per_seed"][index]["error"],
    }


def write_curve(setup: Setup, config: dict[str, Any], seed: int, curve: Curve, results: Path) -> Path:
    """Write one seed's evaluations; a repeated run keeps both curves, since result files are never edited."""
    options = setup.training
    variant = f"-{options.variant}" if options.variant else ""
    stem = f"{config['algorithm']}-{config['preset']}{variant}-{setup.task.label}"
    stem = f"{as_file_name(stem)}-{options.steps}-seed{seed}-{config['commit'][:7]}"
    path, number = results.parent / CURVES / f"{stem}.jsonl", 1
    while path.exists():
        number += 1
        path = results.parent / CURVES / f"{stem}-{number}.jsonl"
    wanted = ("returns", "validation_error", "train_error")
    heads = ({"seed": x["seed"], "steps": x["step"], "wall_s": x["wall_s"]} for x in curve)
    lines = [head | {k: x[k] for k in wanted if k in x} for head, x in zip(heads, curve, strict=True)]
    write_atomic(path, b"".join(line_bytes(x) for x in lines))
    return path


def as_file_name(text: str) -> str:
    """Text as the beginning of a file's name: no separators, nothing that a file system refuses, 160 bytes at most."""
    allowed = "".join("-" if c in '/\\:*?"<>|' or not c.isprintable() else c for c in text)
    return allowed.encode(errors="ignore")[:160].decode(errors="ignore")
