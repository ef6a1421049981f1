"""A finished run, opened from its folder: its policies, scores and records."""

# Over 250 lines: all that a run hands out, one method each.

from collections.abc import Callable
from contextlib import closing
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np

from imitax import seeding, trust
from imitax.acting import Acting, Collector, RunPolicy, noise_seed
from imitax.artifacts import load_policy, load_reward
from imitax.choices.learned_reward import LearnedReward
from imitax.compiled import guarded
from imitax.datasets import Dataset, load
from imitax.datasets.flags import flags
from imitax.datasets.remembered import with_history
from imitax.envs import EnvLike, Task
from imitax.envs.fitting import require_fit
from imitax.envs.remembering import seen_task
from imitax.envs.rendering import opened, prepare
from imitax.errors import CheckpointError, ConfigError
from imitax.evaluate import ActionMode, Evaluator, episode_seeds, make_act
from imitax.export import TOLERANCE, Exported, Format, export
from imitax.files import fixed, from_here, read_lines
from imitax.held_out import episodes_of, measure, summarise_errors
from imitax.networks import Policy, with_inference
from imitax.notebooks import html_table
from imitax.observation_spaces import as_batch
from imitax.observations import Misfit, count
from imitax.record import METRICS, seed_folder
from imitax.run_config import facts, read_config, read_summary, same_env, same_id, task_of
from imitax.seeding import Purpose
from imitax.selection import PolicyChoice, kept
from imitax.selection.choice import EPISODES, Candidates, select
from imitax.settings import number
from imitax.sources.online import read_replay
from imitax.spaces import Spec
from imitax.stacking import stack
from imitax.statistics import summarise
from imitax.video import Film, check_path, film

if TYPE_CHECKING:
    import pandas

T = TypeVar("T")
Which = Literal["last", "best", "selected"] | str
"""The last policies, those with the best evaluation, or those that `--select` or `Run.select` has chosen, without which
they are the last; any other text is refused with a message."""


