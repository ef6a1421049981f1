"""The presets of adversarial imitation, and configurations that are refused."""

from types import SimpleNamespace

import jax.random as jr
import pytest
import toy
from implied import SPEC

from imitax.agents.log_policy import LogPolicy
from imitax.agents.start import Start
from imitax.algorithms import adversarial
from imitax.algorithms.adversarial import Config
from imitax.choices.discrimination import Discrimination, RewardHead
from imitax.choices.temperature import Temperature
from imitax.choices.terminal import Terminal
from imitax.config import override
from imitax.errors import ConfigError
from imitax.networks import Normalizer, Reward, RewardConfig


def test_presets_are_their_methods():
    p = SimpleNamespace(**adversarial.PRESETS)
    assert (p.default.agent.terminal.kind, p.default.expert_share, p.default.agent.ema) == ("absorbing", 0.5, 0.99999)
    assert p.default.agent.temperature == Temperature("fixed", initial=0.01)
    assert (p.cleanil.agent.terminal.kind, p.cleanil.expert_share) == ("reward_flag", 0.5)
    assert p.cleanil.discriminator.discrimination.kind == "linear"
    assert p.gail.discriminator.head.kind == "gail"
    dac = p.dac.discriminator
    assert (p.dac.agent.terminal.kind, dac.head.kind, dac.gradient_penalty.kind) == ("absorbing", "logit", "two_sided")
    assert (dac.gradient_penalty.inputs, dac.reward.bound, p.dac.agent.critic.layer_norm) == ("observed", 3.0, True)
    assert (p.dac.agent.temperature.kind, p.dac.agent.ema_share, p.dac.expert_share) == ("tuned", 0.2, 0.0)
    airl = p.airl.discriminator
    assert (airl.reward.inputs, airl.reward.shaping, airl.reward.bound) == ("state", True, 10.0)
    assert (airl.gradient_penalty.kind, airl.gradient_penalty.inputs) == ("hinge", "observed")
    assert p.airl.log_policy == LogPolicy(subtract_log_policy=True, log_policy_bound=3.0)
    assert p.airl.expert_share == 0.5
    assert (p.airl.agent.terminal.kind, p.airl.agent.policy.action_clip) == ("absorbing", 0.01)
    assert p.airl.agent.temperature == Temperature("fixed", initial=0.1)
    assert p.fairl.discriminator.head.kind == "fairl"
    assert (p.gaifo.discriminator.reward.inputs, adversarial.needs(p.gaifo).actions) == ("state_next", False)
    assert (p.hype.discriminator.discrimination.kind, p.hype.expert_share) == ("linear", 0.5)
    for cfg in adversarial.PRESETS.values():
        state = adversarial.init(toy.shrink(cfg), Start(SPEC, Normalizer.identity(2), jr.key(0)))
        assert isinstance(state.discriminator.net, Reward)
        assert state.agent.critic.net.flagged == (cfg.agent.terminal.kind == "absorbing")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"expert_share": 0.999}, "leaves no transition of the learner"),
        ({"expert_share": 1.0}, r"expert_share must lie in \[0, 1\), got 1.0"),
        ({"reward_updates": 0}, "reward_updates must be at least 1"),
        ({"gamma": 1.5}, r"gamma must lie in \[0, 1\], got 1.5"),
        ({"log_policy_bound": 10.0}, "log_policy_bound is for subtract_log_policy"),
        (
            {"terminal": Terminal("stay"), "subtract_log_policy": True},
            "terminal.kind=stay shows ends without the actions that subtract_log_policy compares: use absorbing",
        ),
        (
            {"terminal": Terminal("stay"), "reward": RewardConfig(shaping=True)},
            "terminal.kind=stay shows no step into the end, which reward.shaping needs",
        ),
        ({"ema": 1.0}, r"ema must lie in \[0, 1\), got 1.0"),
        ({"gamma": 1.0}, "gamma=1 makes what follows the end infinite under terminal.kind=absorbing"),
        *(
            (
                {"discrimination": Discrimination(kind), "subtract_log_policy": True},
                f"subtract_log_policy is AIRL's form of the cross-entropy logit, not of discrimination.kind={kind}",
            )
            for kind in ("linear", "least_squares", "mixup")
        ),
        *(
            ({"subtract_log_policy": True, "head": RewardHead(kind)}, f"head.kind={kind} reads h as")
            for kind in ("gail", "log_d", "fairl")
        ),
    ],
)
def test_refused_combinations(change, message):
    with pytest.raises(ConfigError, match=message):
        override(Config(), **change)
