import equinox as eqx
import implied
import jax
import jax.random as jr
import numpy as np
import pytest
from implied import transitions

from imitax.agents.contrast import contrast_loss
from imitax.agents.start import Start
from imitax.algorithms import iq_learn, recoil_online
from imitax.choices.temperature import Temperature
from imitax.choices.terminal import Terminal
from imitax.config import override
from imitax.errors import ConfigError
from imitax.networks import Normalizer
from imitax.types import Batch

BASE = override(
    recoil_online.Config(),
    **implied.SMALL,
    terminal=Terminal("mask"),
    temperature=Temperature("fixed", initial=implied.NO_ENTROPY),
)


def start(cfg):
    return recoil_online.init(cfg, Start(implied.SPEC, Normalizer.identity(2), jr.key(0)))


def test_critics_start_at_zero():
    t = transitions()
    for zero in (True, False):
        state = start(override(BASE, critic=override(BASE.agent.critic, zero_head=zero)))
        for net in (state.agent.critic.net, state.agent.target):
            assert bool((net(t.obs, t.action) == 0).all()) == zero


def test_a_critic_that_starts_at_zero_learns():
    cfg = override(BASE, policy_optimizer=implied.STILL)
    state = start(cfg)
    step = eqx.filter_jit(recoil_online.update)
    for i in range(20):
        state, metrics = step(state, Batch(transitions(), transitions(seed=1)), cfg, jr.key(i))
        assert all(np.isfinite(v) for v in metrics.values())
    assert float(metrics["q_expert"]) > 0


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"policy_optimizer": implied.STILL, "polyak": 0.0}, {"critic"}),
        (
            {"critic_optimizer": implied.STILL, "polyak": 0.0, "critic": override(BASE.agent.critic, zero_head=False)},
            {"actor"},
        ),
    ],
)
def test_each_step_reaches_its_own_network(change, expected):
    cfg = override(BASE, **change)
    before = start(cfg)
    after, _ = recoil_online.update(before, Batch(transitions(), transitions(seed=1)), cfg, jr.key(2))
    assert implied.moved(before, after) == expected


def test_the_critics_loss_is_the_contrasts():
    """Q = 3 everywhere: the contrast vanishes, the squared implied reward is (3 - 3 / 2)^2."""
    cfg = override(BASE, td_weight=0.2)
    state = implied.with_values(start(cfg), (3.0, 3.0), (3.0, 3.0))
    _, metrics = recoil_online.update(state, Batch(transitions(), transitions(seed=1)), cfg, jr.key(1))
    assert float(metrics["critic_loss"]) == pytest.approx(0.2 * 2.25, rel=1e-4)
    assert float(metrics["anchors"]) == 0


@pytest.mark.parametrize("kind", ["mask", "absorbing"])
def test_with_these_weights_the_gradient_is_iq_learns(kind):
    """Times 1 - w = 2/3; IQ-Learn's default has r^2 / 2 there."""
    parts = {**implied.SMALL, "terminal": Terminal(kind)}
    cfg = override(BASE, **parts, td_weight=1 / 3, expert_share=0.5)
    agent, key = start(cfg).agent, jr.key(5)
    expert, replay = (transitions(terminated=True, absorbing=1, seed=n) for n in (1, 2))
    ours = (cfg.agent, cfg.contrast, cfg.gradient_penalty)
    found, _ = eqx.filter_grad(contrast_loss, has_aux=True)(agent.critic.net, agent, (expert, replay), ours, key)
    other = override(iq_learn.Config(), **parts, temperature=BASE.agent.temperature)
    wanted, _ = eqx.filter_grad(iq_learn.online_loss, has_aux=True)(
        agent.critic.net, agent, Batch(expert, replay), other, key
    )
    for x, y in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(x, 2 / 3 * y, rtol=1e-4, atol=1e-6)
    assert max(float(abs(x).max()) for x in jax.tree.leaves(found)) > 0.01


@pytest.mark.parametrize(
    ("change", "message"),
    [({"terminal": Terminal("reward_flag")}, "reward_flag"), ({"td_weight": 0.0}, "leaves the level of Q open")],
)
def test_contradictions_are_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        override(recoil_online.Config(), **change)
