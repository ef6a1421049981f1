"""Select one of each seed's policies, among those of its evaluations."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from imitax.artifacts import REWARD, load_policy, load_reward
from imitax.datasets import Dataset
from imitax.envs import Task
from imitax.errors import CheckpointError, ConfigError, ImitaxError
from imitax.files import read_lines
from imitax.held_out import chosen_episodes, recorded
from imitax.observations import images
from imitax.record import METRICS, seed_folder
from imitax.selection import kept
from imitax.selection.rules import NEEDS_DATA, NEEDS_NOTHING, NEEDS_ROLLOUTS, RULES, Facts, check_rule, choose, why_not
from imitax.selection.scores import Evidence, score

EPISODES = 10
"""Of each policy's rollouts."""


@dataclass(frozen=True)
class Candidates:
    """A run, as far as its policies are to be judged."""

    folder: Path
    config: Mapping[str, Any]
    task: Callable[[], Task]
    """Makes the environment; called by rules that need one."""
    demos: Any = None
    """Episodes to compare with, whatever `imitax.load` takes; None is what the run learned from."""
    trusted: bool = False
    """Whether files that the config names may be read."""
    own: Dataset | None = None
    """What the run learned from, where it is in memory."""

    @property
    def seeds(self) -> list[int]:
        """Of the run."""
        return self.config["training"]["seeds"]

    @cached_property
    def folders(self) -> dict[int, Path]:
        """Of each seed."""
        return {seed: seed_folder(self.folder, self.seeds, seed) for seed in self.seeds}

    @cached_property
    def curves(self) -> dict[int, list[dict[str, Any]]]:
        """Each seed's evaluations, as recorded."""
        lines = {seed: read_lines(own / METRICS) for seed, own in self.folders.items()}
        return {seed: [line for line in own if line["kind"] == "eval"] for seed, own in lines.items()}

    @cached_property
    def data(self) -> dict[int, tuple[Dataset, Dataset | None]]:
        """Each seed's demonstrations, and those of them that it has not learned from. Errors as `held_out.recorded`."""
        data, own = self.own, self.config["data"]
        if data is None or self.demos is not None:
            data, own = recorded(self.config, self.demos, str(self.folder), self.trusted)
        if own is None:
            return dict.fromkeys(self.seeds, (data, data if data.has_actions else None))
        found = {}
        for seed, (learned, held_out) in chosen_episodes(own, self.seeds, data).items():
            everything = learned.episodes + (() if held_out is None else held_out.episodes)
            usable = held_out is not None and held_out.has_actions
            found[seed] = replace(learned, episodes=everything), held_out if usable else None
        return found

    def steps(self, seed: int, rule: str) -> list[int]:
        """The evaluations among which a rule can choose. CheckpointError where there are none."""
        own, steps = self.folders[seed], [int(line["step"]) for line in self.curves[seed]]
        there = set(kept.kept_steps(own))
        if rule in NEEDS_NOTHING:
            names = (own / name for name in ("policy.safetensors", "policy-best.safetensors"))
            there |= {load_policy(path)[1].get("step") for path in names if path.exists()}
        found = [step for step in steps if step in there]
        if not found:
            raise CheckpointError(f"{own} has no policies to select from: {kept.MISSING}")
        return found

    @property
    def demonstrated(self) -> bool:
        """There are demonstrations: those that the run learned from, or given ones."""
        return self.demos is not None or self.config["data"] is not None

    def facts(self, with_data: bool) -> Facts:
        """What there is to select by. Errors as `data`, where that is wanted too."""
        pairs = list(self.data.values()) if with_data else []
        return Facts(
            env=self.config["env"]["id"] is not None,
            demonstrations=self.demonstrated,
            held_out=bool(pairs) and all(held_out is not None for _, held_out in pairs),
            learned_reward=all((own / REWARD).exists() for own in self.folders.values()),
            images=any(images(data.episodes[0].observations) for data, _ in pairs),
        )


