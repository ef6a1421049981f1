import equinox as eqx
import implied
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from implied import transitions

from imitax.agents.policy_extraction import PolicyUpdate
from imitax.agents.start import Start
from imitax.algorithms import iq_learn
from imitax.choices.divergence import Divergence
from imitax.choices.gradient_penalty import GradientPenalty
from imitax.choices.td_loss import TdLoss
from imitax.choices.temperature import Temperature
from imitax.choices.terminal import Terminal
from imitax.config import override
from imitax.errors import ConfigError
from imitax.networks import CriticConfig, Normalizer
from imitax.types import Batch

BASE = override(
    iq_learn.Config(),
    **implied.SMALL,
    terminal=Terminal("mask"),
    temperature=Temperature("fixed", initial=implied.NO_ENTROPY),
)
ONE = override(BASE, critic=CriticConfig(hidden=(8,), members=1))


def start(cfg):
    return iq_learn.init(cfg, Start(implied.SPEC, Normalizer.identity(2), jr.key(0)))


def terms(cfg, expert, replay, values=(3.0,), target=(3.0,)):
    state = implied.with_values(start(cfg), values, target)
    loss, metrics = iq_learn.online_loss(state.agent.critic.net, state.agent, Batch(expert, replay), cfg, jr.key(1))
    parts = [float(metrics[name]) for name in ("imitation", "value", "regularizer", "penalty")]
    assert float(loss) == pytest.approx(sum(parts), rel=1e-5)
    return parts, metrics


@pytest.mark.parametrize(("on", "imitation", "regularizer"), [("both", -2.5, 3.625), ("expert", 1.125, 0.0)])
def test_the_loss_by_hand(on, imitation, regularizer):
    """Q = 3 and 5, y = 0.5 min(3, 7): r = 1.5 and 3.5; chi2 with a = 0.5 is r - r^2 / 2."""
    cfg = override(BASE, on=on)
    parts, metrics = terms(cfg, transitions(), transitions(seed=1), (3.0, 5.0), (7.0, 3.0))
    np.testing.assert_allclose(parts, [imitation, 2.5, regularizer, 0], rtol=1e-4, atol=1e-6)
    assert float(metrics["reward_expert"]) == pytest.approx(2.5, rel=1e-4)
    assert float(metrics["q_learner"]) == pytest.approx(4.0)


OFFLINE = override(BASE, regime="offline", on="expert", value_term="value_expert")


def test_the_offline_loss_by_hand():
    """As above, both expectations the expert's; the penalty is of a flat critic."""
    cfg = override(OFFLINE, gradient_penalty=GradientPenalty("two_sided", weight=10.0, margin=1.0))
    state = implied.with_values(start(cfg), (3.0, 5.0), (7.0, 3.0))
    loss, metrics = iq_learn.offline_loss(state.agent.critic.net, state.agent, Batch(transitions()), cfg, jr.key(1))
    parts = [float(metrics[name]) for name in ("imitation", "value", "penalty")]
    np.testing.assert_allclose(parts, [1.125, 2.5, 10], rtol=1e-4)
    assert float(loss) == pytest.approx(sum(parts), rel=1e-5)
    assert float(metrics["reward_expert"]) == pytest.approx(2.5, rel=1e-4)


@pytest.mark.parametrize("update", ["sac", "awr"])
def test_an_offline_update_asks_for_demonstrations_alone(update):
    cfg = override(OFFLINE, policy_update=PolicyUpdate(update))
    assert not iq_learn.needs(cfg).env
    before = start(cfg)
    after, metrics = iq_learn.update(before, Batch(transitions()), cfg, jr.key(2))
    assert implied.moved(before, after) == {"actor", "critic", "target"}
    assert ("nll" in metrics) == (update == "awr")


@pytest.mark.parametrize("kind", ["kl", "reverse_kl", "js", "hellinger", "tv"])
def test_other_divergences_by_hand(kind):
    cfg = override(ONE, on="expert", divergence=Divergence(kind))
    (imitation, *_), _ = terms(cfg, transitions(), transitions())
    expected = {
        "kl": 1 - np.exp(-1.5),
        "reverse_kl": np.log(2.5),
        "js": np.log(2 - np.exp(-1.5)),
        "hellinger": 1.5 / 2.5,
        "tv": 0.5,
    }[kind]
    assert imitation == pytest.approx(-expected, rel=1e-4)


