"""Diagnoses of what happened inside of a training: discriminator, entropy, Q, temperature, model.

Each is a pure function of one seed's records, and None where the run recorded nothing of the kind. Thresholds, in the
docstrings, are rules of thumb.
"""

import numpy as np

from imitax.datasets.doctor.report import Finding
from imitax.report.series import About, Lines, at_end, percent, series, short

HEADS = ("kind", "step", "seed", "wall_s")


def finite(lines: Lines, about: About) -> Finding | None:
    """Whether every training metric stayed a number: a null is what NaN and infinity are written as."""
    del about
    train = [line for line in lines if line["kind"] == "train"]
    if not train:
        return None
    for line in sorted(train, key=lambda line: line["step"]):
        bad = [name for name, value in line.items() if value is None and name not in HEADS]
        if bad:
            text = (
                f"{', '.join(bad[:4])} became not a finite number by step {line['step']:,}. The training has diverged "
                "from there on: lower the learning rates, or clip gradients (--*.optimizer.clip)."
            )
            return Finding("finite numbers", "problem", text, {"step": line["step"]})
    return Finding("finite numbers", "good", "Every training metric stayed finite.")


def discriminator(lines: Lines, about: About) -> Finding | None:
    """Saturated from an accuracy of 0.98 with half of the logits 99 % certain; blind below an accuracy of 0.55."""
    del about
    (_, accuracy), (_, saturation) = series(lines, "accuracy"), series(lines, "saturation")
    if not len(accuracy) or not len(saturation):
        return None
    right, certain, share = at_end(accuracy), at_end(saturation), at_end(series(lines, "expert_fraction")[1])
    values, seen = (
        {"accuracy": right, "saturation": certain},
        f"accuracy {right:.3f}, {percent(certain)} of logits sure",
    )
    if right >= 0.98 and certain >= 0.5:
        text = (
            f"The discriminator is saturated ({seen}): it has overfitted, and its reward says little about which "
            "actions are better. A stronger gradient penalty, dropout or a smaller network helps."
        )
        return Finding("discriminator", "problem", text, values)
    if right >= 0.98 and certain >= 0.1:
        text = f"The discriminator is close to saturation ({seen}). Its reward still grades actions; watch it."
        return Finding("discriminator", "look", text, values)
    if right < 0.55 and not share >= 0.8:
        text = (
            f"The discriminator cannot tell the policy from the demonstrations ({seen}), although the policy is not as "
            "good: it learns too slowly, or is held back by too strong a penalty."
        )
        return Finding("discriminator", "look", text, values)
    return Finding("discriminator", "good", f"The discriminator learns and is not saturated ({seen}).", values)


def entropy(lines: Lines, about: About) -> Finding | None:
    """Collapsed where actions spread over less than 2 % of half their range before half of the expert's return.

    Of a finite set: where the policy takes fewer than 1.02 actions on average (the exponential of the entropy).
    """
    values = series(lines, "entropy")[1]
    if not len(values) or about.uniform_entropy is None or not about.dims:
        return None
    now, share = at_end(values), at_end(series(lines, "expert_fraction")[1])
    if about.finite:
        count = float(np.exp(now / about.dims))
        narrow, seen = count < 1.02, f"the policy chooses among {count:.3g} actions on average"
    else:
        # A Gaussian whose standard deviation is a share s of half the range has log s + 0.73 nats more than a uniform.
        spread = float(np.exp((now - about.uniform_entropy) / about.dims - 0.7258))
        narrow, seen = spread < 0.02, f"sampled actions spread over {percent(spread)} of half their range"
    text = f"Entropy is {short(now)} nats at the end: {seen}."
    if not np.isfinite(now):
        return Finding("entropy", "problem", "Entropy is not finite at the end.", {"entropy": now})
    if narrow and not share >= 0.5:
        why = " It collapsed before the policy was good, so it stopped exploring: raise the temperature or its target."
        return Finding("entropy", "problem" if about.online else "look", text + why, {"entropy": now})
    return Finding("entropy", "good", text, {"entropy": now})


def q_values(lines: Lines, about: About) -> Finding | None:
    """Diverging where the largest |Q| grows eightfold over the second half of training; look from threefold on."""
    del about
    found = {name: series(lines, name) for name in ("q_max", "q", "q_policy", "q_expert")}
    name = next((name for name, (steps, _) in found.items() if len(steps)), None)
    if name is None:
        return None
    steps, values = found[name]
    size = np.abs(values)
    if not np.isfinite(size).all():
        return Finding("Q", "problem", "Q became not finite: the critic has diverged.", {"growth": float("inf")})
    if len(steps) < 4:
        return Finding("Q", "unknown", f"There are {len(steps)} records of Q, too few to see whether it grows.")
    half = size[steps <= (steps[0] + steps[-1]) / 2]
    growth = float(at_end(size) / max(at_end(half), 1e-12))
    seen, values_found = f"from {short(at_end(half))} halfway to {short(at_end(size))}", {"growth": growth}
    if growth >= 8 and at_end(size) > 1:
        text = (
            f"Q diverges: its size grew {short(growth)}-fold over the second half, {seen}. Lower the critic's learning "
            "rate, slow its target, or use LayerNorm in the critic (--critic.layer-norm)."
        )
        return Finding("Q", "problem", text, values_found)
    if growth >= 3 and at_end(size) > 1:
        return Finding("Q", "look", f"Q still grows, {seen}. Early in training this is usual.", values_found)
    return Finding("Q", "good", f"Q has settled or grows slowly, {seen}.", values_found)


def temperature(lines: Lines, about: About) -> Finding | None:
    """Run away where it is a hundred times its first value, and above 1: entropy then matters more than reward."""
    del about
    values = series(lines, "alpha")[1]
    if len(values) < 2:
        return None
    first, last = float(values[0]), float(values[-1])
    if last > 1 and last >= 100 * first:
        text = (
            f"The temperature ran away, from {short(first)} to {short(last)}: entropy outweighs the reward. Fix it "
            "(--temperature.kind fixed) or lower its target."
        )
        return Finding("temperature", "problem", text, {"alpha": last})
    how = "is fixed at" if (values == first).all() else f"went from {short(first)} to"
    return Finding("temperature", "good", f"The temperature {how} {short(last)}.", {"alpha": last})


def model(lines: Lines, about: About) -> Finding | None:
    """A learned model whose squared error is 0.9 of the variance explains nothing; look from 0.3 on."""
    del about
    name = next((name for name in ("model_mse", "model_error") if len(series(lines, name)[0])), None)
    if name is None:
        return None
    error = at_end(series(lines, name)[1])
    seen = f"its squared error is {percent(error)} of the variance"
    if not error < 0.9:
        text = f"The model explains nothing: {seen}. Policies that learn in it learn of a task that is not there."
        return Finding("model", "problem", text, {"error": error})
    if error >= 0.3:
        return Finding("model", "look", f"The model is rough: {seen}.", {"error": error})
    return Finding("model", "good", f"The model fits: {seen}.", {"error": error})
