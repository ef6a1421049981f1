"""Diagnoses of evaluations: stuck at the start, lost again, still improving, overfitted.

Pure functions of one seed's records, as those of `imitax.report.signals`.
"""

import numpy as np

from imitax.datasets.doctor.report import Finding
from imitax.report.series import About, Lines, percent, series, short


def start(lines: Lines, about: About) -> Finding | None:
    """Stuck where no evaluation reached a tenth of the demonstrations' return.

    Without demonstrations: where the best evaluation is within two standard deviations (of the first evaluation's
    episodes) of the first. Without an environment: where the error fell by less than a twentieth.
    """
    del about
    _, share = series(lines, "expert_fraction")
    steps, means = series(lines, "return_mean")
    if len(share) and np.isfinite(share).any():
        best = float(np.nanmax(share))
        if best < 0.1:
            text = (
                f"The policy is stuck at the start: its best evaluation has {percent(best)} of the demonstrations' "
                "return. Check that demonstrations and environment fit (imitax datasets doctor), then train longer."
            )
            return Finding("start", "problem", text, {"best": best})
        return Finding(
            "start",
            "good",
            f"The policy learned: its best evaluation has {percent(best)} of the demonstrations' return.",
            {"best": best},
        )
    if np.isfinite(means).any():
        if len(steps) < 2:
            return Finding("start", "unknown", "There is one evaluation, which shows no progress.")
        first = next(line for line in lines if line.get("return_mean") is not None)
        gain = float(np.nanmax(means) - means[0])
        noise = 2 * float(np.std(np.asarray(first.get("returns") or [0.0], np.float64)))
        if gain <= noise:
            text = (
                f"The policy is stuck at the start: returns rose by {short(gain)} at most, within what episodes of the "
                f"first evaluation differ by ({short(noise)})."
            )
            return Finding("start", "problem", text, {"gain": gain})
        return Finding("start", "good", f"The policy learned: returns rose by {short(gain)}.", {"gain": gain})
    errors = _error(lines)[1]
    if len(errors) < 2:
        return None
    fall = float(1 - np.nanmin(errors) / errors[0])
    if fall < 0.05:
        text = f"The policy is stuck at the start: its error on recorded actions fell by {percent(max(fall, 0.0))}."
        return Finding("start", "problem", text, {"fall": fall})
    return Finding("start", "good", f"The error on recorded actions fell by {percent(fall)}.", {"fall": fall})


def kept(lines: Lines, about: About) -> Finding | None:
    """Lost where the last evaluation has less than half of what the best one had; look below 0.8.

    Measured from 0, or where returns are negative, from the lowest return before the best.
    """
    del about
    steps, means = series(lines, "return_mean")
    if len(steps) < 4 or not np.isfinite(means).any():
        return None
    best = int(np.nanargmax(means))
    lowest = float(np.nanmin(means[: best + 1]))
    base = min(lowest, 0.0) if means[best] > 0 else lowest
    if not means[best] > base:
        return None
    left = float((means[-1] - base) / (means[best] - base)) if np.isfinite(means[-1]) else 0.0
    seen = f"the best evaluation has {short(means[best])} at step {steps[best]:,.0f}, the last {short(means[-1])}"
    if left < 0.5:
        text = f"The policy lost what it had learned: {seen}. Use the best checkpoint (--which best), not the last."
        return Finding("kept", "problem", text, {"left": left})
    if left < 0.8:
        return Finding("kept", "look", f"The return is unstable: {seen}.", {"left": left})
    return Finding("kept", "good", f"What was learned was kept: {seen}.", {"left": left})


def finished(lines: Lines, about: About) -> Finding | None:
    """Still improving where the last fifth of evaluations gained a tenth of all that was gained."""
    del about
    steps, values = series(lines, "return_mean")
    if not np.isfinite(values).any():
        steps, values = _error(lines)
        values = -values
    if len(steps) < 5 or not np.isfinite(values).all():
        return None
    before = values[: len(values) - max(1, len(values) // 5)]
    gained, late = float(values.max() - values[0]), float(values[-1] - before.max())
    if gained > 0 and late >= 0.1 * gained:
        share = percent(late / gained)
        text = f"It was still improving: {share} of all progress came in the last fifth. Use --resume and --steps."
        return Finding("finished", "look", text, {"late": late / gained})
    return Finding("finished", "good", "Progress had slowed down before the end.", {"late": late / max(gained, 1e-12)})


def overfitted(lines: Lines, about: About) -> Finding | None:
    """Overfitted where the held-out error of actions rises 5 % above its lowest, while the one in training falls.

    A held-out likelihood that falls by a nat while actions stay as good is worth a look: the policy is too certain.
    Nothing is said of methods that act in the environment: they need not choose the demonstrated actions.
    """
    if about.online:
        return None
    held = _error(lines, "validation_")[1]
    likelihood = series(lines, "validation_log_likelihood")[1]
    if len(held) < 3 or not np.isfinite(held).all():
        return None
    train, rise = _error(lines, "train_")[1], float(held[-1] / max(held.min(), 1e-12) - 1)
    falls = not len(train) or train[-1] <= train[int(held.argmin())] if len(train) == len(held) else True
    if rise >= 0.05 and falls:
        text = (
            f"It overfits: the error on held-out episodes is {percent(rise)} above its lowest. Stop earlier "
            "(--which best), use a weight penalty, or collect more demonstrations."
        )
        return Finding("overfitting", "problem" if rise >= 0.2 else "look", text, {"rise": rise})
    drop = float(likelihood.max() - likelihood[-1]) if len(likelihood) and np.isfinite(likelihood).all() else 0.0
    if drop >= 1:
        text = (
            f"The held-out likelihood fell by {short(drop)} nats while held-out actions did not get worse: the policy "
            "is too certain. Its modes are fine; its sampled actions and likelihoods are not to be trusted."
        )
        return Finding("overfitting", "look", text, {"drop": drop})
    return Finding("overfitting", "good", "The error on held-out episodes is at its lowest, or near.", {"rise": rise})


def _error(lines: Lines, *prefixes: str) -> tuple[np.ndarray, np.ndarray]:
    """Steps and errors on recorded actions, held-out ones if there are any."""
    for prefix in prefixes or ("validation_", "train_"):
        for name in ("error", "action_error_mode"):
            steps, values = series(lines, prefix + name)
            if len(steps):
                return steps, values
    return np.zeros(0), np.zeros(0)
