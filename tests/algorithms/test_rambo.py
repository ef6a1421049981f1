"""RAMBO's advantage, and the turn of its model."""

import counting
import ensembles
import implied
import jax.numpy as jnp
import jax.random as jr
import modelled
import numpy as np

from imitax.agents.adversarial_model import AdversarialModel
from imitax.algorithms import rambo
from imitax.buffers import Buffers
from imitax.config import override
from imitax.networks import CriticConfig, PolicyConfig
from imitax.types import Transition

SMALL = override(
    rambo.Config(),
    gamma=0.5,
    policy=PolicyConfig(hidden=(8,)),
    critic=CriticConfig(hidden=(8,)),
    dynamics=modelled.MODEL,
)


def test_the_advantage():
    """`r + gamma V(s') - Q(s, a)` with critics that are constant: 3 + 0.5 * 2 - 2, and without V at the end."""
    state = modelled.start(rambo, SMALL, spec=ensembles.SPEC)
    state = implied.with_values(state, (2.0, 4.0), (7.0, 9.0))
    x, flags = jnp.full((8, 2), 3.0), jnp.zeros(8, bool)
    t = Transition(x, x[:, :1], x[:, 0], x, jnp.arange(8) == 0, flags)
    np.testing.assert_allclose(rambo.advantage(state.agent, t, SMALL, jr.key(1)), [1.0] + [2.0] * 7, rtol=1e-6)


def test_the_models_turn_changes_the_model_alone():
    cfg = override(SMALL, adversary=AdversarialModel(every=7, steps=2, batch_size=4))
    assert rambo.schedule(cfg).turns == ((7, rambo.model_turn),)
    before = modelled.start(rambo, cfg, modelled.SCALED, counting.SPEC, counting.model())
    after, metrics = rambo.model_turn(before, Buffers(offline=modelled.recorded()), cfg, jr.key(0))
    assert modelled.moved(before, after) == {"dynamics"}
    assert np.isfinite(metrics["model_loss"])


def test_the_advantage_of_the_deterministic_action():
    """As the authors' code has it: of no random action, whatever the key."""
    cfg = override(SMALL, next_action="mode")
    agent = modelled.start(rambo, cfg, spec=ensembles.SPEC).agent
    x, flags = jr.normal(jr.key(0), (4, 2)), jnp.zeros(4, bool)
    t = Transition(x, x[:, :1], x[:, 0], x + 1, jnp.arange(4) == 0, flags)
    critic, actor = agent.critic.net, agent.actor.net
    v = critic(t.next_obs, actor.mode(t.next_obs)).min(0) * (jnp.arange(4) > 0)
    expected = t.reward + 0.5 * v - critic(t.obs, t.action).min(0)
    for seed in (1, 2):
        np.testing.assert_allclose(rambo.advantage(agent, t, cfg, jr.key(seed)), expected, rtol=1e-5, atol=1e-6)
    assert not np.allclose(rambo.advantage(agent, t, SMALL, jr.key(1)), expected, atol=1e-3)


def test_the_papers_weight_is_the_authors():
    """3e-4 of the log density of all outputs, 12 on Hopper: 3.6e-3 in units of the default's mean over outputs."""
    adversary = rambo.PRESETS["paper"].adversary
    assert (adversary.weight, adversary.log_density) == (3e-4, "sum")
    assert rambo.PRESETS["default"].adversary == AdversarialModel(weight=0.01, log_density="mean")
