"""What every algorithm and preset owes: two steps that are finite, deterministic, and keep the state's structure."""

import functools
from dataclasses import replace
from types import ModuleType

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import toy

from imitax.agents.start import Start
from imitax.algorithm import Needs, Schedule, no_alternatives
from imitax.algorithms import ALGORITHMS, algorithm_of, bc, find
from imitax.config import flatten
from imitax.errors import ConfigError
from imitax.networks import Dynamics, Normalizer, Policy, Termination
from imitax.registry import names, register
from imitax.spaces import Spec
from imitax.types import Batch, Transition

SPEC = Spec.flat(3, (-0.3, -2.0), (1.2, 0.5))
TERMINATION = Termination((-2.0, *(-float("inf"),) * 2), (float("inf"),) * 3)
CASES = [(name, preset) for name, algorithm in ALGORITHMS.items() for preset in algorithm.PRESETS]


def transitions(seed, count=16):
    rng = np.random.default_rng(seed)
    obs, following = (jnp.asarray(rng.normal(size=(count, 3)), jnp.float32) for _ in range(2))
    action = jnp.asarray(rng.uniform(SPEC.action_low, SPEC.action_high, (count, 2)), jnp.float32)
    action = action.at[0].set(jnp.asarray(SPEC.action_high))  # saturated
    return Transition(
        obs,
        action,
        jnp.asarray(rng.normal(size=count), jnp.float32),
        following,
        jnp.arange(count) % 5 == 0,
        jnp.zeros(count, bool),
    )


@functools.cache
def compiled(name):
    return eqx.filter_jit(ALGORITHMS[name].update)


def two_steps(name, cfg, seed):
    algorithm, normalizer = ALGORITHMS[name], Normalizer(jnp.array([0.1, 0.0, -0.2]), jnp.array([1.0, 2.0, 0.5]))
    needs = algorithm.needs(cfg)
    dynamics = None
    if needs.model is not None:
        dynamics = Dynamics(SPEC, needs.model.dynamics, TERMINATION, key=jr.key(9))
    state = algorithm.init(cfg, Start(SPEC, normalizer, jr.key(seed), dynamics))
    batch = Batch(
        expert=transitions(1) if needs.expert else None,
        replay=transitions(2) if needs.env else None,
        initial=transitions(3) if needs.initial else None,
        offline=transitions(4) if needs.offline else None,
        rollouts=None if needs.model is None else replace(transitions(5), uncertainty=jnp.linspace(0.1, 2, 16)),
    )
    step = compiled(name)
    states, metrics = [state], {}
    for i in range(2):
        state, metrics = step(state, batch, cfg, jr.fold_in(jr.key(seed), i))
        states.append(state)
    return states, metrics


@pytest.mark.parametrize(("name", "preset"), CASES)
def test_contract(name, preset):
    algorithm = ALGORITHMS[name]
    cfg = toy.shrink(algorithm.PRESETS[preset])
    (before, middle, after), metrics = two_steps(name, cfg, 0)
    assert metrics
    for key, value in metrics.items():
        assert jnp.shape(value) == (), key
        assert np.isfinite(value), key
    types = [jax.tree.map(jax.typeof, eqx.filter(s, eqx.is_array)) for s in (before, middle, after)]
    assert types[0] == types[1] == types[2]  # weak types too: another type compiles the training anew
    assert jax.tree.structure(before) == jax.tree.structure(after)
    for leaf in jax.tree.leaves(eqx.filter(after, eqx.is_inexact_array)):
        assert np.isfinite(leaf).all()
    np.testing.assert_array_equal(after.normalizer.mean, before.normalizer.mean)
    if preset != "default":  # the rest is the algorithm's, whatever its numbers
        return
    again, same = two_steps(name, cfg, 0)
    assert eqx.tree_equal(again[-1], after)
    assert eqx.tree_equal(same, metrics)
    other, _ = two_steps(name, cfg, 1)
    assert not eqx.tree_equal(other[-1], after)

    policies = [algorithm.policy(s) for s in (before, after)]
    assert isinstance(policies[1], Policy)
    assert not eqx.tree_equal(policies[0].actor, policies[1].actor)
    obs = 30 * jr.normal(jr.key(5), (64, 3))
    for mode in ("mode", "sample"):
        action = np.asarray(policies[1].act(obs, jr.key(6), mode))
        assert action.shape == (64, 2)
        assert (action >= np.float32(SPEC.action_low)).all()
        assert (action <= np.float32(SPEC.action_high)).all()


@pytest.mark.parametrize(("name", "preset"), CASES)
def test_what_an_algorithm_asks_of_the_loop(name, preset):
    algorithm = ALGORITHMS[name]
    cfg = algorithm.PRESETS[preset]
    needs, schedule = algorithm.needs(cfg), algorithm.schedule(cfg)
    assert needs.expert or needs.offline or needs.env
    assert needs.expert or not (needs.actions or needs.segments or needs.initial)
    assert needs.offline or needs.env or not needs.rewards
    assert schedule.batch_size % flatten(cfg)["batch_size"] == 0  # a batch for each step of a discriminator and more
    if not needs.env:  # nothing is collected, so nothing is warmed up or fitted again
        assert (schedule.warmup_steps, schedule.refit_every) == (0, None)
        assert schedule.updates_per_step == schedule.steps_per_update == 1
    if needs.env and needs.model is not None:
        assert schedule.refit_every is not None
    assert all(every >= 1 for every, _ in schedule.turns)


@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_module_declares_its_contract(name):
    algorithm = ALGORITHMS[name]
    assert (algorithm.name, algorithm.PRESETS["default"]) == (name, algorithm.Config())
    assert all(isinstance(cfg, algorithm.Config) for cfg in algorithm.PRESETS.values())
    assert "Differs from" in algorithm.doc


