"""What OMLIRL and RMIRL both do: the policy's step and the reward's turn."""

import counting
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import toy
from implied import STILL
from modelled import CONFIGS, ENDS, LINEAR, NORMALIZER, SCALED, data, moved, recorded, rolled_out, start, with_reward

import imitax
from imitax.algorithms import omlirl, rmirl, sac
from imitax.artifacts import load_reward, save_reward
from imitax.buffers import Buffers
from imitax.choices.discrimination import Discrimination, RewardHead
from imitax.choices.gradient_penalty import GradientPenalty
from imitax.choices.pessimism import Pessimism
from imitax.choices.temperature import Temperature
from imitax.choices.terminal import Terminal
from imitax.config import override
from imitax.errors import ConfigError
from imitax.learner import OptimizerConfig
from imitax.networks import RewardConfig
from imitax.spaces import Spec

WEIGHTS = np.array([1.0, -0.5, 2.0])
TURN = {"reward_batch_size": 64 * 3, "reward_horizon": 3}
both = pytest.mark.parametrize("module", [omlirl, rmirl], ids=["omlirl", "rmirl"])

# the policy's step


@both
def test_the_policy_is_paid_by_the_reward_less_the_penalty_of_model_transitions(module, monkeypatch):
    cfg = override(CONFIGS[module], **LINEAR, terminal=Terminal("absorbing"), reward_scale=0.5)
    batch, original = data(absorbing=1), module.critic_loss

    def loss(critic, agent, t, end, *rest):
        value, metrics = original(critic, agent, t, end, *rest)
        return value, metrics | {"rewards": t.reward, "obs": t.obs, "end": end}

    monkeypatch.setattr(module, "critic_loss", loss)
    state = with_reward(start(module, cfg, NORMALIZER), *WEIGHTS, 4.0)
    _, metrics = module.update(state, batch, cfg, jr.key(1))

    def h(t):
        x = (np.asarray(t.obs) - [1.0, -1.0]) / [2.0, 0.5]
        return np.where(t.absorbing, 4.0, np.concatenate([x, np.asarray(t.action)], 1) @ WEIGHTS) / 2

    expert, real, rollouts = h(batch.expert), h(batch.offline), h(batch.rollouts)
    penalty = 3 * np.array([0.1, 0.2, 0.6, 0.0])  # the absorbing state is certain
    np.testing.assert_allclose(
        metrics["rewards"], np.concatenate([expert[:2], real[:2], rollouts - penalty]), rtol=1e-5, atol=1e-6
    )
    np.testing.assert_allclose(metrics["obs"][0], NORMALIZER(batch.expert.obs)[0], rtol=1e-6)
    known = {
        "reward_expert": expert[:2].mean(),
        "reward_recorded": real[:2].mean(),
        "reward_rollouts": rollouts.mean(),
        "model_penalty": penalty.mean(),
        "reward_absorbing": 2.0,
        "end": 2.0,  # as the critic's loss is told
        "uncertainty": 5.9 / 4,
        "lambda": 3.0,
    }
    assert {k: float(metrics[k]) for k in known} == pytest.approx(known, rel=1e-4)


BOTH_STILL = {"policy_optimizer": STILL, "critic_optimizer": STILL, "polyak": 0.0}


@both
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"policy_optimizer": STILL, "polyak": 0.0}, {"critic"}),
        ({"critic_optimizer": STILL, "polyak": 0.0}, {"actor"}),
        (BOTH_STILL | {"pessimism": Pessimism("ensemble_std", tuned=True)}, {"penalty_weight"}),
        (BOTH_STILL | {"temperature": Temperature("tuned")}, {"temperature"}),
        (BOTH_STILL, set()),
    ],
)
def test_each_step_reaches_its_own_network(module, change, expected):
    cfg = override(CONFIGS[module], **change)
    before = start(module, cfg)
    after, metrics = module.update(before, data(absorbing=1), cfg, jr.key(1))
    assert moved(before, after) == expected
    assert "reward_absorbing" not in metrics  # mask


# the reward's turn


@both
@pytest.mark.parametrize("form", ["marginal", "trajectory"])
def test_the_rewards_turn_changes_the_reward_alone_and_lowers_its_loss(form, module):
    """The model falls where demonstrations rise."""
    cfg = override(CONFIGS[module], **TURN, reward_form=form, reward_optimizer=OptimizerConfig(lr=0.05))
    buffers = Buffers(expert=recorded(), offline=recorded(), rollouts=rolled_out())
    before = start(module, cfg, SCALED, counting.SPEC, counting.model(step=-5.0))
    turn, state, metrics = eqx.filter_jit(module.reward_turn), before, []
    for i in range(25):
        state, m = turn(state, buffers, cfg, jr.key(i))
        metrics.append(m)
    assert moved(before, state) == {"reward"}
    assert float(metrics[-1]["discriminator_loss"]) < float(metrics[0]["discriminator_loss"]) - 0.2
    assert float(metrics[-1]["logit_expert"]) > float(metrics[-1]["logit_learner"]) + 0.5


