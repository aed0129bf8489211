"""The entry point: what a person gets to read when something is wrong."""

from __future__ import annotations

import subprocess
import sys

import pytest

from finest.errors import RunError


@pytest.mark.parametrize("command", [["refine", __file__, "--out", "never-made"], ["doctor"]])
def test_a_missing_package_is_one_line(command: list[str]) -> None:
    """What to type, and no traceback."""
    code = (
        "import sys; sys.modules['numpy'] = None; sys.argv = ['finest', *sys.argv[1:]]\n"
        "from finest.cli import main; main()"
    )
    ran = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True, check=False)
    assert ran.returncode == RunError.exit_code
    assert ran.stderr == "finest: numpy is not installed; reinstall with: pip install --force-reinstall finest-data\n"
