import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import toy

import imitax
from imitax.agents.start import Start
from imitax.algorithms import sac
from imitax.checkpoint import checkpoints, load_checkpoint
from imitax.choices.td_loss import TdLoss
from imitax.choices.temperature import Temperature
from imitax.choices.terminal import Terminal
from imitax.config import override
from imitax.learner import OptimizerConfig
from imitax.networks import CriticConfig, Normalizer, PolicyConfig
from imitax.spaces import Spec
from imitax.types import Batch, Transition

SPEC = Spec.flat(2, (-1.0,), (0.5,))
STILL = OptimizerConfig(lr=0.0)
BASE = override(
    sac.Config(),
    gamma=0.5,
    policy=PolicyConfig(hidden=(8,)),
    critic=CriticConfig(hidden=(8,)),
    temperature=Temperature("fixed", initial=0.5),
)


def start(cfg, seed=0):
    return sac.init(cfg, Start(SPEC, Normalizer.identity(2), jr.key(seed)))


def transitions(terminated, reward=1.0, count=8):
    rng = np.random.default_rng(0)
    obs, following = (jnp.asarray(rng.normal(size=(count, 2)), jnp.float32) for _ in range(2))
    action = jnp.asarray(rng.uniform(-1, 0.5, (count, 1)), jnp.float32)
    return Transition(
        obs, action, jnp.full(count, reward), following, jnp.full(count, terminated), jnp.zeros(count, bool)
    )


def with_constant_target(state, *values):
    mlp = state.agent.target.mlp
    bias = jnp.asarray(values)[:, None]
    last = (jnp.zeros_like(mlp.weights[-1]), bias)
    return eqx.tree_at(lambda s: (s.agent.target.mlp.weights[-1], s.agent.target.mlp.biases[-1]), state, last)


@pytest.mark.parametrize("kind", ["mask", "none"])
@pytest.mark.parametrize("terminated", [False, True])
def test_the_target_by_hand(kind, terminated):
    """y = r + gamma (min(3, 5) - alpha log pi); a terminal state is worth nothing, under mask only."""
    cfg = override(BASE, terminal=Terminal(kind))
    state, data = with_constant_target(start(cfg), 5.0, 3.0), transitions(terminated, reward=0.25)
    loss, metrics = sac.critic_loss(state.agent.critic.net, state.agent, data, cfg, jr.key(4))
    logp = np.asarray(state.agent.actor.net.sample(data.next_obs, jr.key(4))[1])
    y = 0.25 + 0.5 * (3.0 - 0.5 * logp) * (not terminated or kind == "none")
    assert float(metrics["target"]) == pytest.approx(float(np.mean(y)), rel=1e-5)
    q = np.asarray(state.agent.critic.net(data.obs, data.action))
    assert float(loss) == pytest.approx(float(((q - y) ** 2).mean()), rel=1e-5)


def test_the_value_clip_is_on_the_bootstrapped_value():
    cfg = override(BASE, td_loss=TdLoss(value_clip=2.0), temperature=Temperature("fixed", initial=1e-6))
    state = with_constant_target(start(cfg), 50.0, 30.0)
    _, metrics = sac.critic_loss(state.agent.critic.net, state.agent, transitions(False), cfg, jr.key(4))
    assert float(metrics["target"]) == pytest.approx(1 + 0.5 * 2.0, rel=1e-6)


@pytest.mark.parametrize(("terminated", "value"), [(False, 2.0), (True, 1.0)])
def test_q_of_a_constant_reward(terminated, value):
    """1 / (1 - gamma) where the episode goes on, a time limit included, and 1 where the MDP ends."""
    rate = OptimizerConfig(lr=1e-2)
    cfg = override(BASE, polyak=0.1, critic_optimizer=rate, temperature=Temperature("fixed", initial=1e-6))
    batch = Batch(replay=transitions(terminated))
    arrays, static = eqx.partition(start(cfg), eqx.is_array)

    def step(arrays, key):
        return eqx.filter(sac.update(eqx.combine(arrays, static), batch, cfg, key)[0], eqx.is_array), None

    arrays, _ = jax.jit(lambda a: jax.lax.scan(step, a, jr.split(jr.key(0), 400)))(arrays)
    q = eqx.combine(arrays, static).agent.critic.net(batch.replay.obs, batch.replay.action)
    np.testing.assert_allclose(q, np.full((2, 8), value), atol=0.15)


@pytest.mark.parametrize(
    ("change", "moved"),
    [
        ({"policy_optimizer": STILL, "polyak": 0.0}, {"critic"}),
        ({"critic_optimizer": STILL, "polyak": 0.0}, {"actor"}),
        (
            {"policy_optimizer": STILL, "critic_optimizer": STILL, "polyak": 0.0, "temperature": Temperature()},
            {"temperature"},
        ),
        ({"policy_optimizer": STILL, "critic_optimizer": STILL, "polyak": 0.5}, set()),
        ({"policy_optimizer": STILL, "polyak": 0.5}, {"critic", "target"}),
    ],
)
def test_each_step_reaches_its_own_network(change, moved):
    cfg = override(BASE, **change)
    state = start(cfg)
    after, _ = sac.update(state, Batch(replay=transitions(False)), cfg, jr.key(1))
    nets = {
        "actor": lambda s: s.agent.actor.net,
        "critic": lambda s: s.agent.critic.net,
        "target": lambda s: s.agent.target,
        "temperature": lambda s: s.agent.temperature.net,
        "normalizer": lambda s: s.normalizer,
    }
    assert {name for name, net in nets.items() if not eqx.tree_equal(net(state), net(after))} == moved


def test_the_target_follows_the_new_critic():
    cfg = override(BASE, polyak=0.25)
    state = start(cfg)
    after, _ = sac.update(state, Batch(replay=transitions(False)), cfg, jr.key(1))
    leaves = zip(
        *(
            jax.tree.leaves(eqx.filter(n, eqx.is_array))
            for n in (state.agent.target, after.agent.critic.net, after.agent.target)
        ),
        strict=True,
    )
    for old, new, target in leaves:
        np.testing.assert_allclose(target, 0.75 * old + 0.25 * new, rtol=1e-5, atol=1e-7)


def test_an_update_is_finite_even_with_extreme_data():
    cfg = override(BASE, temperature=Temperature())
    data = transitions(False, reward=1e4)
    data = eqx.tree_at(lambda t: (t.obs, t.action), data, (1e3 * data.obs, jnp.full((8, 1), 0.5)))
    after, metrics = sac.update(start(cfg), Batch(replay=data), cfg, jr.key(1))
    for leaf in jax.tree.leaves(eqx.filter((after, metrics), eqx.is_inexact_array)):
        assert np.isfinite(leaf).all()


def test_steps_for_each_update(tmp_path):
    cfg = toy.shrink(sac.Config(), steps_per_update=3)  # warm-up of 10 steps
    imitax.train(cfg, env=toy.ENV, steps=25, chunk=5, eval_every=25, eval_episodes=2, quiet=True, out=tmp_path / "run")
    state = load_checkpoint(checkpoints(tmp_path / "run" / "checkpoints")[-1]).arrays
    assert state["[0].agent.critic.opt_state[0].count"] == 25 // 3 - 10 // 3
