"""The file that acts with NumPy alone: worked out by hand, and in a process that has nothing else."""

import json
import shutil
import subprocess
import sys

import exported
import numpy as np
import pytest

from imitax import export as export_module
from imitax.export import export, imitax_policy
from imitax.export.imitax_policy import Leaf, Policy, example, microseconds


def write(path, about=None, **arrays):
    """A policy of one layer: two observations, two actions in [-1, 1] and [-1, 3]."""
    leaf = {"kind": "vector", "shape": [2]}
    described = {
        "format": imitax_policy.FORMAT,
        "about": {"env": "x"},
        "observation": leaf,
        "leaves": [leaf],
        "activation": "relu",
        "layers": 1,
        "action": {"kind": "box", "shape": [2], "limit": 7.0},
    } | (about or {})
    data = np.frombuffer(json.dumps(described).encode(), np.uint8)
    values = {"mean/0": [1, 2], "std/0": [2, 4], "weight/0": [[1, 0], [0, 2]], "bias/0": [0.5, -1]}
    values |= {"middle": [0, 1], "half": [1, 2]} | arrays
    np.savez(path, description=data, **{name: np.asarray(x, np.float32) for name, x in values.items()})
    return path


@pytest.fixture
def file(tmp_path):
    return write(tmp_path / "policy.npz")


def test_an_action_by_hand(file):
    policy = Policy(file)
    expected = [np.tanh(1.5), 1 + 2 * np.tanh(1)]  # (3 - 1) / 2 = 1, (6 - 2) / 4 = 1
    action = policy([3, 6])
    assert action.dtype == np.float32
    np.testing.assert_allclose(action, expected, rtol=1e-6)
    np.testing.assert_allclose(policy(np.array([[3.0, 6.0], [1.0, 2.0]]))[0], expected, rtol=1e-6)
    assert policy([1e6, 0])[0] == np.tanh(np.float32(7))  # the limit
    assert policy(np.zeros((0, 2))).shape == (0, 2)


def test_the_most_probable_choice_by_hand(tmp_path):
    action = {"kind": "finite", "sizes": [2, 3], "starts": [0, 5], "shape": [2], "dtype": "int8"}
    layer = {"weight/0": [[0, 1, 0, 0, 2], [0, 0, 0, 1, 0]], "bias/0": [0.1, 0, 0.2, 0, 0]}
    policy = Policy(write(tmp_path / "p.npz", {"action": action}, **layer))
    chosen = policy([[3, 2], [1, 2], [-1, 10]])  # normalised: (1, 0), (0, 0), (-1, 2)
    assert chosen.tolist() == [[1, 7], [0, 5], [0, 6]]
    assert chosen.dtype == np.int8
    one = {"kind": "finite", "sizes": [5], "starts": [-1], "shape": [], "dtype": "int64"}
    number = Policy(write(tmp_path / "q.npz", {"action": one}, **layer))([3, 2])
    assert (number, number.shape, number.dtype) == (3, (), np.int64)


def walked(path, weight, bias, about):
    """A policy of one layer, whose observations and actions are single numbers without bounds."""
    about = {"format": imitax_policy.FORMATS[1], "action": {"kind": "open box", "shape": [1]}} | about
    size, steps = np.shape(weight)
    seen = {"kind": "vector", "shape": [size]}
    layer = {"mean/0": np.zeros(size), "std/0": np.ones(size), "weight/0": weight, "bias/0": bias}
    ends = {"middle": np.zeros(steps), "half": np.ones(steps), "low": [-np.inf] * steps, "high": [1e3] * steps}
    return Policy(write(path / "policy.npz", {"observation": seen, "leaves": [seen]} | about, **layer | ends))


ONE = {"kind": "vector", "shape": [1]}


