from dataclasses import replace

import equinox as eqx
import implied
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from implied import linear, transitions

from imitax.agents.actor_critic import SoftActorCritic, create
from imitax.agents.contrast import Contrast, contrast_loss
from imitax.agents.start import Start
from imitax.choices.gradient_penalty import GradientPenalty
from imitax.choices.td_loss import TdLoss
from imitax.choices.temperature import Temperature
from imitax.choices.terminal import Terminal
from imitax.errors import ConfigError
from imitax.networks import CriticConfig, Normalizer

BASE = SoftActorCritic(
    **implied.SMALL, terminal=Terminal("mask"), temperature=Temperature("fixed", initial=implied.NO_ENTROPY)
)
ONE = replace(BASE, critic=CriticConfig(hidden=(8,), members=1))
PENALTY = GradientPenalty("hinge", weight=10.0, margin=200.0, at="both", norm="linf")
TERMS = Contrast()


def start(cfg):
    return create(cfg, Start(implied.SPEC, Normalizer.identity(2), jr.key(0)), jr.key(0))


def loss_of(agent, expert, other, cfg, contrast, penalty=PENALTY):
    return contrast_loss(agent.critic.net, agent, (expert, other), (cfg, contrast, penalty), jr.key(1))


def terms(cfg, expert, other, values=(3.0,), target=(3.0,), contrast=TERMS, penalty=PENALTY):
    agent = start(cfg)
    nets = (implied.constant(agent.critic.net, *values), implied.constant(agent.target, *target))
    agent = eqx.tree_at(lambda a: (a.critic.net, a.target), agent, nets)
    return loss_of(agent, expert, other, cfg, contrast, penalty)[1]


def test_the_contrast_by_hand():
    """Q is the action: 0.1 of the policy's mean action on expert states, 0.9 on the others, less the expert's."""
    cfg, agent = linear([0.0, 0.0, 1.0])
    expert, other = transitions(), transitions(seed=1)
    loss, metrics = loss_of(agent, expert, other, cfg, Contrast(td_weight=0.2))
    kv, kn, _ = jr.split(jr.key(1), 3)
    both, following = np.concatenate([expert.obs, other.obs]), np.concatenate([expert.next_obs, other.next_obs])
    action = np.asarray(agent.actor.net.sample(jnp.asarray(both), kv)[0])[:, 0]
    contrast = 0.1 * action[:4].mean() + 0.9 * action[4:].mean() - float(expert.action.mean())
    y = 0.5 * np.asarray(agent.actor.net.sample(jnp.asarray(following), kn)[0])[:, 0]
    td = ((np.concatenate([expert.action, other.action])[:, 0] - y) ** 2).mean()
    assert float(metrics["contrast"]) == pytest.approx(contrast, rel=1e-4)
    assert float(metrics["td"]) == pytest.approx(td, rel=1e-4)
    assert float(loss) == pytest.approx(0.8 * contrast + 0.2 * td, rel=1e-4)  # slope 1 is within the margin


@pytest.mark.parametrize(("slope", "penalty"), [(199.0, 0.0), (203.0, 10 * 9.0)])
def test_the_margin_of_the_gradient_penalty(slope, penalty):
    cfg, agent = linear([0.0, -slope, 0.5])
    _, metrics = loss_of(agent, transitions(), transitions(), cfg, TERMS)
    assert float(metrics["penalty"]) == pytest.approx(penalty, rel=1e-4)
    assert float(metrics["gradient_norm"]) == pytest.approx(slope, rel=1e-5)


def test_huber_and_the_value_clip():
    metrics = terms(replace(BASE, td_loss=TdLoss(value_clip=2.0)), transitions(), transitions(), (3.0, 5.0), (7.0, 9.0))
    assert float(metrics["td"]) == pytest.approx((2**2 + 4**2) / 2, rel=1e-4)
    cfg = replace(BASE, td_loss=TdLoss("huber", delta=1.0, value_clip=2.0))
    metrics = terms(cfg, transitions(), transitions(), (3.0, 5.0), (7.0, 9.0))
    assert float(metrics["td"]) == pytest.approx((3 + 7) / 2, rel=1e-4)


@pytest.mark.parametrize(("kind", "td"), [("none", 2.25), ("mask", 9.0), ("absorbing", 2.25), ("closed_form", 4.5)])
def test_transitions_into_the_end_by_hand(kind, td):
    """Q = 3 everywhere, gamma = 0.5; closed_form is (1 - gamma) Q^2."""
    ended = transitions(terminated=True)
    metrics = terms(replace(ONE, terminal=Terminal(kind)), ended, ended)
    assert float(metrics["td"]) == pytest.approx(td, rel=1e-4)
    assert float(metrics["contrast"]) == pytest.approx(0, abs=1e-5)


def test_the_closed_form_of_squares_is_absorbing_summed_up():
    """At gamma = 0.5 the absorbing state is as often visited as entered."""
    short, long = transitions(4, terminated=True), transitions(4, terminated=True, absorbing=4)
    closed, same, explicit = (
        float(terms(replace(ONE, terminal=Terminal(kind)), t, t)["td"])
        for kind, t in (("closed_form", short), ("closed_form", long), ("absorbing", long))
    )
    assert closed == same == pytest.approx(2 * explicit, rel=1e-5)


def test_anchors_by_hand():
    anchors = Contrast(anchor=4.0, expert_anchor=1.0, learner_anchor=2.0)
    metrics = terms(ONE, transitions(), transitions(), contrast=anchors)
    assert float(metrics["anchors"]) == pytest.approx(1.0)  # (3 - 4)^2; the floor at -4 is not reached
    metrics = terms(ONE, transitions(), transitions(), values=(-7.0,), contrast=anchors)
    assert float(metrics["anchors"]) == pytest.approx(11**2 + 2 * 3)


def test_penalties_can_be_turned_off():
    none = GradientPenalty("none")
    metrics = terms(BASE, transitions(), transitions(), (3.0, 5.0), penalty=none)
    assert float(metrics["penalty"]) == 0
    assert "gradient_norm" not in metrics


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"td_weight": 1.5}, "td_weight must lie"),
        ({"expert_share": -0.1}, "expert_share must lie"),
        ({"expert_anchor": -1.0}, "expert_anchor must not"),
        ({"td_weight": 0.0}, "leaves the level of Q open"),
    ],
)
def test_contradictions_are_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        Contrast(**change)
