"""What commands share."""

from __future__ import annotations

import gc
import os
import subprocess
import sys

import pytest

from finest.cli.shared import lean_imports


def said(code: str) -> str:
    """What a new Python says, in which nobody has chosen OpenBLAS's threads or Arrow's memory."""
    chosen = ("OPENBLAS_NUM_THREADS", "ARROW_DEFAULT_MEMORY_POOL")
    env = {name: value for name, value in os.environ.items() if name not in chosen}
    return subprocess.check_output([sys.executable, "-c", code], text=True, env=env).strip()


def test_the_command_line_alone_loads_no_numpy() -> None:
    """Once numpy is loaded, its threads have been started; once pyarrow is, it has its memory."""
    assert said("import sys, finest.cli; print({'numpy', 'pyarrow'} & {*sys.modules})") == "set()"


@pytest.mark.skipif(sys.platform != "linux", reason="threads are listed in /proc")
def test_lean_imports_start_no_threads() -> None:
    """NumPy comes with one thread, on machines with more than one CPU too."""
    code = (
        "import os; from finest.cli.shared import lean_imports\n"
        "with lean_imports(): import numpy\n"
        "print(os.listdir('/proc/self/task') == [str(os.getpid())])"
    )
    assert said(code) == "True"


def test_lean_imports_give_arrow_plain_memory() -> None:
    """Arrow's memory is the C library's."""
    code = (
        "from finest.cli.shared import lean_imports\n"
        "with lean_imports(): import pyarrow\n"
        "print(pyarrow.default_memory_pool().backend_name)"
    )
    assert said(code) == "system"


def test_garbage_is_collected_again_after_a_failed_import() -> None:
    """An import that fails leaves the collector on."""
    with pytest.raises(ModuleNotFoundError), lean_imports():
        import no_such_module  # type: ignore[import-not-found]  # noqa: F401
    assert gc.isenabled()