@both
@pytest.mark.parametrize("form", ["marginal", "trajectory"])
def test_a_turn_has_its_steps_on_normalised_transitions_with_their_weights(form, module, monkeypatch):
    steps = 3 if form == "marginal" else 1
    cfg = override(CONFIGS[module], **TURN, reward_form=form, reward_steps=steps, terminal=Terminal("absorbing"))
    calls, original = [], module.reward_loss
    monkeypatch.setattr(module, "reward_loss", lambda net, *rest: calls.append(rest) or original(net, *rest))
    state = start(module, cfg, SCALED, counting.SPEC, counting.model())
    after, _ = module.reward_turn(state, Buffers(expert=recorded(True), rollouts=rolled_out()), cfg, jr.key(0))
    counts = {int(x) for x in jax.tree.leaves(after.discriminator.opt_state) if jnp.issubdtype(x.dtype, jnp.integer)}
    assert counts == {steps}
    assert len({np.asarray(expert.obs).tobytes() for expert, *_ in calls}) == steps  # others for each
    for expert, _, weights, *_ in calls:
        gone = np.asarray(expert.absorbing)
        assert gone.any()
        assert (np.asarray(expert.obs)[gone] == 0).all()
        counted = ~gone if weights is None else ~gone & (np.asarray(weights[0]) > 0)
        values = np.round(np.asarray(expert.obs)[counted] * 5 + 10, 3)
        assert set(values.ravel()) <= set(ENDS)
        assert len(set(values.ravel())) > 3
        uncounted = np.asarray(expert.obs)[~gone & ~counted] * 5 + 10
        np.testing.assert_allclose(uncounted, 0, atol=1e-5)  # what does not count is zero, and so finite
        if form == "marginal":
            assert weights is None
        else:
            assert [sorted(set(np.asarray(w).tolist())) for w in weights] == [[0, 0.25, 0.5, 1], [0.25, 0.5, 1]]


@both
def test_rows_that_do_not_count_change_nothing(module):
    """In the reward's loss and its metrics, the penalty among them."""
    penalty = GradientPenalty("hinge", weight=10.0, margin=0.01)
    cfg = override(CONFIGS[module], gradient_penalty=penalty, reward_form="trajectory")
    batch, net = data(), start(module, cfg).discriminator.net
    weights = jnp.array([1.0, 0.9, 0, 0, 1.0, 0, 0.5, 0]), jnp.array([1.0, 0, 0.8, 0, 1.0, 0.9, 0.5, 0])

    def loss(far):
        expert, rollouts = (
            eqx.tree_at(lambda t: t.obs, t, jnp.where((w > 0)[:, None], t.obs, far))
            for t, w in zip((batch.expert, batch.offline), weights, strict=True)
        )
        return module.reward_loss(net, expert, rollouts, weights, cfg, jr.key(0))

    (value, metrics), (other, others) = loss(0.0), loss(-9.0)
    assert float(metrics["penalty"]) > 0
    assert float(value) == pytest.approx(float(other), rel=1e-5)
    assert {k: float(v) for k, v in metrics.items()} == pytest.approx(
        {k: float(v) for k, v in others.items()}, rel=1e-5
    )


# what is refused, and what is needed


@both
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"expert_share": 0.8, "real_share": 0.3}, "are shares of one batch, got 0.3 and 0.8"),
        ({"terminal": Terminal("stay")}, "terminal.kind=stay is for methods that learn from no model: use"),
        ({"reward_every": 0}, "reward_every must be at least 1, got 0"),
        (
            {"reward_form": "trajectory", "discrimination": Discrimination("mixup")},
            "reward_form=trajectory weights transitions by their discount, and discrimination.kind=mixup mixes them",
        ),
        (
            {"discrimination": Discrimination("least_squares"), "head": RewardHead("gail")},
            "head.kind=gail reads the logit .* discrimination.kind=least_squares does not estimate",
        ),
        (
            {"discrimination": Discrimination("linear"), "reward": RewardConfig(bound=None)},
            "discrimination.kind=linear grows without limit when nothing bounds it",
        ),
        (
            {"reward": RewardConfig(inputs="state"), "gradient_penalty": GradientPenalty("hinge", inputs="action")},
            "gradient_penalty.inputs=action needs actions, reward.inputs=state has none",
        ),
    ],
)
def test_contradictions_are_refused(change, message, module):
    with pytest.raises(ConfigError, match=message):
        override(CONFIGS[module], **change)


@both
def test_which_data_are_needed(module):
    """Segments of demonstrations in the trajectory form only."""
    cfg = CONFIGS[module]
    override(cfg, discrimination=Discrimination("mixup"))
    assert module.needs(override(cfg, reward_form="trajectory")).segments
    needs = module.needs(cfg)
    assert not needs.segments
    assert needs.expert
    assert needs.actions
    assert needs.offline
    assert not needs.rewards
    assert not needs.env
    assert needs.model is cfg.model
    assert needs.demonstration_copies(20, 60) == 1
    assert module.needs(override(cfg, demonstrations="upsampled")).demonstration_copies(20, 60) == 3


# the reward, used again


@pytest.mark.usefixtures("no_figures")
def test_a_learned_reward_is_saved_and_pays_another_policy(demos, tmp_path):
    spec = Spec.flat(2, tuple(map(float, toy.LOW)), tuple(map(float, toy.HIGH)))
    cfg = override(CONFIGS[omlirl], terminal=Terminal("absorbing"))
    state, t = start(omlirl, cfg, NORMALIZER, spec), demos.transitions()
    file = tmp_path / "reward.safetensors"
    save_reward(file, omlirl.reward(state, cfg), {"env": toy.ENV})
    values = load_reward(file)[0](t.obs, t.action, t.next_obs, t.terminated)
    assert values.shape == (demos.transition_count,)
    expert = jax.tree.map(jnp.asarray, t)
    paid = omlirl.reward_of(state.discriminator.net, NORMALIZER.transition(expert), cfg)
    np.testing.assert_allclose(values, paid, rtol=1e-5, atol=1e-6)
    run = imitax.train(
        toy.shrink(sac.Config()), env=toy.ENV, reward=file, out=tmp_path / "run", steps=30, chunk=2, quiet=True,
        eval_every=10, eval_episodes=2, checkpoint_every=10,
    )  # fmt: skip
    assert run.config["reward"] is not None
    assert np.isfinite([line["critic_loss"] for line in run.metrics() if "critic_loss" in line]).all()
