"""Forked processes."""

import subprocess
import sys

import pytest

FORKED = """
import os, sys, imitax, jax
from imitax.processes import refuse_forked
if sys.argv[1] == "used":
    jax.numpy.zeros(1).block_until_ready()
pid = os.fork()
if not pid:
    try:
        refuse_forked()
    except imitax.ConfigError:
        os._exit(7)
    os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


@pytest.mark.parametrize(("use", "status"), [("used", "7"), ("imported", "0")])
def test_a_child_of_a_process_that_used_jax_is_refused(use, status):
    call = [sys.executable, "-W", "ignore", "-c", FORKED, use]
    assert subprocess.run(call, capture_output=True, text=True, timeout=120, check=True).stdout.split() == [status]
