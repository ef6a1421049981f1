"""Checks of what is to be imitated: delay of actions, several ways at like states, how many demonstrations it takes."""

import numpy as np
from jaxtyping import Float64
from scipy.spatial import KDTree

from imitax.datasets.doctor.report import Finding
from imitax.datasets.doctor.samples import Rows

LAGS = 11
PROBES = 400
NEIGHBOURS = 16
FEATURES = 200
"""Random cosine features of the regression that stands in for a network."""
RIDGES = (1e-6, 1e-4, 1e-2, 1.0)
"""Penalties of its weights, from which the best is taken."""
NEAR = 1.1
"""Times the error that endless demonstrations would leave, which counts as enough."""
SPLIT = 0.12
"""Share of the variance that is left within two groups; 0.36 for one normal group, 0.25 for an even spread."""


def delay(rows: Rows) -> tuple[Finding, np.ndarray]:
    """The lag between an action and the change of state that it explains best, and what each lag explains."""
    none = np.zeros(0)
    if not rows.action.shape[1] or len(rows.obs) < 50 * LAGS:
        return Finding("action delay", "unknown", "too few rows with actions to tell"), none
    usable = rows.step >= LAGS - 1
    at = np.flatnonzero(usable)
    at = at[rows.step[at] == rows.step[at - (LAGS - 1)] + LAGS - 1] if len(at) else at
    if len(at) < 200:
        return Finding("action delay", "unknown", "episodes are too short to tell"), none
    change, state, action = rows.next_obs - rows.obs, rows.scaled_obs(), rows.scaled_action()
    scale = change.std(axis=0)
    change = change[at] / np.where(scale > 1e-12, scale, np.inf)
    base = np.c_[state[at], np.ones(len(at))]
    explained = np.array([_explained(np.c_[base, action[at - lag]], change) for lag in range(LAGS)])
    gain = explained - _explained(base, change)
    best = int(gain.argmax())
    values = {"lag": best, "explained": gain.tolist()}
    if gain[best] < 0.01:
        text = "actions explain little of the next change of state, whatever the delay: is the observation complete?"
        return Finding("action delay", "unknown", text, values), gain
    text = f"changes of state follow actions best after {best} steps (they explain {gain[best]:.0%}, without delay "
    text += f"{gain[0]:.0%})"
    if best == 0 or gain[best] < 1.2 * gain[0] + 0.02:
        return Finding("action delay", "good", text, values | {"lag": 0 if best else best}), gain
    return (
        Finding("action delay", "look", text + ": shift the actions, or add past actions to the observation", values),
        gain,
    )


def several_ways(rows: Rows) -> Finding:
    """States at which demonstrations do one of two different things."""
    if not rows.action.shape[1] or len(rows.obs) < 4 * NEIGHBOURS:
        return Finding("several ways", "unknown", "too few rows with actions to tell")
    obs, action = rows.scaled_obs(), rows.scaled_action()
    probes = np.linspace(0, len(obs) - 1, min(PROBES, len(obs))).astype(int)
    near = np.asarray(KDTree(obs).query(obs[probes], k=NEIGHBOURS)[1])
    split = np.array([_two_groups(action[indices]) for indices in near])
    share = float(split.mean())
    text = f"at {share:.0%} of the states, like states have two kinds of actions"
    if share < 0.1:
        return Finding("several ways", "good", text, {"share": share})
    text += ": a Gaussian policy takes their mean, which nobody did; try ibc with --inference.kind dfo"
    return Finding("several ways", "look", text, {"share": share})


