"""The made-up runs of `bench/crawl_size.py` are runs: every step takes them for finished."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench.crawl_size import STEPS


@pytest.mark.nightly
def test_a_made_run_is_a_run(tmp_path: Path) -> None:
    """Each step asserts what it reads."""
    for step in STEPS.values():
        step(tmp_path / "3", 3)
