"""Imitation in a learned model with a reward network: the batch, the policy's step, the turns of reward and model."""

from dataclasses import replace

import equinox as eqx
import implied
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import toy
from implied import STILL, transitions
from test_imagination import NEVER, counting
from test_imagination import SPEC as LINE

import imitax
from imitax.algorithms import omlirl, rmirl, sac
from imitax.artifacts import load_reward, save_reward
from imitax.choices import model_imitation
from imitax.choices.adversarial_model import AdversarialModel
from imitax.choices.discriminator import Discrimination, RewardHead
from imitax.choices.gradient_penalty import GradientPenalty
from imitax.choices.imagination import Imagination
from imitax.choices.model_imitation import marginal, policy_step, reward_turn, trajectories
from imitax.choices.pessimism import Pessimism
from imitax.choices.td_loss import TdLoss
from imitax.choices.temperature import Temperature
from imitax.choices.terminal import Terminal
from imitax.datasets import pool
from imitax.errors import ConfigError
from imitax.learner import OptimizerConfig
from imitax.loop import Buffers
from imitax.networks import CriticConfig, Dynamics, DynamicsConfig, Normalizer, RewardConfig, Termination
from imitax.sources import Buffer, ImaginedBuffer
from imitax.types import Batch, Spec, Transition

MODEL = DynamicsConfig(hidden=(8,), members=2, elites=2, termination="learned")
COMMON = {
    **implied.SMALL,
    "batch_size": 8,
    "average": 0.0,
    "terminal": Terminal("mask"),
    "temperature": Temperature("fixed", initial=implied.NO_ENTROPY),
    "reward": RewardConfig(hidden=(8,)),
    "gradient_penalty": GradientPenalty("none"),
    "imagination": Imagination(limit=None),
    "dynamics": MODEL,
}
BASE = omlirl.Config(**COMMON, pessimism=Pessimism("ensemble_std", weight=3.0))
LINEAR = {"reward": RewardConfig(hidden=(), bound=None)}
WEIGHTS = np.array([1.0, -0.5, 2.0])
NORMALIZER = Normalizer(jnp.array([1.0, -1.0]), jnp.array([2.0, 0.5]))


def start(cfg, normalizer=None, spec=implied.SPEC, model=None, algorithm=omlirl):
    model = Dynamics(spec, MODEL, None, key=jr.key(9)) if model is None else model
    normalizer = Normalizer.identity(spec.obs_dim) if normalizer is None else normalizer
    return algorithm.init(cfg, spec, normalizer, jr.key(0), model)


def with_reward(state, *weights):
    """A state whose reward is `h = w . (s, a[, flag])`."""
    layer = ((jnp.asarray(weights, jnp.float32)[:, None],), (jnp.zeros(1),))
    return eqx.tree_at(lambda s: (s.reward.net.mlp.weights, s.reward.net.mlp.biases), state, layer)


def moved(before, after):
    """Names of the networks that differ."""
    own = {"reward", "dynamics", "penalty_weight"}
    return implied.moved(before, after) | {
        name for name in own if not eqx.tree_equal(getattr(before, name).net, getattr(after, name).net)
    }


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
    assert replace(BASE, demonstrations=kind).demonstration_copies(demonstrated, recorded) == copies


@pytest.mark.parametrize("copies", [0, 1, 3])
def test_recorded_episodes_come_before_the_copies_of_demonstrations(copies, demos):
    recorded = replace(demos, episodes=demos.episodes[:2], name="recorded")
    shown = replace(demos, episodes=demos.episodes[2:5])
    both = pool(recorded, shown, copies)
    assert both.name == "recorded"
    assert both.episodes == recorded.episodes + shown.episodes * copies
    bare = replace(shown, episodes=tuple(replace(e, rewards=None) for e in shown.episodes))
    for mix in (pool(recorded, bare, copies), pool(bare, recorded, copies)):
        assert len(mix.episodes) in (2 + 3 * copies, 3 + 2 * copies)
        assert all(e.rewards is None for e in mix.episodes)


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
    """The first rows of each: demonstrated, recorded, imagined."""
    cfg = replace(BASE, batch_size=size, expert_share=expert, real_share=real)
    rows = np.asarray(cfg.compose(numbered(100.0), numbered(200.0), numbered(300.0)).reward).tolist()
    assert rows == [100 * i + j for i, n in enumerate(counts, 1) for j in range(n)]
    assert cfg.composition == counts[:2]


