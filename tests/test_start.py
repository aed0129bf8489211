"""The start of the command line."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

IMPORTS = """
import os, signal, sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "click":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder())
sys.argv = ["finest", "--version"]
from finest.start import main
"""


@pytest.mark.parametrize(
    ("before", "status"), [("", -signal.SIGINT), ("signal.signal(signal.SIGINT, signal.SIG_IGN); ", 0)]
)
def test_ctrl_c_during_the_imports_is_quiet(before: str, status: int) -> None:
    """Nothing has begun, so there is nothing to say; where SIGINT is ignored, it stays ignored."""
    done = subprocess.run(
        [sys.executable, "-c", f"{IMPORTS}{before}main()"], check=False, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (status, "")
