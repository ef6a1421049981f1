import math

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from implicit import PART, SHORT, SPEC, implicit, quadratic

from imitax.choices.negatives import Negatives, all_others
from imitax.errors import ConfigError
from imitax.networks import ActionRange, Langevin, PolicyConfig, TanhGaussian, draw_actions
from imitax.spaces import FiniteActions, Spec


def test_counter_examples():
    actor = implicit().amortised
    obs = jr.normal(jr.key(0), (500, 3))
    choice = Negatives("mix", count=6, actor=2, chained=1, langevin=Langevin(50))
    assert choice.counts == (3, 1, 2)
    f = quadratic([0.5, 0.5])
    a = eqx.filter_jit(choice.draw)(f, actor, obs, PART, jr.key(1))
    assert a.shape == (500, 6, 2)
    assert (jnp.abs(a[:, :4]) <= 1).all()
    uniform = np.asarray(a[:, :3]).reshape(-1, 2)
    np.testing.assert_allclose(uniform.mean(0), 0, atol=0.06)
    np.testing.assert_allclose(uniform.std(0), 1 / math.sqrt(3), atol=0.03)
    np.testing.assert_allclose(np.median(a[:, 3], 0), 0.5, atol=0.1)
    of_actor = np.asarray(PART.action(a[:, 4:]))
    assert (of_actor >= np.array(SPEC.action_low) - 1e-5).all()
    assert (of_actor <= np.array(SPEC.action_high) + 1e-5).all()
    np.testing.assert_allclose(of_actor.mean((0, 1)), draw_actions(actor, obs, 50, jr.key(2)).mean((0, 1)), atol=0.05)


def test_the_kinds_of_counter_examples():
    for kind, counts in {"uniform": (6, 0, 0), "langevin": (0, 6, 0), "actor": (0, 0, 6)}.items():
        assert Negatives(kind, count=6, actor=2, chained=1).counts == counts


def test_no_gradient_flows_through_counter_examples():
    model = implicit()
    choice = Negatives("mix", count=4, actor=2, chained=1, langevin=SHORT)

    def total(model):
        f = model.energy.at(jnp.ones((2, 3)))
        drawn = choice.draw(f, model.amortised, jnp.ones((2, 3)), PART, jr.key(0))
        return drawn.sum()

    gradient = eqx.filter_jit(eqx.filter_grad(total))(model)
    assert all((leaf == 0).all() for leaf in jax.tree.leaves(gradient))


@pytest.mark.parametrize("kind", ["uniform", "actor", "mix"])
def test_the_density_of_counter_examples_integrates_to_one(kind):
    spec = Spec.flat(1, (-0.3,), (1.2,))
    whole = ActionRange.box(spec)
    actor = TanhGaussian(spec, PolicyConfig((8,)), key=jr.key(0))
    unit = jnp.linspace(-0.9999, 0.9999, 4001)
    density = Negatives(kind, count=4, actor=1).log_density(actor, jnp.ones((1, 1)), whole, unit[None, :, None])
    assert np.trapezoid(np.exp(density[0]), unit) == pytest.approx(1.0, abs=5e-3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Negatives("langevin", corrected=True), "have not"),
        (lambda: Negatives("mix", count=4, actor=3, chained=2), "are parts of negatives.count"),
        (lambda: Negatives(count=0), "negatives.count must be at least 1"),
    ],
)
def test_contradictions_are_refused(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


def test_counter_examples_of_a_finite_set_are_all_others():
    space = FiniteActions((2, 2), (0, 0), (2,))
    demonstrated = space.encode(np.array([[0, 1], [1, 1]]))
    others = np.asarray(all_others(space, jnp.asarray(demonstrated)))
    assert others.shape == (2, 3, 4)
    for own, rest in zip(demonstrated, others, strict=True):
        found = {tuple(row) for row in [*rest, own]}
        assert found == {tuple(row) for row in space.joint()}
