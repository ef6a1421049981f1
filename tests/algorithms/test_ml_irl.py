"""ML-IRL's reward: its loss by hand and against the exact likelihood, its turns, and what they leave alone."""

from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import toy

import imitax
from imitax.agents.start import Start
from imitax.algorithms import ml_irl
from imitax.buffers import Buffer, Buffers, Stored
from imitax.choices.gradient_penalty import GradientPenalty
from imitax.choices.proximal import Proximal, change
from imitax.choices.terminal import Terminal
from imitax.config import override
from imitax.errors import ConfigError
from imitax.learner import OptimizerConfig
from imitax.networks import CriticConfig, Normalizer, PolicyConfig, Reward, RewardConfig
from imitax.spaces import Spec
from imitax.tabular import deterministic, occupancy, soft_value_iteration
from imitax.tabular import ml_irl as exact
from imitax.types import Batch, RewardInput, Transition

SPEC = Spec.flat(2, (-1.0,), (0.5,))
SMALL = {"policy": PolicyConfig(hidden=(8,)), "critic": CriticConfig(hidden=(8,)), "reward": RewardConfig(hidden=(8,))}
BASE = override(ml_irl.Config(), **SMALL, reward_batch_size=32, reward_steps=3)
TURN = eqx.filter_jit(ml_irl.reward_turn)
PLAIN = override(BASE, gradient_penalty=GradientPenalty("none"))


# the loss


def linear(slope, bias=0.0, dims=1):
    """The network s -> slope . s + bias of unflagged observations, without a bound."""
    cfg = RewardConfig(hidden=(), inputs="state", bound=None)
    spec = Spec.flat(dims, (-1.0,), (1.0,))
    net = Reward(spec, cfg, gamma=0.9, flagged=False, absorbing=False, key=jr.key(0))
    weights = (jnp.reshape(jnp.asarray(slope, jnp.float32), (dims, 1)),), (jnp.full((1,), bias),)
    return eqx.tree_at(lambda n: (n.mlp.weights, n.mlp.biases), net, weights)


def inputs(obs):
    """What a reward sees of states [N, D]."""
    obs = jnp.asarray(obs, jnp.float32)
    zeros = jnp.zeros((len(obs), 1))
    return RewardInput(obs, zeros, zeros[:, 0], jnp.zeros_like(obs), zeros[:, 0])


def test_the_loss_by_hand():
    """r = 3 s + 1 and r_old = s; states 2, 0 of the expert, 1, -1 of the policy."""
    cfg = override(PLAIN, l2=0.5)
    pair = inputs([[2.0], [0.0]]), inputs([[1.0], [-1.0]])
    loss, metrics = ml_irl.reward_loss(linear(3.0, 1.0), (linear(1.0), jnp.asarray(0.25)), pair, cfg, jr.key(0))
    assert (float(metrics["reward_expert"]), float(metrics["reward_learner"])) == pytest.approx((4.0, 1.0))
    assert float(metrics["reward_loss"]) == pytest.approx(-3.0)
    moved = np.sqrt((5**2 + 1**2 + 3**2 + 1**2) / 4)  # 2 s + 1
    assert float(loss) == pytest.approx(-3.0 + 0.25 * moved + 0.5 * (9 + 1) / 2)


def test_the_gradient_penalty_by_hand():
    cfg = override(BASE, gradient_penalty=GradientPenalty("zero", weight=2.0))
    x, net = inputs([[1.0], [3.0]]), linear(3.0)
    loss, metrics = ml_irl.reward_loss(net, (net, jnp.zeros(())), (x, x), cfg, jr.key(0))
    assert float(loss) == pytest.approx(2.0 * 9.0)
    assert float(metrics["penalty"]) == pytest.approx(2.0 * 9.0)


