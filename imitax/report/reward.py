"""What a report says of the reward that a run learned."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from imitax import trust
from imitax.choices.learned_reward import LearnedReward
from imitax.datasets.episode import Dataset
from imitax.datasets.loading import named
from imitax.errors import ConfigError, DataError, ImitaxError
from imitax.held_out import episodes_of
from imitax.report import reward_charts
from imitax.report.charts import Figure
from imitax.rewards import views
from imitax.rewards.of_runs import in_blocks
from imitax.run import Run
from imitax.run_config import as_written
from imitax.spaces import FiniteActions

MOST_EPISODES = 20
"""Recorded episodes that are looked at, evenly from all."""
TITLES = {"demonstrations": "Along a demonstration", "policy": "Along an episode of the policy"}
"""Of the figures along an episode, by what it is of."""
STATES = {True: 100, False: 20}
"""Recorded states at which actions are tried, for flat observations and for others."""
MOST_ACTIONS = 12
"""Numbers of an action that are shown, those that change the reward most."""


@dataclass
class RewardPart:
    """The learned reward of one seed of a run."""

    seed: int
    several: bool
    """Whether the run has other seeds."""
    figures: list[Figure] = field(default_factory=list)
    actions: list[Figure] = field(default_factory=list)
    about_actions: str = ""
    notes: list[str] = field(default_factory=list)
    """What is not shown, and why."""


def look(run: Run, dims: Sequence[int] | None, examine: bool, trusted: bool) -> RewardPart | None:
    """The learned reward of a run's first seed; None where it has learned none, or not yet.

    Args:
        run: of any algorithm.
        dims: two observations that the map shows; the first two principal components when None.
        examine: whether demonstrations may be read.
        trusted: whether files that the run names may be read although its folder was copied here.

    Raises:
        ConfigError: `dims` are not two of the run's observations.
    """
    seed = run.seeds[0]
    if not (run.seed_folder(seed) / "reward.safetensors").exists():
        return None
    part = RewardPart(seed, len(run.seeds) > 1)
    try:
        learned = run.load_reward(seed)
    except ImitaxError as e:
        part.notes.append(f"The reward cannot be shown: {e}.")
        return part
    if learned.net.cfg.members > 1:
        part.notes.append(f"The reward has {learned.net.cfg.members} members; shown is what they count as together.")
    if dims is not None:
        check_dims(dims, learned, run)
    read = {"demonstrations": _demonstrations(run, seed, examine, trusted, part), "policy": _replay(run, seed, part)}
    try:
        _draw(
            part,
            learned,
            in_blocks(partial(run.reward, seed=seed)),
            {what: x for what, x in read.items() if x is not None},
            dims,
        )
    except ImitaxError as e:
        part.notes.append(f"Not everything can be shown: {e}.")
    return part


def check_dims(dims: Sequence[int], learned: LearnedReward, run: Run) -> None:
    """Refuse what are not two dimensions of the observations that a reward sees.

    Raises:
        ConfigError: with what there is.
    """
    space = learned.net.spec.observation
    if not space.is_flat:
        raise ConfigError(f"--reward-dims: observations of {run.folder} are not one vector of numbers; leave it out")
    if len(dims) != 2 or dims[0] == dims[1] or not all(0 <= i < space.size for i in dims):
        raise ConfigError(
            f"--reward-dims {' '.join(map(str, dims))}: give two different observations of {run.folder}, from 0 to "
            f"{space.size - 1}"
        )


def _demonstrations(run: Run, seed: int, examine: bool, trusted: bool, part: RewardPart) -> Dataset | None:
    """Recorded episodes of a run as its networks see them, or None with a note."""
    if not examine:
        part.notes.append("Demonstrations were not read (--no-data).")
        return None
    source = run.config["training"].get("demos")
    if source is None:
        why = "the run had none" if run.config.get("data") is None else "they were objects in memory"
        part.notes.append(f"Demonstrations are not shown: {why}.")
        return None
    trusted = trusted or trust.is_own(run.folder, run.config)
    if not (trusted or named(source)):
        part.notes.append(
            "Demonstrations are not shown: the run's folder was copied here, and names a file of its own; --trust-env "
            "reads it."
        )
        return None
    try:
        with as_written(run.folder / "config.json"):
            data = episodes_of(run.config, None, str(run.folder), trusted)[0][seed]
        return run.with_history(_some(data, MOST_EPISODES))
    except (ImitaxError, OSError) as e:
        part.notes.append(f"Demonstrations are not shown: {e}.")
        return None


def _replay(run: Run, seed: int, part: RewardPart) -> Dataset | None:
    """The last episodes of training as the run's networks see them, or None with a note."""
    if not (run.seed_folder(seed) / "replay").exists():
        part.notes.append("Episodes of the policy are not shown: the run kept none.")
        return None
    try:
        with as_written(run.folder / "config.json"):
            data = run.replay(seed)
        return run.with_history(Dataset(data.episodes[-reward_charts.LAST :], name=data.name))
    except ImitaxError as e:
        part.notes.append(f"Episodes of the policy are not shown: {e}.")
    return None


