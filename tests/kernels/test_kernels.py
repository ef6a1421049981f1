"""Kernels compute what the plain functions do, in the library's own programs and nowhere else."""

import ast
import os
import subprocess
import sys
import threading
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import imitax
from imitax import kernels
from imitax.artifacts import load_policy, load_reward, save_policy, save_reward
from imitax.choices.discrimination import RewardHead
from imitax.choices.learned_reward import LearnedReward
from imitax.choices.terminal import Terminal
from imitax.compiled import filter_jit, jit
from imitax.kernels.cpu import install
from imitax.learner import clip_by_global_norm
from imitax.networks import (
    MLP,
    ActionRange,
    Energy,
    EnergyActor,
    EnergyConfig,
    Inference,
    Normalizer,
    Policy,
    PolicyConfig,
    Reward,
    RewardConfig,
    TanhGaussian,
)
from imitax.networks.dynamics import forward, softplus
from imitax.networks.inference import Langevin
from imitax.networks.mlp import matmul
from imitax.spaces import Spec
from imitax.types import RewardInput

SPEC = Spec.flat(3, (-0.5, -2.0), (1.0, 2.0))
install()

# the switch

probe = kernels.Replaceable(lambda x: 0 * x)
probe.kernel = lambda x: 0 * x + 1
"""0 where kernels are off, 1 where they are on."""


def test_kernels_are_on_in_the_librarys_programs_only():
    assert probe(2.0) == jax.jit(probe)(2.0) == jax.grad(lambda x: x * probe(x))(2.0) == 0
    assert jit(probe)(2.0) == filter_jit(probe)(2.0) == 1
    assert jax.jit(filter_jit(probe))(2.0) == 0  # part of the caller's program
    assert jit(filter_jit(probe))(2.0) == 1
    assert jit(lambda x: jax.vmap(jax.grad(lambda x: x * probe(x)))(x))(jnp.ones(2)).tolist() == [1, 1]
    assert probe(2.0) == 0


def test_they_can_be_turned_off():
    compiled, filtered = jit(probe), filter_jit(probe)
    for _ in range(2):  # programs of one state do not serve the other
        assert compiled(2.0) == filtered(2.0) == 1
        with kernels.disabled():
            assert compiled(2.0) == filtered(2.0) == probe(2.0) == 0
    with kernels.disabled(), kernels.enabled():
        assert probe(2.0) == 0


def partly_plain(x):
    with kernels.disabled():
        plain = probe(x)
    return plain, probe(x)


def test_a_part_of_a_program_can_be_plain():
    assert jit(partly_plain)(2.0) == (0, 1)


def test_what_is_cached_inside_depends_on_the_switch():
    inner = jax.jit(probe)
    for _ in range(2):
        assert inner(2.0) == 0
        assert jit(lambda x: inner(x))(2.0) == 1
        assert jax.lax.map(probe, jnp.ones(1))[0] == 0
        assert jit(lambda x: jax.lax.map(probe, x))(jnp.ones(1))[0] == 1


def fails(x):
    raise RuntimeError("on purpose")


@pytest.mark.parametrize("compile_with", [jit, filter_jit])
def test_an_exception_leaves_the_switch_as_it_was(compile_with):
    with pytest.raises(RuntimeError, match="on purpose"):
        compile_with(fails)(2.0)
    assert probe(2.0) == 0
    with kernels.enabled():
        with pytest.raises(RuntimeError, match="on purpose"), kernels.disabled():
            fails(2.0)
        assert probe(2.0) == 1
    assert probe(2.0) == 0


def test_threads_do_not_share_the_switch():
    seen = []

    def traced(x):
        thread = threading.Thread(target=lambda: seen.append(float(probe(2.0))))
        thread.start()
        thread.join()
        return probe(x)

    assert jit(traced)(2.0) == 1
    assert seen == [0]


