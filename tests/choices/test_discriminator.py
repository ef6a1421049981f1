import pytest

from imitax.choices.discrimination import Discrimination, RewardHead
from imitax.choices.discriminator import Discriminator
from imitax.choices.gradient_penalty import GradientPenalty
from imitax.errors import ConfigError
from imitax.networks import RewardConfig

NONE = GradientPenalty("none")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"discrimination": Discrimination("linear"), "head": RewardHead("gail")},
            "head.kind=gail reads the logit .* discrimination.kind=linear does not estimate: use head.kind=logit",
        ),
        ({"discrimination": Discrimination("least_squares"), "head": RewardHead("fairl")}, "head.kind=fairl"),
        (
            {"discrimination": Discrimination("linear"), "reward": RewardConfig(bound=None), "gradient_penalty": NONE},
            "linear grows without limit when nothing bounds it: give a gradient_penalty or a reward.bound",
        ),
        (
            {"reward": RewardConfig(inputs="state"), "gradient_penalty": GradientPenalty("hinge", inputs="action")},
            "inputs=action needs actions, reward.inputs=state has none",
        ),
        ({"l2": -1.0}, "l2 must not be negative"),
        ({"reward_scale": -1.0}, "reward_scale must be positive"),
    ],
)
def test_refused_combinations(change, message):
    with pytest.raises(ConfigError, match=message):
        Discriminator(**change)
