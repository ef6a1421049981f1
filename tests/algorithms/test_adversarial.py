from dataclasses import replace
from types import SimpleNamespace

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import toy

from imitax.algorithms import adversarial
from imitax.algorithms.adversarial import Config, log_policy
from imitax.choices.discriminator import Discrimination, RewardHead
from imitax.choices.gradient_penalty import GradientPenalty
from imitax.choices.learned_reward import LearnedReward
from imitax.choices.reward_learning import policy_reward, reward_loss
from imitax.choices.temperature import Temperature
from imitax.choices.terminal import Terminal, absorbing_transition
from imitax.errors import ConfigError
from imitax.learner import OptimizerConfig
from imitax.networks import CriticConfig, Normalizer, PolicyConfig, Reward, RewardConfig
from imitax.types import Batch, Spec, Transition, part

SPEC = Spec(2, 1, (-1.0,), (0.5,))
KINDS = ["none", "mask", "reward_flag", "closed_form", "absorbing"]
STILL = OptimizerConfig(lr=0.0)
BASE = Config(
    gamma=0.5,
    batch_size=4,
    average=0.0,
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
    """The last row is one of the absorbing state."""
    end = absorbing_transition(2, 1)
    return jax.tree.map(lambda x, e: jnp.concatenate([x[:-1], e]), t, end)


def batch(cfg, rows=None):
    rows = cfg.rows if rows is None else rows
    expert, replay = transitions(rows, 1, 1.0), transitions(rows, 2)
    return Batch(with_end(expert), with_end(replay)) if cfg.terminal.rows else Batch(expert, replay)


def start(cfg, normalizer=None):
    return adversarial.init(cfg, SPEC, Normalizer.identity(2) if normalizer is None else normalizer, jr.key(0))


def linear(weights, cfg=BASE):
    """`h = w . (s, a[, flag])`, without a bound."""
    cfg = replace(cfg, reward=RewardConfig(hidden=(), bound=None))
    net = start(cfg).reward.net
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
    cfg, net = linear(WEIGHTS, replace(BASE, gradient_penalty=penalty, l2=0.1))
    loss, metrics = reward_loss(net, EXPERT, LEARNER, cfg, jr.key(0))
    bce = np.log1p(np.exp(-H_EXPERT)).mean() + np.log1p(np.exp(H_LEARNER)).mean()
    assert float(metrics["discriminator_loss"]) == pytest.approx(bce, rel=1e-5)
    assert float(metrics["penalty"]) == pytest.approx(10 * (2 - 1) ** 2, rel=1e-5)
    assert float(loss) == pytest.approx(bce + 10 + 0.1 * (1 + 0.25 + 4) / 2, rel=1e-5)
    assert float(metrics["gradient_norm"]) == pytest.approx(2.0)
    assert float(metrics["accuracy"]) == 0.5
    assert float(metrics["logit_expert"]) == pytest.approx(-0.5)


def test_airls_logit_by_hand():
    cfg, net = linear(WEIGHTS, replace(BASE, subtract_log_policy=True))
    actor = start(cfg).actor.net
    loss, _ = reward_loss(net, EXPERT, LEARNER, cfg, jr.key(0), log_policy(actor, EXPERT, LEARNER))
    on_expert, on_learner = (
        h - np.asarray(actor.log_prob(t.obs, t.action)) for h, t in ((H_EXPERT, EXPERT), (H_LEARNER, LEARNER))
    )
    bce = np.log1p(np.exp(-on_expert)).mean() + np.log1p(np.exp(on_learner)).mean()
    assert float(loss) == pytest.approx(bce, rel=1e-5)


def test_the_policys_reward_by_hand():
    cfg, net = linear(WEIGHTS, replace(BASE, head=RewardHead("gail"), reward_scale=0.5))
    np.testing.assert_allclose(policy_reward(net, EXPERT, cfg), 0.5 * np.log1p(np.exp(H_EXPERT)), rtol=1e-5)
    cfg, net = linear([*WEIGHTS, 7.0], replace(BASE, terminal=Terminal("reward_flag")))
    ended = hand([[1, 0], [0, 2]], [[0.5], [-1]], terminated=(False, True))
    np.testing.assert_allclose(policy_reward(net, ended, cfg), [2.0, 7.0], rtol=1e-6)  # whatever state and action
    cfg, net = linear([*WEIGHTS, 7.0], replace(BASE, terminal=Terminal("closed_form")))
    np.testing.assert_allclose(policy_reward(net, ended, cfg), [2.0, -3.0], rtol=1e-6)
    np.testing.assert_allclose(policy_reward(net, absorbing_transition(2, 1), cfg), [7.0], rtol=1e-6)


@pytest.mark.parametrize(("share", "experts"), [(0.0, 0), (0.5, 2), (0.3, 1)])
def test_the_policys_batch(share, experts, monkeypatch):
    """The last rows of the batch: `round(share * batch_size)` demonstrations, then replay; rewards all relabelled."""
    cfg = replace(BASE, expert_share=share, reward_updates=2)
    data, seen = batch(cfg), {}
    original = adversarial.soft_q_loss
    monkeypatch.setattr(
        adversarial, "soft_q_loss", lambda c, s, t, *rest: original(c, s, seen.setdefault("t", t), *rest)
    )
    after, metrics = adversarial.update(start(cfg), data, cfg, jr.key(1))
    t = seen["t"]
    expected = np.concatenate([data.expert.obs[8 : 8 + experts], data.replay.obs[8 : 12 - experts]])
    np.testing.assert_array_equal(t.obs, expected)
    rewards = policy_reward(after.reward.net, t, cfg)  # of the new discriminator
    np.testing.assert_allclose(t.reward, rewards, rtol=1e-5)
    assert float(metrics["reward_learner"]) == pytest.approx(float(rewards[experts:].mean()), rel=1e-4)
    shown = rewards[:experts] if experts else policy_reward(after.reward.net, part(data.expert, 8, 12), cfg)
    assert float(metrics["reward_expert"]) == pytest.approx(float(shown.mean()), rel=1e-4)


@pytest.mark.parametrize(
    ("change", "moved"),
    [
        ({"policy_optimizer": STILL, "critic_optimizer": STILL, "polyak": 0.0}, {"reward"}),
        ({"reward_optimizer": STILL, "policy_optimizer": STILL, "polyak": 0.0}, {"critic"}),
        ({"reward_optimizer": STILL, "critic_optimizer": STILL, "polyak": 0.0}, {"actor", "average"}),
    ],
)
def test_each_step_reaches_its_own_network(change, moved):
    cfg = replace(BASE, temperature=Temperature("fixed"), subtract_log_policy=True, **change)
    state = start(cfg)
    after, _ = adversarial.update(state, batch(cfg), cfg, jr.key(1))
    nets = {
        "actor": lambda s: s.actor.net,
        "average": lambda s: s.average,
        "critic": lambda s: s.critic.net,
        "target": lambda s: s.target,
        "reward": lambda s: s.reward.net,
        "temperature": lambda s: s.temperature.net,
        "normalizer": lambda s: s.normalizer,
    }
    assert {name for name, net in nets.items() if not eqx.tree_equal(net(state), net(after))} == moved


def count(learner):
    """Adam's steps."""
    return {int(x) for x in jax.tree.leaves(learner.opt_state) if jnp.issubdtype(x.dtype, jnp.integer)}


@pytest.mark.parametrize("updates", [1, 3])
def test_discriminator_steps_are_counted(updates):
    cfg = replace(BASE, reward_updates=updates)
    assert cfg.rows == 4 * (updates + 1)
    after, _ = adversarial.update(start(cfg), batch(cfg), cfg, jr.key(1))
    assert count(after.reward) == {updates}
    assert count(after.critic) == count(after.actor) == {1}


def test_each_discriminator_step_has_a_batch_of_its_own():
    cfg = replace(BASE, reward_updates=2)
    data = batch(cfg)
    state = start(cfg)
    one = adversarial.update(state, data, cfg, jr.key(1))[0].reward
    for first, last, differs in ((0, 4, True), (4, 8, True), (8, 12, False)):  # the last four are the policy's
        changed = eqx.tree_at(lambda b: b.expert.obs, data, data.expert.obs.at[first:last].add(1.0))
        other = adversarial.update(state, changed, cfg, jr.key(1))[0].reward
        assert (not eqx.tree_equal(one, other)) == differs


@pytest.mark.parametrize("kind", KINDS)
def test_metrics_and_ends(kind):
    """Every kind of end runs on batches as its source draws them."""
    cfg = replace(BASE, terminal=Terminal(kind), expert_share=0.5, gradient_penalty=GradientPenalty())
    after, metrics = adversarial.update(start(cfg, NORMALIZER), batch(cfg), cfg, jr.key(1))
    expected = {
        "logit_expert", "logit_learner", "accuracy", "saturation", "gradient_norm", "discriminator_loss", "penalty",
        "reward_expert", "reward_learner", "critic_loss", "q", "q_max", "target", "entropy", "q_policy", "alpha",
    }  # fmt: skip
    assert set(metrics) == expected | ({"reward_absorbing"} if Terminal(kind).flagged else set())
    for leaf in jax.tree.leaves(eqx.filter((after, metrics), eqx.is_inexact_array)):
        assert np.isfinite(leaf).all()


@pytest.mark.parametrize("inputs", ["state_action", "state_next"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_saved_reward_is_the_policys(kind, inputs):
    """On raw observations what the policy was paid on normalised ones, without the shaping term."""
    cfg = replace(
        BASE,
        terminal=Terminal(kind),
        head=RewardHead("gail"),
        reward_scale=0.5,
        reward=RewardConfig(hidden=(8,), inputs=inputs),
    )
    state = start(cfg, NORMALIZER)
    raw = transitions(10, 3)
    paid = policy_reward(state.reward.net, NORMALIZER.batch(Batch(replay=raw)).replay, cfg)
    saved = adversarial.reward(state, cfg)
    assert isinstance(saved, LearnedReward)
    arrays = [np.asarray(x) for x in (raw.obs, raw.action, raw.next_obs, raw.terminated)]
    rewards = saved(*arrays)
    np.testing.assert_allclose(rewards, paid, rtol=1e-5)

    end = 0.0
    if Terminal(kind).rows:
        end = float(policy_reward(state.reward.net, absorbing_transition(2, 1), cfg)[0])
        assert end != 0
    assert float(saved.absorbing()) == pytest.approx(end, rel=1e-6)
    whole = saved.with_end(rewards, raw.terminated, 0.9)
    np.testing.assert_allclose(whole, paid + np.where(raw.terminated, 9 * end, 0), rtol=1e-5)


def test_the_saved_reward_has_no_shaping():
    cfg = replace(BASE, reward=RewardConfig(hidden=(8,), inputs="state", shaping=True))
    state, raw = start(cfg), transitions(10, 3)
    x = state.reward.net.join(*cfg.terminal.reward_input(raw))
    saved = adversarial.reward(state, cfg)(raw.obs, raw.action, raw.next_obs, raw.terminated)
    np.testing.assert_allclose(saved, state.reward.net.unshaped(x), rtol=1e-5)
    assert np.abs(saved - policy_reward(state.reward.net, raw, cfg)).max() > 1e-3


@pytest.mark.parametrize("gamma", [0.5, 0.9])
def test_with_end_is_the_closed_form(gamma):
    """Masking the value after a terminating step with this reward gives what closed_form gives without."""
    cfg = replace(BASE, gamma=gamma, terminal=Terminal("closed_form"))
    saved = adversarial.reward(start(cfg), cfg)
    ended, rewards = jnp.array([False, True]), jnp.array([1.0, 2.0])
    v_next = jnp.array([3.0, 4.0])
    masked = saved.with_end(rewards, ended, gamma) + gamma * Terminal("mask").next_value(v_next, ended)
    closed = rewards + gamma * cfg.terminal.next_value(v_next, ended, saved.absorbing() / (1 - gamma))
    np.testing.assert_allclose(masked, closed, rtol=1e-6)


@pytest.mark.parametrize("inputs", ["state", "state_next"])
def test_demonstrations_without_actions(inputs):
    cfg = replace(BASE, reward=RewardConfig(hidden=(8,), inputs=inputs))
    assert not cfg.needs_actions
    data = batch(cfg)
    without = Batch(eqx.tree_at(lambda t: t.action, data.expert, jnp.zeros((cfg.rows, 0))), data.replay)
    state = start(cfg)
    one, other = (adversarial.update(state, b, cfg, jr.key(1))[0] for b in (data, without))
    assert eqx.tree_equal(one, other)
    for change in ({"expert_share": 0.5}, {"subtract_log_policy": True}, {"reward": RewardConfig()}):
        assert replace(cfg, **change).needs_actions


def test_presets_are_their_methods():
    p = SimpleNamespace(**adversarial.PRESETS)
    assert (p.default.terminal.kind, p.default.expert_share, p.default.average) == ("absorbing", 0.5, 0.999)
    assert (p.cleanil.discrimination.kind, p.cleanil.terminal.kind, p.cleanil.expert_share) == (
        "linear", "reward_flag", 0.5,
    )  # fmt: skip
    assert p.gail.head.kind == "gail"
    assert (p.dac.terminal.kind, p.dac.head.kind, p.dac.gradient_penalty.kind) == ("absorbing", "logit", "two_sided")
    assert p.airl.subtract_log_policy
    assert p.airl.reward.shaping
    assert p.airl.reward.inputs == "state"
    assert (p.airl.temperature.kind, p.airl.temperature.initial) == ("fixed", 1.0)
    assert p.fairl.head.kind == "fairl"
    assert (p.gaifo.reward.inputs, p.gaifo.needs_actions) == ("state_next", False)
    assert (p.hype.discrimination.kind, p.hype.expert_share) == ("linear", 0.5)
    for cfg in adversarial.PRESETS.values():
        state = adversarial.init(toy.shrink(cfg), SPEC, Normalizer.identity(2), jr.key(0))
        assert isinstance(state.reward.net, Reward)
        assert state.critic.net.flagged == (cfg.terminal.kind == "absorbing")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Config(expert_share=0.999), "leaves the learner's data no row"),
        (lambda: Config(expert_share=1.0), r"expert_share must lie in \[0, 1\), got 1.0"),
        (lambda: Config(reward_updates=0), "reward_updates must be at least 1"),
        (
            lambda: Config(discrimination=Discrimination("linear"), head=RewardHead("gail")),
            "head.kind=gail reads the logit .* discrimination.kind=linear does not estimate: use head.kind=logit",
        ),
        (lambda: Config(discrimination=Discrimination("least_squares"), head=RewardHead("fairl")), "head.kind=fairl"),
        (
            lambda: replace(BASE, discrimination=Discrimination("linear"), reward=RewardConfig(bound=None)),
            "linear grows without limit when nothing bounds it: give a gradient_penalty or a reward.bound",
        ),
        *(
            (
                lambda kind=kind: Config(discrimination=Discrimination(kind), subtract_log_policy=True),
                f"subtract_log_policy is AIRL's form of the cross-entropy logit, not of discrimination.kind={kind}",
            )
            for kind in ("linear", "least_squares", "mixup")
        ),
        *(
            (lambda kind=kind: Config(subtract_log_policy=True, head=RewardHead(kind)), f"head.kind={kind} reads h as")
            for kind in ("gail", "log_d", "fairl")
        ),
        (lambda: Config(l2=-1.0), "l2 must not be negative"),
        (lambda: Config(reward_scale=-1.0), "reward_scale must be positive"),
        (lambda: Config(gamma=1.5), "gamma must lie in 0 to 1"),
        (lambda: Config(average=1.0), "average=1 would save the parameters as they were at first"),
        (lambda: Config(gamma=1.0), "gamma=1 makes what follows the end infinite under terminal.kind=absorbing"),
        (
            lambda: replace(
                BASE, reward=RewardConfig(inputs="state"), gradient_penalty=GradientPenalty("hinge", inputs="action")
            ),
            "inputs=action needs actions, reward.inputs=state has none",
        ),
    ],
)
def test_refused_combinations(make, message):
    with pytest.raises(ConfigError, match=message):
        make()