def test_other_backends_have_none(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    with kernels.enabled():
        assert probe(2.0) == 0


def test_the_environment_variable():
    code = "from imitax.compiled import jit\nfrom imitax.kernels import Replaceable\np = Replaceable(lambda x: 0 * x)\n"
    code += "p.kernel = lambda x: 0 * x + 1\nprint(jit(p)(2.0))"
    env = os.environ | {"IMITAX_KERNELS": "0", "PYTHONPATH": str(Path(imitax.__file__).parent.parent)}
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=True)
    assert ran.stdout.strip() == "0.0"


def test_nothing_else_knows_a_kernel():
    root = Path(imitax.__file__).parent
    for path in root.rglob("*.py"):
        if path.parent.name != "kernels":
            modules = {n.module for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.ImportFrom)}
            assert not [m for m in modules if m and m.startswith("imitax.kernels.")], path


# what they compute

TOLERANCE = {"float32": 1e-5, "bfloat16": 2**-5}
"""Of the largest entry. With bfloat16, the two round in different places, see `matmul` and `product`."""


def inputs(members, shared, count=7):
    return jr.normal(jr.key(1), (count, 5) if shared else (members, count, 5))


def assert_same(f, *args, tolerance):
    """That a program of the library computes what the caller's own one does."""
    ours, reference = (jax.tree.leaves(compile_with(f)(*args)) for compile_with in (filter_jit, eqx.filter_jit))
    assert reference
    for mine, other in zip(ours, reference, strict=True):
        assert (mine.shape, mine.dtype) == (other.shape, other.dtype)
        np.testing.assert_allclose(mine, other, rtol=0, atol=tolerance * float(jnp.abs(other).max()) + 1e-7)


def derivatives(net, x, apply=lambda net, x: net(x)):
    """Value, gradient, and the gradient of a gradient, as of gradient penalties."""

    def objective(net_and_x):
        return (jnp.sin(apply(*net_and_x)) ** 2).sum()

    def penalty(net_and_x):
        slope = eqx.filter_grad(objective)(net_and_x)[1]
        return ((jnp.sqrt((slope**2).sum(-1)) - 1) ** 2).mean()

    return apply(net, x), eqx.filter_grad(objective)((net, x)), eqx.filter_grad(penalty)((net, x))


@pytest.mark.parametrize(
    ("layer_norm", "precision"), [(False, "float32"), (True, "float32"), (False, "bfloat16")], ids=str
)
@pytest.mark.parametrize(("members", "shared"), [(None, True), (3, True), (3, False)])
def test_values_gradients_and_their_gradients_agree(members, shared, layer_norm, precision):
    kind = {"layer_norm": layer_norm, "activation": "tanh", "precision": precision}
    net = MLP((5, 40, 3), key=jr.key(0), members=members, **kind)  # many outputs of a layer, and few
    assert_same(derivatives, net, inputs(members, shared), tolerance=TOLERANCE[precision])


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("shared", [True, False])
def test_examples_in_columns_make_no_difference(shared, precision):
    net = MLP((5, 8, 16, 12, 3), key=jr.key(0), members=4, activation="silu", precision=precision)
    x = inputs(4, shared, count=20)
    assert_same(lambda n, x: derivatives(n, x, forward), net, x, tolerance=TOLERANCE[precision])


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("hidden", [(16,), (16, 8)])
def test_which_layers_have_their_examples_in_columns(hidden, shared):
    net, x = MLP((5, *hidden, 3), key=jr.key(0), members=4), inputs(4, shared, count=20)
    between = f"4,{hidden[0]},20"
    with kernels.enabled():
        assert (between in str(jax.make_jaxpr(forward)(net, x))) == (len(hidden) > 1)
        assert between not in str(jax.make_jaxpr(net)(x))
        assert between not in str(jax.make_jaxpr(forward)(net, x[..., :10, :]))  # fewer examples than units
    assert between not in str(jax.make_jaxpr(forward)(net, x))


def test_a_vmap_over_networks_agrees():
    nets = [MLP((5, 16, 3), key=jr.key(i), members=2, activation="tanh") for i in range(3)]
    stacked = jax.tree.map(lambda *x: jnp.stack(x) if eqx.is_array(x[0]) else x[0], *nets)
    x = jr.normal(jr.key(1), (3, 7, 5))
    assert_same(eqx.filter_vmap(derivatives), stacked, x, tolerance=1e-5)