# the policy's step


def data(cfg):
    """Eight demonstrated and recorded transitions, and three imagined ones with one of the absorbing state."""
    imagined = replace(transitions(3, absorbing=1, seed=2), uncertainty=jnp.array([0.1, 0.2, 0.6, 5.0]))
    return Batch(transitions(8), None, None, transitions(8, seed=1), imagined)


def test_the_policy_is_paid_by_the_reward_less_the_penalty_of_imagined_rows(monkeypatch):
    cfg = replace(BASE, **LINEAR, terminal=Terminal("absorbing"), reward_scale=0.5)
    batch, original = data(cfg), model_imitation.soft_q_loss

    def loss(critic, state, t, end, *rest):
        value, metrics = original(critic, state, t, end, *rest)
        return value, metrics | {"rewards": t.reward, "obs": t.obs, "end": end}

    monkeypatch.setattr(model_imitation, "soft_q_loss", loss)
    state = with_reward(start(cfg, NORMALIZER), *WEIGHTS, 4.0)
    _, metrics = policy_step(state, batch, cfg, jr.key(1))

    def h(t):
        x = (np.asarray(t.obs) - [1.0, -1.0]) / [2.0, 0.5]
        return np.where(t.absorbing, 4.0, np.concatenate([x, np.asarray(t.action)], 1) @ WEIGHTS) / 2

    expert, real, imagined = h(batch.expert), h(batch.offline), h(batch.imagined)
    penalty = 3 * np.array([0.1, 0.2, 0.6, 0.0])  # the absorbing state is certain
    np.testing.assert_allclose(
        metrics["rewards"], np.concatenate([expert[:2], real[:2], imagined - penalty]), rtol=1e-5, atol=1e-6
    )
    np.testing.assert_allclose(metrics["obs"][0], NORMALIZER(batch.expert.obs)[0], rtol=1e-6)
    known = {
        "reward_expert": expert[:2].mean(),
        "reward_recorded": real[:2].mean(),
        "reward_imagined": imagined.mean(),
        "model_penalty": penalty.mean(),
        "reward_absorbing": 2.0,
        "end": 2.0,  # as the critic's loss is told
        "uncertainty": 5.9 / 4,
        "lambda": 3.0,
    }
    assert {k: float(metrics[k]) for k in known} == pytest.approx(known, rel=1e-4)


BOTH_STILL = {"policy_optimizer": STILL, "critic_optimizer": STILL, "polyak": 0.0}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"policy_optimizer": STILL, "polyak": 0.0}, {"critic"}),
        ({"critic_optimizer": STILL, "polyak": 0.0}, {"actor"}),
        (BOTH_STILL | {"pessimism": Pessimism("ensemble_std", tuned=True)}, {"penalty_weight"}),
        (BOTH_STILL | {"temperature": Temperature("tuned")}, {"temperature"}),
        (BOTH_STILL, set()),
    ],
)
def test_each_step_reaches_its_own_network(change, expected):
    cfg = replace(BASE, **change)
    before = start(cfg)
    after, metrics = policy_step(before, data(cfg), cfg, jr.key(1))
    assert moved(before, after) == expected
    assert "reward_absorbing" not in metrics  # mask


# the reward's turn

ENDS = {1: 2, 2: 3, 3: 4, 10: 11, 11: 12, 20: 21, 21: 22, 22: 22}
"""Three episodes: the first terminates after 3, the second is cut off, the last one stands still when it is."""


def recorded(absorbing_rows=False):
    """The demonstrations, their actions 0.5, in a buffer that has room for more."""
    rows = [[s, 0.5, 7.0, following, s == 3] for s, following in ENDS.items()]
    return Buffer.empty(12, 1, 1, absorbing_rows).write(jnp.asarray(rows, jnp.float32), 0)


def imagined(values=(-5.0, -6.0)):
    x = jnp.asarray(values)
    flags = jnp.zeros(len(x), bool)
    t = Transition(x[:, None], x[:, None] / 10, x, x[:, None], flags, flags, jnp.abs(x))
    return ImaginedBuffer.empty(5, LINE).write(t, jnp.ones(len(x), bool))


TURN = replace(BASE, reward_batch_size=64 * 3, reward_horizon=3)
SCALED = Normalizer(jnp.array([10.0]), jnp.array([5.0]))


