"""Policies, learned rewards and models as files: parameters, normaliser, and what is needed to use them again."""

import json
from pathlib import Path
from typing import Any

import jax.random as jr
import numpy as np

from imitax import history as histories
from imitax.checkpoint import fill_tree, tree_arrays
from imitax.choices.discrimination import RewardHead
from imitax.choices.discriminator import create_reward
from imitax.choices.learned_reward import LearnedReward
from imitax.choices.terminal import Terminal
from imitax.config import from_flat
from imitax.errors import CheckpointError
from imitax.files import load_arrays, plain, save_arrays
from imitax.networks import (
    ActionChunks,
    ActionRange,
    ChunkActor,
    Dynamics,
    DynamicsConfig,
    Energy,
    EnergyConfig,
    ImplicitActor,
    Inference,
    Normalizer,
    Policy,
    PolicyConfig,
    PolicyHead,
    RewardConfig,
    Termination,
    chunked,
    implicit_actor,
    policy_head,
)
from imitax.spaces import Leaf, ObservationSpace, Spec, described, from_described

POLICY, REWARD, DYNAMICS = "policy.safetensors", "reward.safetensors", "dynamics.safetensors"
"""Files of a run that another run can be given."""

FORMAT = "imitax-policy-1"
ENERGY_FORMAT = "imitax-energy-policy-1"
CHUNK_FORMAT = "imitax-chunk-policy-1"
REWARD_FORMAT = "imitax-reward-1"
DYNAMICS_FORMAT = "imitax-dynamics-1"


def save_policy(path: Path, policy: Policy, about: dict[str, Any]) -> None:
    """Write a policy and a description of where it comes from (environment, step, expert return), atomically."""
    actor, form, description = policy.actor, FORMAT, {}
    spec = actor.spec
    if isinstance(actor, ImplicitActor):
        form = ENERGY_FORMAT
        description = {"energy": plain(actor.energy.cfg), "inference": plain(actor.inference)}
        actor = actor.amortised
    if isinstance(actor, ChunkActor):
        form, description, actor = CHUNK_FORMAT, {"chunks": plain(actor.chunks)}, actor.head
    assert isinstance(actor, PolicyHead)
    description |= {
        "network": plain(actor.cfg),
        "precision": actor.mlp.precision,
        "spec": _describe_spec(spec),
        "about": plain(about),
    }
    _write(path, policy, form, description)


def load_policy(path: Path | str) -> tuple[Policy, dict[str, Any]]:
    """A saved policy and its description.

    Raises:
        CheckpointError: the file is missing, damaged, or not a policy.
    """
    arrays, description, form = _read(path, (FORMAT, ENERGY_FORMAT, CHUNK_FORMAT), "policy")
    spec, precision = _spec(description["spec"]), description["precision"]
    network = from_flat(PolicyConfig, description["network"])
    chunks = from_flat(ActionChunks, description["chunks"]) if form == CHUNK_FORMAT else ActionChunks()
    actor = policy_head(chunked(spec, chunks.action_horizon), network, key=jr.key(0), precision=precision)
    if form == CHUNK_FORMAT:
        actor = ChunkActor(actor, spec, chunks)
    if form == ENERGY_FORMAT:
        assert isinstance(actor, PolicyHead)
        energy = Energy(spec, from_flat(EnergyConfig, description["energy"]), key=jr.key(0), precision=precision)
        inference = from_flat(Inference, description["inference"])
        actor = implicit_actor(energy, actor, ActionRange.box(spec), inference)
    template = Policy(Normalizer.identity(spec.observation), actor)
    return fill_tree(template, arrays, str(path)), description["about"]


