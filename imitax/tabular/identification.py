"""What behaviour says about a reward, and what it leaves open.

A soft-optimal policy satisfies, in every state and for every action,

    r(s, a) = tau log pi(a|s) + V(s) - gamma E[V(s')]

for some V (Cao, Cohen and Szpruch 2021, "Identifiability in Inverse Reinforcement Learning", arXiv:2106.03498, theorem
1). One policy leaves all of V open, so that the reward is known up to potential shaping. Policies for the same reward
under several discount factors or dynamics each have a V of their own; the rewards that explain all of them together
are known up to a constant if these equations allow nothing else (theorem 2 and Rolland, Viano, Schuerhoff, Nikolov and
Cevher 2022, "Identifiability and Generalizability from Multiple Experts", arXiv:2209.10974, theorem 3.1).

Everything is linear and solved in NumPy with 64 bits.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from imitax.errors import ConfigError
from imitax.tabular.mdp import TabularMDP
from imitax.types import AnyArray

SMALL = 1e-9
"""Singular values below this share of the largest count as 0."""


class Behaviour(NamedTuple):
    """A policy that is soft-optimal for the reward that is looked for."""

    mdp: TabularMDP
    """Dynamics and discount; its own rewards are not used."""
    policy: Float[AnyArray, "S A"]


class Identified(NamedTuple):
    """The rewards that explain all behaviours."""

    reward: Float[np.ndarray, "S A"]
    """One of them: the smallest in the sum of squares. Actions that an absorbing state does not have are worth 0."""
    freedom: Float[np.ndarray, "F S A"]
    """An orthonormal basis of what may be added to it. With the constant alone, F is 1."""
    residual: float
    """Largest error of an equation. Not 0: no reward of the given form explains all behaviours."""
    possible: Bool[np.ndarray, "S A"]
    """False for actions that an absorbing state does not have."""

    @property
    def up_to_constant(self) -> bool:
        """Whether every reward that explains the behaviours differs from `reward` by a constant alone."""
        return all(np.ptp(direction[self.possible]) < 1e-6 for direction in self.freedom)


def identify(
    behaviours: Sequence[Behaviour],
    temperature: float,
    features: Float[AnyArray, "S A F"] | str = "state_action",
) -> Identified:
    """All rewards for which every behaviour is soft-optimal.

    Args:
        behaviours: of one reward, under dynamics or discounts that may differ. Their states and actions are the same.
        temperature: tau of all of them, in reward per nat.
        features: rewards are linear in these; "state" and "state_action" stand for one indicator each.

    Raises:
        ConfigError: there is no behaviour, their sizes differ, the temperature is not positive, a policy gives an
            action no probability (its reward may then be anything that is low enough), or the name of the features is
            unknown.
    """
    if not temperature > 0 or not behaviours:
        raise ConfigError("identification needs a positive temperature and at least one behaviour")
    shape = behaviours[0].mdp.reward.shape
    if any(b.mdp.reward.shape != shape or b.policy.shape != shape for b in behaviours):
        raise ConfigError(f"all behaviours must have the {shape[0]} states and {shape[1]} actions of the first")
    basis = _basis(features, shape)  # [S A F]
    rows, right, possible = [], [], np.zeros(shape, bool)
    for index, behaviour in enumerate(behaviours):
        is_action, log_policy, change = _equations(behaviour)
        values = np.zeros((int(is_action.sum()), len(behaviours), shape[0]))
        values[:, index] = change[is_action]
        rows.append(np.concatenate([basis[is_action], values.reshape(len(values), -1)], axis=1))
        right.append(temperature * log_policy[is_action])
        possible |= is_action
    solution, null = _solve(np.concatenate(rows), np.concatenate(right))
    residual = np.abs(np.concatenate(rows) @ solution - np.concatenate(right)).max()
    count = basis.shape[2]
    reward = basis @ solution[:count] * possible
    directions = (basis[possible] @ null[:, :count].T).T  # [n P], of rewards
    freedom = np.zeros((0, *shape))
    if len(directions):
        _, size, vectors = np.linalg.svd(directions, full_matrices=False)
        freedom = np.zeros((int((size > 1e-6).sum()), *shape))
        freedom[:, possible] = vectors[: len(freedom)]
        inside = reward[possible] @ vectors[: len(freedom)].T
        reward[possible] -= inside @ vectors[: len(freedom)]
    return Identified(reward, freedom, float(residual), possible)


def _basis(features, shape):
    if isinstance(features, str):
        if features == "state_action":
            return np.eye(shape[0] * shape[1]).reshape(*shape, -1)
        if features == "state":
            return np.broadcast_to(np.eye(shape[0])[:, None], (*shape, shape[0]))
        raise ConfigError(f"features must be state, state_action or an array, got {features!r}")
    return np.asarray(features, np.float64)


def _equations(behaviour):
    """Which actions exist [S A], log pi [S A], and -V(s) + gamma E[V(s')] as a matrix on V [S A S]."""
    mdp = behaviour.mdp
    states, actions = mdp.reward.shape
    ends = np.asarray(mdp.absorbing)
    is_action = ~ends[:, None] | (np.arange(actions) == 0)
    policy = np.where(ends[:, None], 1.0, np.asarray(behaviour.policy, np.float64))
    if not np.isfinite(policy[is_action]).all():
        raise ConfigError("a policy has probabilities that are not finite")
    if (policy[is_action] <= 0).any():
        raise ConfigError("a policy gives an action no probability, which only bounds the action's reward")
    after = np.zeros((states, actions, states))
    index = np.indices(mdp.next_state.shape)
    np.add.at(after, (index[0], index[1], np.asarray(mdp.next_state)), np.asarray(mdp.probability, np.float64))
    return is_action, np.log(policy), mdp.gamma * after - np.eye(states)[:, None]


def _solve(matrix, right):
    """The smallest least-squares solution, and an orthonormal basis of the null space [n X]."""
    u, size, vt = np.linalg.svd(matrix)
    rank = int((size > SMALL * size[0]).sum())
    return vt[:rank].T @ ((u[:, :rank].T @ right) / size[:rank]), vt[rank:]
