"""Readers on values that hypothesis makes up: arrays in memory, CSV, and JSON that means something else."""

import json
import os
import warnings

import numpy as np
import pytest
from fuzzing_files import QUICK

from imitax.datasets import load
from imitax.errors import ImitaxError

hypothesis = pytest.importorskip("hypothesis")
from hypothesis import strategies as st  # noqa: E402  not without the package
from hypothesis.extra import numpy as arrays  # noqa: E402

EXAMPLES = int(os.environ.get("IMITAX_FUZZ_EXAMPLES", "2000"))
NAMES = ("observations", "obs", "actions", "rewards", "next_observations", "terminals", "timeouts", "episode", "dones")
KINDS = (np.float64, np.float32, np.int64, np.uint8, np.bool_, np.complex64, "S3", "U3", "M8[s]")
SHAPES = st.lists(st.integers(0, 4), max_size=3).map(tuple)
ARRAYS = st.sampled_from(KINDS).flatmap(lambda kind: arrays.arrays(kind, SHAPES))
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(max_size=3)
VALUES = st.recursive(SCALARS | ARRAYS, lambda inner: st.lists(inner, max_size=3), max_leaves=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
CELLS = st.floats(allow_nan=True).map(str) | st.text(max_size=4) | st.sampled_from(["True", "nan", "", "0", "1e999"])
HEADS = st.sampled_from(["episode", "t", "obs_0", "obs_1", "act", "reward", "terminated", "done", "next_obs_0", "x"])
TABLES = st.lists(HEADS, min_size=1, max_size=5).flatmap(
    lambda head: st.lists(st.lists(CELLS, min_size=len(head), max_size=len(head)), max_size=5).map(lambda r: [head, *r])
)


def reads(source, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            load(source, **options)
        except ImitaxError:
            return


def holds(strategy, check, examples=60):
    """Try a check on examples, from a fixed start, so that one commit has one answer."""
    options = hypothesis.settings(
        max_examples=examples, deadline=None, database=None, derandomize=True,
        suppress_health_check=list(hypothesis.HealthCheck),
    )  # fmt: skip
    options(hypothesis.given(strategy)(check))()


def fields(examples):
    arrays_by_name = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=6)
    holds(arrays_by_name, lambda f: reads(f), examples)
    holds(arrays_by_name, lambda f: reads(f, repair=True), examples)
    holds(st.lists(arrays_by_name, max_size=2), lambda f: reads(f), examples)


def test_values(tmp_path):
    fields(40)


@pytest.mark.long
def test_many_values(tmp_path):
    fields(EXAMPLES)
    pandas = pytest.importorskip("pandas")

    def frame(table):
        reads(pandas.DataFrame(table[1:], columns=table[0]))

    def text(table):
        (tmp_path / "x.csv").write_text("\n".join(map(",".join, table)), encoding="utf-8")
        reads(tmp_path / "x.csv", columns={"observations": "*"} if len(table) % 2 else None)

    holds(TABLES, frame, EXAMPLES)
    holds(TABLES, text, EXAMPLES)


@pytest.mark.long
@pytest.mark.parametrize("kind", [name for name in QUICK if name in ("minari_metadata", "lerobot_info")])
def test_many_values_in_json(kind, tmp_path):
    pytest.importorskip("pandas")
    target, read = QUICK[kind](tmp_path)
    whole = json.loads(target.read_text())

    def changed(change):
        key, value = change
        target.write_text(json.dumps(whole | {key: value}))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                read()
            except ImitaxError:
                return

    holds(st.tuples(st.sampled_from(sorted(whole)), JSON | JSON.map(json.dumps)), changed, EXAMPLES)
