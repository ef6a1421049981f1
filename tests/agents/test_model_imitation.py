"""The policy's batch, and what a step of the reward compares."""

import counting
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from modelled import ENDS, SCALED, recorded, rolled_out

from imitax.agents.learned_model import ModelConfig, create
from imitax.agents.model_imitation import Mixture, RewardSteps, compose, draw_pairs, draw_segments
from imitax.agents.model_rollouts import ModelRollouts
from imitax.agents.start import Start
from imitax.buffers import Buffers
from imitax.choices.pessimism import Pessimism
from imitax.choices.terminal import Terminal
from imitax.errors import ConfigError
from imitax.networks import Policy, PolicyConfig, TanhGaussian, Termination
from imitax.types import Transition

# the batch


@pytest.mark.parametrize(
    ("kind", "demonstrated", "recorded", "copies"),
    [
        ("excluded", 20, 60, 0),
        ("included", 20, 60, 1),
        ("upsampled", 20, 60, 3),
        ("upsampled", 20, 69, 3),
        ("upsampled", 20, 71, 4),
        ("upsampled", 60, 20, 1),
    ],
)
def test_how_often_demonstrations_are_repeated(kind, demonstrated, recorded, copies):
    assert Mixture(demonstrations=kind).demonstration_copies(demonstrated, recorded) == copies


def numbered(first):
    x = first + jnp.arange(8.0)
    flags = jnp.zeros(8, bool)
    return Transition(x[:, None], x[:, None], x, x[:, None], flags, flags)


@pytest.mark.parametrize(
    ("size", "expert", "real", "counts"),
    [
        (8, 0.25, 0.25, (2, 2, 4)),
        (8, 0.0, 0.0, (0, 0, 8)),
        (8, 1.0, 0.0, (8, 0, 0)),
        (8, 0.0, 1.0, (0, 8, 0)),
        (8, 0.5, 0.5, (4, 4, 0)),
        (7, 0.3, 0.5, (2, 4, 1)),
        (5, 0.25, 0.5, (1, 2, 2)),
        (7, 0.5, 0.5, (4, 3, 0)),
        (3, 0.5, 0.5, (2, 1, 0)),
    ],
)
def test_a_batch_is_composed_as_told(size, expert, real, counts):
    """The first of each: demonstrated, recorded, of the model."""
    cfg = Mixture(batch_size=size, expert_share=expert, real_share=real)
    mix = np.asarray(compose(cfg, numbered(100.0), numbered(200.0), numbered(300.0)).reward).tolist()
    assert mix == [100 * i + j for i, n in enumerate(counts, 1) for j in range(n)]
    assert cfg.counts == counts[:2]


# what a step of the reward compares


def test_single_transitions_are_of_the_demonstrations_and_of_the_ring():
    buffers = Buffers(expert=recorded(), rollouts=rolled_out())
    expert, fake, weights = draw_pairs(RewardSteps(reward_batch_size=192), buffers, jr.key(0))
    assert weights is None
    assert len(expert.obs) == len(fake.obs) == 192
    assert set(np.asarray(expert.obs[:, 0])) == set(ENDS)
    assert set(np.asarray(fake.obs[:, 0])) == {-5, -6}
    assert fake.uncertainty is None


def draw(terminal, buffers, size, dynamics, key):
    """Segments of three steps, discounted by a half."""
    cfg = RewardSteps(reward_form="trajectory", reward_batch_size=size, reward_horizon=3)
    model = ModelConfig(model_rollouts=ModelRollouts(limit=None), pessimism=Pessimism("ensemble_std"))
    policy = Policy(SCALED, TanhGaussian(counting.SPEC, PolicyConfig(hidden=(8,)), key=jr.key(1)))
    learned = create(model, Start(counting.SPEC, SCALED, jr.key(0), dynamics))
    return draw_segments(cfg, (learned, model), policy, (terminal, 0.5), buffers, key)


def segments_of(t, weight):
    """Steps of each segment that count, as (s, a, s', terminated, absorbing), and the weights of all."""
    weight = np.asarray(weight).reshape(-1, 3)
    table = np.stack([np.asarray(x, float).ravel() for x in (t.obs, t.action, t.next_obs, t.terminated, t.absorbing)])
    table = table.T.reshape(-1, 3, 5)
    return [rows[w > 0] for rows, w in zip(table, weight, strict=True)], weight


@pytest.mark.parametrize("kind", ["mask", "absorbing"])
def test_segments_by_hand(kind):
    """Model and demonstrations both go up by one; the model ends beyond 22.5."""
    buffers = Buffers(expert=recorded(kind == "absorbing"))
    model = counting.model(termination=Termination((-100.0,), (22.5,)))
    expert, fake, weights = draw(Terminal(kind), buffers, 192, model, jr.key(3))
    assert expert.uncertainty is fake.uncertainty is None
    after = [[0, 0, 0, 1, 1]] * 3 if kind == "absorbing" else []

    def demonstrated(s):
        episode = [x for x in range(s, s + 3) if x in ENDS]
        rows = [[x, 0.5, ENDS[x], x == 3, 0] for x in episode]
        return (rows + after)[:3] if 3 in episode else rows

    def dreamt_of(s):
        rows = [[x, x + 1, x == 22, 0] for x in range(s, s + 3) if x <= 22]
        return (rows + [row[1:] for row in after])[:3]

    shown, shown_weight = segments_of(expert, weights[0])
    dreamt, dreamt_weight = segments_of(fake, weights[1])
    starts = [int(rows[0, 0]) for rows in shown]
    assert set(starts) == set(ENDS)
    for i, s in enumerate(starts):
        np.testing.assert_array_equal(shown[i], demonstrated(s))
        np.testing.assert_allclose(dreamt[i][:, [0, 2, 3, 4]], dreamt_of(s), atol=1e-3)
        assert (dreamt[i][:, 1] == 0).tolist() == (dreamt[i][:, 4] == 1).tolist()  # actions
        for rows, weight in ((shown[i], shown_weight[i]), (dreamt[i], dreamt_weight[i])):
            assert weight.tolist() == [0.5**t if t < len(rows) else 0 for t in range(3)]


@pytest.mark.parametrize(("size", "count"), [(2, 1), (3, 1), (11, 3)])
def test_there_are_as_many_segments_as_fit(size, count):
    pairs = jax.eval_shape(
        lambda: draw(Terminal("mask"), Buffers(expert=recorded()), size, counting.model(), jr.key(0))
    )
    assert [len(jax.tree.leaves(x)[0]) for x in (*pairs[:2], *pairs[2])] == [3 * count] * 4


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Mixture(real_share=1.5), r"real_share must lie in \[0, 1\], got 1.5"),
        (lambda: Mixture(expert_share=-0.1), r"expert_share must lie in \[0, 1\], got -0.1"),
        (lambda: Mixture(expert_share=1.1, real_share=0.0), r"expert_share must lie in \[0, 1\], got 1.1"),
        (lambda: Mixture(expert_share=0.8, real_share=0.3), "are shares of one batch, got 0.3 and 0.8"),
        (lambda: RewardSteps(reward_every=0), "reward_every must be at least 1, got 0"),
        (lambda: RewardSteps(reward_steps=0), "reward_steps must be at least 1, got 0"),
        (lambda: RewardSteps(reward_batch_size=0), "reward_batch_size must be at least 1, got 0"),
        (lambda: RewardSteps(reward_horizon=0), "reward_horizon must be at least 1, got 0"),
    ],
)
def test_contradictions_are_refused(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


def test_shares_may_fill_the_batch():
    assert Mixture(batch_size=10, expert_share=0.7, real_share=0.3).counts == (7, 3)