def test_bfloat16_rounds_the_operands_and_sums_in_float32():
    x, w = jnp.array([[1 + 2**-9, 1.0]]), jnp.array([[1.0], [2**-10]])
    for compile_with in (filter_jit, eqx.filter_jit):
        half, full = (float(compile_with(matmul)(x, w, precision)[0, 0]) for precision in ("bfloat16", "float32"))
        assert half == 1 + 2**-10  # 2^-9 was lost to rounding, and 2^-10 was not lost in the sum
        assert full == 1 + 2**-9 + 2**-10


def test_softplus_agrees():
    x = jnp.array([-200.0, -20.0, -1.0, 0.0, 1e-3, 1.0, 20.0, 200.0])
    for f in (softplus, jax.vmap(jax.grad(softplus)), jax.vmap(jax.grad(jax.grad(softplus)))):
        points = x if f is softplus else x[x != 0]
        np.testing.assert_allclose(jit(f)(points), jax.jit(f)(points), rtol=1e-6, atol=3e-7)


@pytest.mark.parametrize("limit", [0.1, 100.0])
def test_the_clip_is_that_of_optax(limit):
    rng = np.random.default_rng(0)
    shapes = {"a": (2, 3, 4), "b": (5,), "c": (), "blocks": (32, 3), "members": (2, 24, 3)}
    grads = {name: jnp.asarray(rng.standard_normal(shape), jnp.float32) for name, shape in shapes.items()}

    def clip(grads):
        transformation = clip_by_global_norm(limit)
        return transformation.update(grads, transformation.init(grads))

    ours, reference = jit(clip)(grads), jax.jit(clip)(grads)
    assert jax.tree.structure(ours) == jax.tree.structure(reference)
    for name in grads:
        np.testing.assert_allclose(ours[0][name], reference[0][name], rtol=1e-6)
    still = jit(clip)({name: 0 * g for name, g in grads.items()})[0]
    assert not any(np.any(g) for g in still.values())


# derivatives of what was saved

OBS = jr.normal(jr.key(2), (2, 3))
ACTION = jnp.array([[0.3, -1.0], [0.0, 1.5]])
NORMALIZER = Normalizer(jnp.array([0.1, 0.0, -0.2]), jnp.array([1.0, 2.0, 0.5]))


def explicit():
    return TanhGaussian(SPEC, PolicyConfig(hidden=(8, 6), activation="tanh"), key=jr.key(0))


def implicit(kind):
    """Its search takes a few steps, or its derivative would have nothing to do with its finite differences."""
    inference = Inference(kind=kind, samples=8, actor_samples=4, actor_steps=2, langevin=Langevin(iterations=2))
    cfg = EnergyConfig(hidden=(8, 6), activation="tanh", bound=3.0, spectral_norm=True)
    return EnergyActor(Energy(SPEC, cfg, key=jr.key(3)), explicit(), ActionRange.box(SPEC), inference)


def saved_policy(folder, actor):
    save_policy(folder / "policy.safetensors", Policy(NORMALIZER, actor), {})
    return load_policy(folder / "policy.safetensors")[0]


def check_derivatives(f, x, smooth=True):
    """Forward mode against reverse mode, of order one and two, and against finite differences."""
    direction, h = jr.normal(jr.key(4), x.shape), 1e-2

    @jax.jit
    def every(x):
        difference = (f(x + h * direction) - f(x - h * direction)) / (2 * h)
        first = jax.jacfwd(f)(x), jax.jacrev(f)(x)
        return first, jax.jvp(f, (x,), (direction,))[1], difference, jax.hessian(f)(x), jax.jacrev(jax.jacrev(f))(x)

    (forwards, backwards), slope, difference, second, reverse = every(x)
    assert float(jnp.abs(backwards).max()) > 1e-3
    np.testing.assert_allclose(forwards, backwards, rtol=1e-3, atol=1e-4)
    if smooth:
        np.testing.assert_allclose(slope, difference, rtol=0.02, atol=2e-3)
    np.testing.assert_allclose(second, reverse, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("actor", "mode"),
    [(explicit(), "mode"), (explicit(), "sample"), (implicit("actor_mean"), "mode")],
    ids=["mode", "sample", "amortised"],
)
def test_the_action_of_a_saved_policy(actor, mode, tmp_path):
    policy = saved_policy(tmp_path, actor)
    check_derivatives(lambda obs: policy.act(obs, jr.key(0), mode), OBS)


