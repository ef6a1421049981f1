"""Labels of axes."""

from imitax.figures import thousands


def test_thousands():
    assert [thousands(value) for value in (0.0, 500.0, 1000.0, 2500.0, 2e5, 1.5e6)] == [
        "0",
        "500",
        "1k",
        "2.5k",
        "200k",
        "1.5M",
    ]