@dataclass(frozen=True)
class PolicyChoice:
    """The policies that a rule takes, and what the rules make of all of them."""

    rule: str
    steps: dict[int, int]
    """By seed, the evaluation whose policy is taken."""
    scores: dict[int, list[dict[str, Any]]]
    """By seed, for each evaluation its step, its mean return if it is known, and its scores by the names of rules."""
    left_out: dict[str, str]
    """Rules that were wanted too, and why they have no scores."""

    @property
    def known(self) -> list[str]:
        """Rules that say which policy they would take."""
        return [rule for rule in RULES if rule not in self.left_out and _takes(rule, self.scores)]

    def by(self, rule: str) -> dict[int, int]:
        """What another rule, whose scores are known, would have taken. ConfigError where it has no score."""
        return {seed: _chosen(rule, lines) for seed, lines in self.scores.items()}


def select(
    candidates: Candidates, by: str, *, others: bool = False, episodes: int = EPISODES, write: bool = True
) -> PolicyChoice:
    """Select by a rule, and write the policies that it takes.

    Args:
        candidates: the run.
        by: name of the rule.
        others: score the other rules too, as far as they can be used.
        episodes: of each policy's rollouts.
        write: False only scores.

    Raises:
        ConfigError: no such rule, or it cannot be used here.
        CheckpointError: the run kept no policies.
        DataError: the demonstrations cannot be read, or have changed.
    """
    check_rule(by)
    problem = None
    needs_data = candidates.demonstrated and (by in NEEDS_DATA or others)
    if needs_data:
        try:
            _ = candidates.data
        except ImitaxError as error:
            if by in NEEDS_DATA:
                raise
            problem = str(error)
    facts = candidates.facts(with_data=needs_data and problem is None)
    if (why := why_not(by, facts)) is not None:
        raise ConfigError(f"the rule {by} cannot be used: {why}")
    reasons = {rule: why_not(rule, facts) for rule in RULES if rule != by and others}
    reasons |= {rule: problem for rule in reasons if rule in NEEDS_DATA and problem}
    wanted = [by, *(rule for rule, why in reasons.items() if why is None)]
    left_out = {rule: why for rule, why in reasons.items() if why is not None}
    scores = {seed: _scored(candidates, seed, wanted, episodes) for seed in candidates.seeds}
    choice = PolicyChoice(by, {seed: _chosen(by, lines) for seed, lines in scores.items()}, scores, left_out)
    if write:
        about = {"rule": by, "episodes": episodes, "scores": scores}
        kept.write(candidates.folder, candidates.folders, choice.steps, about)
    return choice


def _scored(candidates: Candidates, seed: int, rules: Sequence[str], episodes: int) -> list[dict[str, Any]]:
    """The scores of a seed's policies by several rules."""
    own, costly = candidates.folders[seed], [rule for rule in rules if rule not in NEEDS_NOTHING]
    steps = candidates.steps(seed, costly[0] if costly else rules[0])
    returns = {int(line["step"]): line.get("return_mean") for line in candidates.curves[seed]}
    lines: list[dict[str, Any]] = [{"step": step, "return_mean": returns[step]} for step in steps]
    if not costly:
        return lines
    rolled = any(rule in NEEDS_ROLLOUTS for rule in costly)
    demonstrations, held_out = candidates.data[seed] if NEEDS_DATA & {*costly} else (None, None)
    evidence = Evidence(
        candidates.task() if rolled else None,
        demonstrations,
        held_out,
        load_reward(own / REWARD)[0] if "learned_reward" in costly else None,
    )
    found = score([kept.path_of(own, step) for step in steps], costly, evidence, seed, episodes)
    return [line | {rule: values[i] for rule, values in found.items()} for i, line in enumerate(lines)]


def _chosen(rule: str, lines: Sequence[Mapping[str, Any]]) -> int:
    """The step that a rule takes; where every return is 0, the environment gives no score and none is the best."""
    values = [line.get("return_mean" if rule == "best" else rule) for line in lines]
    if rule == "best" and not any(values):
        values = [None] * len(values)
    return choose(rule, [line["step"] for line in lines], values)


def _takes(rule: str, scores: Mapping[int, Sequence[Mapping[str, Any]]]) -> bool:
    try:
        return bool([_chosen(rule, lines) for lines in scores.values()])
    except ConfigError:
        return False