@pytest.mark.parametrize("kind", ["actor_polish", "dfo"])
def test_the_search_of_a_saved_policy(kind, tmp_path):
    """Of dfo, the samples are the same for all states: only which one is best depends on the state."""
    policy = saved_policy(tmp_path, implicit(kind))

    def f(obs):
        return policy.act(obs, jr.key(0), "mode")

    if kind == "dfo":
        np.testing.assert_array_equal(jax.jacfwd(f)(OBS), jnp.zeros((2, 2, 2, 3)))
    else:
        check_derivatives(f, OBS, smooth=False)  # of a chain of tiny steps, float32 has no finite differences


@pytest.mark.parametrize("wrt", ["obs", "action"])
@pytest.mark.parametrize("actor", [explicit(), implicit("dfo")], ids=["explicit", "energy"])
def test_the_density_of_a_saved_policy(actor, wrt, tmp_path):
    policy = saved_policy(tmp_path, actor)
    if wrt == "obs":
        check_derivatives(lambda obs: policy.log_prob(obs, ACTION), OBS)
    else:
        check_derivatives(lambda action: policy.log_prob(OBS, action), ACTION)


@pytest.mark.parametrize(
    ("sees", "wrt"), [("state_action", "obs"), ("state_action", "action"), ("state_next", "next_obs")]
)
def test_a_saved_reward(sees, wrt, tmp_path):
    """As it is called, and its network with the shaping term."""
    network = {"hidden": (8, 6), "activation": "tanh", "bound": 2.0, "spectral_norm": True, "dropout": 0.1}
    terminal = Terminal("mask")
    flags = {"flagged": terminal.flagged, "absorbing": terminal.samples_absorbing}
    net = Reward(SPEC, RewardConfig(inputs=sees, shaping=True, **network), gamma=0.9, **flags, key=jr.key(0))
    save_reward(tmp_path / "reward.safetensors", LearnedReward(NORMALIZER, net, terminal, RewardHead(), 1.5), {})
    reward = load_reward(tmp_path / "reward.safetensors")[0]
    given, ends = {"obs": OBS, "action": ACTION, "next_obs": 2 * OBS + 1}, jnp.array([False, True])

    def values(x):
        t = given | {wrt: x}
        seen = RewardInput(t["obs"], t["action"], jnp.zeros(2), t["next_obs"], ends.astype(float))
        return jnp.concatenate([reward(**t, terminated=ends), reward.net(seen)])

    check_derivatives(values, given[wrt])


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_forward_mode_on_parameters(precision):
    net = MLP((5, 8, 1), key=jr.key(0), members=3, spectral_norm=True, layer_norm=True, precision=precision)
    x, direction = inputs(3, True), jax.tree.map(lambda w: 0.1 * jnp.cos(w), eqx.filter(net, eqx.is_array))

    @eqx.filter_jit
    def both_modes(net):
        def objective(net):
            return (jnp.sin(net(x)) ** 2).sum()

        gradient = jax.tree.leaves(eqx.filter_grad(objective)(net))
        reverse = sum((g * d).sum() for g, d in zip(gradient, jax.tree.leaves(direction), strict=True))
        return eqx.filter_jvp(objective, (net,), (direction,))[1], reverse

    np.testing.assert_allclose(*both_modes(net), rtol=10 * TOLERANCE[precision])


def test_forward_mode_in_a_compiled_program():
    net, x = MLP((5, 6, 1), key=jr.key(0)), inputs(None, True)

    def slope(x):
        return jax.jvp(net, (x,), (x,))[1]  # not compiled

    def plain(x):
        with kernels.disabled():
            return slope(x)

    with pytest.raises(TypeError, match="forward-mode"):
        jit(slope)(x)
    np.testing.assert_allclose(jit(plain)(x), slope(x), rtol=1e-5)
