"""The source of model transitions: a ring buffer on the device, filled by rollouts of the policies in their models."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Key, PRNGKeyArray

from imitax.agents.learned_model import ModelConfig
from imitax.agents.model_rollouts import roll_out, start_states
from imitax.buffers import Buffers, RolloutBuffer, Stored
from imitax.compiled import jit
from imitax.networks import Dynamics, Policy
from imitax.spaces import Spec
from imitax.stacking import over_seeds
from imitax.types import Metrics


class RolloutSource:
    """Rolls every seed's policy out in its model and stores the transitions.

    Args:
        cfg: of the model and its rollouts.
        spec: of the task.
        seeds: how many run side by side.
        samples_absorbing: samples contain absorbing transitions, as `Buffer` has them.
        devices: that share the seeds.
    """

    def __init__(self, cfg: ModelConfig, spec: Spec, seeds: int, samples_absorbing: bool, devices: int = 1):
        self.cfg, self.seeds, self.devices = cfg, seeds, devices
        empty = RolloutBuffer.empty(cfg.model_rollouts.keep, spec, samples_absorbing)
        self.buffer: RolloutBuffer = jax.tree.map(lambda x: jnp.stack([x] * seeds), empty)
        self.compiled: dict[int, Callable[..., tuple[RolloutBuffer, Metrics]]] = {}

    def advance(
        self, dynamics: Dynamics, policies: Policy, buffers: Buffers, keys: Key[Array, "S"], step: int
    ) -> Metrics:
        """Roll out once, and store the transitions that count; returns metrics [S].

        Args:
            dynamics, policies: of all seeds, stacked.
            buffers: the real data that rollouts start from.
            keys: of the seeds; the step is folded in.
            step: of training.
        """
        horizon = self.cfg.model_rollouts.horizon_at(step)
        given, static = eqx.partition((dynamics, policies), eqx.is_array)
        if horizon not in self.compiled:
            self.compiled[horizon] = self._compile(static, horizon)
        self.buffer, metrics = self.compiled[horizon](self.buffer, given, buffers, keys, jnp.asarray(step))
        return metrics

    def _compile(self, static: Any, horizon: int) -> Callable[..., tuple[RolloutBuffer, Metrics]]:
        cfg = self.cfg.model_rollouts

        def one(
            ring: RolloutBuffer, given: Any, buffers: Buffers, key: PRNGKeyArray, step: Array
        ) -> tuple[RolloutBuffer, Metrics]:
            dynamics, policy = eqx.combine(given, static)
            ks, kr = jr.split(jr.fold_in(key, step))
            starts = start_states(cfg, buffers, cfg.starts, ks)
            rollouts = roll_out(cfg, dynamics, policy, self.cfg.pessimism, (starts, horizon), kr)
            t, mask = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), tuple(rollouts))
            metrics = {
                "rollout_length": mask.sum() / len(starts),
                "rollout_terminated": (t.terminated & mask).sum() / len(starts),
                "rollout_uncertainty": (t.uncertainty * mask).sum() / jnp.maximum(mask.sum(), 1),
            }
            return ring.write(Stored.of(t), mask), metrics

        return jit(over_seeds(one, self.seeds, shared=1, devices=self.devices), donate_argnums=0)
