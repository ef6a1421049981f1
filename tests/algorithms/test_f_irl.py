from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from imitax.agents.start import Start
from imitax.algorithms import f_irl
from imitax.buffers import Buffer, Buffers, Stored
from imitax.choices.divergence import Divergence
from imitax.choices.terminal import Terminal
from imitax.config import override
from imitax.errors import ConfigError
from imitax.learner import OptimizerConfig
from imitax.networks import CriticConfig, Normalizer, PolicyConfig, Reward, RewardConfig
from imitax.spaces import Spec
from imitax.types import Batch, RewardInput, Transition, part

SPEC = Spec.flat(2, (-1.0,), (0.5,))
STILL = OptimizerConfig(lr=0.0)
BASE = override(
    f_irl.Config(),
    policy=PolicyConfig(hidden=(8,)),
    critic=CriticConfig(hidden=(8,)),
    reward=RewardConfig(hidden=(8,), inputs="state"),
    density=RewardConfig(hidden=(8,), inputs="state"),
)


def transitions(seed=0, count=8, shift=0.0):
    """The last transition is the absorbing state's."""
    rng = np.random.default_rng(seed)
    real = jnp.arange(count) < count - 1
    obs, following = (jnp.asarray(rng.normal(shift, 1, (count, 2)), jnp.float32) * real[:, None] for _ in range(2))
    action = jnp.asarray(rng.uniform(-1, 0.5, (count, 1)), jnp.float32) * real[:, None]
    reward = jnp.asarray(rng.normal(size=count), jnp.float32)
    return Transition(obs, action, reward, following, ~real | (jnp.arange(count) == 2), ~real)


def stored(t):
    """As a buffer holds them, without the absorbing state's, which it adds."""
    t = part(t, 0, len(t) - 1)
    return Stored(t.obs, t.action, t.reward, t.next_obs, t.terminated)


def start(cfg=BASE, seed=0):
    return f_irl.init(cfg, Start(SPEC, Normalizer(jnp.array([0.5, 0.0]), jnp.array([1.0, 2.0])), jr.key(seed)))


def batch():
    return Batch(expert=transitions(1, shift=1.0), replay=transitions(2))


# the surrogate


def linear(slope, bias=0.0):
    """The network s -> slope s + bias of one unflagged observation."""
    net = Reward(
        Spec.flat(1, (-1.0,), (1.0,)),
        RewardConfig(hidden=(), inputs="state", bound=None),
        gamma=0.9,
        flagged=False,
        absorbing=False,
        key=jr.key(0),
    )
    weights = (jnp.full((1, 1), slope),), (jnp.full((1,), bias),)
    return eqx.tree_at(lambda n: (n.mlp.weights, n.mlp.biases), net, weights)


def inputs(*obs):
    """What a reward sees of states with one number each."""
    zeros = jnp.zeros((len(obs), 1))
    return RewardInput(jnp.asarray(obs)[:, None], zeros, zeros[:, 0], zeros, zeros[:, 0])


@pytest.mark.parametrize(
    ("samples", "kind", "value"),
    [
        # states 2, 0 | 0, -2, log ratio = state, reward = 3 state: -(4 + 0 + 0 + 4) / 4 times 3
        ("mixed", "reverse_kl", -6.0),
        # the learner's states 0, -2 only: h = 0, 2 around 1, r = 0, -6
        ("learner", "reverse_kl", -3.0),
        # h = -e^2, -1, -1, -e^-2: E[h r] = (-6 e^2 + 6 e^-2) / 4, E[r] = 0
        ("mixed", "kl", -3 * np.sinh(2.0)),
        # h = -log(1 + u): -6 (log(1 + e^2) - log(1 + e^-2)) / 4 = -6 * 2 / 4
        ("mixed", "js", -3.0),
        # weights 1 / (1 + u) = s, 1/2, 1/2, 1 - s with s = sigmoid(-2), which add up to 2: E[h] = 1 - 2 s,
        # E[r] = -3 (1 - 2 s), E[h r] = -6
        ("weighted", "reverse_kl", -6.0 + 3 * np.tanh(1.0) ** 2),
    ],
)
def test_the_covariance_by_hand(samples, kind, value):
    cfg = override(BASE, samples=samples, divergence=Divergence(kind), reward_l2=0.0)
    expert, learner = inputs(2.0, 0.0), inputs(0.0, -2.0)
    loss, metrics = f_irl.reward_loss(linear(3.0), linear(1.0), expert, learner, cfg, jr.key(0))
    assert float(loss) == pytest.approx(value, rel=1e-5)
    assert float(metrics["covariance"]) == pytest.approx(value, rel=1e-5)
    assert (float(metrics["reward_expert"]), float(metrics["reward_learner"])) == (3.0, -3.0)


