"""A source of releases for the tests of this folder."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.validator.update.source import Source


@pytest.fixture
def source(tmp_path: Path) -> Source:
    """A repository without a tag."""
    if not (shutil.which("git") and shutil.which("ssh-keygen")):
        pytest.skip("no git, or no ssh-keygen")
    return Source(tmp_path)
