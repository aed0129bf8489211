"""Recipes that the bench measures beside the shipped ones."""

from __future__ import annotations

import hashlib
from importlib import resources
from pathlib import Path

UNGATED = """name = "fineweb-ungated"
[payload]
reading = "datatrove"
statuses = []
[decode]
encoding = "datatrove"
[gate]
enabled = false
"""
"""Recipe `fineweb` without its gate, which DataTrove does not have. What it does not name has FineWeb's values."""


def scored(index: Path | None) -> str:
    """Recipe `finest-scored`; with stage `decontaminate` if there is an index."""
    text = resources.files("finest.recipe").joinpath("finest-scored.toml").read_text(encoding="utf-8")
    if index is None:
        return text
    sha256 = hashlib.sha256(index.read_bytes()).hexdigest()
    return f'{text}\n[decontaminate]\nenabled = true\nindex = "{index.resolve()}"\nindex_sha256 = "{sha256}"\n'
