"""The core is compiled with the hardening flags that compiler and linker know."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).resolve().parents[3] / "hatch_build.py"


@pytest.mark.skipif(shutil.which("readelf") is None, reason="binutils is not installed")
def test_the_core_is_hardened(core: Any) -> None:
    """A stack that was written over, or a copy that is too long, ends the process; addresses are read-only."""
    told = subprocess.run(["readelf", "-dsW", core.__file__], check=True, capture_output=True, text=True).stdout
    assert "__stack_chk_fail" in told
    assert re.search(r"__mem\w+_chk", told)
    assert "BIND_NOW" in told


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler is installed")
def test_a_flag_that_the_compiler_does_not_know_is_left_out(tmp_path: Path) -> None:
    """The next choice is taken, or none."""
    pytest.importorskip("hatchling")
    import setuptools  # noqa: F401 - puts its own distutils in the place of Python's

    # setuptools.errors uses this name. The private name loads the module a second time, with other exceptions.
    compilers = importlib.import_module("distutils.ccompiler")
    sysconfig = importlib.import_module("distutils.sysconfig")
    spec = importlib.util.spec_from_file_location("hatch_build", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    compiler = compilers.new_compiler()
    sysconfig.customize_compiler(compiler)
    options = ((["-fno-such-flag"], ["-fstack-protector-strong"]), (["-fno-such-flag"],), (["-Wl,-z,relro"],))
    assert script.known(compiler, options, tmp_path) == ["-fstack-protector-strong", "-Wl,-z,relro"]
