"""The offline source: demonstrations on the device, each seed with its own."""

from imitax import seeding
from imitax.datasets import Dataset
from imitax.seeding import Purpose
from imitax.sources.buffer import Buffer, pack, stack


def expert_buffer(demonstrations: list[Dataset], subsample: int, seeds: tuple[int, ...]) -> Buffer:
    """The transitions of each seed's demonstrations, stacked along a leading axis of seeds.

    Args:
        demonstrations: one dataset a seed.
        subsample: keep every `subsample`-th transition of an episode, from a random offset.
        seeds: decide the offsets.
    """
    rows = [
        pack(data.transitions(subsample, seed=_subsample_seed(seed)))
        for data, seed in zip(demonstrations, seeds, strict=True)
    ]
    first = demonstrations[0]
    return stack(rows, first.obs_dim, first.action_dim or 0)


def _subsample_seed(seed: int) -> int:
    return int(seeding.generator(seed, Purpose.SUBSAMPLING).integers(2**31))
