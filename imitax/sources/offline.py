"""The offline source: demonstrations on the device, each seed with its own."""

import numpy as np

from imitax import seeding
from imitax.datasets import Dataset
from imitax.seeding import Purpose
from imitax.sources.buffer import Buffer, pack, stack


def expert_buffer(
    demonstrations: list[Dataset], subsample: int, seeds: tuple[int, ...], absorbing_rows: bool = False
) -> Buffer:
    """The transitions of each seed's demonstrations, stacked along a leading axis of seeds.

    Args:
        demonstrations: one dataset a seed.
        subsample: keep every `subsample`-th transition of an episode, from a random offset. Absorbing transitions are
            never dropped, and count 1 / `subsample` each instead (DAC, Kostrikov et al. 2019, appendix): so the end
            of an episode has its share of the samples whatever is kept.
        seeds: decide the offsets.
        absorbing_rows: samples contain absorbing transitions, one for each episode that terminated.
    """
    rows = [
        pack(data.transitions(subsample, seed=_subsample_seed(seed)))
        for data, seed in zip(demonstrations, seeds, strict=True)
    ]
    absorbing = [sum(e.terminated for e in data.episodes) / subsample for data in demonstrations]
    first = demonstrations[0]
    return stack(rows, first.obs_dim, first.action_dim or 0, absorbing, absorbing_rows)


def initial_buffer(demonstrations: list[Dataset]) -> Buffer:
    """The first transition of each episode of each seed's demonstrations, stacked along a leading axis of seeds."""
    rows = []
    for data in demonstrations:
        starts = np.concatenate([[0], np.cumsum(data.lengths)[:-1]])
        rows.append(pack(data.transitions())[starts])
    first = demonstrations[0]
    return stack(rows, first.obs_dim, first.action_dim or 0, [0.0] * len(rows))


def real_buffer(offline: Dataset, demonstrations: list[Dataset], copies: list[int], absorbing_rows: bool) -> Buffer:
    """Recorded data with some copies of each seed's demonstrations, stacked along a leading axis of seeds.

    Args:
        copies: of each seed's demonstrations; 0 leaves them out.
    """
    rows, ends = pack(offline.transitions()), float(sum(e.terminated for e in offline.episodes))
    parts, absorbing = [], []
    for data, count in zip(demonstrations, copies, strict=True):
        parts.append(np.concatenate([rows, *[pack(data.transitions())] * count]))
        absorbing.append(ends + count * sum(e.terminated for e in data.episodes))
    return stack(parts, offline.obs_dim, offline.action_dim or 0, absorbing, absorbing_rows)


def _subsample_seed(seed: int) -> int:
    return int(seeding.generator(seed, Purpose.SUBSAMPLING).integers(2**31))
