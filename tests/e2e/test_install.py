"""A fresh checkout is installed by each of the tools that people use. Needs a package index, and minutes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import finest

ROOT = Path(__file__).resolve().parents[2]
NOT_OURS = (".git", ".venv", ".*_cache", ".hypothesis", "__pycache__", "*.so", "demo-run", "bench-run", "*.lock")
EXTRA = "devnet"
"""The largest extra for users: it contains those of miner, validator and task server."""
pytestmark = [pytest.mark.nightly, pytest.mark.timeout(3600)]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The project's files alone."""
    return Path(shutil.copytree(ROOT, tmp_path / "checkout", ignore=shutil.ignore_patterns(*NOT_OURS)))


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Programs of uv and Poetry, in an environment of their own."""
    return environment(tmp_path_factory.mktemp("tools"), "uv", "poetry>=2,<3") / "bin"


def environment(folder: Path, *packages: str) -> Path:
    run(sys.executable, "-m", "venv", folder / ".venv")
    if packages:
        run(folder / ".venv" / "bin" / "python", "-m", "pip", "install", "-q", *packages)
    return folder / ".venv"


def run(*command: object, cwd: Path | None = None, **more: str) -> str:
    """What a command prints, in an environment in which no other is active."""
    kept = {name: value for name, value in os.environ.items() if name not in {"VIRTUAL_ENV", "PYTHONPATH"}}
    ran = subprocess.run(
        [*map(str, command)], cwd=cwd, env=kept | more, capture_output=True, text=True, check=False
    )  # fmt: skip
    assert ran.returncode == 0, f"{command}:\n{ran.stdout[-3000:]}\n{ran.stderr[-3000:]}"
    return ran.stdout


def assert_installed(place: Path) -> None:
    """The command is there and starts, and so does the largest part that the extra brings."""
    assert run(place / "bin" / "finest", "--version") == f"finest, version {finest.__version__}\n"
    run(place / "bin" / "python", "-c", "import bittensor, fastapi, multipart, sqlalchemy")


@pytest.mark.parametrize("pip", ["pip==23.2.1", "pip==26.*"])
def test_pip(checkout: Path, tmp_path: Path, pip: str) -> None:
    """The pip that came with Python 3.11, and today's."""
    place = environment(tmp_path / "installed", pip)
    run(place / "bin" / "python", "-m", "pip", "install", "-q", f".[{EXTRA}]", cwd=checkout)
    assert_installed(place)


def test_uv(checkout: Path, tools: Path) -> None:
    """`uv sync` resolves all extras at once, for every Python that the metadata names."""
    run(tools / "uv", "sync", "-q", "--extra", EXTRA, "--python", sys.executable, cwd=checkout)
    assert_installed(checkout / ".venv")


def test_poetry(checkout: Path, tools: Path) -> None:
    """`poetry install` does too, from the index that pip asks, and refuses extras that name their own package."""
    index = run(tools / "python", "-c", "from pip._internal.models.index import PyPI; print(PyPI.simple_url)").strip()
    source = f'\n[[tool.poetry.source]]\nname = "simple"\nurl = "{index}"\npriority = "primary"\n'
    with (checkout / "pyproject.toml").open("a", encoding="utf-8") as project:
        project.write(source)
    run(tools / "poetry", "install", "-n", "--extras", EXTRA, cwd=checkout, POETRY_VIRTUALENVS_IN_PROJECT="true")
    assert_installed(checkout / ".venv")
