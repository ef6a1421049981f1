"""What metrics are called."""

import re
from pathlib import Path

from imitax.figures.words import METRICS, panels, within, words

DOCS = Path(__file__).parents[2] / "docs"


def documented():
    """The metrics in the tables of the pages."""
    found = set()
    for page in DOCS.glob("*.md"):
        for table in re.findall(r"^\| metric \|.*?(?=^[^|])", page.read_text(), re.MULTILINE | re.DOTALL):
            for row in table.splitlines()[2:]:
                found |= set(re.findall(r"`([a-z_0-9]+)`", row.split("|")[1]))
    return found


def test_every_documented_metric_has_a_name():
    lists = {"returns", "lengths", "validation_error_by_time", "validation_action_error_by_dimension"}
    assert len(documented()) > 50
    assert documented() - set(METRICS) - lists == set()
    assert len({str(name) for name in METRICS.values()}) >= len(METRICS) - 1  # `terminated` of two kinds of episode


def test_names():
    assert str(words("entropy")) == "policy entropy (nats)"
    assert str(words("their_own")) == "their_own"
    assert (within("q_policy", "Q"), within("q_policy", "Q, policy"), within("nll", "nll")) == (
        "policy",
        "Q",
        "negative log-likelihood",
    )


def test_panels_hold_what_belongs_together():
    assert panels(["own", "q", "logit_learner", "logit_expert", "actor/grad_norm", "reward_expert"]) == {
        "logits": ["logit_expert", "logit_learner"],
        "Q, batch": ["q"],
        "reward, demonstrations": ["reward_expert"],
        "own": ["own"],
        "actor/grad_norm": ["actor/grad_norm"],
    }