def test_a_history_by_hand(tmp_path):
    about = {"history": {"length": 3, "actions": False, "single": ONE}}
    policy = walked(tmp_path, [[100], [10], [1]], [0], about)
    assert [policy([x]).item() for x in (1, 2, 3, 4)] == [111, 112, 123, 234]
    policy.reset()
    both = [policy([[x], [x + 1]])[:, 0].tolist() for x in (1, 2)]
    policy.reset(1)
    assert [*both, policy([[3], [4]])[:, 0].tolist()] == [[111, 222], [112, 223], [123, 444]]
    assert policy.predict([[1, 2, 3]]).tolist() == [[123]]  # without memory
    assert policy([[4], [40]]).tolist() == [[234], [480]]
    assert policy([[4], [40]]).tolist() == [[344], [840]]
    assert policy([[9], [40]]).tolist() == [[449], [1000]]  # the upper bound
    about = {"history": {"length": 3, "actions": True, "single": ONE}}
    policy = walked(tmp_path, [[0], [0], [1], [2], [1]], [0], about)  # o(t) + 2 a(t - 2) + a(t - 1)
    assert [policy([x]).item() for x in (1, 2, 3, 4)] == [1, 3, 8, 4 + 6 + 8]
    policy.reset([0])
    assert [policy([x]).item() for x in (5, 6)] == [5, 11]


def test_earlier_choices_are_one_hot_by_hand(tmp_path):
    action = {"kind": "finite", "sizes": [3], "starts": [5], "shape": [], "dtype": "int64"}
    about = {"history": {"length": 2, "actions": True, "single": ONE}, "action": action}
    after = np.array([[0, 4, 0], [0, 0, 4], [4, 0, 0]])  # the next one, in turn
    policy = walked(tmp_path, np.concatenate([[[0, 0, 0]], [[1, 0, 0]], after]), [0, 0, 0], about)
    chosen = [policy([1]) for _ in range(4)]
    assert chosen == [5, 6, 7, 5]
    assert (chosen[0].shape, chosen[0].dtype) == ((), np.int64)


def test_chunks_by_hand(tmp_path):
    """At step t the actions t, t + 0.1 and t + 0.2 are predicted, as in the tests of `imitax.execution`."""
    chunk = {"horizon": 3, "execute": 2, "ensemble": False, "decay": 0.5}
    layer = [[1, 1, 1]], [0, 0.1, 0.2]
    policy = walked(tmp_path, *layer, {"chunk": chunk})
    np.testing.assert_allclose([policy([t]).item() for t in range(5)], [0, 0.1, 2, 2.1, 4], rtol=1e-6)
    policy.reset()
    both = [policy([[t], [t + 100]])[:, 0] for t in range(2)]
    policy.reset([False, True])
    both += [policy([[t], [t + 100]])[:, 0] for t in (2, 3)]
    np.testing.assert_allclose(both, [[0, 100], [0.1, 100.1], [2, 102], [2.1, 102.1]], rtol=1e-6)
    assert policy.predict([[7]]).shape == (1, 3, 1)
    policy = walked(tmp_path, *layer, {"chunk": chunk | {"ensemble": True, "execute": 3}})
    w = np.exp(-0.5 * np.arange(3))
    means = [0, (0.1 + w[1]) / w[:2].sum(), (0.2 + w[1] * 1.1 + w[2] * 2) / w.sum()]
    means += [(1.2 + w[1] * 2.1 + w[2] * 3) / w.sum()]
    np.testing.assert_allclose([policy([[t], [t]])[0, 0] for t in range(4)], means, rtol=1e-6)
    policy.reset(0)
    last = [4, (2.2 + w[1] * 3.1 + w[2] * 4) / w.sum()]
    np.testing.assert_allclose(policy([[4], [4]])[:, 0], last, rtol=1e-6)


def test_what_a_memory_refuses_is_not_remembered(tmp_path, file):
    policy = walked(tmp_path, [[10], [1]], [0], {"history": {"length": 2, "actions": False, "single": ONE}})
    assert policy([[1], [2]]).tolist() == [[11], [22]]
    with pytest.raises(ValueError, match=r"acts in 2 environments since its reset, and got observations of 1: .*reset"):
        policy([1])
    with pytest.raises(ValueError, match="NaN or infinity"):
        policy([[np.nan], [2]])
    with pytest.raises(ValueError, match=r"reset\(2\): the policy acts in 2 environments"):
        policy.reset(2)
    assert policy([[3], [4]]).tolist() == [[13], [24]]
    policy.reset()
    assert policy([5]).tolist() == [55]