@pytest.mark.parametrize("term", ["value_expert", "value"])
def test_the_value_has_the_entropy(term):
    cfg = override(ONE, value_term=term, temperature=Temperature("fixed", initial=0.5))
    expert, replay = transitions(), transitions(seed=1)
    (_, value, *_), _ = terms(cfg, expert, replay)
    state = start(cfg)
    kv, kn, _ = jr.split(jr.key(1), 3)
    obs, following = (jnp.concatenate([getattr(t, name) for t in (expert, replay)]) for name in ("obs", "next_obs"))
    here, there = (np.asarray(state.agent.actor.net.sample(x, k)[1]) for x, k in ((obs, kv), (following, kn)))
    each = 3 - 0.5 * here - 0.5 * (3 - 0.5 * there)
    assert value == pytest.approx(float(each[: 4 if term == "value_expert" else 8].mean()), rel=1e-5)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("none", (-1.5, 1.5, 1.125)),
        ("mask", (-3, 3, 4.5)),
        ("absorbing", (-1.5, 1.5, 1.125)),
        ("closed_form", (-3, 3, 2.25)),
    ],
)
def test_transitions_into_the_end_by_hand(kind, expected):
    """Q = 3 everywhere: y is 1.5 where the end has a value, and closed_form weighs the square by 1 - gamma."""
    ended = transitions(terminated=True)
    parts, _ = terms(override(ONE, terminal=Terminal(kind)), ended, ended)
    np.testing.assert_allclose(parts[:3], expected, rtol=1e-4)


@pytest.mark.parametrize("kind", ["chi2", "kl", "js"])
def test_closed_form_is_absorbing_summed_up(kind):
    """At gamma = 0.5 the absorbing state is as often visited as entered."""
    changes = {} if kind == "chi2" else {"on": "expert", "divergence": Divergence(kind)}
    short, long = transitions(4, terminated=True), transitions(4, terminated=True, absorbing=4)
    closed, _ = terms(override(ONE, terminal=Terminal("closed_form"), **changes), short, short)
    same, _ = terms(override(ONE, terminal=Terminal("closed_form"), **changes), long, long)
    explicit, _ = terms(override(ONE, terminal=Terminal("absorbing"), **changes), long, long)
    np.testing.assert_allclose(closed, same, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(4 * np.array(closed), 8 * np.array(explicit), rtol=1e-5, atol=1e-5)


def test_the_absorbing_state_has_no_entropy():
    cfg = override(ONE, terminal=Terminal("absorbing"), temperature=Temperature("fixed", initial=5.0))
    only = transitions(0, absorbing=4)
    parts, _ = terms(cfg, only, only)
    np.testing.assert_allclose(parts[:3], (-1.5, 1.5, 1.125), rtol=1e-5)


@pytest.mark.parametrize(("through", "slope"), [(False, 1.5), (True, 0.75)])
def test_the_gradient_through_the_target(through, slope):
    """Of Q's level b: r = b - gamma b has half the slope when V(s') is the critic's own."""
    cfg = override(ONE, grad_through_target=through)
    state = implied.with_values(start(cfg), (3.0,), (3.0,))
    batch = Batch(transitions(), transitions())

    def loss(level):
        net = implied.constant(state.agent.critic.net, 0.0)
        net = eqx.tree_at(lambda n: n.mlp.biases[-1], net, level[None, None])
        return iq_learn.online_loss(net, state.agent, batch, cfg, jr.key(1))[0]

    assert float(jax.grad(loss)(jnp.asarray(3.0))) == pytest.approx(slope, rel=1e-4)


def test_the_gradient_penalty_of_a_flat_critic():
    cfg = override(ONE, gradient_penalty=GradientPenalty("two_sided", weight=10.0, margin=1.0))
    (*_, penalty), metrics = terms(cfg, transitions(), transitions())
    assert penalty == pytest.approx(10.0, rel=1e-4)
    assert float(metrics["gradient_norm"]) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"policy_optimizer": implied.STILL, "polyak": 0.0}, {"critic"}),
        ({"critic_optimizer": implied.STILL, "polyak": 0.0}, {"actor"}),
        ({"policy_optimizer": implied.STILL, "grad_through_target": True}, {"critic", "target"}),
    ],
)
def test_each_step_reaches_its_own_network(change, expected):
    cfg = override(BASE, **change)
    before = start(cfg)
    after, _ = iq_learn.update(before, Batch(transitions(), transitions(seed=1)), cfg, jr.key(2))
    assert implied.moved(before, after) == expected


def test_v0_is_the_value_of_initial_states():
    """Critics worth 3 and 5 everywhere: (1 - gamma) (4 - alpha log pi)."""
    cfg = override(BASE, value_term="v0", temperature=Temperature("fixed", initial=implied.NO_ENTROPY))
    assert iq_learn.needs(cfg).initial
    assert not iq_learn.needs(BASE).initial
    state = implied.with_values(start(cfg), (3.0, 5.0), (0.0, 0.0))
    batch = Batch(transitions(), transitions(), initial=transitions(count=2, seed=2))
    _, metrics = iq_learn.online_loss(state.agent.critic.net, state.agent, batch, cfg, jr.key(1))
    np.testing.assert_allclose(metrics["value"], (1 - cfg.agent.gamma) * 4, rtol=1e-4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"terminal": Terminal("reward_flag")}, "reward_flag"),
        ({"divergence": Divergence("js")}, "use on=expert"),
        ({"regime": "offline"}, "regime=offline has no replay for on=both"),
        ({"td_loss": TdLoss("huber")}, "no effect"),
    ],
)
def test_contradictions_are_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        override(iq_learn.Config(), **change)