def test_the_registry():
    assert find("b-c".replace("-", "")) is ALGORITHMS["bc"]
    assert find("iq-learn") is ALGORITHMS["iq_learn"]
    assert set(names()) >= set(ALGORITHMS)
    for name, algorithm in ALGORITHMS.items():
        for cfg in algorithm.PRESETS.values():
            assert algorithm_of(cfg).name == name
    with pytest.raises(ConfigError, match="unknown algorithm 'nonsense'; there are bc"):
        find("nonsense")
    with pytest.raises(ConfigError, match="not the configuration of an algorithm"):
        algorithm_of(3)


def module(name, **members):
    """A module with the parts of BC that the contract demands, and others."""
    made = ModuleType(f"somebody.{name}", "Its text.")
    required = {part: vars(bc)[part] for part in ("Config", "PRESETS", "needs", "init", "update", "policy")}
    vars(made).update(required | members)
    return made


@pytest.fixture
def registry():
    """The registry, which is as it was before the test, order included, when the test is over."""
    before = dict(ALGORITHMS)
    yield ALGORITHMS
    ALGORITHMS.clear()
    ALGORITHMS.update(before)


def test_what_a_module_leaves_out_has_a_default(registry):
    mine = register(another("mine"))
    assert registry["mine"] is mine
    assert (mine.name, mine.doc) == ("mine", "Its text.")
    assert mine.explorer is mine.policy is bc.policy
    assert mine.schedule(bc.Config()) == Schedule()
    assert (mine.reward, mine.with_reward, mine.alternatives) == (None, None, no_alternatives)
    assert mine.alternatives("any state") == {}
    given = {"schedule": lambda cfg: Schedule(7), "explorer": lambda state: "explorer"}
    yours = register(another("another", **given), "yours")
    assert yours.name == "yours"
    assert yours.schedule(bc.Config()).batch_size == 7
    assert yours.explorer("state") == "explorer"


def test_what_is_no_algorithm_is_not_registered(registry):
    incomplete = module("mine")
    del incomplete.update, incomplete.needs
    with pytest.raises(ConfigError, match=r"somebody\.mine is not an algorithm: it has no needs, update"):
        register(incomplete)
    with pytest.raises(ConfigError, match="PRESETS has no preset `default`"):
        register(module("mine", PRESETS={"best": bc.Config()}))
    with pytest.raises(ConfigError, match=r"an algorithm sac is there already, imitax\.algorithms\.sac"):
        register(another("sac"))
    assert "mine" not in registry
    assert register(bc) == registry["bc"]  # once more is no conflict


def another(name, **parts):
    """A module like `bc` with a configuration of its own."""
    own = type("Config", (bc.Config,), {"__module__": f"somebody.{name}"})
    return module(name, **{"Config": own, "PRESETS": {"default": own()}} | parts)


def test_a_configuration_decides_what_is_trained(registry):
    for part in ("update", "init"):
        with pytest.raises(ConfigError, match=r"somebody.mine.Config is that of bc, which would be trained"):
            register(module("mine", **{part: lambda *_: None}))
    own = register(another("mine")).Config
    with pytest.raises(ConfigError, match=r"somebody.yours.Config is that of mine"):
        register(module("yours", Config=own, PRESETS={"default": own()}))
    with pytest.raises(ConfigError, match=r"PRESETS\['default'\] is no somebody.mine.Config"):
        register(another("mine", PRESETS={"default": {}}))
    register(another("yours"), "my-own")
    assert algorithm_of(find("my_own").PRESETS["default"]).name == "my_own"
    registry.pop("bc")  # built-in ones are read when they are first asked for
    with pytest.raises(ConfigError, match=r"somebody.other.Config is that of imitax.algorithms.bc"):
        register(module("other", init=lambda *_: None))
    with pytest.raises(ConfigError, match=r"bc is there already, imitax.algorithms.bc"):
        register(another("mine"), "bc")


def test_what_functions_return_is_checked(registry):
    def asked(**parts):
        own = register(another("mine", **parts))
        return own.asked(own.PRESETS["default"])

    assert asked()[0].expert
    with pytest.raises(ConfigError, match="needs of mine returned NoneType, not Needs"):
        asked(needs=lambda cfg: None)
    with pytest.raises(ConfigError, match="schedule of mine returned dict, not Schedule"):
        asked(schedule=lambda cfg: {})
    for result, said in ((None, "NoneType, not .state, metrics."), ((1, {"loss": np.ones(3)}), "metric loss of mine")):
        algorithm = register(another("mine", update=lambda *_, result=result: result))
        with pytest.raises(ConfigError, match=said):
            algorithm.updated(None, Batch(), None, jr.key(0))


@pytest.mark.parametrize(("part", "kind"), [("policy", "Policy"), ("explorer", "Policy"), ("reward", "LearnedReward")])
def test_what_acts_and_rewards_is_checked_before_training(registry, part, kind):
    mine = register(another("mine", **{part: lambda *_: "what it is not"}))
    start = Start(SPEC, Normalizer(jnp.zeros(3), jnp.ones(3)), jr.key(0))
    with pytest.raises(ConfigError, match=f"{part} of mine returned str, not {kind}"):
        mine.begun(mine.PRESETS["default"], start)


def test_nothing_is_needed_unless_it_is_asked_for():
    needs = Needs()
    assert not any((needs.expert, needs.actions, needs.segments, needs.initial, needs.offline, needs.rewards))
    assert not any((needs.env, needs.absorbing, needs.normalize_obs, needs.model))
    assert needs.demonstration_copies(10, 1000) == 1