def test_single_transitions_are_of_the_demonstrations_and_of_the_ring():
    buffers = Buffers(recorded(), None, None, None, imagined())
    expert, fake = marginal(start(TURN, SCALED, LINE, counting()), buffers, TURN, jr.key(0))
    assert len(expert.obs) == len(fake.obs) == 192
    assert set(np.asarray(expert.obs[:, 0])) == set(ENDS)
    assert set(np.asarray(fake.obs[:, 0])) == {-5, -6}
    assert fake.uncertainty is None


def stretches(t, weight):
    """Rows of each stretch that count, as (s, a, s', terminated, absorbing), and the weights of all."""
    weight = np.asarray(weight).reshape(-1, 3)
    table = np.stack([np.asarray(x, float).ravel() for x in (t.obs, t.action, t.next_obs, t.terminated, t.absorbing)])
    table = table.T.reshape(-1, 3, 5)
    return [rows[w > 0] for rows, w in zip(table, weight, strict=True)], weight


@pytest.mark.parametrize("kind", ["mask", "absorbing"])
def test_stretches_by_hand(kind):
    """Model and demonstrations both go up by one; the model ends beyond 22.5."""
    cfg = replace(TURN, terminal=Terminal(kind), reward_form="trajectory")
    buffers = Buffers(recorded(kind == "absorbing"), None, None, None, None)
    state = start(cfg, SCALED, LINE, counting(termination=Termination((-100.0,), (22.5,))))
    expert, fake, *weights = trajectories(state, buffers, cfg, jr.key(3))
    assert expert.uncertainty is fake.uncertainty is None
    after = [[0, 0, 0, 1, 1]] * 3 if kind == "absorbing" else []

    def demonstrated(s):
        episode = [x for x in range(s, s + 3) if x in ENDS]
        rows = [[x, 0.5, ENDS[x], x == 3, 0] for x in episode]
        return (rows + after)[:3] if 3 in episode else rows

    def rolled_out(s):
        rows = [[x, x + 1, x == 22, 0] for x in range(s, s + 3) if x <= 22]
        return (rows + [row[1:] for row in after])[:3]

    shown, shown_weight = stretches(expert, weights[0])
    dreamt, dreamt_weight = stretches(fake, weights[1])
    starts = [int(rows[0, 0]) for rows in shown]
    assert set(starts) == set(ENDS)
    for i, s in enumerate(starts):
        np.testing.assert_array_equal(shown[i], demonstrated(s))
        np.testing.assert_allclose(dreamt[i][:, [0, 2, 3, 4]], rolled_out(s), atol=1e-3)
        assert (dreamt[i][:, 1] == 0).tolist() == (dreamt[i][:, 4] == 1).tolist()  # actions
        for rows, weight in ((shown[i], shown_weight[i]), (dreamt[i], dreamt_weight[i])):
            assert weight.tolist() == [0.5**t if t < len(rows) else 0 for t in range(3)]


@pytest.mark.parametrize(("size", "count"), [(2, 1), (3, 1), (11, 3)])
def test_there_are_as_many_stretches_as_fit(size, count):
    cfg = replace(TURN, reward_batch_size=size)
    state, buffers = start(cfg, SCALED, LINE, counting()), Buffers(recorded(), None, None, None, None)
    rows = jax.eval_shape(lambda: trajectories(state, buffers, cfg, jr.key(0)))
    assert [len(jax.tree.leaves(x)[0]) for x in rows] == [3 * count] * 4


@pytest.mark.parametrize("form", ["marginal", "trajectory"])
def test_the_rewards_turn_changes_the_reward_alone_and_lowers_its_loss(form):
    """The model falls where demonstrations rise."""
    cfg = replace(TURN, reward_form=form, reward_optimizer=OptimizerConfig(lr=0.05))
    buffers = Buffers(recorded(), None, None, recorded(), imagined())
    before = start(cfg, SCALED, LINE, counting(step=-5.0))
    turn, state, metrics = eqx.filter_jit(reward_turn), before, []
    for i in range(25):
        state, m = turn(state, buffers, cfg, jr.key(i))
        metrics.append(m)
    assert moved(before, state) == {"reward"}
    assert float(metrics[-1]["discriminator_loss"]) < float(metrics[0]["discriminator_loss"]) - 0.2
    assert float(metrics[-1]["logit_expert"]) > float(metrics[-1]["logit_learner"]) + 0.5


