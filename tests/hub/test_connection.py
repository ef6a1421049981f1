"""What is said where the hub's package is missing."""

import finished
import pytest

from imitax import hub
from imitax.errors import ConfigError
from imitax.hub import connection


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    def absent(name):
        raise ImportError(name)

    folder = finished.write(tmp_path / "run")
    monkeypatch.setattr(connection.importlib, "import_module", absent)
    for call in (lambda: hub.push(folder, "me/x"), lambda: hub.pull("me/x", tmp_path / "out")):
        with pytest.raises(ConfigError, match=r"the hub needs huggingface_hub: pip install 'imitax\[hub\]'"):
            call()
