"""Algorithms as estimators in the manner of scikit-learn: `imitax.BC(l2=1e-2).fit(demos, steps=20_000)`.

There is one class for each algorithm and for each method that is a preset of one (`imitax.GAIL`), made from the
registry; `estimator(name)` makes the class of an algorithm that another package brings.
"""

import os
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import jax.random as jr
import numpy as np

from imitax import artifacts
from imitax.acting import Acting
from imitax.catalogue import split_alias
from imitax.compiled import guarded
from imitax.datasets import load
from imitax.datasets.remembered import with_history
from imitax.errors import ConfigError, DataError
from imitax.evaluate import explain
from imitax.networks import Policy
from imitax.run import Run, Which
from imitax.training.entry import find, preset_config, preset_of, train
from imitax.training.given import artifact


class LoadedPolicy:
    """A trained policy that needs no run: observations in, actions out, in the environment's units.

    Args:
        policy: the networks and the normaliser.
        about: where it comes from: algorithm, env, seed, step, expert_return.
    """

    def __init__(self, policy: Policy, about: dict[str, Any]):
        self.policy, self.about = policy, about
        self._acting = Acting(policy)

    def __repr__(self) -> str:
        spec = self.policy.actor.spec
        place = self.about.get("env") or "recorded data"
        origin = f"{self.about.get('algorithm')} on {place}, step {self.about.get('step')}"
        seen = "" if spec.history is None else f", seen {spec.history.length} at a time"
        return f"LoadedPolicy({origin}; {spec.single.size} observations{seen}, {spec.action_dim} actions)"

    @guarded
    def reset(self, lanes: Any = None) -> None:
        """Begin episodes, for a policy that remembers (`--history`, `--action-horizon`): as `run.policy.reset`.

        Args:
            lanes: the environments, which are rows of a batch: an index, several, a mask; None is all of them.

        Raises:
            ConfigError: there are no such environments.
        """
        self._acting.reset(lanes)

    @guarded
    def predict(self, obs: Any, *, sample: int | None = None) -> np.ndarray | np.generic:
        """Actions of the policy.

        Args:
            obs: one raw observation as the environment gives it, or several [B, ...]; of a policy that remembers, the
                next one of each of B environments.
            sample: a number that decides the noise of a sampled action; None is the deterministic mode.

        Returns:
            Actions as the environment takes them, [A] or [B, A]; of Discrete, integers [] or [B].

        Raises:
            ConfigError: another number of dimensions.
            DataError: an observation is not finite.
        """
        single = self.policy.actor.spec.single
        if not single.is_flat:
            return self._acting(obs, sample)
        batch, dims = np.atleast_2d(np.asarray(obs, np.float32)), single.size
        if batch.ndim != 2 or batch.shape[-1] != dims:
            raise ConfigError(f"observations have the shape {np.shape(obs)}, the policy takes [{dims}] or [B, {dims}]")
        if not np.isfinite(batch).all():
            raise DataError(f"observation {int(np.argmin(np.isfinite(batch).all(1)))} is not finite")
        actions = self._acting.act(batch, sample)
        return actions[0] if np.ndim(obs) == 1 else actions

    __call__ = predict

    @guarded
    def score(self, demos: Any) -> float:
        """Mean log-likelihood of demonstrated actions, in nats a transition: higher is better.

        Args:
            demos: whatever `imitax.load` takes, with actions.
        """
        data = load(demos)
        if not data.has_actions:
            raise DataError(f"{data.name} has no actions to score")
        seen = with_history(data, self.policy.actor.spec)
        return float(explain(self.policy, seen.transitions(), jr.key(0))["log_likelihood"])

    @guarded
    def save(self, path: os.PathLike[str] | str) -> None:
        """Write the policy to a file that `load_policy` reads."""
        artifacts.save_policy(Path(path).expanduser(), self.policy, self.about)


@guarded
def load_policy(path: os.PathLike[str] | str) -> LoadedPolicy:
    """A policy from the file that `save` wrote, or from the folder of a run with one seed.

    Raises:
        CheckpointError: there is none, or it is damaged.
    """
    return LoadedPolicy(*artifacts.load_policy(artifact(Path(path).expanduser(), artifacts.POLICY)))


class Estimator:
    """An algorithm with its settings; `fit` trains it.

    Args:
        preset: named configuration whose values count where no setting is given.
        settings: by the names of their flags, nested ones with two underscores: `critic__hidden=(64, 64)`.
    """

    algorithm: ClassVar[str]
    preset: ClassVar[str] = "default"

    def __init__(self, preset: str | None = None, **settings: Any):
        self.params = {"preset": preset, **settings}
        changes = {name.replace("__", "."): value for name, value in settings.items()}
        self.config = preset_config(self.algorithm, preset or type(self).preset, **changes)
        self.run_: Run | None = None

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in self.params.items() if value is not None)
        return f"{type(self).__name__}({given})" + ("" if self.run_ is None else f", fitted: {self.run_!r}")

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The settings that were given, as scikit-learn asks for them."""
        del deep
        return dict(self.params)

    def set_params(self, **params: Any) -> "Estimator":
        """Change settings; a fitted estimator is unfitted then."""
        Estimator.__init__(self, **{**self.params, **params})
        return self

    def fit(self, demos: Any = None, *, env: Any = "", **options: Any) -> "Estimator":
        """Train.

        Args:
            demos: demonstrations, whatever `imitax.load` takes; None for algorithms that learn from rewards.
            env: as of `imitax.train`; not needed where recorded data are enough.
            options: others of `imitax.train`, such as `steps`, `seeds`, `out`, `offline_data`.
        """
        self.run_ = train(
            self.config, env=env, demos=demos, preset=self.params["preset"] or type(self).preset, **options
        )
        return self

    @property
    def run(self) -> Run:
        """The finished run. ConfigError before `fit`."""
        if self.run_ is None:
            raise ConfigError(f"this {type(self).__name__} has learned nothing yet: call fit(demos, steps=...) first")
        return self.run_

    def policy(self, seed: int | None = None, which: Which = "last") -> LoadedPolicy:
        """A trained policy; the first seed's when None."""
        return LoadedPolicy(self.run.load_policy(seed, which), self.run.about(seed, which))

    def predict(self, obs: Any, *, sample: int | None = None) -> np.ndarray | np.generic:
        """Actions [A] or [B, A] of the first seed's last policy, as `Run.policy`."""
        return self.run.policy(obs, sample=sample)

    def score(self, demos: Any) -> float:
        """Mean log-likelihood of demonstrated actions under the first seed's last policy, in nats a transition."""
        return self.policy().score(demos)

    def save(self, path: os.PathLike[str] | str) -> None:
        """Write the first seed's last policy to a file that `load_policy` reads."""
        self.policy().save(path)


@cache
def estimator(name: str, class_name: str | None = None) -> type[Estimator]:
    """The class of an algorithm, or of a method that is a preset of one.

    Args:
        name: as of `imitax.train`.
        class_name: of the class; made from the name when None.

    Raises:
        ConfigError: there is no such algorithm.
    """
    algorithm = find(split_alias(name)[0])
    members = {
        "__doc__": f"{' '.join((algorithm.Config.__doc__ or '').split())} See `imitax.Estimator`.",
        "__module__": "imitax",
        "algorithm": algorithm.name,
        "preset": preset_of(name, "default"),
    }
    return type(class_name or name.replace("_", "").upper(), (Estimator,), members)
