from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from imitax.agents.start import Start
from imitax.algorithms import adversarial
from imitax.algorithms.adversarial import Config, discriminator_loss, reward_of, schedule
from imitax.choices.discrimination import RewardHead
from imitax.choices.gradient_penalty import GradientPenalty
from imitax.choices.learned_reward import LearnedReward
from imitax.choices.temperature import Temperature
from imitax.choices.terminal import Terminal, absorbing_transition
from imitax.config import override
from imitax.errors import ConfigError
from imitax.learner import OptimizerConfig
from imitax.networks import CriticConfig, Normalizer, PolicyConfig, RewardConfig
from imitax.spaces import Spec
from imitax.types import Batch, Transition, part

SPEC = Spec.flat(2, (-1.0,), (0.5,))
KINDS = ["none", "mask", "reward_flag", "closed_form", "absorbing", "stay"]
STILL = OptimizerConfig(lr=0.0)
BASE = override(
    Config(),
    gamma=0.5,
    batch_size=4,
    ema=0.0,
    expert_share=0.0,
    terminal=Terminal("mask"),
    policy=PolicyConfig(hidden=(8,)),
    critic=CriticConfig(hidden=(8,)),
    reward=RewardConfig(hidden=(8,)),
    gradient_penalty=GradientPenalty("none"),
)
NORMALIZER = Normalizer(jnp.array([0.5, -1.0]), jnp.array([2.0, 0.5]))


def transitions(count, seed, shift=0.0):
    """Every fifth step ends its episode."""
    rng = np.random.default_rng(seed)
    obs, following = (jnp.asarray(rng.normal(size=(count, 2)) + shift, jnp.float32) for _ in range(2))
    action = jnp.asarray(rng.uniform(-1, 0.5, (count, 1)), jnp.float32)
    return Transition(obs, action, jnp.full(count, 99.0), following, jnp.arange(count) % 5 == 2, jnp.zeros(count, bool))


def with_end(t):
    """The last transition is one of the absorbing state."""
    end = absorbing_transition(SPEC)
    return jax.tree.map(lambda x, e: jnp.concatenate([x[:-1], e]), t, end)


def batch(cfg):
    count = schedule(cfg).batch_size
    expert, replay = transitions(count, 1, 1.0), transitions(count, 2)
    return Batch(with_end(expert), with_end(replay)) if cfg.agent.terminal.samples_absorbing else Batch(expert, replay)


def start(cfg, normalizer=None):
    return adversarial.init(cfg, Start(SPEC, Normalizer.identity(2) if normalizer is None else normalizer, jr.key(0)))


def linear(weights, cfg=BASE):
    """`h = w . (s, a[, flag])`, without a bound."""
    cfg = override(cfg, reward=RewardConfig(hidden=(), bound=None))
    net = start(cfg).discriminator.net
    layer = ((jnp.asarray(weights, jnp.float32)[:, None],), (jnp.zeros(1),))
    return cfg, eqx.tree_at(lambda n: (n.mlp.weights, n.mlp.biases), net, layer)


def hand(obs, action, terminated=(False, False)):
    return Transition(
        jnp.asarray(obs, jnp.float32), jnp.asarray(action, jnp.float32), jnp.zeros(2), jnp.ones((2, 2)),
        jnp.asarray(terminated), jnp.zeros(2, bool),
    )  # fmt: skip


EXPERT, LEARNER = hand([[1, 0], [0, 2]], [[0.5], [-1]]), hand([[0, 0], [-1, 1]], [[0.0], [0.25]])
WEIGHTS = [1.0, -0.5, 2.0]
H_EXPERT, H_LEARNER = np.array([2.0, -3.0]), np.array([0.0, -1.0])


