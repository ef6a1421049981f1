"""Algorithms as estimators."""

import numpy as np
import pytest
import toy

import imitax
from imitax.algorithms import ALGORITHMS
from imitax.catalogue import CLASSES
from imitax.errors import CheckpointError, ConfigError, DataError

pytestmark = pytest.mark.usefixtures("no_figures")

SHORT = {"steps": 10, "chunk": 10, "eval_every": 10, "checkpoint_every": 10, "eval_episodes": 2, "quiet": True}
SMALL = {"batch_size": np.int64(16), "policy__hidden": np.array([8, 8]), "l2": np.float32(0.5)}


@pytest.fixture(scope="module")
def fitted(demos, tmp_path_factory):
    folder = tmp_path_factory.mktemp("fitted") / "run"
    return imitax.BC(**SMALL).fit(demos, env=toy.ENV, out=folder, **SHORT)


def test_every_algorithm_and_alias_has_a_class():
    assert {getattr(imitax, name).algorithm for name in CLASSES} == set(ALGORITHMS)
    assert imitax.GAIL().config == ALGORITHMS["adversarial"].PRESETS["gail"]
    assert imitax.SQIL.preset == "sqil"
    assert imitax.estimator("f-irl")().config == ALGORITHMS["f_irl"].PRESETS["default"]
    assert imitax.BC is imitax.BC
    with pytest.raises(AttributeError, match="no attribute 'BCX'"):
        imitax.BCX  # noqa: B018


def test_settings_are_numbers_of_any_kind(fitted):
    assert (fitted.config.l2, fitted.config.policy.hidden, fitted.config.batch_size) == (0.5, (8, 8), 16)
    assert [type(n) for n in fitted.config.policy.hidden] == [int, int]
    given = fitted.get_params()
    assert given.pop("preset") is None
    assert given.keys() == SMALL.keys()
    assert all(given[name] is value for name, value in SMALL.items())
    with pytest.raises(ConfigError, match=r"unknown setting batchsize; there are .*did you mean batch_size"):
        imitax.BC(batchsize=1)


def test_what_was_fitted_is_saved_and_loaded(fitted, demos, tmp_path):
    obs = demos.transitions().obs
    actions = fitted.predict(obs)
    assert actions.shape == (len(obs), 2)
    fitted.save(tmp_path / "policy.safetensors")
    loaded = imitax.load_policy(tmp_path / "policy.safetensors")
    np.testing.assert_allclose(loaded.predict(obs), actions, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(loaded(obs[0]), actions[0], rtol=1e-5, atol=1e-6)
    assert loaded.score(demos) == pytest.approx(fitted.score(demos), rel=1e-5)
    assert imitax.load_policy(fitted.run.folder).about == loaded.about
    assert "bc on ImitaxPoint-v0" in repr(loaded)


def test_what_cannot_be_predicted(fitted):
    with pytest.raises(ConfigError, match="learned nothing yet"):
        imitax.BC().predict(np.zeros(2))
    policy = fitted.policy()
    with pytest.raises(ConfigError, match=r"have the shape \(3,\), the policy takes \[2\]"):
        policy.predict(np.zeros(3))
    with pytest.raises(DataError, match="observation 1 is not finite"):
        policy.predict(np.array([[0, 0], [0, np.nan]]))


def test_runs_say_what_they_are_and_refuse_what_is_not_meant(fitted, demos, tmp_path):
    run = fitted.run
    assert "algorithm bc (default); env ImitaxPoint-v0; seeds 0; steps 10; return " in repr(run)
    assert run._repr_html_().startswith("<table><tr><th>run</th>")
    assert repr(demos).startswith("Dataset('toy'): episodes 8; transitions ")
    with pytest.raises(ConfigError, match="which is last or best, got 'worst'"):
        run.load_policy(which="worst")
    with pytest.raises(ConfigError, match="episodes must be at least 1, got 0"):
        run.evaluate(0)
    with pytest.raises(CheckpointError, match="is a file: name the folder"):
        imitax.Run(run.folder / "policy.safetensors")
    with pytest.raises(CheckpointError, match="does not exist, so it is not a run"):
        imitax.Run(tmp_path / "nothing")
    with pytest.raises(ConfigError, match=r"holds a run already: .*--overwrite"):
        imitax.train("bc", env=toy.ENV, demos=demos, out=run.folder, **SHORT)


def test_configurations_of_other_classes_are_refused(demos):
    class Mine(ALGORITHMS["bc"].Config):
        pass

    with pytest.raises(ConfigError, match="is a subclass of the configuration of bc"):
        imitax.train(Mine(), env=toy.ENV, demos=demos)

    for wrong in (imitax.BC, imitax.BC()):
        with pytest.raises(ConfigError, match=r"BC is not the configuration .*trained with BC\(\)\.fit"):
            imitax.train(wrong, env=toy.ENV, demos=demos)

    class Policy(type(ALGORITHMS["bc"].Config().policy)):
        pass

    with pytest.raises(ConfigError, match="policy must be a PolicyConfig, got a Policy"):
        imitax.train(ALGORITHMS["bc"].Config(policy=Policy()), env=toy.ENV, demos=demos)
