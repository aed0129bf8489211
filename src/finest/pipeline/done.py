"""The log of what is done: lines that are only appended, one file for each task (OUT/ledger/done/TASK.log).

A follower reads what is new and lists no folder. The logs only save others from reading the slices and packs
themselves: those decide what is finished, and a line that a killed process left out or cut is not missed.

    ["s", number, pages, kept, wall_s, {"judge_error": 1}]   a finished slice: number in the run, failures by reason
    ["p", source, {"pages": 1023, ...}]                      a finished source: number in the run, totals
"""

from __future__ import annotations

import json
import os
import secrets
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from finest.pipeline.summary import Totals

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_CHUNK_BYTES = 1 << 20
"""Bytes read at a time; a line is shorter."""


class SliceDone(NamedTuple):
    """A finished slice."""

    number: int
    """Its number in the run."""
    pages: int
    kept: int
    wall_s: float
    """Wall-clock seconds that it took."""
    failures: dict[str, int]
    """Pages that failed, by reason."""


class SourceDone(NamedTuple):
    """A finished source."""

    source: int
    totals: Totals
    """Its totals, without samples."""


class DoneLog:
    """The log of one task. Its forked workers share it: a line is one append, which the kernel never mixes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._descriptor: int | None = None

        self._name = ""

    def name(self) -> str:
        """Return the name of the log, which is created now; call before forking, or each process creates its own."""
        if self._descriptor is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._name = f"{os.uname().nodename}-{os.getpid()}-{secrets.token_hex(4)}.log"
            self._descriptor = os.open(self._folder / self._name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        return self._name

    def add(self, done: SliceDone | SourceDone) -> None:
        if isinstance(done, SliceDone):
            self._append(["s", *done])
        else:
            self._append(["p", done.source, {**done.totals.to_dict(), "samples": {}}])

    def _append(self, values: list[Any]) -> None:
        """Append a line. It begins with a newline too, so that a line which a killed process cut ends before it."""
        self.name()
        assert self._descriptor is not None
        os.write(self._descriptor, b"\n" + json.dumps(values, separators=(",", ":")).encode() + b"\n")


class Tail:
    """Reads the logs of all tasks, or only one of them, from where it stopped the last time."""

    def __init__(
        self, folder: Path, only: str | None = None, *, sources_only: bool = False,
        read: Mapping[str, int] = MappingProxyType({}),
    ) -> None:  # fmt: skip
        """`sources_only` passes over the lines of slices unread: there are thirty times as many. `read` says how many
        bytes of each log are passed over.
        """
        self._folder, self._only = folder, only
        self._start = b'["p"' if sources_only else b'["'
        self.read = dict(read)
        """Bytes that were read of each log."""

    def skip(self) -> None:
        """Pass over everything that the logs hold now."""
        self.read = {entry.name: entry.stat().st_size for entry in self._logs()}

    def news(self) -> Iterator[SliceDone | SourceDone]:
        """Yield what has been appended since the last call; a line without its end is left for the next call."""
        for entry in self._logs():
            if entry.stat().st_size > self.read.get(entry.name, 0):
                yield from self._lines(entry)

    def _logs(self) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(self._folder) as entries:
                found = [one for one in entries if one.name.endswith(".log") and self._only in (None, one.name)]
                return sorted(found, key=lambda one: one.name)
        except FileNotFoundError:
            return []

    def _lines(self, entry: os.DirEntry[str]) -> Iterator[SliceDone | SourceDone]:
        with open(entry.path, "rb") as file:
            file.seek(self.read.get(entry.name, 0))
            while chunk := file.read(_CHUNK_BYTES):
                whole = chunk.rfind(b"\n") + 1
                if not whole and len(chunk) < _CHUNK_BYTES:
                    return
                whole = whole or len(chunk)
                self.read[entry.name] = self.read.get(entry.name, 0) + whole
                file.seek(whole - len(chunk), os.SEEK_CUR)
                for line in chunk[:whole].split(b"\n"):
                    if line.startswith(self._start) and (done := _parsed(line)) is not None:
                        yield done


def _parsed(line: bytes) -> SliceDone | SourceDone | None:
    """Return what a line says; None for a line that was cut or is none of ours."""
    try:
        match orjson.loads(line):
            case ["s", int(number), int(pages), int(kept), int() | float() as wall_s, dict(failures)]:
                return SliceDone(number, pages, kept, wall_s, failures)
            case ["p", int(source), dict(totals)]:
                return SourceDone(source, Totals.from_dict(totals))
    except (ValueError, TypeError):
        pass
    return None
