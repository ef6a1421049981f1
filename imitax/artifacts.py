"""Policies as files: parameters, normaliser, and what is needed to use them again."""

import json
from pathlib import Path
from typing import Any

import jax.random as jr

from imitax.checkpoint import fill_tree, tree_arrays
from imitax.config import from_dict
from imitax.errors import CheckpointError
from imitax.files import load_arrays, plain, save_arrays
from imitax.networks import Normalizer, Policy, PolicyConfig, TanhGaussian
from imitax.types import Spec

FORMAT = "imitax-policy-1"


def save_policy(path: Path, policy: Policy, about: dict[str, Any]) -> None:
    """Write a policy and a description of where it comes from (environment, step, expert return), atomically."""
    actor = policy.actor
    network = PolicyConfig(
        hidden=tuple(w.shape[-1] for w in actor.mlp.weights[:-1]),
        activation=actor.mlp.activation,
        log_std_min=actor.log_std_min,
        log_std_max=actor.log_std_max,
        action_clip=actor.action_clip,
    )
    spec = actor.spec
    description = {
        "network": plain(network),
        "precision": actor.mlp.precision,
        "spec": {
            "obs_dim": spec.obs_dim,
            "action_dim": spec.action_dim,
            "action_low": spec.action_low,
            "action_high": spec.action_high,
        },
        "about": plain(about),
    }
    save_arrays(path, tree_arrays(policy), {"format": FORMAT, "description": json.dumps(description)})


def load_policy(path: Path | str) -> tuple[Policy, dict[str, Any]]:
    """A saved policy and its description.

    Raises:
        CheckpointError: the file is missing, damaged, or not a policy.
    """
    arrays, metadata = load_arrays(Path(path))
    if metadata.get("format") != FORMAT:
        raise CheckpointError(f"{path} is not an imitax policy file (format {metadata.get('format')!r})")
    description = json.loads(metadata["description"])
    spec = description["spec"]
    spec = Spec(spec["obs_dim"], spec["action_dim"], tuple(spec["action_low"]), tuple(spec["action_high"]))
    network = from_dict(PolicyConfig, description["network"])
    actor = TanhGaussian(spec, network, key=jr.key(0), precision=description["precision"])
    template = Policy(Normalizer.identity(spec.obs_dim), actor)
    return fill_tree(template, arrays, str(path)), description["about"]