def test_the_discriminators_loss_by_hand():
    """Cross-entropy, penalty at slope |w| everywhere, and half the squared weights."""
    penalty = GradientPenalty("hinge", weight=10.0, margin=1.0, norm="linf")
    cfg, net = linear(WEIGHTS, override(BASE, gradient_penalty=penalty, l2=0.1))
    loss, metrics = discriminator_loss(net, start(cfg).agent.actor.net, EXPERT, LEARNER, cfg, jr.key(0))
    bce = np.log1p(np.exp(-H_EXPERT)).mean() + np.log1p(np.exp(H_LEARNER)).mean()
    assert float(metrics["discriminator_loss"]) == pytest.approx(bce, rel=1e-5)
    assert float(metrics["penalty"]) == pytest.approx(10 * (2 - 1) ** 2, rel=1e-5)
    assert float(loss) == pytest.approx(bce + 10 + 0.1 * (1 + 0.25 + 4) / 2, rel=1e-5)
    assert float(metrics["gradient_norm"]) == pytest.approx(2.0)
    assert float(metrics["accuracy"]) == 0.5
    assert float(metrics["logit_expert"]) == pytest.approx(-0.5)


@pytest.mark.parametrize("bound", [None, 2.0])
def test_airls_logit_by_hand(bound):
    cfg, net = linear(WEIGHTS, override(BASE, subtract_log_policy=True, log_policy_bound=bound))
    actor = start(cfg).agent.actor.net
    loss, _ = discriminator_loss(net, actor, EXPERT, LEARNER, cfg, jr.key(0))
    log_probs = [np.asarray(actor.log_prob(t.obs, t.action)) for t in (EXPERT, LEARNER)]
    assert np.abs(log_probs).max() > 2  # so that the bound matters
    within = log_probs if bound is None else np.clip(log_probs, -bound, bound)
    on_expert, on_learner = H_EXPERT - within[0], H_LEARNER - within[1]
    bce = np.log1p(np.exp(-on_expert)).mean() + np.log1p(np.exp(on_learner)).mean()
    assert float(loss) == pytest.approx(bce, rel=1e-5)


def test_the_policys_reward_by_hand():
    cfg, net = linear(WEIGHTS, override(BASE, head=RewardHead("gail"), reward_scale=0.5))
    np.testing.assert_allclose(reward_of(net, EXPERT, cfg), 0.5 * np.log1p(np.exp(H_EXPERT)), rtol=1e-5)
    cfg, net = linear([*WEIGHTS, 7.0], override(BASE, terminal=Terminal("reward_flag")))
    ended = hand([[1, 0], [0, 2]], [[0.5], [-1]], terminated=(False, True))
    np.testing.assert_allclose(reward_of(net, ended, cfg), [2.0, 7.0], rtol=1e-6)  # whatever state and action
    cfg, net = linear([*WEIGHTS, 7.0], override(BASE, terminal=Terminal("stay")))
    there = WEIGHTS[0] * ended.next_obs[1, 0] + WEIGHTS[1] * ended.next_obs[1, 1]
    np.testing.assert_allclose(reward_of(net, ended, cfg), [2.0, there + 7.0], rtol=1e-6)  # of the terminal state
    cfg, net = linear([*WEIGHTS, 7.0], override(BASE, terminal=Terminal("closed_form")))
    np.testing.assert_allclose(reward_of(net, ended, cfg), [2.0, -3.0], rtol=1e-6)
    np.testing.assert_allclose(reward_of(net, absorbing_transition(SPEC), cfg), [7.0], rtol=1e-6)


@pytest.mark.parametrize(("share", "experts"), [(0.0, 0), (0.5, 2), (0.3, 1)])
def test_the_policys_batch(share, experts, monkeypatch):
    """The end of the batch: `round(share * batch_size)` demonstrations, then replay; rewards all relabelled."""
    cfg = override(BASE, expert_share=share, reward_updates=2)
    data, seen = batch(cfg), {}
    loss = adversarial.critic_loss
    monkeypatch.setattr(adversarial, "critic_loss", lambda c, a, t, *rest: loss(c, a, seen.setdefault("t", t), *rest))
    after, metrics = adversarial.update(start(cfg), data, cfg, jr.key(1))
    t = seen["t"]
    expected = np.concatenate([data.expert.obs[8 : 8 + experts], data.replay.obs[8 : 12 - experts]])
    np.testing.assert_array_equal(t.obs, expected)
    rewards = reward_of(after.discriminator.net, t, cfg)  # of the new discriminator
    np.testing.assert_allclose(t.reward, rewards, rtol=1e-5)
    assert float(metrics["reward_learner"]) == pytest.approx(float(rewards[experts:].mean()), rel=1e-4)
    shown = rewards[:experts] if experts else reward_of(after.discriminator.net, part(data.expert, 8, 12), cfg)
    assert float(metrics["reward_expert"]) == pytest.approx(float(shown.mean()), rel=1e-4)


