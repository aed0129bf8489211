"""Index of the fingerprints of all audited submissions; tells which submission had a text first."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Protocol

from finest.errors import RunError
from finest.validator.models import Copy, Subject

_TABLES = """
CREATE TABLE IF NOT EXISTS submissions (
    id INTEGER PRIMARY KEY, hotkey TEXT NOT NULL, line TEXT NOT NULL, block INTEGER NOT NULL, warcs TEXT NOT NULL,
    UNIQUE (hotkey, line)
);
CREATE TABLE IF NOT EXISTS fingerprints (
    fingerprint INTEGER NOT NULL, submission INTEGER NOT NULL, PRIMARY KEY (fingerprint, submission)
) WITHOUT ROWID;
"""
_FIRST = """
SELECT hotkey, line, block, warcs, count(*) FROM (
    SELECT fingerprint, submission, row_number() OVER (PARTITION BY fingerprint ORDER BY block, id) AS place, s.*
    FROM wanted JOIN fingerprints USING (fingerprint) JOIN submissions AS s ON s.id = submission
    WHERE (s.hotkey <> :hotkey OR s.line <> :line) AND s.block < :block
) WHERE place = 1 GROUP BY submission ORDER BY count(*) DESC, block, line, hotkey
"""
_WAIT_S = 30.0


class FingerprintIndex(Protocol):
    """Fingerprints of earlier submissions, as numbers from 0 to 2^63 - 1."""

    def add(self, subject: Subject, fingerprints: Sequence[int]) -> None:
        """Add a submission; do nothing if it is already in the index."""

    def matches(self, subject: Subject, fingerprints: Sequence[int]) -> list[Copy]:
        """Return earlier submissions that share this one's fingerprints; most matches first."""


class SqliteFingerprints:
    """An index in one SQLite file, safe for any number of processes. Raises RunError if it cannot be used."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._database = sqlite3.connect(path, timeout=_WAIT_S, isolation_level=None)
            self._database.executescript(_TABLES)
        except sqlite3.Error as error:
            raise self._refused(error) from error

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def add(self, subject: Subject, fingerprints: Sequence[int]) -> None:
        told = subject.submission
        warcs = "\n".join(subject.task.warcs)
        try:
            with closing(self._database.cursor()) as cursor:
                cursor.execute("BEGIN IMMEDIATE")
                cursor.execute(
                    "INSERT OR IGNORE INTO submissions (hotkey, line, block, warcs) VALUES (?, ?, ?, ?)",
                    (told.hotkey or "", told.line or "", told.committed_block or 0, warcs),
                )
                if cursor.rowcount:
                    rows = [(number, cursor.lastrowid) for number in fingerprints]
                    cursor.executemany("INSERT OR IGNORE INTO fingerprints VALUES (?, ?)", rows)
                cursor.execute("COMMIT")
        except sqlite3.Error as error:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise self._refused(error) from error

    def matches(self, subject: Subject, fingerprints: Sequence[int]) -> list[Copy]:
        told = subject.submission
        block = told.committed_block if told.committed_block is not None else 2**62
        try:
            with closing(self._database.cursor()) as cursor:
                cursor.execute("CREATE TEMP TABLE IF NOT EXISTS wanted (fingerprint INTEGER PRIMARY KEY)")
                cursor.execute("DELETE FROM wanted")
                cursor.executemany("INSERT OR IGNORE INTO wanted VALUES (?)", [(number,) for number in fingerprints])
                told_by = {"hotkey": told.hotkey or "", "line": told.line or "", "block": block}
                rows = cursor.execute(_FIRST, told_by).fetchall()
        except sqlite3.Error as error:
            raise self._refused(error) from error
        mine = set(subject.task.warcs)
        return [
            Copy(
                hotkey=hotkey, line=line, block=since, hits=hits, of=len(fingerprints),
                same_warcs=bool(mine & set(warcs.split("\n"))),
            )
            for hotkey, line, since, warcs, hits in rows
        ]  # fmt: skip

    def _refused(self, error: sqlite3.Error) -> RunError:
        return RunError(f"the index of fingerprints {self._path}: {error}")
