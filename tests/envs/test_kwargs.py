import json
import math

import numpy as np

from imitax.envs.kwargs import read, written


def test_numbers_without_an_end_survive_json():
    kwargs = {
        "interval": (0.0, float("inf")),
        "low": -np.inf,
        "x": np.array([1.0, np.inf]),
        "n": 3,
        "deep": {"a": None},
    }
    back = read(json.loads(json.dumps(written(kwargs), allow_nan=False)))
    assert back == {
        "interval": [0.0, math.inf], "low": -math.inf, "x": [1.0, math.inf], "n": 3, "deep": {"a": None}
    }  # fmt: skip
    assert math.isnan(read(written(math.nan)))
