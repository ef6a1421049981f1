"""Bad input to `imitax.train` is refused before anything is written, with a message that says what is wrong."""

import dataclasses

import numpy as np
import pictured
import pytest
import toy

import imitax
from imitax.algorithms import bc, mbpo, sac
from imitax.config import override
from imitax.datasets import Dataset, Episode
from imitax.errors import ImitaxError

GOOD = {
    "env": toy.ENV,
    "chunk": 2,
    "eval_every": 4,
    "eval_episodes": 2,
    "checkpoint_every": 4,
    "steps": 8,
    "quiet": True,
}
BC, SAC, MBPO = (toy.shrink(algorithm.Config()) for algorithm in (bc, sac, mbpo))


def changed(demos, **episode):
    """The demonstrations with one field of their first episode replaced."""
    first = dataclasses.replace(demos.episodes[0], **episode)
    return dataclasses.replace(demos, episodes=(first, *demos.episodes[1:]))


def with_nan(demos):
    observations = demos.episodes[0].observations.copy()
    observations[1, 0] = np.nan
    return changed(demos, observations=observations)


def other_dims(demos):
    return Dataset(
        tuple(Episode(np.zeros((4, 5)) + i, np.zeros((3, 2)), np.zeros(3), False, True) for i in range(1, 4))
    )


def state_only(demos):
    return Dataset(tuple(Episode(e.observations, None, None, False, True) for e in demos.episodes))


def elsewhere(demos):
    return dataclasses.replace(demos, env_id="Other-v0")


def out_of_bounds(demos):
    return changed(demos, actions=demos.episodes[0].actions + 5)