@pytest.mark.parametrize("form", ["marginal", "trajectory"])
def test_a_turn_has_its_steps_on_normalised_rows_with_their_weights(form, monkeypatch):
    steps = 3 if form == "marginal" else 1
    cfg = replace(TURN, reward_form=form, reward_steps=steps, terminal=Terminal("absorbing"))
    calls, original = [], model_imitation.reward_loss
    monkeypatch.setattr(model_imitation, "reward_loss", lambda net, *rest: calls.append(rest) or original(net, *rest))
    state = start(cfg, SCALED, LINE, counting(termination=NEVER))
    after, _ = reward_turn(state, Buffers(recorded(True), None, None, None, imagined()), cfg, jr.key(0))
    counts = {int(x) for x in jax.tree.leaves(after.reward.opt_state) if jnp.issubdtype(x.dtype, jnp.integer)}
    assert counts == {steps}
    assert len({np.asarray(expert.obs).tobytes() for expert, *_ in calls}) == steps  # new rows for each
    for expert, _, _, _, log_policy, weights in calls:
        gone = np.asarray(expert.absorbing)
        assert gone.any()
        assert (np.asarray(expert.obs)[gone] == 0).all()
        counted = ~gone if weights is None else ~gone & (np.asarray(weights[0]) > 0)
        values = np.round(np.asarray(expert.obs)[counted] * 5 + 10, 3)
        assert set(values.ravel()) <= set(ENDS)
        assert len(set(values.ravel())) > 3
        uncounted = np.asarray(expert.obs)[~gone & ~counted] * 5 + 10
        np.testing.assert_allclose(uncounted, 0, atol=1e-5)  # what does not count is zero, and so finite
        assert log_policy == 0
        if form == "marginal":
            assert weights is None
        else:
            assert [sorted(set(np.asarray(w).tolist())) for w in weights] == [[0, 0.25, 0.5, 1], [0.25, 0.5, 1]]


# RMIRL's model

ROBUST = rmirl.Config(**COMMON | LINEAR | {"critic": CriticConfig(hidden=())}, adversary=AdversarialModel(steps=2))


def advantages(cfg, t, end=0.0):
    """Critics of 3 and 5, their targets of 7 and 9, higher by `end` in the absorbing state."""
    state = implied.with_values(start(cfg, algorithm=rmirl), (3.0, 5.0), (7.0, 9.0))
    state = with_reward(state, *WEIGHTS, *([4.0] if cfg.terminal.flagged else []))
    if end:
        rows = state.critic.net.mlp.weights[0].at[:, -1, 0].set(end)
        state = eqx.tree_at(lambda s: s.critic.net.mlp.weights[0], state, rows)
    return np.asarray(rmirl.advantage(state, t, cfg, jr.key(4))), state


def by_hand(t):
    return np.concatenate([np.asarray(t.obs), np.asarray(t.action)], 1) @ WEIGHTS


