"""What the three methods share whose critic implies the reward: `imitax.agents.critic_imitation`."""

from dataclasses import replace

import implied
import jax.random as jr
import pytest
from implied import transitions

from imitax.agents.start import Start
from imitax.algorithms import iq_learn, ls_iq, recoil_online
from imitax.config import override
from imitax.networks import Normalizer
from imitax.types import Batch


@pytest.mark.parametrize("algorithm", [iq_learn, ls_iq, recoil_online], ids=lambda module: module.__name__)
def test_the_policy_clones_the_demonstrations_and_nothing_else(algorithm):
    """Not the replay's actions, and not the guesses of an inverse model."""
    cfg = override(algorithm.Config(), **implied.SMALL)
    expert, replay = transitions(), transitions(seed=1)

    def metrics(cfg, expert, replay):
        state = algorithm.init(cfg, Start(implied.SPEC, Normalizer.identity(2), jr.key(0)))
        return algorithm.update(state, Batch(expert, replay), cfg, jr.key(1))[1]

    first = metrics(cfg, expert, replay)
    actor = algorithm.init(cfg, Start(implied.SPEC, Normalizer.identity(2), jr.key(0))).agent.actor.net
    assert float(first["nll"]) == pytest.approx(-float(actor.log_prob(expert.obs, expert.action).mean()), rel=1e-5)
    other = replace(replay, action=replay.action.at[:].set(0.3))
    assert float(metrics(cfg, expert, other)["nll"]) == float(first["nll"])
    assert "nll" not in metrics(override(cfg, infer_actions=True), expert, replay)
    assert "nll" not in metrics(override(cfg, **{"policy_update.cloning": 0.0}), expert, replay)
