"""What a policy's plan holds, and which policies have one."""

import equinox as eqx
import exported
import implicit
import numpy as np
import pytest

from imitax.errors import ConfigError
from imitax.export.plan import exportable, plan
from imitax.networks import Normalizer, Policy
from imitax.spaces import Spec


def test_a_search_is_refused_and_its_companion_exported():
    normalizer = Normalizer.identity(implicit.SPEC.observation)
    with pytest.raises(ConfigError, match=r"searches for its action .*--inference actor_mean"):
        exportable(Policy(normalizer, implicit.implicit()))
    actor = implicit.implicit("actor_mean")
    assert eqx.tree_equal(exportable(Policy(normalizer, actor)).actor, actor.amortised)


def test_other_networks_are_refused():
    class Other(eqx.Module):
        spec: Spec = implicit.SPEC

        def mode(self, obs):
            return obs

        sample = log_prob = mode

    with pytest.raises(ConfigError, match="policies of class Other are not exported"):
        exportable(Policy(Normalizer.identity(3), Other()))


def test_products_become_float32():
    rounding, plain = exported.policy("flat", "bfloat16"), exported.policy("flat")
    assert rounding.actor.mlp.precision == "bfloat16"
    assert eqx.tree_equal(exportable(rounding), plain)


def test_what_is_remembered():
    policy = exported.remembering("factors", 3, True, action_horizon=4, action_execute=2)
    made, plain = plan(exportable(policy)), plan(exported.policy("factors"))
    assert made.history == {"length": 3, "actions": True, "single": {"kind": "vector", "shape": [3]}}
    assert made.chunk == {"horizon": 4, "execute": 2, "ensemble": False, "decay": 0.01}
    assert (made.action, made.steps) == (plain.action, (4,))
    assert made.arrays["weight/2"].shape[1] == 4 * plain.arrays["weight/2"].shape[1]
    assert (plain.history, plain.chunk, plain.steps) == (None, None, ())


def test_the_last_layer_has_the_means_alone():
    policy = exported.policy("flat")
    made = plan(policy)
    assert made.layers == 3
    np.testing.assert_array_equal(made.arrays["weight/2"], policy.actor.mlp.weights[2][:, :2])
    np.testing.assert_array_equal(made.arrays["bias/2"], policy.actor.mlp.biases[2][:2])
    assert made.action == {"kind": "box", "shape": [2], "limit": made.action["limit"]} | {
        "low": exported.BOX.low,
        "high": exported.BOX.high,
    }