def _draw(
    part: RewardPart,
    learned: LearnedReward,
    reward: views.Reward,
    sets: dict[str, Dataset],
    dims: Sequence[int] | None,
) -> None:
    """Add what can be drawn of a reward to its part, and notes on what cannot."""
    spec, acts = learned.net.spec, learned.net.cfg.inputs == "state_action"
    for data in sets.values():
        if data.obs_dim != spec.obs_dim:
            raise DataError(f"{data.name} has {data.obs_dim} observations, the reward takes {spec.obs_dim}")
    known = {what: data for what, data in sets.items() if data.has_actions or not acts}
    if not known:
        part.notes.append("There is nothing to show the reward on: no episodes with what it sees.")
        return
    base, flat = next(iter(known.values())), spec.observation.is_flat
    steps = views.steps_of(base, spec.action)
    if spec.history is not None:
        part.notes.append(f"Numbers of observations count through {spec.history}, the oldest first.")
    if not flat or spec.obs_dim < 2:
        why = "observations have one dimension" if flat else "observations are not one vector of numbers"
        part.notes.append(f"There is no map: {why}.")
    else:
        plane = (
            views.principal(steps.obs, learned.normalizer)
            if dims is None
            else views.chosen(dims[0], dims[1], spec.obs_dim)
        )
        places = {what: plane.coordinates(views.steps_of(data, spec.action).obs) for what, data in sets.items()}
        found = views.mapped(reward, steps, plane, list(places.values()))
        part.figures.append(reward_charts.reward_map(found, plane, places, acts))
    for what, data in known.items():
        episode = max(data.episodes, key=len)
        true = None if episode.rewards is None else np.asarray(episode.rewards, np.float64)
        learned_too = views.along(reward, episode, spec.action)
        part.figures.append(reward_charts.along_episode(TITLES[what], learned_too, true))
    if not acts:
        part.notes.append("There are no figures by action: this reward sees states alone.")
        return
    finite, tried = isinstance(spec.action, FiniteActions), views.steps_of(base, spec.action, STATES[flat])
    curves = views.by_action(reward, tried, spec.action)
    if len(curves) > MOST_ACTIONS:
        part.notes.append(f"Of {len(curves)} numbers of the action those {MOST_ACTIONS} are shown that matter most.")
        most = sorted(curves, key=lambda curve: -float(np.ptp(curve.mean)))[:MOST_ACTIONS]
        names = {curve.name for curve in most}
        curves = [curve for curve in curves if curve.name in names]
    scale = float(np.std(reward(*tried, np.zeros(len(tried.action), bool))))
    part.actions = reward_charts.actions(curves, finite, scale)
    part.about_actions = reward_charts.about_actions(finite, len(tried.action))


def _some(data: Dataset, most: int) -> Dataset:
    index = np.unique(np.linspace(0, len(data.episodes) - 1, most).round().astype(int))
    return Dataset(tuple(data.episodes[i] for i in index), name=data.name)
