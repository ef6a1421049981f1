"""The offline source: demonstrations on the device, each seed with its own."""

import numpy as np

from imitax import seeding
from imitax.datasets import Dataset
from imitax.seeding import Purpose
from imitax.sources.buffer import Buffer, pack, stack


def episode_buffer(
    recorded: list[Dataset], subsample: int, seeds: tuple[int, ...], absorbing_rows: bool = False
) -> Buffer:
    """The transitions of each seed's recorded episodes, demonstrations or not, stacked along a leading axis of seeds.

    Args:
        recorded: one dataset a seed.
        subsample: keep every `subsample`-th transition of an episode, from a random offset. Absorbing transitions are
            never dropped, and count 1 / `subsample` each instead (DAC, Kostrikov et al. 2019, appendix): so the end
            of an episode has its share of the samples whatever is kept.
        seeds: decide the offsets.
        absorbing_rows: samples contain absorbing transitions, one for each episode that terminated.
    """
    rows = [
        pack(data.transitions(subsample, seed=_subsample_seed(seed)))
        for data, seed in zip(recorded, seeds, strict=True)
    ]
    absorbing = [sum(e.terminated for e in data.episodes) / subsample for data in recorded]
    first = recorded[0]
    return stack(rows, first.obs_dim, first.action_dim or 0, absorbing, absorbing_rows)


def initial_buffer(demonstrations: list[Dataset]) -> Buffer:
    """The first transition of each episode of each seed's demonstrations, stacked along a leading axis of seeds."""
    rows = []
    for data in demonstrations:
        starts = np.concatenate([[0], np.cumsum(data.lengths)[:-1]])
        rows.append(pack(data.transitions())[starts])
    first = demonstrations[0]
    return stack(rows, first.obs_dim, first.action_dim or 0, [0.0] * len(rows))


def _subsample_seed(seed: int) -> int:
    return int(seeding.generator(seed, Purpose.SUBSAMPLING).integers(2**31))
