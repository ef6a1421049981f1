"""How close a policy comes to recorded actions, where no environment says how well it does.

The deterministic action (the mode) is compared with the recorded one in every step of whole episodes, best of episodes
that the policy has not learned from. `error` has no unit: the mean absolute difference as a share of the range of each
action, so that actions in other units count alike; of a finite set, the share of actions that are others.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from imitax import trust
from imitax.compiled import filter_jit
from imitax.datasets import Dataset, load
from imitax.datasets.bounds import check_inside
from imitax.datasets.loading import named
from imitax.errors import ConfigError, DataError
from imitax.networks import Policy, compared_transitions
from imitax.types import Obs

PARTS = 10
"""Parts of an episode, from its first step to its last, whose errors are told apart."""

MEASURES = (
    "error",
    "action_error_mode",
    "action_error_sample",
    "log_likelihood",
    "action_error_by_dimension",
    "error_by_time",
)
"""What is measured: see `measure`."""

SCORES = ("return_mean", "expert_fraction", "d4rl")
"""What only an environment can tell: null everywhere else."""


@filter_jit
def _compare(
    policy: Policy, obs: Obs, action: Float[Array, "N A"], key: PRNGKeyArray
) -> tuple[Float[Array, "N k"], Float[Array, ""], Float[Array, "N"]]:
    mode, sample = policy.act(obs, key, "mode"), policy.act(obs, key, "sample")
    space = policy.actor.spec.action
    return space.differences(mode, action), space.error(sample, action), policy.log_prob(obs, action)


def measure(policy: Policy, data: Dataset, key: PRNGKeyArray) -> dict[str, Any]:
    """Errors of one policy on recorded episodes; where the policy says so, on evenly spaced steps only.

    Args:
        policy: of one seed.
        data: episodes with actions.
        key: of the sampled action.

    Returns:
        `error` (a share of the action range, as all of `error_by_time`: one number for each tenth of an episode, NaN
        for a part without a step), `action_error_mode`, `action_error_sample` and `action_error_by_dimension` [A] in
        the action's units, and `log_likelihood`, the mean log-density of recorded actions in nats. Of a finite set
        with k factors all errors are shares of factors with another value, [k] by dimension.

    Raises:
        DataError: the data have other sizes than the policy, no actions, or actions that are not in its finite set.
    """
    of, off, sampled, log_prob = _differences(policy, data, key)
    part = np.concatenate([np.arange(n) * PARTS // n for n in data.lengths.tolist()])[of]
    share = (off / np.asarray(policy.actor.spec.action.widths)).mean(1)
    return {
        "error": float(share.mean()),
        "action_error_mode": float(off.mean()),
        "action_error_sample": sampled,
        "log_likelihood": float(log_prob.mean()),
        "action_error_by_dimension": off.mean(0).tolist(),
        "error_by_time": [float(share[part == i].mean()) if (part == i).any() else np.nan for i in range(PARTS)],
    }


def _differences(
    policy: Policy, data: Dataset, key: PRNGKeyArray
) -> tuple[Int[np.ndarray, "N"], Float[np.ndarray, "N k"], float, Float[np.ndarray, "N"]]:
    """Compared steps, their absolute differences, the mean error of sampled actions, and log-densities."""
    spec = policy.actor.spec
    space = spec.action
    if (data.obs_dim, data.action_dim) != (spec.obs_dim, space.columns):
        raise DataError(
            f"{data.name} has {data.obs_dim} observations and {data.action_dim or 'no'} actions, the policy takes "
            f"{spec.obs_dim} and gives {space.columns}"
        )
    if spec.is_finite:
        check_inside(data, space, "policy's")
    flat, steps = data.transitions(), np.arange(data.transition_count)
    count = compared_transitions(policy)
    if count is not None and count < len(steps):
        steps = np.linspace(0, len(steps) - 1, count).astype(int)
    obs = jax.tree.map(lambda x: jnp.asarray(x[steps]), flat.obs)
    off, sampled, log_prob = _compare(policy, obs, jnp.asarray(space.encode(flat.action[steps])), key)
    return steps, np.asarray(off, np.float64), float(sampled), np.asarray(log_prob, np.float64)


def by_episode(
    policy: Policy, data: Dataset, key: PRNGKeyArray
) -> tuple[Float[np.ndarray, "E"], Float[np.ndarray, "E"]]:
    """Of each recorded episode with a compared step, mean error (as `error` of `measure`) and mean log-density.

    Args:
        policy: of one seed.
        data: episodes with actions.
        key: as of `measure`.

    Raises:
        DataError: as `measure`.
    """
    steps, off, _, log_prob = _differences(policy, data, key)
    share = (off / np.asarray(policy.actor.spec.action.widths)).mean(1)
    episode = np.repeat(np.arange(len(data.episodes)), data.lengths)[steps]
    counts = np.bincount(episode)
    errors, densities = (np.bincount(episode, x)[counts > 0] / counts[counts > 0] for x in (share, log_prob))
    return errors, densities


def summarise_errors(per_seed: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
    """Means over seeds of what `measure` returns, with nulls where a summary of rollouts has returns."""
    measures = list(per_seed.values())
    nothing = dict.fromkeys(SCORES)
    return {
        **nothing,
        "iqm": None,
        "interval": (None, None),
        **{name: np.mean([m[name] for m in measures], axis=0).tolist() for name in measures[0]},
        "per_seed": [{"seed": seed, **nothing, **m} for seed, m in per_seed.items()],
    }


def episodes_of(config: Mapping[str, Any], demos: Any, folder: str, trusted: bool) -> tuple[dict[int, Dataset], str]:
    """The episodes on which each seed's policy of a run is measured, and what they are.

    Args:
        config: of the run.
        demos: whatever `imitax.load` takes; None is what the run learned from, as its config names it.
        folder: of the run, for messages.
        trusted: whether a file that the config names may be read unasked.

    Raises:
        ConfigError: the run learned from data in memory, or names a file that may not be read.
        DataError: the data have changed, or cannot be read.
    """
    data, own = recorded(config, demos, folder, trusted)
    if own is None:
        return dict.fromkeys(config["training"]["seeds"], data), "given episodes"
    parts = chosen_episodes(own, config["training"]["seeds"], data)
    if all(held_out is not None for _, held_out in parts.values()):
        return {seed: held_out for seed, (_, held_out) in parts.items() if held_out is not None}, "held-out episodes"
    return {seed: learned for seed, (learned, _) in parts.items()}, "training episodes"


def recorded(
    config: Mapping[str, Any], demos: Any, folder: str, trusted: bool
) -> tuple[Dataset, Mapping[str, Any] | None]:
    """Recorded episodes, and what a run's config says of them: None of others than those that it learned from.

    Arguments and errors are those of `episodes_of`.
    """
    option = "demos" if config["data"] is not None else "offline_data"
    own, training = config["data"] or config.get("offline_data"), config["training"]
    if own is None and demos is None:
        raise ConfigError(f"{folder} learned from no data that it could be measured on: give demos (--demos FILE)")
    source = training[option] if demos is None else demos
    if source is None:
        raise ConfigError(f"{folder} was trained on data in memory: give them again, demos=... (--demos FILE)")
    if demos is None and not trusted and not named(source):
        trust.check_files({"demos": source}, folder)
    data = load(
        source,
        env_kwargs=training["env_kwargs"] or None,
        columns=training.get("columns") or None,
        repair=training.get("repair", False),
    )
    if own is None or data.hash() != own["hash"]:
        if demos is None:
            raise DataError(f"{source} has changed since the run started: its hash is {data.hash()[:12]} now")
        return data, None
    return data, own


def chosen_episodes(
    own: Mapping[str, Any], seeds: Sequence[int], data: Dataset
) -> dict[int, tuple[Dataset, Dataset | None]]:
    """The episodes that each seed learned from, and those that were held out, if there are any.

    Args:
        own: what the run's config says of the data.
        seeds: of the run.
        data: all of them.
    """
    everything, found = list(range(len(data.episodes))), {}
    for seed in seeds:
        learned, held_out = (own.get(f"{part}_episodes", {}).get(str(seed)) for part in ("train", "validation"))
        rows = [everything if learned is None else learned, held_out or []]
        learned, held_out = (tuple(data.episodes[i] for i in indices) for indices in rows)
        found[seed] = replace(data, episodes=learned), replace(data, episodes=held_out) if held_out else None
    return found
