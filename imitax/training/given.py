"""What a run is given that other runs learned: a policy, a reward, a model."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imitax.algorithm import Algorithm, Needs
from imitax.artifacts import DYNAMICS, POLICY, REWARD, load_dynamics, load_policy, load_reward
from imitax.choices.learned_reward import LearnedReward
from imitax.choices.terminal import Terminal
from imitax.config import Training, flatten
from imitax.envs import Task
from imitax.errors import CheckpointError, ConfigError
from imitax.files import sha256
from imitax.networks import Dynamics, Policy, Termination, chunks_of, explicit
from imitax.run_config import same_env
from imitax.spaces import History, Spec
from imitax.training.task import known_end

REWARD_END = "zero"
"""What follows the end of an episode is worth under a given reward; earlier versions added it to the last reward, as is
still done where each end has its own."""


@dataclass(frozen=True)
class Given:
    """What other runs learned; None where a run learns it itself."""

    policy: Policy | None = None
    reward: LearnedReward | None = None
    """In place of the environment's."""
    dynamics: Dynamics | None = None
    expert_return: float | None = None
    """Mean return of the demonstrations that a given reward was learned from, in the same environment."""


def load_given(algorithm: Algorithm, cfg: Any, options: Training, task: Task) -> tuple[Given, Any]:
    """Load what the options name; also the configuration, with the handling of ends that a given reward wants.

    Raises:
        CheckpointError: a file is missing or damaged.
        ConfigError: it does not fit the algorithm or the environment.
    """
    policy = None if options.init_from is None else warm_start(options.init_from, task, algorithm.needs(cfg))
    dynamics = None if options.model_from is None else model(options.model_from, algorithm, cfg, task)
    if options.reward is None:
        if options.reward_combine is not None:
            raise ConfigError("--reward-combine is for a given reward: name one (--reward)")
        return Given(policy, dynamics=dynamics), cfg
    if algorithm.with_reward is None:
        raise ConfigError(
            f"--reward is for algorithms that learn from rewards, such as sac; {algorithm.name} learns its own"
        )
    why = "; only runs that learn a reward, such as adversarial, have one"
    reward, about = load_reward(found("--reward", options.reward, REWARD, why))
    check_fit("--reward", options.reward, "reward", (reward.net.spec, about), task)
    if options.reward_combine is not None:
        reward = reward.counted(options.reward_combine)
    if reward.terminal.kind == "stay" and flatten(cfg)["gamma"] == 1:
        raise ConfigError(f"--reward {options.reward}: what follows its ends is endless at gamma=1: lower gamma")
    # the end is handled as where the reward was learned; `LearnedReward.above_end` makes what follows it zero
    kept = reward.terminal if reward.terminal.kind == "none" else Terminal("mask")
    cfg = algorithm.with_reward(cfg, kept)
    known = about.get("expert_return") if same_env(about.get("env"), about.get("env_kwargs"), task) else None
    return Given(policy, reward, dynamics, known if isinstance(known, float) else None), cfg


def warm_start(path: Path, task: Task, needs: Needs) -> Policy:
    """A policy to start from, without what surrounds the network that is trained."""
    policy, about = load_policy(found("--init-from", path, POLICY))
    check_fit("--init-from", path, "policy", (policy.actor.spec, about), task)
    had, wanted = chunks_of(policy).action_horizon, needs.action_horizon
    if had != wanted:
        raise ConfigError(
            f"--init-from {path}: its policy predicts {had} actions at once, this run's {wanted}: both need the same "
            "--action-horizon, which only bc has"
        )
    return explicit(policy)


def model(path: Path, algorithm: Algorithm, cfg: Any, task: Task) -> Dynamics:
    """A fitted model, with this run's termination."""
    needs = algorithm.needs(cfg)
    if needs.model is None:
        raise ConfigError(f"{algorithm.name} has no model: leave --model-from out")
    if needs.env:
        raise ConfigError(f"--model-from is for offline methods; {algorithm.name} fits its model as it goes")
    file = found("--model-from", path, DYNAMICS, "; only offline runs with a model write one")
    dynamics, about = load_dynamics(file, termination_of(needs, task))
    check_fit("--model-from", path, "model", (dynamics.spec, about), task)
    if needs.rewards and not dynamics.predicts_rewards:
        raise ConfigError(
            f"--model-from {path}: it was fitted to data without rewards, and {algorithm.name} learns from the "
            "model's: leave --model-from out"
        )
    return dynamics


def termination_of(needs: Needs, task: Task) -> Termination | None:
    """The task's rule for learned models, where it is to be known."""
    if needs.model is None or needs.model.dynamics.termination != "known":
        return None
    termination = known_end(task)
    if termination is None:
        raise ConfigError(
            f"where {task.env_id} ends is not known here: give --dynamics.termination learned, or, if it never ends, "
            "the same"
        )
    return termination


def artifact(path: Path, name: str) -> Path:
    """The file that an option names: the file itself, or the one of this name in a run of one seed."""
    return path if path.is_file() else path / name


def digest(path: Path | None, name: str) -> str | None:
    """Hash of the file that an option names, which the run's resumption checks; None without the option."""
    return None if path is None else sha256(artifact(path, name))


def found(option: str, path: Path, name: str, why: str = "") -> Path:
    """The file that an option names; `why` says in the error what writes such files."""
    file = artifact(path, name)
    if not file.exists():
        several = sorted(p.name for p in path.glob("seed-*"))
        hint = f"; it has several seeds, name one: {path / several[0]}" if several else ""
        raise CheckpointError(f"{option} {path}: there is no {name}{why}{hint}")
    return file


def check_fit(option: str, path: Path, what: str, origin: tuple[Spec, dict[str, Any]], task: Task) -> None:
    """Refuse what was learned for other histories, shapes or bounds."""
    spec, about = origin
    if spec.history != task.spec.history and spec.single == task.spec.single:
        raise ConfigError(
            f"{option} {path}: its {what} sees {_seen(spec.history)}, this run {_seen(task.spec.history)}; give "
            f"--history {1 if spec.history is None else spec.history.length}"
            f"{' --history-actions' * (spec.history is not None and spec.history.actions)}"
        )
    if spec != task.spec and task.recorded is not None and (spec.is_finite or task.spec.is_finite):
        raise ConfigError(
            f"{option} {path}: its {what} is for {spec.obs_dim} observations and the actions {spec.action}, this run's "
            f"data have {task.spec.obs_dim} and {task.spec.action}; give spaces with its actions"
        )
    if spec != task.spec and task.recorded is not None:
        low, high = (" ".join(f"{x:.9g}" for x in bound) for bound in (spec.action_low, spec.action_high))
        raise ConfigError(
            f"{option} {path}: its {what} is for {spec.obs_dim} observations and {spec.action_dim} actions with other "
            f"bounds than this run's data; if the sizes are the same, give its bounds: --action-low {low} "
            f"--action-high {high}"
        )
    if spec != task.spec:
        raise ConfigError(
            f"{option} {path}: its {what} is for {about['env']} with {spec.obs_dim} observations and "
            f"{spec.action_dim} actions, the environment {task.env_id} has other shapes or bounds"
        )


def _seen(history: History | None) -> str:
    return "one observation" if history is None else str(history)