def enough(rows: Rows) -> tuple[Finding, np.ndarray]:
    """How many demonstrations behaviour cloning would want, and its learning curve [K, 2] of episodes and error.

    A ridge regression on random cosine features predicts actions from 1, 2, 4, ... episodes; its error on held-out
    episodes, as a share of the actions' variance, is extended as floor + slope / episodes from its last three points.
    """
    episodes = np.unique(rows.episode)
    if not rows.action.shape[1] or len(episodes) < 4:
        text = "fewer than 4 episodes with actions: it cannot be estimated"
        return Finding("how many", "unknown", text), np.zeros((0, 2))
    rng = np.random.default_rng(0)
    order = rng.permutation(episodes)
    test = np.isin(rows.episode, order[: max(1, len(order) // 4)])
    pool = order[max(1, len(order) // 4) :]
    sizes = sorted({*(2**k for k in range(12) if 2**k < len(pool)), len(pool)})
    features, target = _features(rows.scaled_obs(), rng), rows.scaled_action()
    errors = []
    for size in sizes:
        draws = [rng.permutation(pool)[:size] for _ in range(3)]
        errors.append(np.mean([_error(features, target, np.isin(rows.episode, d), test) for d in draws]))
    curve = np.c_[sizes, errors].astype(np.float64)
    wanted, floor = _wanted(curve)
    values = {"wanted": wanted, "errors": dict(zip(sizes, errors, strict=True)), "floor": floor}
    text = f"about {wanted} episodes; there are {len(episodes)}. A regression leaves {errors[-1]:.0%} of the actions' "
    text += f"variance on held-out episodes, {floor:.0%} with endless ones (the error is extended as floor + slope / "
    text += "episodes)"
    if errors[-1] > 0.5:
        text += "; most of it is not predictable from the state: noise, or something that is not observed"
    few = wanted > len(episodes)
    return Finding("how many", "look" if few or errors[-1] > 0.5 else "good", text, values), curve


def _wanted(curve: Float64[np.ndarray, "K 2"]) -> tuple[int, float]:
    """Episodes from which the error is near its floor, and the floor."""
    sizes, errors = curve.T
    basis = np.c_[np.ones(len(sizes)), 1 / sizes][-3:]
    floor, slope = np.linalg.lstsq(basis, errors[-3:], rcond=None)[0]
    floor = float(np.clip(floor, 0.0, errors.min()))
    enough = max(NEAR * floor, floor + 0.01)
    if (errors <= enough).any():
        return int(sizes[(errors <= enough).argmax()]), floor
    return int(np.ceil(max(slope, 0.0) / (enough - floor))), floor


def _explained(inputs: Float64[np.ndarray, "N I"], change: Float64[np.ndarray, "N O"]) -> float:
    """Share of the variance that a linear fit explains."""
    weights = np.linalg.lstsq(inputs, change, rcond=None)[0]
    total = ((change - change.mean(axis=0)) ** 2).sum()
    return float(1 - ((change - inputs @ weights) ** 2).sum() / max(total, 1e-12))


def _two_groups(actions: Float64[np.ndarray, "K A"]) -> bool:
    """Whether actions fall into two groups that are far apart, along their main direction."""
    centred = actions - actions.mean(axis=0)
    total = (centred**2).sum()
    if total / actions.size < 0.1:  # of the variance over all states
        return False
    along = np.sort(centred @ np.linalg.svd(centred, full_matrices=False)[2][0])
    cuts = range(len(along) // 5, len(along) - len(along) // 5)
    within = min(along[:c].var() * c + along[c:].var() * (len(along) - c) for c in cuts if 0 < c < len(along))
    return bool(within < SPLIT * along.var() * len(along))


def _features(obs: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The observations, and random cosines of them (a Gaussian kernel of the width of the data)."""
    weights = rng.normal(size=(obs.shape[1], FEATURES)) / np.sqrt(obs.shape[1])
    return np.c_[np.ones(len(obs)), obs, np.cos(obs @ weights + rng.uniform(0, 2 * np.pi, FEATURES))]


def _error(features: np.ndarray, target: np.ndarray, train: np.ndarray, test: np.ndarray) -> float:
    """Squared error on the test rows, as a share of the actions' variance, with the best of `RIDGES`."""
    varying = target.std(axis=0) > 0
    if not varying.any():
        return 0.0
    x, y = features[train], target[train]
    values, vectors = np.linalg.eigh(x.T @ x / len(x))
    inner = vectors.T @ (x.T @ y) / len(x)
    outer = features[test] @ vectors
    fits = [outer @ (inner / (np.maximum(values, 0.0) + ridge)[:, None]) for ridge in RIDGES]
    return min(float(((target[test] - fit) ** 2)[:, varying].mean()) for fit in fits)
