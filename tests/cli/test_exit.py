"""The exit status of commands."""

from __future__ import annotations

from pathlib import Path

import finest.cli


def test_no_command_ends_by_an_exception_of_click() -> None:
    """`main` runs commands with `standalone_mode=False`, in which click returns that status instead of exiting."""
    folder = Path(finest.cli.__file__).parent
    found = [path.name for path in folder.rglob("*.py") if "exceptions.Exit" in path.read_text(encoding="utf-8")]
    assert found == []
