from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

import imitax
from bench.experiments import medium_replay
from bench.experiments.medium_replay import Recipe, cut_at, first_steps, main, pool, replays, shorten
from imitax.datasets import Dataset, Episode, save_d4rl
from imitax.errors import ConfigError
from imitax.files import append_line

RECIPE = Recipe(runs=(), out=medium_replay.Path("out.hdf5"), expert="hopper-expert")


def hop(steps, reward=1.0, start=0.0, terminated=True):
    """An episode whose observation at time t is `start + t`."""
    obs = start + np.arange(steps + 1.0)[:, None]
    return Episode(obs, np.zeros((steps, 1)), np.full(steps, reward), terminated=terminated, truncated=not terminated)


def same(a, b):
    return Dataset((a,)).hash() == Dataset((b,)).hash()


@pytest.mark.parametrize(
    ("means", "steps"),
    [([1, 2, 10, 3], 20), ([1, 9.99, 10], 20), ([1, 2, 3, 4], 40), ([1, 20, 2, 3], 10)],
)
def test_a_replay_is_cut_before_the_policies_reach_the_threshold(means, steps):
    """At the last evaluation before the first that reaches it, not before the last one below it."""
    assert cut_at([(10 * (i + 1), float(mean)) for i, mean in enumerate(means)], 10.0) == steps


@pytest.mark.parametrize("curve", [[(10, 11.0), (20, 5.0)], [(10, 10.0)]])
def test_nothing_lies_before_a_first_evaluation_above_the_threshold(curve):
    with pytest.raises(ConfigError, match=r"at \[10\] steps, is above 10 already"):
        cut_at(curve, 10.0)


def test_a_short_episode_stays_and_a_long_one_is_truncated():
    episode = hop(4)
    assert shorten(episode, 4) is episode
    cut = shorten(episode, 3)
    assert (len(cut), cut.terminated, cut.truncated, cut.ret) == (3, False, True, 3.0)
    np.testing.assert_array_equal(cut.observations[:, 0], [0, 1, 2, 3])  # the true next observation stays
    bare = shorten(replace(episode, actions=None, rewards=None), 2)
    assert (len(bare), bare.actions, bare.rewards) == (2, None, None)


def test_the_first_steps_of_a_replay():
    data = Dataset((hop(3), hop(4), hop(5)))
    first, second = first_steps(data, 5)
    assert same(first, data.episodes[0])
    assert (len(second), second.terminated, second.truncated) == (2, False, True)
    whole = first_steps(data, 7)
    assert [len(episode) for episode in whole] == [3, 4]
    assert whole[1].terminated
    assert len(first_steps(data, 100)) == 3


PARTS = [[hop(3 + k % 4, reward=part, start=100 * k) for k in range(20)] for part in range(3)]
"""Three replays of 90 transitions, known by their rewards; an episode by its first observation."""


def test_every_replay_gives_as_many_transitions():
    episodes = pool(PARTS, replace(RECIPE, transitions=100))
    rewards = np.concatenate([episode.rewards for episode in episodes])
    assert [(rewards == part).sum() for part in range(3)] == [34, 33, 33]
    kept = [(int(e.rewards[0]), int(e.observations[0, 0]) // 100, e) for e in episodes]
    assert len({(part, k) for part, k, _ in kept}) == len(kept)  # without replacement
    cut = [e for part, k, e in kept if not same(e, PARTS[part][k])]
    assert all(e.truncated and not e.terminated for e in cut)
    assert len({int(e.rewards[0]) for e in cut}) == len(cut)  # at most the last episode drawn from each is cut
    order = [part for part, *_ in kept]
    assert order != sorted(order)


def test_the_seed_decides_the_draw():
    one, again, other = (
        Dataset(tuple(pool(PARTS, replace(RECIPE, transitions=100, seed=seed)))).hash() for seed in (0, 0, 1)
    )
    assert one == again != other


def test_a_replay_that_is_too_short_is_refused():
    with pytest.raises(ConfigError, match="replay 1 has 3 transitions before its cut, 50 are wanted"):
        pool([PARTS[0], [hop(3)]], replace(RECIPE, transitions=100))


def write(folder, number, means):
    """A replay of 40 episodes of 5 steps, and its curve with an evaluation every 50 steps."""
    episodes = tuple(hop(5, reward=number, start=100 * k) for k in range(40))
    path, curve = folder / f"{number}.hdf5", folder / f"{number}.jsonl"
    save_d4rl(Dataset(episodes, env_id="Toy-v0", attributes={"commit": f"{number}" * 40, "seed": f"{number}"}), path)
    for i, mean in enumerate(means):
        append_line(curve, {"seed": 0, "steps": 50 * (i + 1), "wall_s": 0.0, "returns": [mean - 1, mean + 1]})
    return path, curve


def test_the_recipe_writes_a_set_that_loads_with_its_hash_and_card(tmp_path, capsys):
    save_d4rl(Dataset((hop(10, reward=0.5), hop(10, reward=1.5))), tmp_path / "expert.hdf5")  # mean return 10
    files = [write(tmp_path, 0, [1, 3, 5, 2]), write(tmp_path, 1, [1, 4.1, 2, 2])]
    runs, curves = zip(*files, strict=True)
    recipe = Recipe(runs, tmp_path / "out.hdf5", str(tmp_path / "expert.hdf5"), curves, transitions=77)
    main(recipe)
    data = imitax.load(recipe.out)
    assert f"77 transitions in {len(data.episodes)} episodes, hash {data.hash()}" in capsys.readouterr().out
    assert (data.transition_count, data.env_id) == (77, "Toy-v0")
    starts = [(int(e.rewards[0]), int(e.observations[0, 0]) // 100) for e in data.episodes]
    assert max(k for part, k in starts if part == 0) < 20  # 100 steps are 20 episodes
    assert max(k for part, k in starts if part == 1) < 10  # 50 steps are 10
    card = data.attributes
    assert (card["cut_steps"], card["expert_return"]) == ("100, 50", "10.0")
    assert card["source_commits"] == f"{'0' * 12}, {'1' * 12}"
    assert (card["source_seeds"], card["source_presets"]) == ("0, 1", "unknown unknown, unknown unknown")
    assert card["sources"] == ", ".join(imitax.load(path).hash()[:12] for path in runs)
    assert (float(card["return_max"]), float(card["share_above_60_percent"])) == (5.0, 0.0)
    assert float(card["return_mean"]) == pytest.approx(data.returns.mean(), abs=0.05)
    hashed = data.hash()
    main(recipe)
    assert imitax.load(recipe.out).hash() == hashed


def test_files_need_their_curves_and_folders_bring_them(tmp_path, monkeypatch):
    path, curve = write(tmp_path, 7, [1.0])
    with pytest.raises(ConfigError, match="1 replays are files and need as many --curves, got 0"):
        replays(replace(RECIPE, runs=(path,)))
    lines = [{"kind": "train", "step": 5}, {"kind": "eval", "step": 10, "return_mean": 2.5}]
    made = {seed: Dataset((hop(seed),)) for seed in (3, 4)}
    run = SimpleNamespace(seeds=list(made), metrics=lambda seed: lines, replay=made.get)
    monkeypatch.setattr(medium_replay, "Run", lambda folder: run)
    (tmp_path / "run").mkdir()
    found = replays(replace(RECIPE, runs=(tmp_path / "run", path), curves=(curve,)))
    assert found[:2] == [(data, [(10, 2.5)]) for data in made.values()]
    assert found[2][0].hash() == imitax.load(path).hash()
    assert found[2][1] == [(50, 1.0)]