def test_a_policy_without_memory_has_nothing_to_reset(file):
    policy = Policy(file)
    first = policy([3, 6])
    policy.reset()
    policy.reset([2])
    np.testing.assert_array_equal(policy([3, 6]), first)


@pytest.mark.parametrize(
    ("obs", "message"),
    [
        ([1, 2, 3], r"the shape \(3,\); it must be \(2,\) or \('B', 2\)"),
        (1.0, r"the shape \(\)"),
        (np.zeros((1, 1, 2)), "the shape"),
        ([1, np.nan], "NaN or infinity"),
        ([1, 1e300], "NaN or infinity"),
        (["a", "b"], "no array of numbers"),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow")
def test_observations_that_do_not_fit(obs, message, file):
    with pytest.raises(ValueError, match=message):
        Policy(file)(obs)


def test_observations_with_parts_that_do_not_fit(tmp_path, monkeypatch):
    monkeypatch.setattr(export_module, "OBSERVATIONS", 50)
    export(exported.policy("mixed"), {}, "numpy", tmp_path)
    policy = Policy(tmp_path / "policy.npz")
    good = example(policy.space)
    assert policy(good).shape == (2,)
    for change, message in (
        ({"camera": good["camera"].astype(np.float32)}, "observation.camera must be bytes"),
        ({"camera": good["camera"][None]}, "observation.frames holds one observation, observation.camera"),
        ({"extra": 1}, "observation must be a dict with the keys camera, frames"),
        ({"where": (good["where"][0], [0, 2])}, "observation.where.1 has a number that is none of its classes"),
        ({"where": good["where"][0]}, "observation.where must be a tuple of 2"),
    ):
        with pytest.raises(ValueError, match=message):
            policy(good | change)
    assert (policy(good | {"camera": good["camera"].astype(int)}) == policy(good)).all()


def test_binary_observations_are_zeros_and_ones():
    leaf = Leaf({"kind": "binary", "shape": [3]})
    leaf.check([0, 1, 1], "observation")
    for wrong in ([2, 0, 1], [0.5, 0, 1], [-7, 0, 300]):
        with pytest.raises(ValueError, match="observation must be zeros and ones"):
            leaf.check(wrong, "observation")


def test_other_files_are_refused_and_pickles_not_read(tmp_path):
    np.savez(tmp_path / "other.npz", x=np.zeros(2))
    with pytest.raises(ValueError, match="is not an exported policy"):
        Policy(tmp_path / "other.npz")
    with pytest.raises(ValueError, match="has the format 'imitax-numpy-policy-9'; this file reads"):
        Policy(write(tmp_path / "newer.npz", {"format": "imitax-numpy-policy-9"}))
    np.savez(tmp_path / "pickled.npz", description=np.array([{}], object))
    with pytest.raises(ValueError, match="allow_pickle=False"):
        Policy(tmp_path / "pickled.npz")


ALONE = """
import sys
import numpy as np
from imitax_policy import Policy
print(Policy("policy.npz")(np.array([3.0, 6.0])).tolist())
print(sorted({name.partition(".")[0] for name in sys.modules} & {"imitax", "jax", "equinox", "scipy"}))
"""


def test_the_folder_needs_numpy_alone(file):
    shutil.copyfile(imitax_policy.__file__, file.parent / "imitax_policy.py")
    calls = [["-c", ALONE], ["imitax_policy.py", "policy.npz"]]
    alone, told = (
        subprocess.run([sys.executable, *call], cwd=file.parent, capture_output=True, text=True, timeout=60, check=True)
        for call in calls
    )
    action, loaded = alone.stdout.splitlines()
    np.testing.assert_allclose(json.loads(action), [np.tanh(1.5), 1 + 2 * np.tanh(1)], rtol=1e-6)
    assert loaded == "[]"
    assert told.stdout.startswith('from {"env": "x"}\ntakes')
    assert microseconds(Policy(file), calls=10) > 0
