"""What each rule makes of the policies of one seed."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Array, Bool, Float

from imitax import seeding
from imitax.acting import Collector
from imitax.artifacts import load_policy
from imitax.choices.learned_reward import LearnedReward
from imitax.compiled import filter_jit
from imitax.datasets import Dataset, collect
from imitax.datasets.remembered import with_history
from imitax.envs import Task
from imitax.evaluate import make_act
from imitax.held_out import by_episode
from imitax.networks import Policy
from imitax.observations import rows
from imitax.seeding import Purpose
from imitax.selection.energy import energy_distance, mean_distance
from imitax.selection.occupancy import ROWS, Occupancy, sampler
from imitax.selection.rules import NEEDS_HELD_OUT, NEEDS_ROLLOUTS
from imitax.spaces import Spec
from imitax.stacking import stack
from imitax.types import AnyArray, Obs, Transition

FIRST = 1_000_000
"""Added to a run's seed where rollouts are collected: they start elsewhere than what `imitax collect` has written."""


@dataclass(frozen=True)
class Evidence:
    """What a seed's policies are judged by, as far as the rules need it."""

    task: Task | None = None
    demonstrations: Dataset | None = None
    """To agree with."""
    held_out: Dataset | None = None
    reward: LearnedReward | None = None


Scores = dict[str, list[float]]
"""By the name of the rule, a score for each policy."""


def score(files: Sequence[Path], rules: Collection[str], evidence: Evidence, seed: int, episodes: int) -> Scores:
    """Scores of a seed's policies by several rules; policies are rolled out once for all of them.

    Args:
        files: of the policies.
        rules: other than `last` and `best`.
        evidence: what the rules need.
        seed: of the run; decides the initial states of rollouts, which are the same for all policies.
        episodes: of each policy's rollouts.
    """
    found: Scores = {rule: [] for rule in rules}
    rollouts, held_out = [], [rule for rule in rules if rule in NEEDS_HELD_OUT]
    roll = None if evidence.task is None else Rollouts(evidence.task, seed, episodes)
    spec: Spec | None = None
    for policy in policies(files):
        spec = policy.actor.spec
        if held_out:
            assert evidence.held_out is not None
            errors, densities = by_episode(policy, seen(evidence.held_out, spec), seeding.key(seed, Purpose.EVALUATION))
            measured = {"validation": float(densities.mean()), "validation_error": float(errors.mean())}
            for rule in held_out:
                found[rule].append(measured[rule])
        if any(rule in NEEDS_ROLLOUTS for rule in rules):
            assert roll is not None
            rollouts.append(roll(policy))
    if "agreement" in rules:
        assert spec is not None
        assert evidence.demonstrations is not None
        found["agreement"] = agreement(spec, rollouts, seen(evidence.demonstrations, spec), seed)
    if "learned_reward" in rules:
        assert evidence.reward is not None
        horizon = max(one.longest for one in rollouts)
        found["learned_reward"] = [mean_reward(evidence.reward, one, horizon) for one in rollouts]
    return found


def seen(data: Dataset, spec: Spec) -> Dataset:
    """Recorded episodes as a policy sees them: with its history, where it has one and they do not show it already."""
    return data if data.obs_dim == spec.obs_dim else with_history(data, spec)


def policies(files: Sequence[Path]) -> Iterator[Policy]:
    """The policies, one in memory at a time."""
    for file in files:
        yield load_policy(file)[0]


class Rollouts:
    """Rolls out policies of one structure, deterministic action, with one compiled function for all.

    Args:
        task: the environment.
        seed: decides initial states and the rows that are kept.
        episodes: of each policy.
    """

    def __init__(self, task: Task, seed: int, episodes: int):
        self.task, self.seed, self.episodes = task, seed, episodes
        self.act = None

    def __call__(self, policy: Policy) -> Occupancy:
        """Where a policy goes, and what it does there."""
        stacked = stack([policy])
        act = self.act = self.act or make_act(stacked, seeding.keys((self.seed,), Purpose.SELECTION), "mode")
        data = collect(Collector(stacked, act), self.task, episodes=self.episodes, seed=FIRST + self.seed)
        return Occupancy.of(seen(data, policy.actor.spec), self.seed)


def agreement(spec: Spec, rollouts: Sequence[Occupancy], demonstrations: Dataset, seed: int) -> list[float]:
    """The energy distance of each policy's state-actions to those of the demonstrations; low is close.

    Args:
        spec: of the policies.
        rollouts: of each.
        demonstrations: with or without actions.
        seed: decides which of their transitions are drawn.
    """
    expert, sample = Occupancy.of(demonstrations, seed), sampler(spec, demonstrations)
    horizon = max(one.longest for one in (expert, *rollouts))
    wanted = sample(expert, horizon)
    within = mean_distance(wanted, wanted)
    return [energy_distance(sample(one, horizon), wanted, within) for one in rollouts]


def mean_reward(reward: LearnedReward, occupancy: Occupancy, horizon: int) -> float:
    """The learned reward per step up to the horizon; after an end, what the run gave the end.

    Policies of one run are judged by one reward, the last that it learned: rewards of different moments have different
    scales. The sum over an episode orders policies in the same way, as the horizon is the same for all.

    Args:
        reward: the run's last.
        occupancy: of the policy.
        horizon: steps of the longest episode of all policies.
    """
    values, end = _values(reward, occupancy.drawn), reward.after_end()
    after, steps = occupancy.after_end(horizon), occupancy.steps_after(horizon)
    if end is None:
        end = float((_values(reward, occupancy.last) * steps).sum() / steps.sum()) if after else 0.0
    return float((1 - after) * values.mean() + after * end)


def _values(reward: LearnedReward, t: Transition) -> Float[np.ndarray, "N"]:
    """Rewards of raw transitions."""
    padded = np.arange(max(len(t), ROWS)) % len(t)  # one shape, so that it is compiled once
    given = reward.net.spec.action.encode(t.action[padded]), rows(t.next_obs, padded), t.terminated[padded]
    return np.asarray(_rewards(reward, rows(t.obs, padded), *given), np.float64)[: len(t)]


@filter_jit
def _rewards(
    reward: LearnedReward, obs: Obs, action: Float[AnyArray, "N A"], next_obs: Obs, terminated: Bool[AnyArray, "N"]
) -> Float[Array, "N"]:
    return reward(obs, action, next_obs, terminated)