def test_the_official_loss_where_episodes_stay_at_their_states():
    """Sums along N episodes of T steps, divided by T: T times the covariance over states, against the same L2."""
    steps, ratio = 20, {"reverse_kl": lambda x: -x, "kl": lambda x: -np.exp(x)}
    x = np.array([2.0, 0.5, -0.5, -2.0])
    for kind, h in ratio.items():
        sums = steps * h(x), steps * 3 * x  # of h(u) and of r = 3 x, along each episode
        official = ((sums[0] * sums[1]).mean() - sums[0].mean() * sums[1].mean()) / steps + 0.5 * 3**2 / 2

        def loss(weight, kind=kind):
            cfg = override(BASE, divergence=Divergence(kind), reward_l2=0.5, covariance_weight=weight)
            pairs = inputs(*x[:2].tolist()), inputs(*x[2:].tolist())
            return float(f_irl.reward_loss(linear(3.0), linear(1.0), *pairs, cfg, jr.key(0))[0])

        assert loss(float(steps)) == pytest.approx(official, rel=1e-5)
        assert abs(loss(1.0) / official) < 0.1  # the penalty counts for more


def test_the_reward_has_turns_of_its_own_where_asked():
    """One step of 1e-4 in 5,000 updates, as the official code; updates leave the reward alone."""
    assert f_irl.schedule(f_irl.Config()).turns == ()
    paper = f_irl.PRESETS["paper"]
    assert f_irl.schedule(paper).turns == ((5000, f_irl.reward_turn),)
    assert paper.reward_optimizer.lr == 1e-4
    cfg = override(BASE, reward_every=5000, reward_batch_size=16, reward_optimizer=OptimizerConfig(lr=0.1))
    before = start(cfg)
    assert changed(before, updated(cfg)) == {"actor", "critic", "target", "density"}
    buffers = Buffers(*(Buffer.empty(8, SPEC, True).write(stored(t), 0) for t in batch()[:2]))
    after, metrics = eqx.filter_jit(f_irl.reward_turn)(before, buffers, cfg, jr.key(0))
    assert changed(before, after) == {"reward"}
    assert np.isfinite(float(metrics["covariance"]))


def test_the_weight_penalties_by_hand():
    cfg = override(BASE, reward_l2=0.5, density_l2=0.25)
    x = inputs(1.0, 1.0)
    loss, metrics = f_irl.reward_loss(linear(3.0, 1.0), linear(1.0), x, x, cfg, jr.key(0))
    assert float(loss - metrics["covariance"]) == pytest.approx(0.5 * (9 + 1) / 2)
    loss, metrics = f_irl.density_loss(linear(0.0, 0.0), x, x, cfg, jr.key(0))
    assert float(metrics["discriminator_loss"]) == pytest.approx(2 * np.log(2))
    assert float(loss) == pytest.approx(2 * np.log(2))


def test_ratios_are_clipped():
    cfg = override(BASE, divergence=Divergence("reverse_kl"), reward_l2=0.0)
    loss, _ = f_irl.reward_loss(linear(1.0), linear(1000.0), inputs(1.0), inputs(-1.0), cfg, jr.key(0))
    assert float(loss) == pytest.approx(-10.0)


def test_with_forward_kl_and_weights_it_is_the_linear_loss():
    """Cov(-u, r) under the learner is E_learner r - E_expert r, the gradient of maximum-entropy IRL."""
    rho_e, rho = (np.random.default_rng(i).dirichlet(np.ones(6)).astype(np.float32) for i in (0, 1))
    r = jnp.asarray(np.random.default_rng(2).normal(size=6), jnp.float32)
    value = f_irl.covariance(Divergence("kl").state_reward(jnp.log(rho_e / rho)), r, jnp.asarray(rho))
    assert float(value) == pytest.approx(float(r @ (rho - rho_e)), abs=1e-6)


# what an update touches and reads


def changed(a, b):
    nets = {
        "actor": lambda s: s.agent.actor.net,
        "critic": lambda s: s.agent.critic.net,
        "target": lambda s: s.agent.target,
        "temperature": lambda s: s.agent.temperature.net,
        "reward": lambda s: s.reward.net,
        "density": lambda s: s.density.net,
        "normalizer": lambda s: s.normalizer,
    }
    return {
        name for name, net in nets.items() if not eqx.tree_equal(*(eqx.filter(net(s), eqx.is_array) for s in (a, b)))
    }


def updated(cfg=BASE, data=None, seed=3, before=None):
    return eqx.filter_jit(f_irl.update)(before or start(cfg), data or batch(), cfg, jr.key(seed))[0]


def test_each_optimiser_moves_its_own_network():
    everything = {"actor", "critic", "target", "reward", "density"}
    assert changed(start(), updated()) == everything
    for own in ("reward", "density"):
        cfg = override(BASE, **{f"{own}_optimizer": STILL})
        assert changed(start(cfg), updated(cfg)) == everything - {own}


