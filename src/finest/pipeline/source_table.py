"""The sources of a run as a table of one line each: a line is decoded only where its source is read.

A crawl has 90,000 sources. As objects they take 60 MB in each task; as a mapped file they are shared by all tasks of a
node, and a task holds 18 bytes for each: the place of its line, its size, and whether it is cut and remote.
"""

from __future__ import annotations

import hashlib
import json
import mmap
from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from finest.warc.layout import Layout
from finest.warc.source import Source

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_TYPES = {(str, str, int, etag, str, bool, bool) for etag in (str, type(None))}
"""Types of a line's values: location, name, size_bytes, etag, layout, is_stripped, and whether it was remote."""
_LAYOUTS = {layout.value for layout in Layout}


class Sources(Sequence[Source]):
    """The sources of a run in their order. `data` holds the lines of `line_of`; raises ValueError for anything else."""

    def __init__(self, data: bytes | mmap.mmap, now: Mapping[int, Source] = MappingProxyType({})) -> None:
        """`now` names the sources that are read elsewhere than the table says, by number."""
        self.data, self.now = data, now
        self._bounds = _bounds(data)
        count = len(self._bounds) - 1
        self.sizes: NDArray[np.int64] = np.zeros(count, np.int64)
        """The size of each source in bytes."""
        self.is_cut: NDArray[np.bool_] = np.zeros(count, np.bool_)
        """Whether the layout of each source allows several slices."""
        self.is_remote: NDArray[np.bool_] = np.zeros(count, np.bool_)
        """Whether each source was remote when the run was planned; it may be read from a local copy now."""
        for number in range(count):
            values = _checked(self._line(number))
            self.sizes[number] = values[2]
            self.is_cut[number] = values[4] == Layout.MEMBERS.value
            self.is_remote[number] = values[6]
        self.gone = {number: self.name(number) for number in np.flatnonzero(self.sizes == 0).tolist()}
        """The names of those that could not be read when the run was planned."""

    @staticmethod
    def of(sources: Iterable[Source]) -> Sources:
        """Make the table of these sources. Their secrets stay in memory: no line holds them."""
        lines, now = [], {}
        for number, source in enumerate(sources):
            lines.append(line_of(source))
            if source.address != source.location:
                now[number] = source
        return Sources(b"".join(lines), now)

    @staticmethod
    def read(path: Path) -> Sources:
        """Map the table in that file, so that all tasks of a node share it; raises OSError and ValueError."""
        with path.open("rb") as file:
            return Sources(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))

    def read_at(self, now: Mapping[int, Source]) -> Sources:
        """Return the same table with these sources, by number, in the place of those that the table holds."""
        changed = Sources.__new__(Sources)
        changed.__dict__.update(self.__dict__, now={**self.now, **now})
        return changed

    def saved(self) -> bytes:
        """Return the lines to write: those of the table, with the present addresses (without secrets)."""
        if not self.now:
            return bytes(self.data)
        lines = [bytes(self._line(number)) for number in range(len(self))]
        for number, source in self.now.items():
            lines[number] = line_of(source, is_remote=bool(self.is_remote[number]))
        return b"".join(lines)

    def difference(self, other: Sources) -> str | None:
        """Describe how the other sources differ from these in name and size; None if they do not."""
        if self.is_same_table(other):  # nearly always, and 90,000 lines need not be decoded
            changed = next((one for n, one in self.now.items() if one.size_bytes != other.sizes[n]), None)
            return f"other sources (it has {len(other)}, among them {changed.name})" if changed else None
        pairs = zip_longest(((one.name, one.size_bytes) for one in self), ((one.name, one.size_bytes) for one in other))
        for mine, theirs in pairs:
            if mine != theirs:
                return f"other sources (it has {len(other)}{f', among them {theirs[0]}' if theirs else ''})"
        return None

    def changed_from(self, other: Sources) -> Mapping[int, Source]:
        """Return those of these sources that the other table has otherwise, by number."""
        if self.is_same_table(other):
            return self.now
        return {number: one for number, one in enumerate(self) if one != other[number]}

    def is_same_table(self, other: Sources) -> bool:
        return digest(self.data) == digest(other.data)

    def __len__(self) -> int:
        return len(self.sizes)

    @overload
    def __getitem__(self, number: int) -> Source: ...

    @overload
    def __getitem__(self, number: slice) -> list[Source]: ...

    def __getitem__(self, number: int | slice) -> Source | list[Source]:
        if isinstance(number, slice):
            return [self[one] for one in range(len(self))[number]]
        number = range(len(self))[number]
        if number in self.now:
            return self.now[number]
        location, name, size, etag, layout, is_stripped, _ = json.loads(self._line(number).decode())
        return Source(location, name, size, etag, Layout(layout), is_stripped)

    def name(self, number: int) -> str:
        """Return the name of a source."""
        return str(json.loads(self._line(number).decode())[1])

    def _line(self, number: int) -> bytes:
        return self.data[self._bounds[number] : self._bounds[number + 1]]


def line_of(source: Source, *, is_remote: bool | None = None) -> bytes:
    """Return the line of a source, without the user information and query of its location."""
    remote = "://" in source.location if is_remote is None else is_remote
    stripped = source.is_stripped or source.address != source.location
    values = [source.address, source.name, source.size_bytes, source.etag, source.layout.value, stripped, remote]
    return json.dumps(values, separators=(",", ":")).encode() + b"\n"


def digest(data: bytes | mmap.mmap) -> str:
    """Return the sha256 of a table's lines, in hex."""
    return hashlib.sha256(data).hexdigest()


def _bounds(data: bytes | mmap.mmap) -> NDArray[np.int64]:
    """Return where each line begins, and where the last one ends; raises ValueError if that is not the end."""
    bounds, at = [0], data.find(b"\n")
    while at >= 0:
        bounds.append(at + 1)
        at = data.find(b"\n", at + 1)
    if len(bounds) == 1 or bounds[-1] != len(data):
        raise ValueError("the table of the sources is cut")
    return np.array(bounds, np.int64)


def _checked(line: bytes) -> list[Any]:
    values: Any = json.loads(line.decode())
    if not isinstance(values, list) or tuple(map(type, values)) not in _TYPES:
        raise ValueError("a line of the table of the sources has another form")
    if not 0 <= values[2] < 1 << 62 or values[4] not in _LAYOUTS:
        raise ValueError("a line of the table of the sources has a size or layout that no file has")
    return values
