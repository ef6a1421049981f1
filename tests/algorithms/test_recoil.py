import equinox as eqx
import implied
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from implied import transitions

from imitax.agents.policy_extraction import PolicyUpdate
from imitax.agents.start import Start
from imitax.algorithms import recoil
from imitax.choices.implicit_maximum import ImplicitMaximum
from imitax.choices.temperature import Temperature
from imitax.choices.terminal import Terminal
from imitax.config import override
from imitax.errors import ConfigError
from imitax.networks import CriticConfig, Normalizer
from imitax.types import Batch

ONE = override(
    recoil.Config(),
    gamma=0.5,
    policy=implied.SMALL["policy"],
    critic=CriticConfig(hidden=(8,), members=1),
    terminal=Terminal("mask"),
    temperature=Temperature("fixed", initial=implied.NO_ENTROPY),
)
CONTRAST = override(ONE, form="q")


def start(cfg):
    return recoil.init(cfg, Start(implied.SPEC, Normalizer.identity(2), jr.key(0)))


def flat_value(state, value):
    last = (jnp.zeros_like(state.value.net.mlp.weights[-1]), jnp.asarray([value], jnp.float32))
    return eqx.tree_at(lambda n: (n.mlp.weights[-1], n.mlp.biases[-1]), state.value.net, last)


def test_the_value_is_the_implicit_maximum_of_the_target():
    state = implied.with_values(start(ONE), (0.0,), (3.0,))
    t = transitions(4)
    for value, expected in ((1.0, 0.8 * 4), (5.0, 0.2 * 4)):
        loss, _ = recoil.value_loss(flat_value(state, value), state.agent.target, t, ONE)
        assert float(loss) == pytest.approx(expected, rel=1e-5)
    gumbel = override(ONE, maximum=ImplicitMaximum("gumbel", beta=2.0))
    loss, _ = recoil.value_loss(flat_value(state, 1.0), state.agent.target, t, gumbel)
    assert float(loss) == pytest.approx(np.exp(1) - 2, rel=1e-5)


def test_the_value_of_the_other_data_alone():
    """Not on demonstrations, which stand first."""
    state, t = start(ONE), transitions(8)
    value, target = state.value.net, state.agent.target
    x = target(t.obs, t.action, t.absorbing).min(0) - value(t.obs, t.absorbing)
    on_expert, on_other = (float(half.mean()) for half in jnp.split(ONE.maximum(x), 2))
    assert on_expert != pytest.approx(on_other, rel=0.01)
    for data, expected in (("mixture", (on_expert + on_other) / 2), ("other", on_other)):
        loss, _ = recoil.value_loss(value, target, t, override(ONE, value_data=data))
        assert float(loss) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("kind", "v_next"), [("none", 1.0), ("mask", 0.0), ("closed_form", -4.0), ("absorbing", 1.0)])
def test_the_critics_targets_by_hand(kind, v_next):
    """gamma = 1/2 and r = 2: demonstrations are worth 4, the other data -2 + V(s') / 2, the end -4 where it is."""
    cfg = override(ONE, terminal=Terminal(kind))
    state = implied.with_values(start(cfg), (3.0,), (0.0,))
    ended = transitions(terminated=True, seed=1)
    _, metrics = recoil.critic_loss(
        state.agent.critic.net, flat_value(state, 1.0), transitions(), ended, cfg, jr.key(1)
    )
    assert float(metrics["on_expert"]) == pytest.approx(1.0, rel=1e-5)
    assert float(metrics["on_other"]) == pytest.approx((3 + 2 - v_next / 2) ** 2, rel=1e-5)
    assert float(metrics["critic_loss"]) == pytest.approx((1 + (5 - v_next / 2) ** 2) / 2, rel=1e-5)


def test_the_absorbing_state_has_the_closed_forms_value():
    """Its own transition says V = -r + gamma V, so V = -r / (1 - gamma)."""
    absorbing = override(ONE, terminal=Terminal("absorbing"))
    state = implied.with_values(start(absorbing), (-4.0,), (-4.0,))
    end = transitions(1, terminated=True, absorbing=5)
    _, metrics = recoil.critic_loss(
        state.agent.critic.net, flat_value(state, -4.0), transitions(6), end, absorbing, jr.key(1)
    )
    assert float(metrics["on_other"]) == pytest.approx(0, abs=1e-9)


def test_the_contrast_by_hand():
    """Q = 3 everywhere: the contrast vanishes, the squared term is (3 - 3 / 2)^2, the anchors (3 - 200)^2."""
    state = implied.with_values(start(CONTRAST), (3.0,), (3.0,))
    batch = Batch(expert=transitions(), offline=transitions(seed=1))
    _, metrics = recoil.update(state, batch, CONTRAST, jr.key(1))
    assert float(metrics["contrast"]) == pytest.approx(0, abs=1e-5)
    assert float(metrics["td"]) == pytest.approx(2.25, rel=1e-4)
    assert float(metrics["anchors"]) == pytest.approx(197**2, rel=1e-5)
    assert float(metrics["critic_loss"]) == pytest.approx(0.8 * 2.25 + 197**2, rel=1e-5)


def test_each_form_has_its_networks():
    assert start(CONTRAST).value is None
    assert start(ONE).value is not None


@pytest.mark.parametrize("form", ["v", "q"])
def test_each_step_reaches_its_own_network(form):
    batch = Batch(expert=transitions(), offline=transitions(seed=1))
    still = override(ONE, form=form, polyak=0.0, policy_optimizer=implied.STILL)
    before = start(still)
    after, _ = recoil.update(before, batch, still, jr.key(2))
    assert implied.moved(before, after) == {"critic"}
    if form == "v":
        assert not eqx.tree_equal(before.value.net, after.value.net)
    still = override(ONE, form=form, polyak=0.0, critic_optimizer=implied.STILL, value_optimizer=implied.STILL)
    before = start(still)
    after, _ = recoil.update(before, batch, still, jr.key(2))
    assert implied.moved(before, after) == {"actor"}


@pytest.mark.parametrize("form", ["v", "q"])
def test_demonstrated_actions_are_preferred(form):
    """The same states with two actions: the demonstrated one gets the weight."""
    t = transitions(16)
    good, bad = (eqx.tree_at(lambda t: t.action, t, jnp.full((16, 1), a)) for a in (0.3, -0.7))
    rate = recoil.OptimizerConfig(lr=3e-3)
    cfg = override(
        ONE, form=form, critic_optimizer=rate, value_optimizer=rate, policy_optimizer=rate, anchor=4.0, polyak=0.1
    )
    state, batch = start(cfg), Batch(expert=good, offline=bad)
    step = eqx.filter_jit(recoil.update)
    for i in range(300):
        state, _ = step(state, batch, cfg, jr.key(i))
    q_good, q_bad = (np.asarray(state.agent.critic.net(t.obs, t.action).min(0)) for t in (good, bad))
    assert (q_good > q_bad).all()
    assert (state.agent.actor.net.mode(good.obs) > 0).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"terminal": Terminal("reward_flag")}, "reward_flag"),
        ({"step_reward": 0.0}, "step_reward must be positive"),
        ({"td_weight": 1.5}, "td_weight must lie"),
        (
            {"policy_update": PolicyUpdate("sac"), "temperature": Temperature("tuned")},
            "values states without entropy",
        ),
    ],
)
def test_contradictions_are_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        override(recoil.Config(), **change)
