"""What a process imports as it starts: packages that it does not use cost each command and each child their time."""

from __future__ import annotations

import importlib
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from finest.dataset.open import open_dataset
from tests.dataset.made import make_dataset


def imported(module: str) -> set[str]:
    """All modules that a new process has after importing `module`."""
    program = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("module", "not_needed"),
    [
        ("finest.cli", {"pydantic", "numpy", "pyarrow"}),
        ("finest.pipeline.status", {"trafilatura", "lark", "datatrove.io"}),
        ("finest.dataset.manifest", {"lark", "safetensors"}),
        ("finest.dataset.reader", {"pyarrow.compute"}),
        ("finest.pipeline.run", {"huggingface_hub", "datatrove.io", "datatrove.executor"}),
        ("finest.pipeline.verify", {"huggingface_hub", "fsspec", "sqlalchemy", "bittensor", "datatrove.io"}),
    ],
)
def test_a_command_imports_what_it_uses(module: str, not_needed: set[str]) -> None:
    assert not imported(module) & not_needed


def test_a_command_leaves_pandas_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyArrow would import it, to tell its objects from others, with the first array that a command makes."""
    from finest.cli import main

    monkeypatch.setattr(sys, "argv", ["finest", "--version"])
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    monkeypatch.setitem(sys.modules, "pandas", None)
    del sys.modules["pandas"]  # after the test it is there again, if it was
    main()
    with pytest.raises(ModuleNotFoundError, match="in its own processes"):
        importlib.import_module("pandas")
    assert find_spec("pandas") is not None  # who asks whether it is installed is not misled


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone shows the files that a process has mapped")
def test_the_process_that_decodes_files_starts_light(tmp_path: Path) -> None:
    """Every dataset that is opened starts one."""
    with open_dataset(str(make_dataset(tmp_path, 20).folder)) as dataset:
        assert dataset.sample(3, 1).num_rows == 3
        process = dataset._reader._process
        assert process is not None
        mapped = Path(f"/proc/{process.pid}/maps").read_text()
    assert "pyarrow" in mapped
    assert "numpy" not in mapped and "pydantic_core" not in mapped
