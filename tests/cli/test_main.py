"""The entry point: what a person gets to read when something is wrong."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

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


def test_a_package_that_does_not_load_is_one_line(tmp_path: Path) -> None:
    """A compiled part that was made for another system is named, with what is wrong with it."""
    (tmp_path / f"numpy{sysconfig.get_config_var('EXT_SUFFIX')}").write_bytes(b"no library")
    code = (
        "import sys; sys.path.insert(0, sys.argv.pop(1)); sys.argv[0] = 'finest'\nfrom finest.cli import main; main()"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, tmp_path, "doctor"], capture_output=True, text=True, check=False
    )  # fmt: skip
    assert ran.returncode == RunError.exit_code
    assert ran.stderr.startswith("finest: numpy cannot be loaded (")
    assert len(ran.stderr.splitlines()) == 1
