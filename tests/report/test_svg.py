"""Charts as SVG: places, ticks, gaps, escapes."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest

from imitax.report.svg import Chart, colour, limits, plain, ticks


@pytest.mark.parametrize(
    ("low", "high", "count", "expected"),
    [
        (0, 4000, 5, [0, 1000, 2000, 3000, 4000]),
        (-0.1, 0.34, 4, [0, 0.2]),
        (0, 1, 4, [0, 0.25, 0.5, 0.75, 1]),
        (5, 5, 4, [5]),
        (-30, -1, 3, [-30, -20, -10]),
    ],
)
def test_ticks(low, high, count, expected):
    np.testing.assert_allclose(ticks(low, high, count), expected, atol=1e-12)


def test_numbers_at_ticks():
    assert [plain(v) for v in (0.0, 0.05, 1250.0, -2.5, 1.2e6, 3e9, 0.1 + 0.2)] == [
        "0",
        "0.05",
        "1,250",
        "-2.5",
        "1.2M",
        "3e+09",
        "0.3",
    ]


def test_limits():
    assert limits([90.0, 100.0])[0] > 80  # near-perfect curves use the whole height
    assert limits([10.0, 100.0], zero=True)[0] == 0
    assert limits([np.nan, np.nan]) == (0.0, 1.0)
    low, high = limits([1000.0, 1000.1])
    assert high - low > 50  # what is nearly constant is not blown up


def test_places_and_gaps():
    chart = Chart((0, 10), (0, 100), 220, 120, 10, 10, 10, 10)
    assert (chart.px(0), chart.px(10), chart.py(0), chart.py(100)) == (10, 210, 110, 10)
    chart.line([0, 5, 6, 8, 10], [0.0, 100, np.nan, 50, np.nan], "c0")
    line, dot = ET.fromstring(chart.svg("x"))
    assert line.get("d") == "M10 110L110 10"
    assert (dot.tag, dot.get("cx"), dot.get("cy")) == ("circle", "170", "60")
    chart = Chart((0, 10), (0, 100), 220, 120, 10, 10, 10, 10)
    chart.band([0, 10, 10], [0.0, 0, np.nan], [100.0, 50, 1], "c1")
    assert ET.fromstring(chart.svg("x"))[0].get("d") == "M10 10L210 60L210 110L10 110Z"


def test_text_is_escaped():
    chart = Chart((1, 1), (2, 2)).axes('<script>"')
    chart.level(2.0, "</svg><b>")
    chart.dot(1.0, 2.0, "c0", "<i>&")
    svg = str(chart.svg("\"'<>&"))
    assert not {"<script", "<b>", "<i>"} & {svg[i : i + n] for n in (3, 7) for i in range(len(svg))}
    assert ET.fromstring(svg).get("aria-label") == "\"'<>&"


def test_colours_come_again_as_dashes():
    assert (colour(0), colour(6), colour(7)) == ("c0", "c6", "c0 dashed")
