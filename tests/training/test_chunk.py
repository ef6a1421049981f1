"""What a vmap over seeds owes a run of one seed."""

import numpy as np
import pytest
import toy

import imitax
from imitax.algorithms import bc
from imitax.checkpoint import checkpoints
from imitax.files import load_arrays, read_json

pytestmark = pytest.mark.usefixtures("no_figures")

SEEDS = (3, 5)
CFG = toy.shrink(bc.Config())


def trained(folder, demos, seeds, steps):
    return imitax.train(
        CFG, env=toy.ENV, demos=demos, episodes=4, validation_episodes=1, subsample=2, seeds=seeds, steps=steps,
        chunk=steps, eval_every=steps, checkpoint_every=steps, eval_episodes=2, quiet=True, out=folder,
    )  # fmt: skip


def state(folder):
    return load_arrays(checkpoints(folder / "checkpoints")[-1] / "state.safetensors")[0]


@pytest.mark.parametrize(("steps", "tolerance"), [(1, 1e-5), (100, 1e-4)])
def test_a_seed_of_several_is_the_seed_alone(steps, tolerance, tmp_path, demos):
    """After one update Adam's first moment is a tenth of the gradient."""
    together = trained(tmp_path / "both", demos, SEEDS, steps)
    both = state(together.folder)
    data = read_json(together.folder / "config.json")["data"]
    for i, seed in enumerate(SEEDS):
        alone = trained(tmp_path / str(seed), demos, (seed,), steps)
        own = read_json(alone.folder / "config.json")["data"]
        for key in ("train_episodes", "validation_episodes"):
            assert own[key][str(seed)] == data[key][str(seed)]
        for name, array in state(alone.folder).items():
            ours, single = both[name][i].astype(np.float64), array[0].astype(np.float64)
            if steps == 1 and ".net" in name:
                continue  # Adam's first step is the gradient's sign, which rounding may turn where it is zero
            worst = np.abs(ours - single).max()
            assert worst <= tolerance * max(np.abs(single).max(), 1e-6 if steps == 1 else 1.0), name
        obs = np.random.default_rng(0).normal(size=(16, 2))
        np.testing.assert_allclose(together.policy(obs, seed=seed), alone.policy(obs), atol=1e-3)
    assert data["train_episodes"]["3"] != data["train_episodes"]["5"]