def test_discriminator_and_reward_learn_from_states_alone():
    """The discriminator does not know the reward; neither knows critic and policy; all weights take part."""
    state, other, data = start(), start(seed=1), batch()
    after = updated()
    swapped = updated(before=replace(state, reward=other.reward))
    assert eqx.tree_equal(swapped.density, after.density)
    swapped = updated(before=replace(state, agent=replace(other.agent, temperature=state.agent.temperature)))
    assert eqx.tree_equal((swapped.density, swapped.reward), (after.density, after.reward))

    x = [BASE.agent.terminal.reward_input(t) for t in (data.expert, data.replay)]
    cfg = override(BASE, reward_l2=0.0, density_l2=0.0)
    losses = (
        lambda net: f_irl.reward_loss(net, state.density.net, *x, cfg, jr.key(0))[0],
        lambda net: f_irl.density_loss(net, *x, cfg, jr.key(0))[0],
    )
    for loss, learner in zip(losses, (state.reward, state.density), strict=True):
        for leaf in jax.tree.leaves(eqx.filter_grad(loss)(learner.net)):
            assert jnp.abs(leaf).max() > 0


def test_neither_expert_actions_nor_the_rewards_of_either_are_read():
    data = batch()
    other = Batch(
        expert=replace(data.expert, action=-data.expert.action, reward=data.expert.reward + 5),
        replay=replace(data.replay, reward=data.replay.reward - 7),
    )
    assert eqx.tree_equal(updated(data=data), updated(data=other))


@pytest.mark.parametrize("kind", ["none", "mask", "reward_flag", "closed_form", "absorbing", "stay"])
def test_demonstrations_without_actions(kind):
    """Their source fills in zeros, which nothing reads."""
    cfg = override(BASE, terminal=Terminal(kind))
    assert not f_irl.needs(cfg).actions
    data = batch()
    without = updated(cfg, data._replace(expert=replace(data.expert, action=jnp.zeros((8, 1)))))
    assert eqx.tree_equal(without, updated(cfg, data))
    for leaf in jax.tree.leaves(eqx.filter(without, eqx.is_inexact_array)):
        assert np.isfinite(leaf).all()


def test_the_critic_is_paid_by_the_new_reward():
    cfg = override(BASE, gamma=0.0, critic_optimizer=STILL, reward_optimizer=OptimizerConfig(lr=0.1))
    state, data = start(cfg), batch()
    after, metrics = f_irl.update(state, data, cfg, jr.key(3))
    replay = state.normalizer.batch(data).replay
    new, old = (s.reward.net(cfg.agent.terminal.reward_input(replay)).mean() for s in (after, state))
    assert float(metrics["target"]) == pytest.approx(float(new), rel=1e-4)
    assert float(metrics["reward_learner"]) == pytest.approx(float(old), rel=1e-4)
    assert abs(float(new - old)) > 0.01


def test_the_reward_points_at_the_expert():
    """With everything learned: states around +1 against states around -1."""
    rate = OptimizerConfig(lr=3e-3)
    cfg = override(BASE, reward_optimizer=rate, density_optimizer=rate)
    data = Batch(transitions(1, 64, shift=1.0), transitions(2, 64, shift=-1.0))
    arrays, static = eqx.partition(start(cfg), eqx.is_array)

    def step(arrays, key):
        state, metrics = f_irl.update(eqx.combine(arrays, static), data, cfg, key)
        return eqx.filter(state, eqx.is_array), metrics["divergence"]

    arrays, _ = jax.jit(lambda a: jax.lax.scan(step, a, jr.split(jr.key(0), 300)))(arrays)
    reward = f_irl.reward(eqx.combine(arrays, static), cfg)
    there, here = jnp.full((4, 2), 1.0), jnp.full((4, 2), -1.0)
    action, ended = jnp.zeros((4, 1)), jnp.zeros(4, bool)
    assert (reward(there, action, here, ended) > reward(here, action, there, ended) + 1).all()
    np.testing.assert_array_equal(reward(there, action, here, ended), reward(there, action + 1, there, ended))


# what is refused


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: override(BASE, divergence=Divergence("chi2")), "divergence.kind=chi2 is not for f_irl: its h is -u"),
        (lambda: override(BASE, divergence=Divergence("tv")), "not differentiable at u = 1"),
        (lambda: override(BASE, reward=RewardConfig()), "reward.inputs must be state"),
        (lambda: override(BASE, density=RewardConfig(inputs="state_next")), "density.inputs must be state"),
        (lambda: override(BASE, reward=RewardConfig(inputs="state", shaping=True)), "without reward.shaping"),
    ],
)
def test_what_makes_no_sense_is_refused(make, message):
    with pytest.raises(ConfigError, match=message):
        make()