def test_the_proximal_term_has_no_gradient_where_nothing_has_changed():
    """Why its single published step of the reward is one without it."""

    def gradient(net, mu):
        pair = inputs([[2.0], [0.0]]), inputs([[1.0], [-2.0]])
        loss = lambda net: ml_irl.reward_loss(net, (linear(1.0), jnp.asarray(mu)), pair, PLAIN, jr.key(0))[0]  # noqa: E731
        return float(eqx.filter_grad(loss)(net).mlp.weights[0][0, 0])

    assert gradient(linear(1.0), 5.0) == gradient(linear(1.0), 0.0) == pytest.approx(-1.5)
    assert gradient(linear(1.5), 5.0) == pytest.approx(-1.5 + 5.0 * np.sqrt(9 / 4))


# against the exact form, on a chain whose reward is one number a state


NEXT = np.array([[0, 1], [0, 2], [1, 3], [3, 3]])
TRUE = np.array([0.0, 0.3, -0.2, 0.5])


def chain(reward=TRUE):
    return deterministic(NEXT, np.repeat(reward[:, None], 2, 1), np.array([0.7, 0.1, 0.1, 0.1]), 0.8)


def visited(rho, count=20_000):
    """States, one-hot, as often as an occupancy says."""
    often = np.diff(np.round(np.cumsum([0.0, *np.asarray(rho).sum(1)]) * count)).astype(int)
    return inputs(np.repeat(np.eye(4), often, axis=0)), often / count


def reward_gradient(reward, expert, policy):
    """Of `reward_loss`, the reward being linear in one-hot states; as many transitions of both."""
    net = linear(reward, dims=4)
    loss = lambda net: ml_irl.reward_loss(net, (net, jnp.zeros(())), (expert, policy), PLAIN, jr.key(0))[0]  # noqa: E731
    return np.asarray(eqx.filter_grad(loss)(net).mlp.weights[0])[:, 0]


def test_its_gradient_is_that_of_the_likelihood():
    """Lemma 1: of -E_E[log pi_r(a|s)] over discounted steps, times the temperature; by finite differences."""
    tau, mdp, reward = 0.5, chain(), np.array([0.1, -0.4, 0.2, 0.0])
    rho_e = occupancy(mdp, soft_value_iteration(mdp, tau).policy)
    solved = lambda r: soft_value_iteration(mdp, tau, jnp.repeat(jnp.asarray(r)[:, None], 2, 1)).policy  # noqa: E731
    step = 0.02
    slopes = [
        -float((rho_e * (jnp.log(solved(reward + d)) - jnp.log(solved(reward - d)))).sum()) / (2 * step)
        for d in step * np.eye(4)
    ]
    (expert, _), (policy, _) = visited(rho_e), visited(occupancy(mdp, solved(reward)))
    ours = reward_gradient(reward, expert, policy)
    np.testing.assert_allclose(ours, tau * np.array(slopes), atol=2e-3)
    assert np.abs(ours).max() > 0.05


def test_the_exact_methods_reward_is_where_it_rests():
    """`imitax.tabular.ml_irl` ends at the true reward up to a constant; there the loss has no gradient."""
    mdp = chain()
    rho_e = occupancy(mdp, soft_value_iteration(mdp, 0.5).policy)
    found = exact(chain(np.zeros(4)), rho_e, 0.5, state_only=True, tolerance=1e-5)
    (expert, shares), (policy, _) = visited(rho_e), visited(occupancy(mdp, found.policy))
    assert np.abs(reward_gradient(found.reward[:, 0], expert, policy)).max() < 2e-4
    elsewhere = visited(occupancy(mdp, jnp.full((4, 2), 0.5)))
    np.testing.assert_allclose(reward_gradient(TRUE, expert, elsewhere[0]), elsewhere[1] - shares, atol=2e-5)


# turns and updates


