"""When what happens in training."""

from collections.abc import Iterator
from dataclasses import dataclass

from imitax.algorithm import Schedule, Turn
from imitax.config import Training

LOG_EVERY = 1_000
"""Steps over which training metrics are averaged into one line."""


@dataclass(frozen=True)
class Timeline:
    """The steps of a run, in chunks at whose ends everything else happens."""

    options: Training
    schedule: Schedule
    rollouts_every: int | None = None
    """Steps between model rollouts."""

    def chunks(self, start: int) -> Iterator[tuple[int, int]]:
        """Each chunk's first step and its number of steps; no period ends inside one."""
        periods = [self.options.chunk, *(every for every, _ in self.schedule.turns)]
        periods += [p for p in (self.rollouts_every, self.schedule.refit_every) if p is not None]
        step = start
        while step < self.options.steps:
            ends = [self.options.steps, *(step + p - step % p for p in periods)]
            if step < self.schedule.warmup_steps:
                ends.append(self.schedule.warmup_steps)
            yield step, min(ends) - step
            step = min(ends)

    def turns(self) -> tuple[tuple[int, Turn], ...]:
        """Periods as they are kept, and what runs at their end."""
        chunk = self.options.chunk
        return (
            *self.schedule.turns,
            *((-(-every // chunk) * chunk, turn) for every, turn in self.schedule.comparisons),
        )

    def updates(self, step: int, count: int) -> tuple[int, int]:
        """Number of the first update of a chunk, and how many there are."""

        def until(step: int) -> int:
            return step * self.schedule.updates_per_step // self.schedule.steps_per_update

        return until(step), until(step + count) - until(step)

    def learns(self, step: int) -> bool:
        """Whether the chunk that begins at a step is past the warm-up."""
        return step >= self.schedule.warmup_steps

    def logs(self, step: int) -> bool:
        """Whether metrics are written after a step."""
        return step % LOG_EVERY == 0 or self.evaluates(step) or self.saves(step)

    def evaluates(self, step: int) -> bool:
        """Whether there is an evaluation after a step."""
        return step % self.options.eval_every == 0 or step == self.options.steps

    def saves(self, step: int) -> bool:
        """Whether there is a checkpoint after a step."""
        return step % self.options.checkpoint_every == 0 or step == self.options.steps
