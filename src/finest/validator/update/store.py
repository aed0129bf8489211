"""What is known of releases, in one file that is written whole: `update.json`, beside the folders that they lie in.

    home/update.json            this
    home/source.git             the tags that were looked at
    home/releases/v1.2.3/tree   what was signed
    home/releases/v1.2.3/venv   what runs

Releases of different age read and write the file: a key that is not known here stays in it.
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
"""A change takes milliseconds."""


class Entry(BaseModel):
    """One release."""

    model_config = ConfigDict(extra="allow")

    commit: str
    state: Literal["new", "installed", "healthy", "bad"] = "new"
    tries: int = 0
    """Installations that failed."""
    starts: int = 0
    """Since it was installed, without a pass that it got through."""
    why: str = ""
    """What failed last."""


class Updates(BaseModel):
    """The file."""

    model_config = ConfigDict(extra="allow")

    format: Literal["finest-update/1"] = "finest-update/1"
    chosen: str | None = None
    """The release that runs; None: the operator's own installation."""
    releases: dict[str, Entry] = {}
    seen: dict[str, str] = {}
    """Tag objects of releases, by tag: one that is another one later has been moved."""

    def give_up(self, tag: str, why: str) -> None:
        """Never start that release again, and go back to the newest that got through a pass."""
        entry = self.releases[tag]
        entry.state, entry.why = "bad", why
        if self.chosen == tag:
            self.chosen = self.newest_healthy()

    def newest_healthy(self, but: str | None = None) -> str | None:
        """The newest release that has got through a pass; None where none has."""
        proven = [tag for tag, entry in self.releases.items() if entry.state == "healthy" and tag != but]
        return max(proven, key=version_of, default=None)


class Store:
    """The file, for one process at a time."""

    def __init__(self, home: Path) -> None:
        self.home = home.expanduser().absolute()
        self.path = self.home / "update.json"

    def folder(self, tag: str) -> Path:
        """Where a release lies."""
        return self.home / "releases" / tag

    def venv(self, tag: str) -> Path:
        return self.folder(tag) / "venv"

    def read(self) -> Updates:
        """What is known; raises RunError for a file that is none of ours."""
        try:
            return Updates.model_validate_json(self.path.read_bytes())
        except FileNotFoundError:
            return Updates()
        except ValidationError as error:
            raise RunError(f"{self.path} is not readable: {error.errors()[0]['msg']}; take it away") from None

    @contextmanager
    def change(self) -> Iterator[Updates]:
        """What is known, to be changed: it is written when the block ends well. Raises RunError, OSError."""
        self.home.mkdir(parents=True, exist_ok=True)
        try:
            with hold(self.home / "update.lock", LOCK_S):
                known = self.read()
                yield known
                write_whole(self.path, known.model_dump_json(indent=1).encode())
        except Held as error:
            raise RunError(f"{self.home / 'update.lock'} is held by process {error.holder}") from None
