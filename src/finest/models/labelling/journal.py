"""The journal of a labelling: a JSON Lines file to which every label is appended and synced at once.

The first line says what is labelled; each further line is one label, skip, undo or answer without a label. A process
killed while it appended leaves half a line at the end, which the next one cuts off.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal

from finest.errors import UsageError

FORMAT = "finest-labels/1"
What = Literal["label", "skip", "undo", "unparsable", "refused"]
OUTCOMES: tuple[What, ...] = ("label", "skip", "unparsable", "refused")
MAX_ANSWER_CHARS = 4_000
"""Characters that are kept of an answer without a label."""
_MAX_LINE_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Entry:
    """The outcome of a page; the last entry of a page counts."""

    page: str
    """sha256 of the text."""
    what: What
    label: int | str | None = None
    at: str = ""
    """UTC time, ISO 8601."""
    by: str = ""
    """Who labelled it: a name, or `endpoint`."""
    model: str = ""
    """The model that answered, as the endpoint names it."""
    answer: str = ""
    """The answer that gave no label, or why the endpoint refused the page."""


class Journal:
    """An open journal. Only one process may hold it."""

    def __init__(self, path: Path, head: Mapping[str, Any]) -> None:
        """Open the journal, or begin it with `head`.

        Raises UsageError if it was begun with another head, is no journal, or another process holds it.
        """
        self.path = path
        self._entries: dict[str, Entry] = {}
        self._counts: Counter[What] = Counter()
        self._file = open(path, "r+b", opener=_created)  # noqa: SIM115 - __exit__ closes it
        try:
            self._lock()
            self._read({"format": FORMAT, **head})
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, page: str, what: What, **more: Any) -> None:
        """Append an entry and sync it to the disk."""
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        entry = Entry(page, what, at=now, **more)
        self._append({name: value for name, value in asdict(entry).items() if value not in ("", None)})
        self._take(entry)

    def of(self, page: str) -> Entry | None:
        """Return what became of a page; None if it is still to be labelled."""
        return self._entries.get(page)

    def count(self, what: What) -> int:
        """Return the number of pages with this outcome."""
        return self._counts[what]

    def newest(self) -> Entry | None:
        """Return the entry that an undo takes back; None if there is none."""
        return next(reversed(self._entries.values()), None)

    def _take(self, entry: Entry) -> None:
        earlier = self._entries.pop(entry.page, None)  # so that the order is that of the newest entries
        if earlier is not None:
            self._counts[earlier.what] -= 1
        if entry.what != "undo":
            self._entries[entry.page] = entry
            self._counts[entry.what] += 1

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UsageError(f"another process is labelling into {self.path}; stop it, or name another --out") from None

    def _append(self, value: Mapping[str, Any]) -> None:
        line = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        self._file.write(line.encode("utf-8", "replace") + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def _read(self, head: dict[str, Any]) -> None:
        file = self._file
        first = file.readline(_MAX_LINE_BYTES)
        if not first:
            self._append(head)
            return
        self._compare(self._parsed(first, 1), head)
        whole, number = len(first), 1
        while (line := file.readline(_MAX_LINE_BYTES)).endswith(b"\n"):
            number += 1
            try:
                self._take(Entry(**self._parsed(line, number)))
            except TypeError:
                raise self._foreign(number) from None
            whole += len(line)
        file.truncate(whole)
        file.seek(whole)

    def _parsed(self, line: bytes, number: int) -> dict[str, Any]:
        try:
            found = json.loads(line)
        except ValueError:
            raise self._foreign(number) from None
        if not isinstance(found, dict):
            raise self._foreign(number)
        return found

    def _foreign(self, line: int) -> UsageError:
        return UsageError(f"{self.path}: line {line} is not one of a labelling; name another --out")

    def _compare(self, found: dict[str, Any], head: dict[str, Any]) -> None:
        if found.get("format") != FORMAT:
            raise self._foreign(1)
        changed = sorted(key for key in {*found, *head} if found.get(key) != head.get(key))
        if changed:
            raise UsageError(f"{self.path} was begun with other {changed[0]}; name another --out for these")


def _created(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CREAT, 0o666)
