"""What the tests of Slurm and Ray compare with and suffer from."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.command import beginnings, finest, root
from tests.e2e.slurm_misdeeds import Misdeeds


@pytest.fixture(scope="module")
def warcs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Five small slices, for modules that have no others."""
    return beginnings(tmp_path_factory.mktemp("crawl"), 5)


@pytest.fixture(scope="module")
def local_root(warcs: list[Path], tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the local run makes of the module's `warcs`."""
    out = tmp_path_factory.mktemp("local") / "dataset"
    finest("refine", *warcs, "--out", out, "--workers", 2)
    return root(out)


@pytest.fixture
def misdeeds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Misdeeds:
    return Misdeeds(tmp_path / "misdeeds", monkeypatch)
