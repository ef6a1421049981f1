from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from imitax.agents.start import Start
from imitax.algorithms import f_irl
from imitax.choices.divergence import Divergence
from imitax.choices.terminal import Terminal
from imitax.config import override
from imitax.errors import ConfigError
from imitax.learner import OptimizerConfig
from imitax.networks import CriticConfig, Normalizer, PolicyConfig, Reward, RewardConfig
from imitax.spaces import Spec
from imitax.types import Batch, RewardInput, Transition

SPEC = Spec.flat(2, (-1.0,), (0.5,))
STILL = OptimizerConfig(lr=0.0)
BASE = override(
    f_irl.Config(),
    policy=PolicyConfig(hidden=(8,)),
    critic=CriticConfig(hidden=(8,)),
    reward=RewardConfig(hidden=(8,), inputs="state"),
    density=RewardConfig(hidden=(8,), inputs="state"),
)
KINDS = ["kl", "reverse_kl", "js", "hellinger"]
SAMPLES = ["mixed", "weighted", "learner"]


def transitions(seed=0, count=8, shift=0.0):
    """The last transition is the absorbing state's."""
    rng = np.random.default_rng(seed)
    real = jnp.arange(count) < count - 1
    obs, following = (jnp.asarray(rng.normal(shift, 1, (count, 2)), jnp.float32) * real[:, None] for _ in range(2))
    action = jnp.asarray(rng.uniform(-1, 0.5, (count, 1)), jnp.float32) * real[:, None]
    reward = jnp.asarray(rng.normal(size=count), jnp.float32)
    return Transition(obs, action, reward, following, ~real | (jnp.arange(count) == 2), ~real)


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


# what following it does, in closed form


def weights(log_ratio, rho_e, rho, samples):
    """`sample_weights` where every state is there once for the expert and once for the learner, with its mass."""
    cfg = override(BASE, samples=samples)
    per_expert = rho_e * f_irl.sample_weights(log_ratio, jnp.ones_like(log_ratio), cfg)
    return per_expert + rho * f_irl.sample_weights(log_ratio, jnp.zeros_like(log_ratio), cfg)


def reward_gradient(kind, samples, rho_e, rho, r):
    log_ratio = jnp.log(rho_e / rho)
    h, m = Divergence(kind).state_reward(log_ratio), weights(log_ratio, rho_e, rho, samples)
    return jax.grad(lambda r: f_irl.covariance(h, r, m))(r)


def d_f(kind, rho_e, rho):
    return (rho * Divergence(kind).f(rho_e / rho)).sum()


RHO_E = jnp.array([0.5, 0.3, 0.15, 0.05])
START = jnp.array([-0.3, 0.1, 0.0, 0.4])
ALPHA = 0.2


