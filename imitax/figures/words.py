"""Names of metrics as people say them, with their units, and in which order and together with which they are shown."""

import re
from typing import NamedTuple


class Words(NamedTuple):
    """How a metric is called."""

    name: str
    unit: str = ""
    """Empty for shares and for numbers in a scale of their own, such as losses."""

    def __str__(self) -> str:
        return f"{self.name} ({self.unit})" if self.unit else self.name


NATS = "nats"

METRICS: dict[str, Words] = {
    "accuracy": Words("discriminator accuracy"),
    "advantage": Words("advantage"),
    "alpha": Words("temperature"),
    "anchors": Words("anchors"),
    "contrast": Words("contrastive loss"),
    "covariance": Words("reward objective, covariance"),
    "critic_loss": Words("critic loss"),
    "d4rl": Words("D4RL score", "%"),
    "discriminator_loss": Words("discriminator loss", NATS),
    "divergence": Words("divergence", NATS),
    "entropy": Words("policy entropy", NATS),
    "episode_return": Words("return in training"),
    "episode_terminated": Words("share of episodes that the task ended"),
    "expert_fraction": Words("share of the demonstrations' return"),
    "expert_loss": Words("loss on demonstrations"),
    "f_expert": Words("energy, demonstrations"),
    "f_negative": Words("energy, negatives"),
    "f_policy": Words("energy, policy"),
    "gradient_norm": Words("discriminator gradient norm"),
    "held_out_gap": Words("reward that held-out demonstrations lack", "share of its size"),
    "held_out_loss": Words("loss on held-out demonstrations"),
    "held_out_penalty": Words("held-out gradient penalty"),
    "held_out_weight": Words("weight of the held-out penalty"),
    "imitation": Words("imitation loss"),
    "kept_loss": Words("loss on held-out demonstrations, kept policy"),
    "l2": Words("weight penalty"),
    "lambda": Words("weight of the model penalty"),
    "learner_loss": Words("loss on the learner"),
    "logit_expert": Words("logit, demonstrations"),
    "logit_learner": Words("logit, learner"),
    "model_adversarial": Words("adversarial model term"),
    "model_epochs": Words("model epochs"),
    "model_error": Words("model error", "squared, share of variance"),
    "model_log_prob": Words("model log-density", NATS),
    "model_loss": Words("model loss"),
    "model_mse": Words("model error on data", "squared, share of variance"),
    "model_nll": Words("model likelihood loss", NATS),
    "model_penalty": Words("penalty of model steps"),
    "nll": Words("negative log-likelihood", NATS),
    "inverse_nll": Words("negative log-likelihood of the inverse model", NATS),
    "on_expert": Words("squared term, demonstrations"),
    "on_other": Words("squared term, other data"),
    "penalty": Words("gradient penalty"),
    "proximal_weight": Words("weight of the proximal term"),
    "q": Words("Q, batch"),
    "q_expert": Words("Q, demonstrations"),
    "q_learner": Words("Q, replay"),
    "q_max": Words("Q, largest"),
    "q_other": Words("Q, other data"),
    "q_policy": Words("Q, policy"),
    "q_policy_expert": Words("Q, policy in demonstrated states"),
    "regularizer": Words("regulariser"),
    "return_mean": Words("return"),
    "reward_disagreement": Words("disagreement of the rewards"),
    "reward_absorbing": Words("reward, absorbing state"),
    "reward_change": Words("change of the reward in a turn"),
    "reward_expert": Words("reward, demonstrations"),
    "reward_held_out": Words("reward, held-out demonstrations"),
    "reward_learner": Words("reward, learner"),
    "reward_loss": Words("reward objective"),
    "reward_other": Words("reward, other data"),
    "reward_recorded": Words("reward, recorded data"),
    "reward_replay": Words("reward, replay"),
    "reward_rollouts": Words("reward, model steps"),
    "reward_train": Words("reward, training demonstrations"),
    "rollout_length": Words("length of model rollouts", "steps"),
    "rollout_terminated": Words("share of model rollouts that end"),
    "rollout_uncertainty": Words("uncertainty, new model steps"),
    "saturation": Words("share of saturated logits"),
    "soft_entropy": Words("entropy of softmax(Q / temperature)", NATS),
    "target": Words("Q, target"),
    "td": Words("TD term"),
    "td_error": Words("absolute TD error"),
    "terminated": Words("share of episodes that the task ended"),
    "train_action_error_mode": Words("action error, training", "action units"),
    "train_action_error_sample": Words("error of sampled actions, training", "action units"),
    "train_error": Words("error, training", "share"),
    "train_log_likelihood": Words("log-likelihood, training", NATS),
    "uncertainty": Words("uncertainty, model steps"),
    "validation_action_error_mode": Words("action error, held out", "action units"),
    "validation_action_error_sample": Words("error of sampled actions, held out", "action units"),
    "validation_error": Words("error, held out", "share"),
    "validation_log_likelihood": Words("log-likelihood, held out", NATS),
    "value": Words("value term"),
    "value_loss": Words("value loss"),
    "weight": Words("weight of cloned actions"),
    "weight_clipped": Words("share of clipped weights"),
}
"""Metrics of training and of evaluations, by their keys in `metrics.jsonl`."""