class Run:
    """The folder of a run.

    Args:
        folder: of the run.
        task: its environment; made from the run's config when None.
        env: an environment, its id or a callable, as in `train`, to use in place of the one that the config names.
        trust_env: use the environment that the config names although it would import a module or read a file, and the
            folder was copied here from elsewhere.
        measured: episodes of each seed on which a run without an environment is evaluated, and what they are; found
            from the config when None.

    Raises:
        CheckpointError: there is no run.
        ConfigError: the folder is no path.
    """

    def __init__(
        self,
        folder: Path | str,
        *,
        task: Task | None = None,
        env: EnvLike | None = None,
        trust_env: bool = False,
        measured: tuple[dict[int, Dataset], str] | None = None,
    ):
        self.folder = fixed(folder)
        self.config: dict[str, Any] = read_config(self.folder)
        self.seeds: tuple[int, ...] = tuple(self.config["training"]["seeds"])
        self._task, self._env, self._trust_env = task, env, trust_env
        self._measured = measured
        self._compiled: dict[Path, tuple[int, Acting]] = {}
        self._rewards: dict[Path, tuple[int, LearnedReward]] = {}

    def __fspath__(self) -> str:
        """Its folder: a run can stand wherever the folder of one can, as in `imitax.resume(run)`."""
        return str(self.folder)

    @cached_property
    def summary(self) -> dict[str, Any]:
        """Scores of the last and the best evaluation; CheckpointError while the run is unfinished."""
        return read_summary(self.folder)

    @cached_property
    def task(self) -> Task:
        """The environment.

        Raises:
            ConfigError: it was an object in memory (open the run with `Run(folder, env=...)`), or it has other
                observations or actions than the policies.
        """
        task = self._own_task()
        saved = self.seed_folder() / "policy.safetensors"
        if task.recorded is None and saved.exists():
            require_fit(task, load_policy(saved)[0].actor.spec, f"the policy of {self.folder}")
        return task

    def _own_task(self) -> Task:
        if self._task is not None:
            return self._task
        env_id, kwargs = self.config["env"]["id"], self.config["env"]["kwargs"]
        if self._env is not None:
            return Task.create(self._env, kwargs if same_id(self._env, env_id) else None)
        if env_id is None:
            return task_of(self.config["env"])
        if not self.config["training"]["env"]:
            raise ConfigError(
                f"{self.folder} was trained on an environment in memory: give it, imitax.Run(folder, env=...)"
            )
        if not (self._trust_env or trust.is_own(self.folder, self.config)):
            env_id = trust.check_env(env_id, kwargs, str(self.folder))
        return Task.create(env_id, kwargs)

    @property
    def expert_return(self) -> float | None:
        """Mean return of the demonstrations; None where `task` is another environment than the run's, which has one."""
        env = self.config["env"]
        own = env["id"] is None or same_env(env["id"], env["kwargs"], self.task)
        return self.config["expert_return"] if own else None

    def __repr__(self) -> str:
        told = "; ".join(f"{name} {value}" for name, value in facts(self.folder, self.config).items())
        return f"Run({from_here(self.folder)!r}): {told}"

    def _repr_html_(self) -> str:
        return html_table({"run": from_here(self.folder), **facts(self.folder, self.config)})

    def seed_folder(self, seed: int | None = None) -> Path:
        """Where one seed's files are; the first seed's when None. ConfigError for a seed that the run has not."""
        seed = self.seeds[0] if seed is None else seed
        if seed not in self.seeds:
            raise ConfigError(f"{self.folder} has no seed {seed}; it has {', '.join(map(str, self.seeds))}")
        return seed_folder(self.folder, self.seeds, seed)

    @guarded
    def load_policy(self, seed: int | None = None, which: Which = "last") -> Policy:
        """The last policy of a seed, or another one; the first seed's when None."""
        return load_policy(self._file("policy", seed, which))[0]

    def about(self, seed: int | None = None, which: Which = "last") -> dict[str, Any]:
        """What a seed's policy file says of its origin: algorithm, env, seed, step, expert_return."""
        return load_policy(self._file("policy", seed, which))[1]

    def _file(self, name: str, seed: int | None, which: Which) -> Path:
        """A seed's policy or reward file. ConfigError for another `which`, CheckpointError if it is not there yet."""
        if which == "selected":
            return self._selected_file(name, seed)
        if which not in ("last", "best"):
            raise ConfigError(f"which is last or best, got {which!r}; or selected")
        path = self.seed_folder(seed) / f"{name}{'' if which == 'last' else '-best'}.safetensors"
        if not path.exists() and name == "policy":
            best = which == "best" and (path.parent / "policy.safetensors").exists()
            why = "no evaluation had a score" if best else "the run has written none yet"
            if best:
                none = self.config["env"]["id"] is None
                why += " (there is no environment, and no held-out error)" if none else ": every return was 0"
            raise CheckpointError(f"{path.parent} has no {which} policy: {why}")
        return path

    def _selected_file(self, name: str, seed: int | None) -> Path:
        """A seed's selected policy. ConfigError for rewards, CheckpointError before the run has selected."""
        if name != "policy":
            raise ConfigError(f"policies are selected, a {name} is not: which is last or best")
        rule = self.config["training"].get("select", "last")
        if kept.read(self.folder) is None:
            if rule == "last":
                return self._file(name, seed, "last")
            raise CheckpointError(f"{self.folder} has selected no policy yet: imitax select {self.folder} --by {rule}")
        return self.seed_folder(seed) / kept.SELECTED

    def _acting(self, seed: int | None, which: Which) -> Acting:
        """A seed's policy with its compiled functions; read again when its file has changed."""
        return _current(self._compiled, self._file("policy", seed, which), lambda path: Acting(load_policy(path)[0]))

    @cached_property
    def policy(self) -> RunPolicy:
        """The trained policies: `run.policy(obs)` are actions for raw observations. See `RunPolicy`."""
        return RunPolicy(self._acting, self._opened)

    def _opened(self) -> list[Acting]:
        """The policies that have acted so far."""
        return [acting for _, acting in self._compiled.values()]

    @guarded
    def actor(self, seed: int | None, which: Which, sample: int | None) -> Collector:
        """A compiled `(obs [N, ...], step) -> actions [N, ...]`, for `imitax.datasets.collect`.

        Args:
            seed: which seed's policy; the run's first when None.
            which: the last policy, the one with the best evaluation, or the selected one.
            sample: decides, with the step, the noise of sampled actions; None is the deterministic mode.
        """
        policies = stack([self.load_policy(seed, which)])
        sample = noise_seed(sample)
        keys = seeding.keys((0 if sample is None else sample,), Purpose.COLLECTION)
        return Collector(policies, make_act(policies, keys, "mode" if sample is None else "sample"))

    @guarded
    def export(
        self,
        format: Format | str = "numpy",
        out: Path | str | None = None,
        *,
        seed: int | None = None,
        which: Which = "last",
        inference: str | None = None,
        tolerance: float = TOLERANCE,
        overwrite: bool = False,
    ) -> Exported:  # keywords, as on the command line
        """Write a policy for places without JAX; see `docs/deploy.md`.

        Args:
            format: numpy, a folder that runs with NumPy alone; or onnx, a graph.
            out: folder to write to; `export/FORMAT` in the run's folder when None.
            seed: which seed's policy; the run's first when None.
            which: the last policy, or the one with the best evaluation.
            inference: another way for implicit policies to find their action; only actor_mean is exported.
            tolerance: the largest difference from the policy that is allowed, see `Exported.difference`.
            overwrite: replace an export that is there.

        Raises:
            ConfigError: the policy cannot be exported, its export differs, or files are there already.
        """
        policy = self.load_policy(seed, which)
        policy = policy if inference is None else with_inference(policy, inference)
        folder = self.folder / "export" / str(format) if out is None else Path(out).expanduser()
        about = self.about(seed, which) | {"policy": which}
        return export(policy, about, format, folder, tolerance=tolerance, overwrite=overwrite)

    @guarded
    def video(
        self,
        out: Path | str | None = None,
        *,
        episodes: int = 1,
        seed: int = 0,
        policy_seed: int | None = None,
        which: Which = "last",
    ) -> Film:
        """Film a policy in its environment, without a display.

        Args:
            out: a file name ending in .mp4 or .gif, which is replaced; `video.mp4` in the run's folder when None.
            episodes: one after the other.
            seed: decides the environment's seeds, as in `evaluate(index=1)`.
            policy_seed: which seed's policy; the run's first when None.
            which: the last policy, or the one with the best evaluation.

        Raises:
            ConfigError: there is no environment, it has no `render_mode="rgb_array"`, or a package is missing.
            EnvError: it fails to draw.
        """
        count, first = number(episodes, int, "episodes"), number(seed, int, "seed")
        if count is None or count < 1 or first is None or first < 0:
            raise ConfigError(f"episodes must be at least 1 and seed at least 0, got {episodes} and {seed}")
        prepare()
        path = self.folder / "video.mp4" if out is None else Path(out).expanduser()
        check_path(path)
        act = Acting(self.load_policy(policy_seed, which))  # with a memory of its own
        seeds = episode_seeds(Purpose.EVALUATION, first, count, index=1)
        return film(opened(lambda: self.task), lambda obs: act(obs, None), path, seeds, act.reset)

    @guarded
    def load_reward(self, seed: int | None = None, which: Which = "last") -> LearnedReward:
        """The last reward that a seed learned, or the one of its best evaluation; the first seed's when None.

        CheckpointError when the algorithm learns no reward.
        """
        return load_reward(self._reward_file(seed, which))[0]

    def _reward_file(self, seed: int | None, which: Which) -> Path:
        path = self._file("reward", seed, which)
        if not path.exists():
            raise CheckpointError(f"{path.parent} has no reward: {self.config['algorithm']} learns none")
        return path

    @guarded
    def reward(
        self,
        obs: Any,
        action: np.ndarray | np.generic | int,
        next_obs: Any,
        terminated: np.ndarray | bool = False,
        *,
        seed: int | None = None,
        which: Which = "last",
    ) -> np.ndarray:
        """Learned rewards of transitions.

        Args:
            obs: raw observations, one or [B, ...]; of a run with a history, those of `with_history`.
            action: as the environment takes them, one or several; of Discrete, integers [] or [B].
            next_obs: raw next observations, as `obs`.
            terminated: whether the task ended there, one value or [B]; a time limit does not count.
            seed: which seed's reward; the run's first when None.
            which: the last reward, or that of the best evaluation.

        Returns:
            Rewards, a scalar array or [B]. High is expert-like; the scale is the run's own.

        Raises:
            CheckpointError: the run learned no reward.
            ConfigError, DataError: shapes or numbers of rows do not belong together, or numbers are not finite.
        """
        reward, inputs, alone = self._asked(obs, action, next_obs, terminated, seed, which)
        values = np.asarray(reward(*inputs))
        return np.asarray(values[0]) if alone else values

    @guarded
    def reward_members(
        self,
        obs: Any,
        action: np.ndarray | np.generic | int,
        next_obs: Any,
        terminated: np.ndarray | bool = False,
        *,
        seed: int | None = None,
        which: Which = "last",
    ) -> np.ndarray:
        """Rewards by each member of an ensemble (`--reward.members N`), [N] or [N, B]; arguments as of `reward`.

        Their standard deviation over N says how much they disagree. A run with one reward has one row.
        """
        reward, inputs, alone = self._asked(obs, action, next_obs, terminated, seed, which)
        values = np.asarray(reward.each(*inputs))
        return values[:, 0] if alone else values

    def _asked(
        self, obs: Any, action: Any, next_obs: Any, terminated: Any, seed: int | None, which: Which
    ) -> tuple[LearnedReward, tuple[Any, Any, Any, np.ndarray], bool]:
        """The reward, what it takes of these transitions, and whether they are one."""
        reward = _current(self._rewards, self._reward_file(seed, which), lambda path: load_reward(path)[0])
        spec = reward.net.spec
        (seen, alone), (following, _) = (_fitting(spec, x, name) for name, x in (("obs", obs), ("next_obs", next_obs)))
        n, taken, ended = count(seen), np.asarray(action), flags(np.asarray(terminated), "terminated")
        if not n:
            raise ConfigError("there are no observations (obs): a reward is one of at least one transition")
        if count(following) != n:
            raise ConfigError(f"there are {n} observations (obs) and {count(following)} next ones (next_obs)")
        size, shape = spec.action.columns, tuple(spec.action.shape)
        shapes = {(n, size), (n, *shape)} | ({(n,)} if size == 1 else set())
        if taken.shape not in (shapes | {(size,), shape} if alone else shapes):
            raise ConfigError(
                f"action has the shape {list(taken.shape)}: for {n} observations the reward takes [{n}, {size}]"
            )
        if taken.dtype.kind not in "biuf" or not np.isfinite(taken).all():
            raise ConfigError("action must be finite numbers: there is no reward of others")
        if ended.shape not in ((), (n,), (n, 1)):
            raise ConfigError(f"terminated has the shape {list(ended.shape)}: give one flag, or {n}")
        ended = np.broadcast_to(ended.reshape(-1), n)
        return reward, (seen, spec.action.encode(taken.reshape(n, size)), following, ended), alone

    @guarded
    def with_history(self, data: Any) -> Dataset:
        """Episodes whose observations are what the run's networks see: with a history, the last ones at every step.

        Args:
            data: whatever `imitax.load` takes.
        """
        return with_history(load(data), self.load_policy().actor.spec)

    def metrics(self, seed: int | None = None) -> list[dict[str, Any]]:
        """Every recorded line of a seed: `kind` is "train" or "eval"."""
        return read_lines(self.seed_folder(seed) / METRICS)

    @guarded
    def frame(self) -> "pandas.DataFrame":
        """All recorded lines of all seeds as a data frame: one row a line, one column a metric.

        Columns begin with `kind` ("train" or "eval"), `step`, `seed` and `wall_s`; a metric that a line lacks is NaN.
        Lists, such as `returns` by episode, stay lists. ConfigError without pandas.
        """
        try:
            import pandas
        except ImportError as e:
            raise ConfigError("a run's frame needs pandas: pip install 'imitax[data]', or use run.metrics()") from e
        return pandas.DataFrame([line for seed in self.seeds for line in self.metrics(seed)])

    @guarded
    def replay(self, seed: int | None = None) -> Dataset:
        """Everything that happened in a seed's environments in training, as episodes in the order of their starts.

        Episodes that a checkpoint cut are truncated ones. CheckpointError when the run kept no replay.
        """
        folder = self.seed_folder(seed) / "replay"
        if not folder.exists():
            raise CheckpointError(f"{folder.parent} has no replay: only runs with an environment keep one")
        spec = self.load_policy(seed).actor.spec
        return Dataset(
            read_replay(folder, spec),
            env_id=self.config["env"]["id"],
            env_kwargs=self.config["env"]["kwargs"],
            name=f"{self.folder.name}-replay",
            action_low=None if spec.is_finite else spec.action_low,
            action_high=None if spec.is_finite else spec.action_high,
            attributes={
                "algorithm": self.config["algorithm"],
                "preset": str(self.config["preset"]),
                "seed": str(self.seeds[0] if seed is None else seed),
                **{name: str(self.config["versions"][name]) for name in ("gymnasium", "mujoco")},
                "commit": self.config["commit"],
            },
        )

    @property
    def selection(self) -> dict[str, Any] | None:
        """The rule, the chosen steps and the scores of the selection that was written last; None without one."""
        return kept.read(self.folder)

    @guarded
    def select(
        self, by: str, *, others: bool = False, episodes: int = EPISODES, demos: Any = None, write: bool = True
    ) -> PolicyChoice:
        """Take one of the policies of each seed's evaluations, which `which="selected"` is from then on.

        Args:
            by: last, best (the return, so the environment's own reward), validation (log-likelihood of held-out
                episodes), validation_error (of their actions), learned_reward (of rollouts), or agreement (of rollouts
                with the demonstrations).
            others: score the other rules too, as far as they can be used.
            episodes: of each policy's rollouts.
            demos: recorded episodes in place of those that the run learned from; none of them counts as learned from.
            write: False only scores.

        Raises:
            ConfigError: there is no such rule, or it cannot be used here.
            CheckpointError: the run kept no policies.
        """
        wanted = number(episodes, int, "episodes")
        if wanted is None or wanted < 1:
            raise ConfigError(f"episodes must be at least 1, got {episodes}")
        trusted = self._trust_env or trust.is_own(self.folder, self.config)
        candidates = Candidates(self.folder, self.config, lambda: self.task, demos, trusted)
        return select(candidates, by, others=others, episodes=wanted, write=write)

    @guarded
    def evaluate(
        self,
        episodes: int = 20,
        *,
        which: Which = "last",
        sample: bool = False,
        index: int = 1,
        inference: str | None = None,
        env_workers: int = 0,
        demos: Any = None,
    ) -> dict[str, Any]:  # keywords, as on the command line
        """Roll out every seed's policy on fresh episodes; without an environment, compare it with recorded actions.

        Args:
            episodes: per seed.
            which: the last policies, those with the best evaluation, or the selected ones.
            sample: sampled actions instead of the deterministic mode.
            index: of the set of episodes; 0 is the one that training evaluated on, others are fresh.
            inference: another way for implicit policies to find their action: dfo, langevin, actor_mean or
                actor_polish. ConfigError for policies that have no choice.
            env_workers: processes that step environments in parallel with this one; they change no score.
            demos: recorded episodes to compare with, whatever `imitax.load` takes, in place of rollouts. Of the data
                that the run learned from, the episodes that were held out count, which are also what a run without an
                environment is compared with when None.

        Returns:
            As `imitax.statistics.summarise`, with returns and lengths of every episode in `per_seed`, without shares of
            the demonstrations in another environment; of a comparison as `imitax.held_out.summarise_errors`.
        """
        if demos is not None or self.task.recorded is not None:
            return self._errors(demos, which, inference, rollout_options=sample or env_workers != 0)
        episodes, index = number(episodes, int, "episodes"), number(index, int, "index")
        if episodes is None or episodes < 1:
            raise ConfigError(f"episodes must be at least 1, got {episodes}")
        if index is None or index < 0:
            raise ConfigError(f"index must not be negative, got {index}")
        policies = stack([self.load_policy(seed, which) for seed in self.seeds])
        if inference is not None:
            policies = with_inference(policies, inference)
        mode: ActionMode = "sample" if sample else "mode"
        task = seen_task(self.task, policies.actor.spec)
        evaluator = Evaluator(task, self.seeds, episodes, index=index, mode=mode, workers=env_workers)
        with closing(evaluator):
            rollouts = evaluator(policies)
        means = {seed: float(r.returns.mean()) for seed, r in zip(self.seeds, rollouts, strict=True)}
        result = summarise(means, self.task.env_id, self.expert_return)
        for line, rolled in zip(result["per_seed"], rollouts, strict=True):
            line |= {"returns": rolled.returns.tolist(), "lengths": rolled.lengths.tolist()}
        given = {} if inference is None else {"inference": inference}
        return result | {"policy": which, "episodes": episodes} | given

    @guarded
    def demonstrations(self, demos: Any = None) -> dict[int, Dataset]:
        """Demonstrated episodes for each seed: those that were held out, or where none were, what it learned from.

        Args:
            demos: whatever `imitax.load` takes; None is what the run's configuration names.

        Raises:
            ConfigError: the run learned from none, from data in memory, or names a file that may not be read unasked.
            DataError: they have changed, or cannot be read.
        """
        return self._recorded(demos)[0]

    def _recorded(self, demos: Any) -> tuple[dict[int, Dataset], str]:
        trusted = self._trust_env or trust.is_own(self.folder, self.config)
        return episodes_of(self.config, demos, str(self.folder), trusted)

    def _errors(self, demos: Any, which: Which, inference: str | None, rollout_options: bool) -> dict[str, Any]:
        """What `evaluate` returns of a comparison with recorded actions."""
        if rollout_options:
            raise ConfigError("sample and env_workers are for rollouts in an environment: leave them out")
        found = self._measured if demos is None else None
        if found is None:
            given, kind = self._recorded(demos)
            spec = self.load_policy(None, which).actor.spec
            found = {seed: with_history(data, spec) for seed, data in given.items()}, kind
        data, kind = found
        errors, of = {}, ""
        for seed in self.seeds:
            policy = self.load_policy(seed, which)
            of = policy.actor.spec.action.error_of
            policy = policy if inference is None else with_inference(policy, inference)
            errors[seed] = measure(policy, data[seed], seeding.key(seed, Purpose.EVALUATION))
        about = {"policy": which, "episodes": len(data[self.seeds[0]].episodes), "measured_on": kind}
        about |= {"error_of": of}
        return summarise_errors(errors) | about | ({} if inference is None else {"inference": inference})