def save_reward(path: Path, reward: LearnedReward, about: dict[str, Any]) -> None:
    """Write a learned reward and a description of where it comes from, atomically."""
    net = reward.net
    description = {
        "network": plain(net.cfg),
        "gamma": net.gamma,
        "precision": net.precision,
        "terminal": plain(reward.terminal),
        "head": plain(reward.head),
        "scale": reward.scale,
        "spec": _describe_spec(net.spec),
        "about": plain(about),
    }
    _write(path, reward, REWARD_FORMAT, description)


def load_reward(path: Path | str) -> tuple[LearnedReward, dict[str, Any]]:
    """A saved reward and its description.

    Raises:
        CheckpointError: the file is missing, damaged, or not a reward.
    """
    arrays, description, _ = _read(path, (REWARD_FORMAT,), "reward")
    spec, terminal = _spec(description["spec"]), from_flat(Terminal, description["terminal"])
    cfg, gamma, precision = (description[key] for key in ("network", "gamma", "precision"))
    net = create_reward(from_flat(RewardConfig, cfg), spec, terminal, gamma, jr.key(0), precision)
    head = from_flat(RewardHead, description["head"])
    template = LearnedReward(Normalizer.identity(spec.observation), net, terminal, head, description["scale"])
    return fill_tree(template, arrays, str(path)), description["about"]


def save_dynamics(path: Path, dynamics: Dynamics, about: dict[str, Any]) -> None:
    """Write a fitted ensemble and a description of where it comes from, atomically."""
    description = {
        "network": plain(dynamics.cfg),
        "learned_termination": dynamics.termination is None,
        "precision": dynamics.mlp.precision,
        "spec": _describe_spec(dynamics.spec),
        "about": plain(about),
    }
    _write(path, dynamics, DYNAMICS_FORMAT, description)


def load_dynamics(path: Path | str, termination: Termination | None) -> tuple[Dynamics, dict[str, Any]]:
    """A saved ensemble and its description.

    Args:
        path: of the file.
        termination: the task's rule; None for a model that learned it.

    Raises:
        CheckpointError: the file is missing, damaged, not a model, or one with the other kind of termination.
    """
    arrays, description, _ = _read(path, (DYNAMICS_FORMAT,), "model")
    if description["learned_termination"] != (termination is None):
        kind = "learned" if description["learned_termination"] else "known"
        raise CheckpointError(f"{path}: its termination is {kind}; give --dynamics.termination {kind}")
    cfg, spec = from_flat(DynamicsConfig, description["network"]), _spec(description["spec"])
    template = Dynamics(spec, cfg, termination, key=jr.key(0), precision=description["precision"])
    return fill_tree(template, arrays, str(path)), description["about"]


def _write(path: Path, tree: Any, form: str, description: dict[str, Any]) -> None:
    save_arrays(path, tree_arrays(tree), {"format": form, "description": json.dumps(description)})


def _read(path: Path | str, forms: tuple[str, ...], what: str) -> tuple[dict[str, np.ndarray], dict[str, Any], str]:
    arrays, metadata = load_arrays(Path(path))
    form = metadata.get("format")
    if form not in forms:
        raise CheckpointError(f"{path} is not an imitax {what} file (format {form!r})")
    return arrays, json.loads(metadata["description"]), form


def _describe_spec(spec: Spec) -> dict[str, Any]:
    said = {"obs_dim": spec.obs_dim, "observation": spec.observation.describe()} | described(spec.action)
    return said if spec.history is None else said | {"history": histories.described(spec.history)}


def _spec(about: dict[str, Any]) -> Spec:
    if "observation" in about:
        space = ObservationSpace.parse(about["observation"])
    else:  # written before observations could be anything but flat
        space = ObservationSpace((Leaf((about["obs_dim"],)),))
    spec = Spec(space, from_described(about))
    if about.get("history") is None:
        return spec
    history = histories.from_described(about["history"])
    between = (history.length - 1) * spec.action_dim if history.actions else 0
    if space.size != history.length * history.single.size + between:
        raise ValueError(f"{history} do not make an observation of {space.size} numbers")
    return Spec(space, spec.action, history)
