"""The table of `dynamics.jsonl`: how good the models are that runs have fitted."""

from collections.abc import Sequence

import numpy as np

from bench.experiments.sections import Line
from bench.experiments.sections.markdown import short_commit, table

MAKE_MODELS = "make bench-model"
NOTE = """\
Mean squared error on held-out transitions, outputs in units of their standard deviation; share of held-out outputs
inside the central intervals of probability 0.5 and 0.9; and root mean squared error after 1, 10 and 40 steps along
recorded actions, in the data's standard deviations."""


def models_section(lines: Sequence[Line]) -> str:
    """One row for each model and seed."""
    if not lines:
        return f"Not measured yet:\n`{MAKE_MODELS}`."
    rows = []
    for line in sorted(lines, key=lambda line: (line["env"], line["algorithm"], line["row"], line["seed"])):
        elites = [line["error"][member] for member in line["elites"]]
        errors = line["rollout_errors"]
        after = [f"{errors[step - 1]:.3f}" if len(errors) >= step else "-" for step in (1, 10, 40)]
        data = line["offline_data"].partition("@")[0]
        if line["demonstrations"]:
            data += f", demonstrations {line['demonstrations']}"
        cells = [f"{line['transitions']:,}", str(line["epochs"])]
        cells += [f"{np.mean(elites):.4f}", f"{np.max(line['error']):.4f}"]
        cells += [f"{line['coverage'][level]:.2f}" for level in ("0.5", "0.9")]
        rows.append([line["env"], data, str(line["seed"]), *cells, *after, short_commit(line["commit"])])
    header = "environment|data|seed|fitted to|epochs|elites|worst|0.5|0.9|1 step|10|40|commit"
    return table(header.split("|"), rows, left=2) + "\n\n" + NOTE
