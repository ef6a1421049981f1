"""What the files of others may decide."""

import sys

import pytest
import toy

from imitax import trust
from imitax.errors import ConfigError


def test_an_environment_is_used_only_if_it_is_registered():
    assert trust.check_env(toy.ENV, {"wall": 2.0, "sizes": [1, 2], "mode": "fast"}, "it") == toy.ENV
    assert trust.check_env(f"never_imported:{toy.ENV}", {}, "it") == toy.ENV
    with pytest.raises(ConfigError, match=r"would import the module 'evil'.*--env evil:Env-v0 .*--trust-env"):
        trust.check_env("evil:Env-v0", {}, "it")
    assert "evil" not in sys.modules


@pytest.mark.parametrize("value", ["/etc/passwd", "model.xml", {"deep": ["a/b"]}, "C:\\x", object()])
def test_an_argument_that_may_be_a_path_needs_a_word(value):
    with pytest.raises(ConfigError, match=f"it passes xml.* to {toy.ENV}, which (may name a file|are no plain)"):
        trust.check_env(toy.ENV, {"xml": value}, "it")


def test_files_need_a_word():
    trust.check_files({"reward": None}, "it")
    with pytest.raises(ConfigError, match=r"names the file '/x/r' as its --init-from.*--trust-env"):
        trust.check_files({"reward": None, "init_from": "/x/r"}, "it")
