"""Learning itself: the toy task is solved to a threshold."""

import pytest
import toy

import imitax
from imitax.algorithms import adversarial, iq_learn, ls_iq, recoil_online, sac
from imitax.choices.gradient_penalty import GradientPenalty
from imitax.choices.temperature import Temperature
from imitax.config import override
from imitax.learner import OptimizerConfig
from imitax.networks import CriticConfig, PolicyConfig, RewardConfig


@pytest.mark.usefixtures("no_figures")
def test_sac_solves_the_task(tmp_path, demos):
    rate = OptimizerConfig(lr=3e-3)
    cfg = override(
        sac.Config(),
        gamma=0.9,
        polyak=0.02,
        batch_size=64,
        warmup_steps=500,
        policy=PolicyConfig(hidden=(16, 16)),
        critic=CriticConfig(hidden=(16, 16)),
        policy_optimizer=rate,
        critic_optimizer=rate,
        temperature=Temperature("tuned", initial=0.2, lr=3e-3),
    )
    run = imitax.train(
        cfg, env=toy.ENV, steps=3000, eval_every=3000, checkpoint_every=3000, quiet=True, out=tmp_path / "run"
    )
    expert = demos.returns.mean()
    assert run.summary["last"]["per_seed"][0]["return_mean"] > 0.85 * expert
    assert run.config["config"]["warmup_steps"] == cfg.replay.warmup_steps == 500


IMITATION = {
    "gamma": 0.9,
    "polyak": 0.02,
    "batch_size": 64,
    "warmup_steps": 300,
    "ema": 0.98,
    "policy": PolicyConfig(hidden=(16, 16)),
    "critic": CriticConfig(hidden=(16, 16)),
    "critic_optimizer": OptimizerConfig(lr=3e-3),
}
"""Toy imitation with an environment."""

IMPLIED = [
    iq_learn.Config(),
    ls_iq.Config(),
    recoil_online.Config(  # the default margin is 2 / (1 - gamma) at gamma = 0.99
        gradient_penalty=GradientPenalty("hinge", weight=10.0, margin=20.0, at="both", norm="linf")
    ),
]


@pytest.mark.usefixtures("no_figures")
@pytest.mark.parametrize("cfg", IMPLIED, ids=lambda cfg: type(cfg).__module__.split(".")[-1])
def test_implied_rewards_reach_the_expert(cfg, tmp_path, demos):
    small = override(cfg, **IMITATION, policy_optimizer=OptimizerConfig(lr=1e-3))
    length = {"steps": 1500, "eval_every": 1500, "checkpoint_every": 1500}
    run = imitax.train(small, env=toy.ENV, demos=demos, quiet=True, out=tmp_path / "run", **length)
    assert run.summary["last"]["per_seed"][0]["expert_fraction"] > 0.9


@pytest.mark.usefixtures("no_figures")
def test_adversarial_imitation_reaches_the_expert(tmp_path, demos):
    small = override(
        adversarial.Config(),
        **IMITATION,
        reward=RewardConfig(hidden=(16, 16)),
        policy_optimizer=OptimizerConfig(lr=3e-3),
        reward_optimizer=OptimizerConfig(lr=1e-3),
        temperature=Temperature("tuned", initial=0.2, lr=3e-3),
    )
    length = {"steps": 1250, "eval_every": 1250, "checkpoint_every": 1250}
    run = imitax.train(small, env=toy.ENV, demos=demos, quiet=True, out=tmp_path / "run", **length)
    assert run.summary["last"]["per_seed"][0]["expert_fraction"] > 0.85
