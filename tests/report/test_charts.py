"""Where the parts of a chart stand."""

import pytest

from imitax.report.charts import begin_farther


@pytest.mark.parametrize(
    ("curves", "left"),
    [
        ([], False),
        ([[], [0.0, 9.0]], True),
        ([[0.0, 9.0], [1.0, 1.0]], True),
        ([[9.5, 9.0]], False),
        ([[9.0]], False),  # a single evaluation
        ([[0.0, 9.0], [10.0, 0.0]], False),
    ],
)
def test_a_level_is_named_where_curves_are_far(curves, left):
    assert begin_farther(curves, 10.0) is left