def transitions(seed=0, count=8, shift=0.0):
    rng = np.random.default_rng(seed)
    obs, following = (jnp.asarray(rng.normal(shift, 1, (count, 2)), jnp.float32) for _ in range(2))
    action = jnp.asarray(rng.uniform(-1, 0.5, (count, 1)), jnp.float32)
    return Transition(obs, action, jnp.zeros(count), following, jnp.arange(count) == 2, jnp.zeros(count, bool))


def held(t):
    return Buffer.empty(len(t), SPEC, True).write(Stored.of(t), 0)


def start(cfg=BASE, seed=0):
    return ml_irl.init(cfg, Start(SPEC, Normalizer(jnp.array([0.5, 0.0]), jnp.array([1.0, 2.0])), jr.key(seed)))


def turned(cfg, state=None, recent=None, replay=None):
    state = state or start(cfg)
    replay = held(transitions(3) if replay is None else replay)
    buffers = Buffers(held(transitions(1, shift=1.0)), replay, recent=held(recent or transitions(2)))
    return state, *TURN(state, buffers, cfg, jr.key(5))


def same(a, b):
    return eqx.tree_equal(*(eqx.filter(x, eqx.is_array) for x in (a, b)))


def test_a_turn_moves_the_reward_alone_and_sees_the_latest_steps_alone():
    before, after, metrics = turned(BASE)
    assert same(before.agent, after.agent)
    assert not same(before.reward.net, after.reward.net)
    assert float(metrics["proximal_weight"]) == float(after.proximal_weight) == 0.0
    assert float(metrics["reward_change"]) > 0
    assert int(after.reward.opt_state[0].count) == BASE.reward_steps
    assert same(after, turned(BASE, replay=transitions(9))[1])
    assert not same(after.reward, turned(BASE, recent=transitions(9))[1].reward)
    for leaf in jax.tree.leaves(eqx.filter(after, eqx.is_inexact_array)):
        assert np.isfinite(leaf).all()


@pytest.mark.long
def test_the_proximal_term_holds_the_reward_back_and_its_weight_follows():
    fast = override(PLAIN, reward_optimizer=OptimizerConfig(lr=0.03), reward_steps=20)
    _, free, moved = turned(fast)
    held_back = override(fast, proximal=Proximal("adaptive", weight=5.0, target=1e-4, weight_max=100.0))
    _, near, less = turned(held_back)
    assert float(less["reward_change"]) < float(moved["reward_change"]) / 2
    assert float(near.proximal_weight) == pytest.approx(7.5)
    assert not same(free.reward.net, near.reward.net)
    before = start(fast).reward.net
    x = BASE.agent.terminal.reward_input(transitions(2))
    assert float(change(near.reward.net(x), before(x))) < float(change(free.reward.net(x), before(x)))


def test_an_update_leaves_the_reward_and_reads_no_demonstration_and_no_recorded_reward():
    step, state = eqx.filter_jit(ml_irl.update), start()
    after, metrics = step(state, Batch(transitions(1), transitions(2)), BASE, jr.key(3))
    assert same(state.reward, after.reward)
    assert not same(state.agent.actor.net, after.agent.actor.net)
    other = replace(transitions(2), reward=jnp.full(8, 7.0))
    assert same(after, step(state, Batch(transitions(4), other), BASE, jr.key(3))[0])
    t = state.normalizer.transition(transitions(2))
    paid = state.reward.net(BASE.agent.terminal.reward_input(t)).mean()
    assert float(metrics["reward_replay"]) == pytest.approx(float(paid), rel=1e-5)


def test_where_each_end_has_its_own_reward_critics_learn_what_it_is_for_ever():
    cfg = override(BASE, terminal=Terminal("stay"), critic_optimizer=OptimizerConfig(lr=0.0))
    state, ended = start(cfg), replace(transitions(2), terminated=jnp.ones(8, bool))
    _, metrics = ml_irl.update(state, Batch(transitions(1), ended), cfg, jr.key(3))
    rewards = state.reward.net(cfg.agent.terminal.reward_input(state.normalizer.transition(ended)))
    assert float(metrics["target"]) == pytest.approx(float(rewards.mean()) / (1 - cfg.agent.gamma), rel=1e-4)
    assert "reward_absorbing" not in metrics


