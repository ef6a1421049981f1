"""What every algorithm takes: tables of README and docs/spaces.md, generated from the algorithms' `Needs`.

The pages have pairs of markers as HTML comments: `algorithms:begin` (README), `actions:begin` and `states:begin`
(docs/spaces.md). `python -m bench.experiments.tables` writes these tables too, and
tests/algorithms/test_spaces_contract.py trains on what they claim.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.experiments.pages import Markers
from bench.experiments.sections.markdown import table
from imitax.algorithm import Algorithm, Needs
from imitax.algorithms import ALGORITHMS
from imitax.spaces import JOINT_LIMIT

TITLES = {
    "bc": "behaviour cloning, `bc`",
    "ibc": "implicit behaviour cloning, `ibc`",
    "adversarial": "adversarial imitation, `adversarial`: GAIL, DAC, AIRL, FAIRL, GAIfO, HyPE",
    "iq_learn": "IQ-Learn, `iq_learn`",
    "ls_iq": "LS-IQ and SQIL, `ls_iq`",
    "f_irl": "f-IRL, `f_irl`",
    "ml_irl": "maximum-likelihood IRL, `ml_irl`: ML-IRL, PIRO",
    "recoil": "ReCOIL, `recoil`",
    "recoil_online": "ReCOIL online, `recoil_online`",
    "omlirl": "OMLIRL, `omlirl`",
    "rmirl": "RMIRL, `rmirl`",
    "rmirl_implicit": "RMIRL-implicit, `rmirl_implicit`",
    "sac": "soft actor-critic, `sac`",
    "mbpo": "MBPO, `mbpo`",
    "mopo": "MOPO, `mopo`",
    "rambo": "RAMBO, `rambo`",
}
"""The algorithms in the order of the tables, with their names in words."""


def update(root: Path, *, write: bool) -> list[Path]:
    """The pages under `root` with markers whose tables do not match the code; `write` brings them up to date.

    Raises DataError if a page has one marker without the other.
    """
    readme, spaces = root / "README.md", root / "docs" / "spaces.md"
    sections = {
        "algorithms": (readme, algorithms_table(ALGORITHMS)),
        "actions": (spaces, actions_table(ALGORITHMS)),
        "states": (spaces, states_table(ALGORITHMS)),
    }
    stale = []
    for name, (page, section) in sections.items():
        if Markers(name).on(page):
            stale += Markers(name).update({page: section}, root, write=write)
    return stale


def default_needs(algorithm: Algorithm) -> Needs:
    """What the preset `default` learns from."""
    return algorithm.needs(algorithm.PRESETS["default"])


def takes(needs: Needs) -> dict[str, str]:
    """What an algorithm can learn from under one configuration, by kind of space: empty where it is refused."""
    finite = needs.model is None and not needs.box_only
    whose = "around the recorded actions" if needs.expert or needs.offline else "that you give"
    return {
        "images": "yes" if needs.model is None else "",
        "box": "yes",
        "open box": "a Gaussian without tanh" if needs.open_box else f"within a range {whose}",
        "discrete": "yes" if finite else "",
        "factors": "" if not finite else f"up to {JOINT_LIMIT:,} joint actions" if needs.enumerates else "yes",
    }


def algorithms_table(algorithms: Mapping[str, Algorithm]) -> str:
    """README's table."""
    rows = []
    for name, title in ordered(algorithms):
        algorithm = algorithms[name]
        found = takes(default_needs(algorithm))
        observations = "vector, image, dict, tuple" if found["images"] else "vector"
        actions = "continuous, discrete" if found["discrete"] else "continuous"
        page = f"[{name}](docs/{name}.md)"
        rows.append([title, training(algorithm), observations, actions, learns_from(algorithm), page])
    return table(["algorithm", "training", "observations", "actions", "needs", "page"], rows, left=6)


def ordered(algorithms: Mapping[str, Algorithm]) -> list[tuple[str, str]]:
    """Names and titles, those without a title last."""
    return [(name, TITLES[name]) for name in TITLES if name in algorithms] + [
        (name, f"`{name}`") for name in algorithms if name not in TITLES
    ]


def training(algorithm: Algorithm) -> str:
    """With an environment, without one, or either; and whether with a model."""
    needs = [algorithm.needs(cfg) for cfg in algorithm.PRESETS.values()]
    words = ["online"] * any(n.env for n in needs) + ["offline"] * (not all(n.env for n in needs))
    return ", ".join(words + ["model-based"] * (default_needs(algorithm).model is not None))


def learns_from(algorithm: Algorithm) -> str:
    """The data of an algorithm."""
    needs = default_needs(algorithm)
    if not needs.expert:
        return "data with rewards" if needs.offline else "rewards"
    without = presets_without_actions(algorithm)
    states = "" if not without else " or states only" if needs.actions else ", states only"
    return f"demonstrations{states}" + ", other data" * needs.offline


def presets_without_actions(algorithm: Algorithm) -> list[str]:
    """Presets that learn from demonstrations without actions."""
    needs = {preset: algorithm.needs(cfg) for preset, cfg in algorithm.PRESETS.items()}
    return [preset for preset, n in needs.items() if n.expert and not n.actions]


def actions_table(algorithms: Mapping[str, Algorithm]) -> str:
    """Which algorithm takes which actions, those that take the same in one row."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for name, _ in ordered(algorithms):
        needs = default_needs(algorithms[name])
        found = takes(needs)
        none = "no: their models take actions as numbers" if needs.model is not None else f"no: {needs.box_only}"
        cells = (found["box"], found["open box"], found["discrete"] or none, found["factors"] or "no")
        groups.setdefault(cells, []).append(f"`{name}`")
    rows = [[", ".join(names), *cells] for cells, names in groups.items()]
    header = ["algorithm", "Box", "Box with open sides", "Discrete", "MultiDiscrete, MultiBinary"]
    return table(header, rows, left=5)


def states_table(algorithms: Mapping[str, Algorithm]) -> str:
    """What learns from demonstrations without actions, and why the others do not."""
    rows: list[Sequence[str]] = []
    for name, _ in ordered(algorithms):
        algorithm = algorithms[name]
        needs = default_needs(algorithm)
        if not needs.expert:
            continue
        presets, count = presets_without_actions(algorithm), len(algorithm.PRESETS)
        named = ", ".join(f"`{preset}`" for preset in presets)
        which = "no" if not presets else "yes" if len(presets) == count else f"preset {named}"
        rows.append([f"`{name}`", which, "only states are compared" if not needs.actions else needs.without_actions])
    return table(["algorithm", "without actions", "why"], rows, left=3)