@pytest.mark.parametrize("samples", ["weighted", "learner"])
@pytest.mark.parametrize("kind", KINDS)
def test_of_a_bandit_it_is_the_gradient_of_the_divergence(kind, samples):
    """One step, one state an action: the learner visits softmax(r / alpha), and theorem 4.1 has T = 1."""
    exact = jax.grad(lambda r: d_f(kind, RHO_E, jax.nn.softmax(r / ALPHA)))(START)
    ours = reward_gradient(kind, samples, RHO_E, jax.nn.softmax(START / ALPHA), START) / ALPHA
    np.testing.assert_allclose(ours, exact, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("samples", SAMPLES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_bandit_is_led_to_the_experts_marginal(kind, samples):
    def step(r, _):
        rho = jax.nn.softmax(r / ALPHA)
        return r - 0.05 * reward_gradient(kind, samples, RHO_E, rho, r), d_f(kind, RHO_E, rho)

    r, divergence = jax.jit(lambda r: jax.lax.scan(step, r, None, 2000))(START)
    np.testing.assert_allclose(jax.nn.softmax(r / ALPHA), RHO_E, atol=2e-3)
    assert (np.diff(divergence) < 1e-6).all()


def occupancy(r, dynamics, first, gamma):
    """Discounted state marginal of the soft-optimal policy of r, dynamics [S A S]."""

    def backup(v, _):
        return ALPHA * jax.nn.logsumexp((r[:, None] + gamma * dynamics @ v) / ALPHA, axis=1), None

    v, _ = jax.lax.scan(backup, jnp.zeros_like(r), None, 120)
    pi = jax.nn.softmax((r[:, None] + gamma * dynamics @ v) / ALPHA, axis=1)  # [S A]
    moves = (pi[:, :, None] * dynamics).sum(1)  # [S S]
    return (1 - gamma) * jnp.linalg.solve(jnp.eye(len(r)) - gamma * moves.T, first)


def descend(kind, samples, scale, rate, steps, share):
    """Divergences on a random problem of 6 states and 3 actions, the reward following what its replay holds.

    Args:
        share: of a step number, how much of the replay the step's states make up; 1 is no replay.
    """
    rng, gamma = np.random.default_rng(2), 0.9
    dynamics = jnp.asarray(rng.dirichlet(np.full(6, 0.3), (6, 3)), jnp.float32)
    first = jnp.asarray(rng.dirichlet(np.ones(6)), jnp.float32)
    rho_e = occupancy(jnp.asarray(rng.normal(size=6) * scale, jnp.float32), dynamics, first, gamma)

    def step(carry, i):
        r, replay = carry
        rho = occupancy(r, dynamics, first, gamma)
        replay = replay + share(i) * (rho - replay)
        r = r - rate * reward_gradient(kind, samples, rho_e, replay, r)
        return (r, replay), d_f(kind, rho_e, rho)

    begin = jnp.zeros(6), occupancy(jnp.zeros(6), dynamics, first, gamma)
    return jax.jit(lambda c: jax.lax.scan(step, c, jnp.arange(steps)))(begin)[1]


@pytest.mark.parametrize("samples", SAMPLES)
@pytest.mark.parametrize("kind", KINDS)
def test_over_many_steps_single_states_and_the_soft_optimal_policy_suffice(kind, samples):
    """Not the theorem's gradient any more, but mirror descent: the divergence falls at every step, to zero."""
    divergence = descend(kind, samples, scale=0.3, rate=0.3, steps=800, share=lambda _: 1.0)
    assert (np.diff(divergence) < 1e-6).all()
    assert divergence[-1] < 1e-4 < 1e-2 < divergence[0]


def test_a_window_of_replay_settles_where_a_replay_of_everything_does_not():
    """The reason for `buffer_size`; 50 steps' worth of replay are there at the start."""
    shares = {"present": lambda _: 1.0, "window": lambda _: 1 / 300, "everything": lambda i: 1 / (i + 50)}
    late = {
        name: float(descend("reverse_kl", "mixed", 0.5, 0.1, 3000, share)[2500:].max())
        for name, share in shares.items()
    }
    assert late["present"] < 1e-5 < late["window"] < 1e-3 < 2e-3 < late["everything"]


def test_how_trajectories_and_single_states_differ():
    """The identity of the module's docstring, on 50 trajectories of 4 steps."""
    rng = np.random.default_rng(0)
    h = rng.normal(size=(50, 4)) + np.arange(4)
    g = rng.normal(size=(50, 4)) + 0.7 * h[:, ::-1] - np.arange(4)
    over_trajectories = np.cov(h.sum(1), g.sum(1), bias=True)[0, 1] / 4
    between_times = np.cov(h.mean(0), g.mean(0), bias=True)[0, 1]
    across = np.cov(h.T, g.T, bias=True)[:4, 4:]  # [T T]
    single = f_irl.covariance(jnp.asarray(h.ravel()), jnp.asarray(g.ravel()), jnp.ones(200))
    expected = over_trajectories + between_times - (across.sum() - np.trace(across)) / 4
    assert float(single) == pytest.approx(expected, rel=1e-4)


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


@pytest.mark.parametrize("kind", ["none", "mask", "reward_flag", "closed_form", "absorbing"])
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