def test_rewards_of_states_need_no_demonstrated_actions():
    assert ml_irl.needs(BASE).actions
    assert not ml_irl.needs(ml_irl.PRESETS["state"]).actions
    cfg = override(BASE, reward=RewardConfig(hidden=(8,), inputs="state"))
    action = transitions(1).action
    reward = ml_irl.reward(start(cfg), cfg)
    t = transitions(1)
    np.testing.assert_array_equal(
        reward(t.obs, action, t.next_obs, t.terminated), reward(t.obs, -action, t.next_obs, t.terminated)
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"reward": RewardConfig(bound=None), "gradient_penalty": GradientPenalty("none")}, "grows without limit"),
        (
            {"reward": RewardConfig(inputs="state"), "gradient_penalty": GradientPenalty(inputs="action")},
            "reward.inputs=state has no actions",
        ),
        (
            {"proximal": Proximal("adaptive"), "reward_steps": 1},
            "proximal.kind=adaptive does nothing at reward_steps=1",
        ),
        (
            {"terminal": Terminal("stay"), "reward": RewardConfig(shaping=True)},
            "terminal.kind=stay shows no step into the end, which reward.shaping needs",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        override(BASE, **changes)


def test_the_papers_constants():
    paper, piro = ml_irl.PRESETS["paper"], ml_irl.PRESETS["piro"]
    assert ml_irl.schedule(paper).turns == ((5000, ml_irl.reward_turn),)
    assert ml_irl.schedule(paper).recent_size == 5000
    # root of a sum over 1,000 transitions beside 1,000 times the difference: beside the difference, of the mean
    norm, beside = 1000**-0.5, 1000**0.5 / 1000
    kept = piro.proximal
    assert kept.target == pytest.approx(0.5 * norm, rel=0.02)
    assert (kept.weight, kept.weight_min, kept.weight_max) == pytest.approx(
        (0.01 * beside, 0.001 * beside, 10 * beside), rel=0.06
    )


# learning


TOY = {"policy": PolicyConfig(hidden=(16, 16)), "critic": CriticConfig(hidden=(16, 16)), "reward.hidden": (16, 16)}
TOY |= {"gamma": 0.9, "polyak": 0.02, "ema": 0.98, "warmup_steps": 300, "recent_size": 300, "temperature.initial": 0.05}
TOY |= {"batch_size": 64, "reward_batch_size": 64, "reward_optimizer.lr": 1e-3}
TOY |= {"policy_optimizer.lr": 1e-3, "critic_optimizer.lr": 3e-3}
PROXIMAL = {"reward_every": 250, "reward_steps": 20, "proximal": Proximal("adaptive", target=0.1)}


@pytest.mark.long
@pytest.mark.usefixtures("no_figures")
@pytest.mark.parametrize(("changes", "fraction"), [({}, 0.9), (PROXIMAL, 0.8)], ids=["default", "proximal"])
def test_it_solves_the_toy_task_and_its_reward_prefers_the_expert(changes, fraction, tmp_path, demos):
    """A random policy has a tenth of the expert's return."""
    options = {"eval_every": 2000, "checkpoint_every": 2000, "quiet": True}
    cfg = override(ml_irl.Config(), **TOY | changes)
    run = imitax.train(cfg, env=toy.ENV, demos=demos, steps=2000, out=tmp_path / "run", **options)
    assert run.summary["last"]["per_seed"][0]["expert_fraction"] > fraction
    t = demos.transitions()
    away = np.where(t.action > 0.1, toy.LOW, toy.HIGH).astype(np.float32)
    better = run.reward(t.obs, t.action, t.next_obs, t.terminated) > run.reward(t.obs, away, t.next_obs, t.terminated)
    assert better.mean() > 0.9
