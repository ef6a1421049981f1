"""The model card of a run: what was trained on what, how well it does, and how it is loaded."""

import json
import re
from collections.abc import Mapping
from typing import Any

from imitax.errors import printable
from imitax.record.scores import format_error, format_return

LOADING = """```python
import imitax.hub

run = imitax.hub.pull("{repo}")
action = run.policy(obs)  # obs as the environment gives it
```

or `imitax pull {repo}`. `run.policy(obs, seed=..., which="best")` chooses another policy; `run.export("numpy")`
writes one that needs NumPy alone."""

NOTES = {
    "best": "`last` are the policies after the last step. `best` are those of the evaluation with the highest mean "
    "return; it was selected on the episodes that it is reported on, so it is optimistic.",
    "few": "With fewer than four seeds the IQM is the mean; one seed proves little.",
}


def card(config: Mapping[str, Any], summary: Mapping[str, Any], names: list[str], repo: str) -> str:
    """The text of `README.md`.

    Args:
        config: of the run, without what tells of the machine.
        summary: of the run.
        names: of the files that are shared.
        repo: where the run will be, as USER/NAME.
    """
    seeds = config["training"]["seeds"]
    place = config["env"]["id"] or config["env"].get("data")
    parts = [
        _front_matter(config),
        f"# {_text(config['algorithm'])} on {_text(place)}",
        f"Policies trained with imitax, {len(seeds)} seed{'s' * (len(seeds) > 1)}.",
        "## Scores",
        _scores(summary),
        NOTES["best"] + (f" {NOTES['few']}" if len(seeds) < 4 else ""),
        "## How to load them",
        LOADING.format(repo=repo),
        "## Training",
        _table(["what", "value"], [[key, value] for key, value in _facts(config, summary).items()]),
        "All settings are in `config.json`, all records in `metrics.jsonl`.",
    ]
    films = [name for name in names if name.startswith("video.")]
    parts += [f"## Video\n\n[{name}]({name})" for name in films]
    return "\n\n".join(parts) + "\n"


def _front_matter(config: Mapping[str, Any]) -> str:
    tags = ["imitax", "imitation-learning", "reinforcement-learning", config["algorithm"], config["env"]["id"]]
    known = [re.sub(r"[^\w.-]", "-", str(tag)) for tag in tags if tag]
    return "\n".join(["---", "library_name: imitax", "tags:", *(f"- {json.dumps(tag)}" for tag in known), "---"])


def _scores(summary: Mapping[str, Any]) -> str:
    chosen = {which: summary[which] for which in ("last", "best") if summary[which] is not None}
    if summary["env"] is None:
        head = [f"policy ({summary['eval_episodes']} {_text(summary['measured_on'])})", "error", "each seed"]
        lines = [
            [which, format_error(score["error"]), ", ".join(format_error(s["error"]) for s in score["per_seed"])]
            for which, score in chosen.items()
        ]
        return (
            f"Differences from recorded actions, as a share of {_text(summary['error_of'])}:\n\n{_table(head, lines)}"
        )
    head = ["policy", "return, IQM", "95 % interval", "of the demonstrations", "each seed"]
    return f"Undiscounted returns of {summary['eval_episodes']} episodes a seed:\n\n" + _table(
        head, [[which, *_line(score)] for which, score in chosen.items()]
    )


def _line(score: Mapping[str, Any]) -> list[str]:
    low, high = score["interval"]
    fraction = score["expert_fraction"]
    return [
        _return(score["iqm"]),
        "-" if low is None else f"{format_return(low)} to {format_return(high)}",
        "-" if fraction is None else f"{fraction:.1%}",
        ", ".join(f"{_return(s['return_mean'])} (seed {s['seed']})" for s in score["per_seed"]),
    ]


def _return(value: float | None) -> str:
    return "not finite" if value is None else format_return(value)


def _facts(config: Mapping[str, Any], summary: Mapping[str, Any]) -> dict[str, str]:
    data, other, training = config.get("data"), config.get("offline_data"), config["training"]
    facts = {
        "algorithm": f"{config['algorithm']}, preset {config['preset']}",
        "environment": config["env"]["id"] or "none",
        "environment arguments": json.dumps(config["env"].get("kwargs") or {}),
        "seeds": ", ".join(map(str, training["seeds"])),
        "steps": f"{summary['steps']:,}",
    }
    if data is not None:
        counts = {seed: len(rows) for seed, rows in data.get("train_episodes", {}).items()}
        used = f", {max(counts.values())} episodes a seed" if counts else ""
        facts["demonstrations"] = f"{data['name']}{used}, hash {data['hash'][:16]}"
    if other is not None:
        facts["other data"] = f"{other['name']}, hash {other['hash'][:16]}"
    versions = config.get("versions", {})
    shown = [f"{name} {versions[name]}" for name in ("imitax", "jax", "gymnasium", "mujoco") if versions.get(name)]
    return facts | {"versions": ", ".join(shown), "commit": str(config.get("commit"))}


def _table(head: list[str], lines: list[list[str]]) -> str:
    rows = [head, ["---"] * len(head), *([_text(cell) for cell in line] for line in lines)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _text(value: Any) -> str:
    """Text that Markdown shows as it is, on one line."""
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", printable(value).replace("\n", " "))
