"""Make a `medium-replay` set: the early experience of several training runs, before their policies were good.

    python -m bench.experiments.medium_replay --runs runs/sac --expert hopper-expert --out hopper-medium-replay.hdf5

Each seed's replay is cut at its last evaluation before the first one that reaches `below` times the expert's mean
return. The parts before the cuts are pooled: whole episodes in random order, equally many transitions from every seed,
until there are `transitions` in total. The last episode drawn from a seed is truncated to fit. (D4RL's sets are
different: the whole replay of one run that was stopped at a medium policy.)

Replays that were exported to files can replace run folders if their evaluation curves are given too:
`--runs a.hdf5 b.hdf5 --curves a.jsonl b.jsonl`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import tyro

import imitax
from imitax.datasets import Dataset, Episode, save_d4rl, save_minari
from imitax.errors import ConfigError
from imitax.files import read_lines
from imitax.run import Run
from imitax.statistics import reference_scores
from imitax.training.provenance import commit


@dataclass(frozen=True)
class Recipe:
    """Pool the early parts of replays."""

    runs: tuple[Path, ...]
    """Run folders, or replay files."""
    out: Path
    """File to write."""
    expert: str
    """Demonstrations whose mean return is the expert's."""
    curves: tuple[Path, ...] = ()
    """Evaluation curves (lines with `steps` and `returns`) of the replay files, in the same order."""
    below: float = 0.4
    """Fraction of the expert's return that the policies must not have reached."""
    transitions: int = 100_000
    """Transitions in total."""
    seed: int = 0
    """Seed of the order in which episodes are drawn."""
    minari: str | None = None
    """Also write a Minari dataset with this id, such as imitax/hopper/medium-replay-v0."""


def main(recipe: Recipe) -> None:
    """Make and write the set, and print its card."""
    expert = float(imitax.load(recipe.expert).returns.mean())
    parts = replays(recipe)
    cuts = [cut_at(curve, recipe.below * expert) for _, curve in parts]
    episodes = pool([first_steps(data, cut) for (data, _), cut in zip(parts, cuts, strict=True)], recipe)
    returns = np.array([episode.ret for episode in episodes])
    first = parts[0][0]
    card = {
        "about": f"early replays of {len(parts)} trainings, cut before {recipe.below:.0%} of {recipe.expert}",
        "cut_steps": ", ".join(map(str, cuts)),
        "sources": ", ".join(data.hash()[:12] for data, _ in parts),
        "source_commits": ", ".join(known(data, "commit")[:12] for data, _ in parts),
        "source_presets": ", ".join(f"{known(data, 'algorithm')} {known(data, 'preset')}" for data, _ in parts),
        "source_seeds": ", ".join(known(data, "seed") for data, _ in parts),
        "expert_return": f"{expert:.1f}",
        "return_mean": f"{returns.mean():.1f}",
        "return_max": f"{returns.max():.1f}",
        "share_above_60_percent": f"{(returns > 0.6 * expert).mean():.4f}",
        "commit": commit(),
        "gymnasium": known(first, "gymnasium"),
        "mujoco": known(first, "mujoco"),
        "license": "MIT",
        **reference_scores(first.env_id or ""),
    }
    data = replace(first, episodes=tuple(episodes), name=recipe.out.stem, attributes=card)
    save_d4rl(data, recipe.out, compact=True)
    if recipe.minari is not None:
        save_minari(data, recipe.minari)
    print(f"{recipe.out}: {data.transition_count} transitions in {len(episodes)} episodes, hash {data.hash()}")
    for key, value in card.items():
        print(f"  {key}: {value}")


def known(data: Dataset, name: str) -> str:
    """An attribute of a replay."""
    return data.attributes.get(name, "unknown")


Curve = list[tuple[int, float]]
"""Steps and mean return of each evaluation."""


def replays(recipe: Recipe) -> list[tuple[Dataset, Curve]]:
    """Replay and evaluations of every seed. Raises ConfigError if a file has no curve."""
    files = [path for path in recipe.runs if path.is_file()]
    if len(files) != len(recipe.curves):
        raise ConfigError(f"{len(files)} replays are files and need as many --curves, got {len(recipe.curves)}")
    curve_of = dict(zip(files, recipe.curves, strict=True))
    found: list[tuple[Dataset, Curve]] = []
    for path in recipe.runs:
        if path in curve_of:
            lines = read_lines(curve_of[path])
            found.append((imitax.load(path), [(line["steps"], float(np.mean(line["returns"]))) for line in lines]))
            continue
        run = Run(path)
        for seed in run.seeds:
            lines = [line for line in run.metrics(seed) if line["kind"] == "eval"]
            found.append((run.replay(seed), [(line["step"], line["return_mean"]) for line in lines]))
    return found


def cut_at(curve: Curve, threshold: float) -> int:
    """Steps at the last evaluation before the first that reaches the threshold. Raises ConfigError if there is none."""
    steps = [step for step, _ in curve]
    reached = [mean >= threshold for _, mean in curve]
    first = reached.index(True) if any(reached) else len(reached)
    if first == 0:
        raise ConfigError(f"the first evaluation, at {steps[:1]} steps, is above {threshold:.0f} already")
    return steps[first - 1]


def first_steps(data: Dataset, steps: int) -> list[Episode]:
    """The episodes of the first `steps` transitions, the last one truncated."""
    kept, left = [], steps
    for episode in data.episodes:
        if left <= 0:
            break
        kept.append(shorten(episode, left))
        left -= len(episode)
    return kept


def shorten(episode: Episode, steps: int) -> Episode:
    """The first `steps` transitions of an episode, marked as truncated if it is longer."""
    if len(episode) <= steps:
        return episode
    actions = None if episode.actions is None else episode.actions[:steps]
    rewards = None if episode.rewards is None else episode.rewards[:steps]
    return Episode(episode.observations[: steps + 1], actions, rewards, terminated=False, truncated=True)


def pool(parts: Sequence[list[Episode]], recipe: Recipe) -> list[Episode]:
    """Whole episodes in random order, equally many transitions from every part."""
    rng = np.random.default_rng(recipe.seed)
    pooled: list[Episode] = []
    for i, part in enumerate(parts):
        left = recipe.transitions // len(parts) + (i < recipe.transitions % len(parts))
        have = sum(map(len, part))
        if have < left:
            raise ConfigError(f"replay {i} has {have} transitions before its cut, {left} are wanted of it")
        for k in rng.permutation(len(part)):
            if left <= 0:
                break
            pooled.append(shorten(part[k], left))
            left -= len(part[k])
    return [pooled[k] for k in rng.permutation(len(pooled))]


if __name__ == "__main__":
    main(tyro.cli(Recipe))
