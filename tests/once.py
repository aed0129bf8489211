"""Folders that one worker of a run makes, and of which each other one gets a copy."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest


def made_once(folders: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return this worker's copy of what `make` writes to a folder, without the ledger of a run."""
    base = folders.getbasetemp()
    common = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / f"once-{name}"
    common.mkdir(exist_ok=True)
    with (common / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (common / "made").exists():
            make(common / "making")
            (common / "making").rename(common / "made")
    mine = folders.mktemp(name) / name
    shutil.copytree(common / "made", mine, ignore=shutil.ignore_patterns("ledger"))
    return mine