@pytest.mark.parametrize(("kind", "largest"), [("mask", 1.0), ("stay", 1.0), ("closed_form", 3.0), ("absorbing", 3.0)])
def test_bound_targets(kind, largest):
    """The end's reward counts among the batch's, where all ends have one: here it is the largest."""
    t = replace(transitions(4, 1), reward=jnp.array([-1.0, 0.0, 1.0, 0.5]), terminated=jnp.zeros(4, bool))
    cfg, end = override(BASE, terminal=Terminal(kind)), jnp.asarray(3.0)
    agent = start(cfg).agent
    high = eqx.tree_at(lambda a: a.target.mlp.biases[-1], agent, replace_fn=lambda b: b + 1e3)
    free, bounded = (
        adversarial.critic_loss(high.critic.net, high, t, end, override(cfg, bound_targets=bound), jr.key(0))[1]
        for bound in (False, True)
    )
    assert float(free["target"]) == pytest.approx(500.0, abs=5)
    assert float(bounded["target"]) == pytest.approx(largest / (1 - 0.5))


def test_bound_targets_need_a_horizon():
    with pytest.raises(ConfigError, match="bound_targets needs gamma below 1"):
        override(BASE, bound_targets=True, gamma=1.0)


@pytest.mark.parametrize(
    ("change", "moved"),
    [
        ({"policy_optimizer": STILL, "critic_optimizer": STILL, "polyak": 0.0}, {"discriminator"}),
        ({"reward_optimizer": STILL, "policy_optimizer": STILL, "polyak": 0.0}, {"critic"}),
        ({"reward_optimizer": STILL, "critic_optimizer": STILL, "polyak": 0.0}, {"actor", "ema"}),
    ],
)
def test_each_step_reaches_its_own_network(change, moved):
    cfg = override(BASE, temperature=Temperature("fixed"), subtract_log_policy=True, **change)
    state = start(cfg)
    after, _ = adversarial.update(state, batch(cfg), cfg, jr.key(1))
    nets = {
        "actor": lambda s: s.agent.actor.net,
        "ema": lambda s: s.agent.ema,
        "critic": lambda s: s.agent.critic.net,
        "target": lambda s: s.agent.target,
        "discriminator": lambda s: s.discriminator.net,
        "temperature": lambda s: s.agent.temperature.net,
        "normalizer": lambda s: s.normalizer,
    }
    assert {name for name, net in nets.items() if not eqx.tree_equal(net(state), net(after))} == moved


def count(learner):
    """Adam's steps."""
    return {int(x) for x in jax.tree.leaves(learner.opt_state) if jnp.issubdtype(x.dtype, jnp.integer)}


@pytest.mark.parametrize("updates", [1, 3])
def test_discriminator_steps_are_counted(updates):
    cfg = override(BASE, reward_updates=updates)
    assert schedule(cfg).batch_size == 4 * (updates + 1)
    after, _ = adversarial.update(start(cfg), batch(cfg), cfg, jr.key(1))
    assert count(after.discriminator) == {updates}
    assert count(after.agent.critic) == count(after.agent.actor) == {1}


def test_each_discriminator_step_has_a_batch_of_its_own():
    cfg = override(BASE, reward_updates=2)
    data = batch(cfg)
    state = start(cfg)
    one = adversarial.update(state, data, cfg, jr.key(1))[0].discriminator
    for first, last, differs in ((0, 4, True), (4, 8, True), (8, 12, False)):  # the last four are the policy's
        changed = eqx.tree_at(lambda b: b.expert.obs, data, data.expert.obs.at[first:last].add(1.0))
        other = adversarial.update(state, changed, cfg, jr.key(1))[0].discriminator
        assert (not eqx.tree_equal(one, other)) == differs


