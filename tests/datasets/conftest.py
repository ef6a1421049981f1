import numpy as np
import pytest

from imitax.datasets import Dataset, Episode


def make_episode(steps, *, terminated=False, truncated=False, obs_dim=4, action_dim=2, seed=0):
    rng = np.random.default_rng(seed)
    return Episode(
        observations=rng.normal(size=(steps + 1, obs_dim)),
        actions=rng.uniform(-1, 1, size=(steps, action_dim)),
        rewards=rng.normal(size=steps),
        terminated=terminated,
        truncated=truncated,
    )


@pytest.fixture
def dataset():
    """One episode of each kind of ending, the third with both flags."""
    return Dataset(
        episodes=(
            make_episode(5, terminated=True, seed=1),
            make_episode(7, truncated=True, seed=2),
            make_episode(1, terminated=True, truncated=True, seed=3),
            make_episode(4, truncated=True, seed=4),
        ),
        env_id="Hopper-v5",
        env_kwargs={"healthy_z_range": (0.7, float("inf")), "max_episode_steps": 20},
        action_low=(-1.0, -1.0),
        action_high=(1.0, 1.0),
        attributes={"policy": "random", "author": "somebody"},
    )


@pytest.fixture
def minari_store(tmp_path, monkeypatch):
    store = tmp_path / "minari"
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(store))
    return store
