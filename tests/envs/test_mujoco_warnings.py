import subprocess
import sys
from types import SimpleNamespace

import pytest

from imitax.envs import mujoco_warnings
from imitax.envs.mujoco_warnings import told_once

SCRIPT = """
from imitax.envs.registered import make_env
for _ in range(3):
    make_env("HalfCheetah-v5", {}).close()
"""


class Library(SimpleNamespace):
    handler = None

    def get_mju_user_warning(self):
        return self.handler

    def set_mju_user_warning(self, handler):
        self.handler = handler


@pytest.fixture
def library(monkeypatch):
    made = Library()
    monkeypatch.setitem(sys.modules, "mujoco", made)
    monkeypatch.setattr(mujoco_warnings, "_told", set())
    return made


def test_a_warning_is_told_once(library, capsys):
    for _ in range(2):
        with told_once("Hopper-v5"):
            library.handler("old")
            library.handler("worse")
        assert library.handler is None
    assert capsys.readouterr().err == "MuJoCo: old\nMuJoCo: worse\n"


def test_the_handler_goes_with_an_error_and_others_stay(library):
    with pytest.raises(ValueError, match="no"), told_once("Hopper-v5"):
        raise ValueError("no")
    assert library.handler is None
    library.handler = print
    with told_once("Hopper-v5"):
        assert library.handler is print
    assert library.handler is print


def test_without_mujoco(monkeypatch):
    monkeypatch.setitem(sys.modules, "mujoco", None)
    with told_once("Hopper-v5"), told_once("nothing-v0"):
        pass


def test_an_environment_leaves_no_log(tmp_path):
    done = subprocess.run([sys.executable, "-c", SCRIPT], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stderr.count("settotalmass") <= 1
    assert list(tmp_path.iterdir()) == []