@pytest.mark.parametrize("kind", KINDS)
def test_metrics_and_ends(kind):
    """Every kind of end runs on batches as its source draws them."""
    cfg = override(BASE, terminal=Terminal(kind), expert_share=0.5, gradient_penalty=GradientPenalty())
    after, metrics = adversarial.update(start(cfg, NORMALIZER), batch(cfg), cfg, jr.key(1))
    expected = {
        "logit_expert", "logit_learner", "accuracy", "saturation", "gradient_norm", "discriminator_loss", "penalty",
        "reward_expert", "reward_learner", "critic_loss", "q", "q_max", "target", "entropy", "q_policy", "alpha",
    }  # fmt: skip
    assert set(metrics) == expected | ({"reward_absorbing"} if Terminal(kind).has_one_end else set())
    for leaf in jax.tree.leaves(eqx.filter((after, metrics), eqx.is_inexact_array)):
        assert np.isfinite(leaf).all()


@pytest.mark.parametrize("inputs", ["state_action", "state_next"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_saved_reward_is_the_policys(kind, inputs):
    """On raw observations what the policy was paid on normalised ones, without the shaping term."""
    cfg = override(
        BASE,
        terminal=Terminal(kind),
        head=RewardHead("gail"),
        reward_scale=0.5,
        reward=RewardConfig(hidden=(8,), inputs=inputs),
    )
    state = start(cfg, NORMALIZER)
    raw = transitions(10, 3)
    paid = reward_of(state.discriminator.net, NORMALIZER.batch(Batch(replay=raw)).replay, cfg)
    saved = adversarial.reward(state, cfg)
    assert isinstance(saved, LearnedReward)
    arrays = [np.asarray(x) for x in (raw.obs, raw.action, raw.next_obs, raw.terminated)]
    rewards = saved(*arrays)
    np.testing.assert_allclose(rewards, paid, rtol=1e-5)

    end = 0.0
    if Terminal(kind).samples_absorbing:
        end = float(reward_of(state.discriminator.net, absorbing_transition(SPEC), cfg)[0])
        assert end != 0
    assert float(saved.absorbing()) == pytest.approx(end, rel=1e-6)
    if kind == "stay":
        end = float(reward_of(state.discriminator.net, absorbing_transition(SPEC), cfg)[0])
        paid = jnp.where(raw.terminated, (paid - end) / (1 - 0.5) + end, paid)
    np.testing.assert_allclose(saved.above_end(rewards, raw.terminated, 0.5), paid - end, rtol=1e-5, atol=1e-6)


def test_the_saved_reward_has_no_shaping():
    cfg = override(BASE, reward=RewardConfig(hidden=(8,), inputs="state", shaping=True))
    state, raw = start(cfg), transitions(10, 3)
    x = cfg.agent.terminal.reward_input(raw)
    saved = adversarial.reward(state, cfg)(raw.obs, raw.action, raw.next_obs, raw.terminated)
    np.testing.assert_allclose(saved, state.discriminator.net.unshaped(x), rtol=1e-5)
    assert np.abs(saved - reward_of(state.discriminator.net, raw, cfg)).max() > 1e-3


@pytest.mark.parametrize("inputs", ["state", "state_next"])
def test_demonstrations_without_actions(inputs):
    """Their source fills in zeros, which nothing reads."""
    cfg = override(BASE, reward=RewardConfig(hidden=(8,), inputs=inputs))
    assert not adversarial.needs(cfg).actions
    data = batch(cfg)
    without = Batch(eqx.tree_at(lambda t: t.action, data.expert, jnp.zeros_like(data.expert.action)), data.replay)
    state = start(cfg)
    one, other = (adversarial.update(state, b, cfg, jr.key(1))[0] for b in (data, without))
    assert eqx.tree_equal(one, other)
    for change in ({"expert_share": 0.5}, {"subtract_log_policy": True}, {"reward": RewardConfig()}):
        assert adversarial.needs(override(cfg, **change)).actions
