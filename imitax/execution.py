"""What a policy keeps of the episodes that it acts in: the last observations, and the actions that it has predicted."""

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Shaped

from imitax.errors import ConfigError
from imitax.history import Recent
from imitax.networks import ActionChunks, Policy, chunks_of
from imitax.observations import count
from imitax.spaces import Spec

Predict = Callable[[Any], Shaped[np.ndarray, "B Hk"]]
"""From observations [B, ...] as networks see them to the actions that are predicted for each, in one row."""


class Execution:
    """Carries predicted actions out in B environments, each in an episode of its own, which step together.

    Open loop: the first N actions of a prediction, one a step, before the next. Temporal ensembling (Zhao et al. 2023,
    arXiv:2304.13705, algorithm 2): at every step the mean of all predictions for it, the i-th oldest with the weight
    `exp(-m i)`.
    """

    def __init__(self, chunks: ActionChunks):
        self.chunks = chunks
        self.begin()

    def begin(self, lanes: Any = None) -> None:
        """Start an episode in some lanes (an index, several, a mask), or in all of a new number of lanes."""
        if lanes is None:
            self.age: np.ndarray = np.zeros(0, int)
            """Steps since the beginning of each episode, [B]; none before the first prediction."""
            self.predicted: list[np.ndarray] = []
            """Predictions [B, H, k]; of an ensemble the last H, the newest first."""
        elif len(self.age):
            self.age[lanes] = 0

    def __call__(self, predict: Callable[[], Shaped[np.ndarray, "B Hk"]]) -> Shaped[np.ndarray, "B k"]:
        """The next actions; `predict` is called where a prediction is due in any lane."""
        if self.chunks.action_horizon == 1:
            return predict()
        action = self._ensemble(predict) if self.chunks.action_ensemble else self._open_loop(predict)
        self.age += 1
        return action

    def _new(self, predict: Callable[[], np.ndarray]) -> np.ndarray:
        new = predict()
        if not len(self.age):
            self.age = np.zeros(len(new), int)
        return new.reshape(len(new), self.chunks.action_horizon, -1)

    def _open_loop(self, predict: Callable[[], np.ndarray]) -> np.ndarray:
        place = self.age % self.chunks.executed
        if not self.predicted:
            self.predicted = [self._new(predict).copy()]
            place = self.age
        elif (due := place == 0).any():
            self.predicted[0][due] = self._new(predict)[due]
        return self.predicted[0][np.arange(len(place)), place]

    def _ensemble(self, predict: Callable[[], np.ndarray]) -> np.ndarray:
        horizon = self.chunks.action_horizon
        self.predicted = [self._new(predict), *self.predicted][:horizon]
        there = np.minimum(self.age + 1, horizon)  # predictions of this episode for this step, [B]
        back = np.arange(len(self.predicted))  # steps ago that each was made
        rank = there[:, None] - 1 - back  # 0 for the oldest
        weight = np.where(rank >= 0, np.exp(-self.chunks.ensemble_decay * rank), 0.0)
        actions = np.stack([p[:, i] for i, p in enumerate(self.predicted)], axis=1)  # [B, P, k]
        mean = (weight[..., None] * actions).sum(1) / weight.sum(1, keepdims=True)
        return mean.astype(actions.dtype)


class Memory:
    """History and predictions of one policy in B environments that step together.

    B is the number of the first observations after the beginning.
    """

    def __init__(self, spec: Spec, chunks: ActionChunks):
        self.spec, self.execution = spec, Execution(chunks)
        self.begin()

    @classmethod
    def of(cls, policy: Policy) -> "Memory | None":
        """That of a policy; None where what it does depends on the present observation alone."""
        spec, chunks = policy.actor.spec, chunks_of(policy)
        return None if spec.history is None and chunks.action_horizon == 1 else cls(spec, chunks)

    def begin(self, lanes: Any = None) -> None:
        """Start an episode in some lanes: an index, several, a mask; None in all, whose number may be another then.

        Raises:
            ConfigError: there are no such lanes.
        """
        if lanes is None:
            self.lanes, self.recent = 0, None
            self.execution.begin()
            return
        try:
            np.zeros(self.lanes)[lanes]
        except (IndexError, TypeError, ValueError) as e:
            raise ConfigError(f"reset({lanes!r}): the policy acts in {self.lanes} environments; {e}") from e
        self.execution.begin(lanes)
        if self.recent is not None:
            self.recent.begin(lanes)

    def act(self, obs: Any, predict: Predict) -> Shaped[np.ndarray, "B k"]:
        """Actions, as data have them, for the next single observations [B, ...].

        Raises:
            ConfigError: the number of observations is another than at the last step.
        """
        history, lanes = self.spec.history, count(obs)
        if not self.lanes:
            self.lanes = lanes
            self.recent = None if history is None else Recent(history, lanes, self.spec.action.size)
        if lanes != self.lanes:
            raise ConfigError(
                f"the policy acts in {self.lanes} environments since its reset, and got observations of {lanes}: each "
                "row is one environment, in the same order at every step; call policy.reset() before other episodes"
            )
        seen = obs if self.recent is None else self.recent.see(obs)
        actions = self.execution(lambda: predict(seen))
        if self.recent is not None:
            self.recent.did(self.spec.action.encode(actions))
        return actions
