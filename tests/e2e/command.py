"""Runs the commands as their user does: in a process of their own, from what is installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import resources
from pathlib import Path
from typing import Any

SAMPLE = Path(str(resources.files("finest.sample").joinpath("sample.warc.gz")))
BEGINNING = 80_000
"""Bytes of the sample: a fifth."""


def beginnings(folder: Path, number: int) -> list[Path]:
    """Small WARCs, each a slice: the beginning of the sample under several names, its last record cut off."""
    paths = [folder / f"part-{part}.warc.gz" for part in range(number)]
    for path in paths:
        path.write_bytes(SAMPLE.read_bytes()[:BEGINNING])
    return paths


def finest(
    *arguments: object, check: bool = True, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `finest ...`; with `check`, its failure fails the test and shows what it said."""
    done = subprocess.run(command(*arguments), check=False, capture_output=True, text=True, timeout=300, env=env)
    assert not check or done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return done


def start(*arguments: object) -> subprocess.Popen[str]:
    """Start `finest ...` in a process group of its own."""
    return subprocess.Popen(
        command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "finest.cli", *map(str, arguments)]


def manifest(out: Path) -> Any:
    return json.loads((out / "manifest.json").read_bytes())


def root(out: Path) -> str:
    return str(manifest(out)["root"])


def children(pid: int) -> list[int]:
    """Processes that a process has started and that live."""
    tasks = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(word) for word in tasks.read_text().split()] if tasks.exists() else []


def environment(**changes: str) -> dict[str, str]:
    return {**os.environ, **changes}