DEMOS = "the fixture"
CASES = {
    "unknown algorithm": (("nonsense", {}), "unknown algorithm 'nonsense'; there are bc"),
    "not an algorithm": ((3, {}), "not the configuration of an algorithm"),
    "unknown preset": (("bc", {"preset": "best"}), "bc has no preset 'best'; there are default"),
    "unknown environment": ((SAC, {"env": "Nonsense-v0"}), "unknown environment 'Nonsense-v0'"),
    "no environment": ((SAC, {"env": ""}), "give --env"),
    "wrong env kwargs": ((SAC, {"env_kwargs": {"gravity": 9}}), "does not take env_kwargs .*gravity"),
    "env kwargs of a wrong type": ((SAC, {"env_kwargs": "wall"}), "env_kwargs must be a mapping"),
    "a model of discrete actions": ((MBPO, {"env": "ImitaxSteps-v0"}), "because its learned model takes"),
    "unbounded actions": ((SAC, {"env": "ImitaxUnbounded-v0"}), "action bounds must be finite"),
    "a model of a tuple": (("mbpo", {"env": pictured.ENVS["tuple"]}), r"mbpo learns a model .*observation.0 \(vector"),
    "convolutions without images": ((override(SAC, **{"critic.encoder.kind": "cnn"}), {}), "there are none among"),
    "shifts without images": ((SAC, {"random_shift": 4}), "random_shift is for images"),
    "no demonstrations": ((BC, {}), "bc learns from demonstrations"),
    "demonstrations for sac": ((SAC, {"demos": DEMOS, "steps": 40}), "takes no demonstrations"),
    "episodes for sac": ((SAC, {"episodes": 3, "steps": 40}), "are for demonstrations"),
    "a small replay": ((override(SAC, buffer_size=1), {"steps": 40}), "at least one chunk of 2"),
    "demonstrations not found": ((BC, {"demos": "nowhere/at/all"}), "neither a file or folder"),
    "too few episodes": ((BC, {"demos": DEMOS, "episodes": 99}), "99 episodes are wanted, .* too few: 8"),
    "no episodes": ((BC, {"demos": DEMOS, "episodes": 0}), "episodes must be at least 1"),
    "validation takes all": ((BC, {"demos": DEMOS, "episodes": 3, "validation_episodes": 3}), "validation_episodes"),
    "negative validation": ((BC, {"demos": DEMOS, "validation_episodes": -1}), "must not be negative"),
    "eval_every": ((BC, {"demos": DEMOS, "eval_every": 5}), r"eval_every must be a multiple of chunk \(2\), got 5"),
    "checkpoint_every": ((BC, {"demos": DEMOS, "checkpoint_every": 3}), "checkpoint_every must be a multiple"),
    "repeated seeds": ((BC, {"demos": DEMOS, "seeds": (1, 1)}), "repeat"),
    "negative seed": ((BC, {"demos": DEMOS, "seeds": (-1,)}), "must not be negative"),
    "no seeds": ((BC, {"demos": DEMOS, "seeds": ()}), "seeds is empty"),
    "seeds not a list": ((BC, {"demos": DEMOS, "seeds": 3}), "seeds must be a list"),
    "no steps": ((BC, {"demos": DEMOS, "steps": 0}), "steps must be at least 1, got 0"),
    "all warmup": ((SAC, {"steps": 10}), r"steps \(10\) must exceed warmup_steps \(10\)"),
    "results in no folder": ((BC, {"demos": DEMOS, "results": f"{__file__}/x.jsonl"}), "results .* cannot be written"),
    "a setting of the algorithm": ((BC, {"demos": DEMOS, "l2": 0.1}), r"preset_config\('bc', l2=\.\.\.\)"),
    "unknown field": ((BC, {"demos": DEMOS, "batch": 3}), "unknown field batch; there are"),
    "wrong type": ((BC, {"demos": DEMOS, "steps": "many"}), "steps must be int, got 'many'"),
    "wrong type in a list": ((BC, {"demos": DEMOS, "seeds": ("a",)}), "seeds must be int"),
    "path of a wrong type": ((BC, {"demos": DEMOS, "init_from": 3}), "init_from must be"),
    "warm start missing": ((BC, {"demos": DEMOS, "init_from": "nowhere"}), "there is no policy.safetensors"),
    "not finite": ((BC, {"demos": with_nan}), "observations hold NaN or infinity: episode 0 row 1"),
    "other sizes": ((BC, {"demos": other_dims}), "observations have 5 dimensions, the environment's 2"),
    "state-only": ((BC, {"demos": state_only}), "it has no actions"),
    "another environment": ((BC, {"demos": elsewhere}), "recorded in Other-v0, not in"),
    "out of bounds": ((BC, {"demos": out_of_bounds}), "actions lie outside the bounds"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_bad_input(name, tmp_path, demos):
    (algorithm, options), message = CASES[name]
    given = options.get("demos")
    data = demos if given is DEMOS else given(demos) if callable(given) else given
    out = tmp_path / "run"
    with pytest.raises(ImitaxError, match=message):
        imitax.train(algorithm, out=out, **GOOD | options | {"demos": data})
    assert not out.exists()


def test_a_run_is_not_overwritten_and_warm_starts_must_fit(tmp_path, demos, no_figures):
    run = imitax.train(BC, demos=demos, out=tmp_path / "run", **GOOD)
    before = {p: p.read_bytes() for p in run.folder.rglob("*") if p.is_file()}
    with pytest.raises(ImitaxError, match="holds a run already"):
        imitax.train(BC, demos=demos, out=run.folder, **GOOD)
    assert {p: p.read_bytes() for p in run.folder.rglob("*") if p.is_file()} == before
    with pytest.raises(ImitaxError, match="other shapes or bounds"):
        imitax.train(
            SAC, out=tmp_path / "other", init_from=run.folder, **GOOD | {"env": "ImitaxCounter-v0", "steps": 20}
        )
    assert not (tmp_path / "other").exists()
    (run.folder / "policy.safetensors").write_bytes(b"nonsense")
    with pytest.raises(ImitaxError, match="damaged"):
        imitax.train(BC, demos=demos, out=tmp_path / "other", init_from=run.folder, **GOOD)
    assert not (tmp_path / "other").exists()
