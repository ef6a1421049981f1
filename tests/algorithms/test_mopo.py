"""The batch of MOPO, RAMBO and MBPO: real transitions, and priced ones of the model."""

import ensembles
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from imitax.agents.start import Start
from imitax.algorithms import mbpo, mopo, rambo
from imitax.choices.pessimism import Pessimism
from imitax.choices.terminal import Terminal
from imitax.config import override
from imitax.errors import ConfigError
from imitax.networks import CriticConfig, Normalizer, PolicyConfig
from imitax.types import Batch, Transition

three = pytest.mark.parametrize("module", [mopo, rambo, mbpo], ids=["mopo", "rambo", "mbpo"])


def eight(value, uncertainty=None):
    """Eight transitions whose every number is the same."""
    x = jnp.full((8, 2), value)
    flags = jnp.zeros(8, bool)
    return Transition(x, x[:, :1], x[:, 0], x, flags, flags, uncertainty)


@three
@pytest.mark.parametrize(("share", "real"), [(0.0, 0), (0.5, 4), (1.0, 8)])
@pytest.mark.parametrize(("kind", "price"), [("max_norm", 0.5), ("none", 0.0)])
def test_a_batch_is_composed_as_told(share, real, kind, price, module, monkeypatch):
    """Rewards 1 of real transitions, and 5 less the penalty of the model's."""
    small = {"policy": PolicyConfig(hidden=(8,)), "critic": CriticConfig(hidden=(8,)), "dynamics": ensembles.SMALL}
    pessimism = Pessimism(kind, weight=2.0)
    cfg = override(module.Config(), **small, batch_size=8, real_share=share, pessimism=pessimism)
    seen, original = [], module.critic_loss
    monkeypatch.setattr(module, "critic_loss", lambda c, a, t, *rest: seen.append(t) or original(c, a, t, *rest))
    dynamics = ensembles.constant([0.0] * 4)
    state = module.init(cfg, Start(ensembles.SPEC, Normalizer.identity(2), jr.key(0), dynamics))
    parts = {"replay" if module is mbpo else "offline": eight(1.0), "rollouts": eight(5.0, jnp.full(8, 0.25))}
    _, metrics = module.update(state, Batch(**parts), cfg, jr.key(1))
    (mix,) = seen
    np.testing.assert_allclose(mix.reward, [1.0] * real + [5 - price] * (8 - real), rtol=1e-6)
    np.testing.assert_allclose(mix.obs[:, 0], [1.0] * real + [5.0] * (8 - real))
    assert float(metrics["model_penalty"]) == pytest.approx(price)


@three
def test_ends_with_a_learned_reward_are_refused(module):
    for kind in ("reward_flag", "closed_form", "absorbing"):
        with pytest.raises(ConfigError, match="is for learned rewards"):
            override(module.Config(), terminal=Terminal(kind))
    with pytest.raises(ConfigError, match="real_share must lie in"):
        override(module.Config(), real_share=1.5)


def test_what_mbpo_refuses():
    for name in ("refit_every", "updates_per_step"):
        with pytest.raises(ConfigError, match=f"{name} must be at least 1"):
            override(mbpo.Config(), **{name: 0})