@pytest.mark.parametrize(
    ("kind", "end", "whole"),
    [
        ("none", lambda r: r + 0.5 * 3 - 3, 0.0),
        ("mask", lambda r: r - 3, 0.0),
        ("reward_flag", lambda r: 4.0 - 3 + 0 * r, 0.0),
        ("closed_form", lambda r: r + 0.5 * 4 / (1 - 0.5) - 3, 0.0),
        ("absorbing", lambda r: r + 0.5 * (3 + 10) - 3, 10.0),
    ],
)
def test_the_advantage_by_hand(kind, end, whole):
    """`r + gamma V(s') - Q(s, a)` of the critics of today, of which the smaller says 3."""
    t = transitions(4)
    t = replace(t, terminated=jnp.arange(4) == 2)
    got, _ = advantages(replace(ROBUST, terminal=Terminal(kind)), t, whole)
    r = by_hand(t)
    np.testing.assert_allclose(got, np.where(t.terminated, end(r), r + 0.5 * 3 - 3), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("entropy", [True, False])
def test_the_entropy_and_the_clip_of_the_advantage(entropy):
    cfg = replace(ROBUST, temperature=Temperature("fixed", initial=2.0), adversary_entropy=entropy)
    t = transitions(4)
    got, state = advantages(cfg, t)
    bonus = -2 * np.asarray(state.actor.net.sample(t.next_obs, jr.key(4))[1])
    assert np.abs(bonus).max() > 0.1
    np.testing.assert_allclose(got, by_hand(t) + 0.5 * (3 + entropy * bonus) - 3, rtol=1e-4, atol=1e-5)
    cfg = replace(ROBUST, td_loss=TdLoss(value_clip=2.0), adversary_entropy=entropy)
    np.testing.assert_allclose(advantages(cfg, t)[0], by_hand(t) + 0.5 * 2 - 2, rtol=1e-4, atol=1e-5)


def test_the_models_turn_changes_the_model_alone_and_comes_before_the_rewards():
    cfg = replace(ROBUST, adversary=AdversarialModel(every=7, steps=2, batch_size=4), reward_every=5)
    assert [turn.every for turn in rmirl.periodic(cfg)] == [7, 5]
    turn = rmirl.periodic(cfg)[0].run
    assert rmirl.periodic(cfg)[1].run is omlirl.periodic(BASE)[0].run is reward_turn
    before = start(cfg, SCALED, LINE, counting(), rmirl)
    buffers = Buffers(recorded(), None, None, recorded(), imagined())
    after, metrics = turn(before, buffers, cfg, jr.key(0))
    assert moved(before, after) == {"dynamics"}
    assert np.isfinite(metrics["model_loss"])


# what is refused


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"real_share": 1.5}, r"real_share must lie in \[0, 1\], got 1.5"),
        ({"expert_share": -0.1}, "real_share and expert_share are shares of one batch, got 0.25 and -0.1"),
        ({"expert_share": 1.1, "real_share": 0.0}, "are shares of one batch, got 0.0 and 1.1"),
        ({"expert_share": 0.8, "real_share": 0.3}, "are shares of one batch, got 0.3 and 0.8"),
        *(
            ({name: 0}, f"{name} must be at least 1, got 0")
            for name in ("reward_every", "reward_steps", "reward_batch_size", "reward_horizon")
        ),
        (
            {"reward_form": "trajectory", "discrimination": Discrimination("mixup")},
            "reward_form=trajectory weighs rows by their discount, and discrimination.kind=mixup mixes them",
        ),
        (
            {"discrimination": Discrimination("least_squares"), "head": RewardHead("gail")},
            "head.kind=gail reads the logit .* discrimination.kind=least_squares does not estimate",
        ),
        (
            {"discrimination": Discrimination("linear"), "reward": RewardConfig(bound=None)},
            "discrimination.kind=linear grows without limit when nothing bounds it",
        ),
        (
            {"reward": RewardConfig(inputs="state"), "gradient_penalty": GradientPenalty("hinge", inputs="action")},
            "gradient_penalty.inputs=action needs actions, reward.inputs=state has none",
        ),
    ],
)
def test_contradictions_are_refused(change, message):
    for cfg in (BASE, ROBUST):
        with pytest.raises(ConfigError, match=message):
            replace(cfg, **change)


def test_what_is_not_refused():
    replace(BASE, expert_share=0.7, real_share=0.3)
    replace(BASE, discrimination=Discrimination("mixup"))
    assert replace(BASE, reward_form="trajectory").needs_stretches
    assert not BASE.needs_stretches


# the reward, used again


@pytest.mark.usefixtures("no_figures")
def test_a_learned_reward_is_saved_and_pays_another_policy(demos, tmp_path):
    spec = Spec(2, 2, tuple(map(float, toy.LOW)), tuple(map(float, toy.HIGH)))
    cfg = replace(BASE, terminal=Terminal("absorbing"))
    state, t = start(cfg, NORMALIZER, spec), demos.transitions()
    file = tmp_path / "reward.safetensors"
    save_reward(file, omlirl.reward(state, cfg), {"env": toy.ENV})
    values = load_reward(file)[0](t.obs, t.action, t.next_obs, t.terminated)
    assert values.shape == (demos.transition_count,)
    expert = jax.tree.map(jnp.asarray, t)
    paid = model_imitation.paid(state.reward.net, NORMALIZER.transition(expert), cfg)[0]
    np.testing.assert_allclose(values, paid.reward, rtol=1e-5, atol=1e-6)
    run = imitax.train(
        toy.shrink(sac.Config()), env=toy.ENV, reward=file, out=tmp_path / "run", steps=30, chunk=2, quiet=True,
        eval_every=10, eval_episodes=2, checkpoint_every=10,
    )  # fmt: skip
    assert run.config["reward"] is not None
    assert np.isfinite([line["critic_loss"] for line in run.metrics() if "critic_loss" in line]).all()
