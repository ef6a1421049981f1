"""Learned rewards and models as files."""

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import toy
from ensembles import constant

from imitax.agents.start import Start
from imitax.algorithms import adversarial
from imitax.artifacts import load_dynamics, load_reward, save_dynamics, save_reward
from imitax.choices.terminal import Terminal
from imitax.errors import CheckpointError
from imitax.networks import Normalizer, Termination
from imitax.spaces import Spec


@pytest.mark.parametrize("kind", ["none", "mask", "reward_flag", "closed_form", "absorbing", "stay"])
def test_a_reward_file_holds_the_reward(kind, demos, tmp_path):
    cfg, t = toy.shrink(adversarial.Config(), terminal=Terminal(kind)), demos.transitions()
    normalizer = Normalizer(jnp.asarray(t.obs.mean(0)), jnp.asarray(t.obs.std(0)))
    spec = Spec.flat(2, tuple(map(float, toy.LOW)), tuple(map(float, toy.HIGH)))
    reward = adversarial.reward(adversarial.init(cfg, Start(spec, normalizer, jr.key(0))), cfg)
    save_reward(tmp_path / "reward.safetensors", reward, {"env": "x"})
    again, about = load_reward(tmp_path / "reward.safetensors")
    assert again.terminal == Terminal(kind)
    assert eqx.tree_equal(again, reward)
    assert about == {"env": "x"}
    alive, ended = np.zeros(3, bool), np.ones(3, bool)
    values, end = (again(t.obs[:3], t.action[:3], t.next_obs[:3], x) for x in (alive, ended))
    if kind == "reward_flag":  # one number, whatever the state and action
        assert np.ptp(end) == 0
        assert np.ptp(values) > 0
    elif kind == "stay":  # of the terminal state, whatever state and action led there
        elsewhere = again(t.obs[:3] + 1, -t.action[:3], t.next_obs[:3], ended)
        np.testing.assert_array_equal(end, elsewhere)
        assert np.ptp(end) > 0
        assert (end != values).all()
    else:
        np.testing.assert_array_equal(end, values)


def test_models_are_files(tmp_path):
    dynamics = constant([0.0, 1.0, 2.0])
    dynamics = eqx.tree_at(lambda d: (d.elites, d.output_std), dynamics, (jnp.array([2, 0, 1]), jnp.arange(1.0, 4)))
    save_dynamics(tmp_path / "d.safetensors", dynamics, {"env": "x"})
    again, about = load_dynamics(tmp_path / "d.safetensors", None)
    assert eqx.tree_equal(again, dynamics)
    assert about == {"env": "x"}
    with pytest.raises(CheckpointError, match="termination is learned; give --dynamics"):
        load_dynamics(tmp_path / "d.safetensors", Termination((0.0,) * 2, (1.0,) * 2))