def _current(known: dict[Path, tuple[int, T]], path: Path, read: Callable[[Path], T]) -> T:
    """What a file holds, from `known`; read again when the file has changed."""
    written = path.stat().st_mtime_ns
    if known.get(path, (None,))[0] != written:
        known[path] = written, read(path)
    return known[path][1]


def _fitting(spec: Spec, obs: Any, name: str) -> tuple[Any, bool]:
    """Raw observations [B, ...] for a reward, and whether they were a single one. Raises ConfigError."""
    space, seen = spec.observation, ""
    if spec.history is not None:
        seen = f"; it sees {spec.history}: give the observations of run.with_history(episodes)"
    if not space.is_flat:
        try:
            return as_batch(space, obs)
        except Misfit as e:
            raise ConfigError(f"{name}: {e}{seen}") from e
    try:
        batch = np.atleast_2d(np.asarray(obs, np.float32))
    except (TypeError, ValueError) as e:
        raise ConfigError(f"{name} must be numbers, one row or rows of them of one length: {e}") from e
    if batch.shape[-1] != space.size:
        raise ConfigError(f"{name} has {batch.shape[-1]} dimensions, the reward takes {space.size}{seen}")
    if batch.ndim != 2 or not np.isfinite(batch).all():
        raise ConfigError(f"{name} must be finite numbers, one row or rows of them: there is no reward of others")
    return batch, np.ndim(obs) == 1
