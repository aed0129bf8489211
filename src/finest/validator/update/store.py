"""The state of all releases in one file that is written atomically: `update.json`, beside the releases' folders.

    home/update.json            the state
    home/source.git             the tags that were examined
    home/releases/v1.2.3/tree   the signed tree
    home/releases/v1.2.3/venv   the venv that runs

Releases of different ages read and write the file, so unknown keys in it are preserved.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from finest.atomic_files import Held, hold, write_whole
from finest.errors import RunError
from finest.validator.update.signed import version_of

LOCK_S = 20.0
"""Timeout for the lock; a change takes milliseconds."""


class Entry(BaseModel):
    """The state of one release."""

    model_config = ConfigDict(extra="allow")

    commit: str
    state: Literal["new", "installed", "healthy", "bad"] = "new"
    tries: int = 0
    """Number of failed installations."""
    starts: int = 0
    """Starts since it was installed, without a completed pass."""
    why: str = ""
    """The last failure."""


class Updates(BaseModel):
    """The content of update.json."""

    model_config = ConfigDict(extra="allow")

    format: Literal["finest-update/1"] = "finest-update/1"
    chosen: str | None = None
    """The release that runs; None for the operator's own installation."""
    releases: dict[str, Entry] = {}
    seen: dict[str, str] = {}
    """Tag objects of releases by tag; if a tag's object differs later, the tag has been moved."""

    def give_up(self, tag: str, why: str) -> None:
        """Never start this release again, and go back to the newest one that completed a pass."""
        entry = self.releases[tag]
        entry.state, entry.why = "bad", why
        if self.chosen == tag:
            self.chosen = self.newest_healthy()

    def newest_healthy(self, but: str | None = None) -> str | None:
        """Return the newest release that has completed a pass, other than `but`; None if there is none."""
        proven = [tag for tag, entry in self.releases.items() if entry.state == "healthy" and tag != but]
        return max(proven, key=version_of, default=None)


class Store:
    """Access to update.json, for one process at a time."""

    def __init__(self, home: Path) -> None:
        self.home = home.expanduser().absolute()
        self.path = self.home / "update.json"

    def folder(self, tag: str) -> Path:
        """Return the folder of a release."""
        return self.home / "releases" / tag

    def venv(self, tag: str) -> Path:
        return self.folder(tag) / "venv"

    def read(self) -> Updates:
        """Read the state; raises RunError if the file is invalid."""
        try:
            return Updates.model_validate_json(self.path.read_bytes())
        except FileNotFoundError:
            return Updates()
        except ValidationError as error:
            raise RunError(f"{self.path} is not readable: {error.errors()[0]['msg']}; take it away") from None

    @contextmanager
    def change(self) -> Iterator[Updates]:
        """Yield the state to change; it is written if the block succeeds. Raises RunError, OSError."""
        self.home.mkdir(parents=True, exist_ok=True)
        try:
            with hold(self.home / "update.lock", LOCK_S):
                known = self.read()
                yield known
                write_whole(self.path, known.model_dump_json(indent=1).encode())
        except Held as error:
            raise RunError(f"{self.home / 'update.lock'} is held by process {error.holder}") from None
