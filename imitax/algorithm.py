"""The contract between an algorithm and the training loop.

An algorithm is a module. It has

    Config    a frozen dataclass, composed of parts
    PRESETS   configurations by name, `default` among them
    needs     cfg -> Needs
    init      (cfg, Start) -> state, a pytree
    update    (state, Batch, cfg, key) -> (state, metrics), pure, runs inside jit
    policy    state -> Policy, which is evaluated and saved

and, where the defaults below do not fit, any of `schedule`, `explorer`, `reward`, `alternatives`, `with_reward`.
`imitax.register(module)` makes it known to `imitax.train` and the command line; a package can also name the module in
its entry points, group `imitax.algorithms`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import PRNGKeyArray

from imitax.agents.learned_model import ModelConfig
from imitax.agents.start import Start
from imitax.buffers import Buffers
from imitax.choices.learned_reward import LearnedReward
from imitax.choices.terminal import Terminal
from imitax.errors import ConfigError
from imitax.networks import Policy, Precision
from imitax.types import Batch, Metrics


@dataclass(frozen=True)
class Needs:
    """What an algorithm learns from, under one configuration."""

    expert: bool = False
    """Demonstrations,"""
    actions: bool = False
    """with their actions."""
    action_horizon: int = 1
    """H: of demonstrations the next H actions, one after the other; `Transition.recorded` says which there are."""
    without_actions: str = "it learns from actions"
    """Why demonstrations must have actions, and under which settings they need not, after "because"."""
    held_out: str = ""
    """Why some demonstrations are held out unless the user says otherwise, after a colon; empty where they are not.
    Turns find them in `Buffers.held_out`."""
    horizon_share: float | None = None
    """Where the environment's time limit is within the horizon 1 / (1 - gamma) and no demonstration terminates, the
    share of the limit that the horizon becomes. None leaves `gamma` as it is."""
    stay_share: float | None = None
    """Where more than this share of the demonstrations terminates, `terminal.kind` becomes stay. None leaves it."""
    segments: bool = False
    """Consecutive transitions of demonstrations: they must not be subsampled."""
    ends: bool = False
    """The terminating transitions of demonstrations, likewise."""
    initial: bool = False
    """The first transitions of demonstrations, as `Batch.initial`."""
    offline: bool = False
    """Recorded data beside the demonstrations,"""
    rewards: bool = False
    """whose rewards are learned from."""
    env: bool = False
    """An environment to train in."""
    absorbing: bool = False
    """Batches contain absorbing transitions, one for each episode that terminated."""
    normalize_obs: bool = False
    """Observations are standardised with the statistics of the data."""
    model: ModelConfig | None = None
    """A learned model with these settings; the state has it as its field `model`."""
    model_precision: Precision = "float32"
    """Of the model's matrix products."""
    box_only: str = "it was written for actions in a box"
    """Why it cannot learn from a finite set of actions, after "because"; empty where it can."""
    open_box: bool = False
    """Its policy has a form for actions without bounds. Otherwise their box is closed: a range around the recorded
    actions is all that there is."""
    enumerates: bool = True
    """It goes through all joint actions of a finite set, which must be few enough for that."""
    demonstration_copies: Callable[[int, int], int] = lambda demonstrated, recorded: 1
    """How often demonstrations are repeated in a model's data, given the transitions of both."""


Turn = Callable[[Any, Buffers, Any, PRNGKeyArray], tuple[Any, Metrics]]
"""Slow work between chunks of updates: `(state, buffers, cfg, key) -> (state, metrics)` of one seed, inside jit."""


@dataclass(frozen=True)
class Schedule:
    """How much an algorithm learns, and when; a step is an environment step online, an update offline."""

    batch_size: int = 256
    """Transitions of each kind in an update."""
    warmup_steps: int = 0
    """Environment steps with random actions, and no updates, at the start."""
    buffer_size: int = 1_000_000
    """Transitions that the replay buffer holds."""
    updates_per_step: int = 1
    """Updates for each environment step."""
    steps_per_update: int = 1
    """Environment steps for each update."""
    refit_every: int | None = None
    """Environment steps between fits of a learned model; None fits once, before training."""
    turns: tuple[tuple[int, Turn], ...] = ()
    """Periods, in steps, and what runs at their end, in this order."""
    comparisons: tuple[tuple[int, Turn], ...] = ()
    """Turns whose periods are rounded up to whole chunks, so that they end no chunk early."""
    recent_size: int = 0
    """The latest transitions of the replay that `Buffers.recent` holds, for turns that learn from the policy as it is;
    0 is no such buffer."""


def no_alternatives(state: Any) -> Mapping[str, Policy]:
    """The networks of a state can act in one way only."""
    return {}


@dataclass(frozen=True, eq=False)  # one for each module, known by itself: what is compiled for it is kept
class Algorithm:
    """A module read once, with defaults for what it leaves out."""

    name: str
    Config: type
    PRESETS: Mapping[str, Any]
    needs: Callable[[Any], Needs]
    init: Callable[[Any, Start], Any]
    update: Callable[[Any, Batch, Any, PRNGKeyArray], tuple[Any, Metrics]]
    policy: Callable[[Any], Policy]
    explorer: Callable[[Any], Policy]
    """`state -> Policy` that acts in training; by default the policy itself."""
    schedule: Callable[[Any], Schedule] = lambda cfg: Schedule()
    reward: Callable[[Any, Any], LearnedReward] | None = None
    """`(state, cfg) -> LearnedReward`, where one is learned; it is saved with the policy."""
    alternatives: Callable[[Any], Mapping[str, Policy]] = no_alternatives
    """Other ways in which the networks can act, which evaluations measure too."""
    with_reward: Callable[[Any, Terminal], Any] | None = None
    """`(cfg, terminal) -> cfg`: the configuration under which a learned reward stands in for the environment's
    (`--reward`), its ends handled as `terminal`."""
    doc: str = ""

    def asked(self, cfg: Any) -> tuple[Needs, Schedule]:
        """What it needs and when it learns. Raises ConfigError where the module returns something else."""
        return self._returned("needs", Needs, cfg), self._returned("schedule", Schedule, cfg)

    def begun(self, cfg: Any, start: Start) -> Any:
        """`init`. Raises ConfigError where policies, or the reward, of its state are something else."""
        state = self.init(cfg, start)
        for part in ("policy", "explorer"):
            self._returned(part, Policy, state)
        if self.reward is not None:
            self._returned("reward", LearnedReward, state, cfg)
        return state

    def _returned(self, part: str, kind: type, *args: Any) -> Any:
        given = getattr(self, part)(*args)
        if not isinstance(given, kind):
            raise ConfigError(f"{part} of {self.name} returned {type(given).__name__}, not {kind.__name__}")
        return given

    def updated(self, state: Any, batch: Batch, cfg: Any, key: PRNGKeyArray) -> tuple[Any, Metrics]:
        """`update`, whose result is checked when it is compiled. Raises ConfigError."""
        given = self.update(state, batch, cfg, key)
        if not (isinstance(given, tuple) and len(given) == 2 and isinstance(given[1], Mapping)):
            raise ConfigError(f"update of {self.name} returned {type(given).__name__}, not (state, metrics)")
        if odd := [name for name, value in given[1].items() if np.ndim(value)]:
            raise ConfigError(f"metric {odd[0]} of {self.name} is an array, not one number")
        return given