GROUPS: dict[str, tuple[str, ...]] = {
    "error of actions (action units)": ("train_action_error_mode", "validation_action_error_mode"),
    "error (share)": ("train_error", "validation_error"),
    "log-likelihood (nats)": ("train_log_likelihood", "validation_log_likelihood"),
    "logits": ("logit_expert", "logit_learner"),
    "learned reward": (
        "reward_expert",
        "reward_train",
        "reward_held_out",
        "reward_learner",
        "reward_other",
        "reward_recorded",
        "reward_replay",
        "reward_rollouts",
        "reward_absorbing",
    ),
    "Q": ("q", "target", "q_policy", "q_expert", "q_learner", "q_other", "q_policy_expert"),
    "energies": ("f_expert", "f_negative", "f_policy"),
    "squared terms": ("on_expert", "on_other"),
}
"""Metrics that are drawn in one panel, by its title."""

FIRST = (
    "accuracy",
    "saturation",
    "logit_expert",
    "entropy",
    "alpha",
    "train_action_error_mode",
    "train_error",
    "train_log_likelihood",
    "nll",
    "contrast",
    "q",
    "q_expert",
    "q_max",
    "reward_expert",
    "episode_return",
    "critic_loss",
    "discriminator_loss",
    "value_loss",
)
"""Metrics that tell most about a training: their panels come first, then losses and all others."""

ORDER = ("loss", "imitation|objective", "penalty", r"\bq|value", "reward", "entropy|log_?p", "temperature|alpha", "")
"""Order of the other panels: patterns of metric names; the last one matches all others."""


def words(name: str) -> Words:
    """How a metric is called; one that is unknown, such as a plugin's, by its key."""
    return METRICS.get(name) or Words(name)


def within(name: str, title: str) -> str:
    """A metric's name in a panel with a title that says the rest of it."""
    head, comma, tail = words(name).name.partition(", ")
    return tail if comma and title not in (name, str(words(name))) else head


def panels(names: list[str]) -> dict[str, list[str]]:
    """Metrics by the title of their panel, in the order in which panels are shown; gradient norms are the last one."""
    found: dict[str, list[str]] = {}
    home = {name: title for title, members in GROUPS.items() for name in members}
    norms = [name for name in names if "grad" in name and "penalty" not in name and name not in METRICS]
    for name in sorted(set(names) - set(norms), key=lambda name: (_rank(name), names.index(name))):
        found.setdefault(home.get(name, str(words(name))), []).append(name)
    for title, members in found.items():
        if len(members) == 1:
            found = {str(words(members[0])) if t == title else t: m for t, m in found.items()}
    for title, members in found.items():
        order = GROUPS.get(title, ())
        members.sort(key=lambda name: order.index(name) if name in order else 0)
    if norms:
        found["gradient norms" if len(norms) > 1 else norms[0]] = norms
    return found


def _rank(name: str) -> tuple[int, int]:
    mates = next((members for members in GROUPS.values() if name in members), (name,))
    first = min((FIRST.index(mate) for mate in mates if mate in FIRST), default=len(FIRST))
    pattern = next(i for i, pattern in enumerate(ORDER) if re.search(pattern, name))
    return first, pattern
