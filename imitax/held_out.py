"""How close a policy comes to recorded actions, where no environment says how well it does.

The deterministic action (the mode) is compared with the recorded one in every step of whole episodes, best of episodes
that the policy has not learned from. `error` has no unit: the mean absolute difference as a share of the range of each
action, so that actions in other units count alike; of a finite set, the share of actions that are others.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

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
    spec = policy.actor.spec
    space = spec.action
    if (data.obs_dim, data.action_dim) != (spec.obs_dim, space.columns):
        raise DataError(
            f"{data.name} has {data.obs_dim} observations and {data.action_dim or 'no'} actions, the policy takes "
            f"{spec.obs_dim} and gives {space.columns}"
        )
    if spec.is_finite:
        check_inside(data, space, "policy's")
    flat = data.transitions()
    part = np.concatenate([np.arange(n) * PARTS // n for n in data.lengths.tolist()])
    count = compared_transitions(policy)
    rows = slice(None)
    if count is not None and count < len(flat):
        rows = np.linspace(0, len(flat) - 1, count).astype(int)
    obs = jax.tree.map(lambda x: jnp.asarray(x[rows]), flat.obs)
    off, sampled, log_prob = _compare(policy, obs, jnp.asarray(space.encode(flat.action[rows])), key)
    off, part = np.asarray(off, np.float64), part[rows]
    share = (off / np.asarray(space.widths)).mean(1)
    return {
        "error": float(share.mean()),
        "action_error_mode": float(off.mean()),
        "action_error_sample": float(sampled),
        "log_likelihood": float(np.asarray(log_prob, np.float64).mean()),
        "action_error_by_dimension": off.mean(0).tolist(),
        "error_by_time": [float(share[part == i].mean()) if (part == i).any() else np.nan for i in range(PARTS)],
    }


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
        return dict.fromkeys(training["seeds"], data), "given episodes"
    kind, chosen = "held-out episodes", {s: own.get("validation_episodes", {}).get(str(s)) for s in training["seeds"]}
    if not all(chosen.values()):
        everything = list(range(len(data.episodes)))
        chosen = {seed: own.get("train_episodes", {}).get(str(seed), everything) for seed in chosen}
        kind = "training episodes"
    episodes = {seed: tuple(data.episodes[i] for i in rows) for seed, rows in chosen.items()}
    return {seed: replace(data, episodes=e) for seed, e in episodes.items()}, kind
