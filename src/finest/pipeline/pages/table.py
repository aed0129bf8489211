"""The pages that an index chose: which bytes of which WARC, in order, with the root that commits to all of them.

OUT/ledger/pages.npy     one line a page: number of its source, offset, length
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from finest.dataset.chosen import root_of
from finest.dataset.page_choice import PageChoice
from finest.errors import LedgerError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from finest.warc.slices import Slice

LINE = np.dtype([("source", "<u4"), ("offset", "<u8"), ("length", "<u4")])
GAP_BYTES = 128 << 10
"""Pages of a WARC with fewer bytes between them are read together: a page takes 30 kB, and Common Crawl asks for few
requests rather than for few bytes."""
GROUP_BYTES = 32 << 20
"""Bytes after which a group ends, because it is a unit of work that is repeated if a worker dies."""


class PageTable:
    """Pages in the order of their sources and offsets; a page is listed once."""

    def __init__(self, lines: NDArray[Any]) -> None:
        self.lines = lines

    @staticmethod
    def of(pages: Iterable[tuple[int, int, int]]) -> PageTable:
        """Make the table of (number of the source, offset, length), in any order."""
        lines = np.array(sorted(set(pages)), LINE)
        return PageTable(lines)

    @staticmethod
    def read(path: Path) -> PageTable:
        """Map the table in a file, so that all tasks of a node share it; raises LedgerError."""
        try:
            lines = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise LedgerError(f"{path} cannot be read ({error}); start again with --restart") from error
        if lines.dtype != LINE or lines.ndim != 1:
            raise LedgerError(f"{path} is no table of pages; start again with --restart")
        return PageTable(lines)

    def to_bytes(self) -> bytes:
        """Return what `read` reads."""
        file = io.BytesIO()
        np.save(file, self.lines, allow_pickle=False)
        return file.getvalue()

    def __len__(self) -> int:
        return len(self.lines)

    def lengths_of(self, slice_: Slice) -> dict[int, int]:
        """Return the length of each page in a slice of the run, by its offset."""
        low, high = np.searchsorted(self.lines["source"], [slice_.source_index, slice_.source_index + 1])
        offsets = self.lines["offset"][low:high]
        first, last = np.searchsorted(offsets, [slice_.start, slice_.end])
        lengths = self.lines["length"][low:high]
        return dict(zip(offsets[first:last].tolist(), lengths[first:last].tolist(), strict=True))

    def groups(self) -> NDArray[Any]:
        """Return the ranges to read, as lines of source, start and end: pages that lie close together are one range."""
        lines = self.lines
        starts, ends = lines["offset"].astype(np.int64), lines["offset"].astype(np.int64) + lines["length"]
        opens = np.ones(len(lines), np.bool_)
        opens[1:] = (lines["source"][1:] != lines["source"][:-1]) | (starts[1:] - ends[:-1] > GAP_BYTES)
        begin = 0
        for number in range(len(lines)):
            if opens[number] or ends[number] - starts[begin] > GROUP_BYTES:
                opens[number], begin = True, number
        first = np.flatnonzero(opens)
        last = np.append(first[1:], len(lines)) - 1
        return np.stack([lines["source"][first].astype(np.int64), starts[first], ends[last]], axis=1)

    def root(self, names: Sequence[str]) -> str:
        """Return the Merkle root over the pages; `names` has the name of each source in the rows."""
        return root_of((names[line["source"]], int(line["offset"]), int(line["length"])) for line in self.lines)


@dataclass(frozen=True, slots=True)
class ChosenPages:
    """The only pages that a run reads."""

    crawl: str
    """The crawl of the index, with the part of it that was asked for: `CC-MAIN-2026-30` or `CC-MAIN-2026-30 3/90`."""
    where: str
    """The expression that chose them of the index."""
    root: str
    """Merkle root over them (`root_of`)."""
    table: PageTable

    def without(self, missing: Collection[str], names: Sequence[str]) -> PageChoice:
        """Return what the manifest states: the choice without the pages of missing sources.

        `names` has the name of each source.
        """
        if not missing:
            return PageChoice(where=self.where, root=self.root, pages=len(self.table))
        is_there = np.array([name not in missing for name in names], np.bool_)
        left = PageTable(self.table.lines[is_there[self.table.lines["source"]]])
        return PageChoice(where=self.where, root=left.root(names), pages=len(left))

    def to_dict(self) -> dict[str, Any]:
        """Return what run.json holds."""
        return {"crawl": self.crawl, "where": self.where, "root": self.root, "pages": len(self.table)}

    @staticmethod
    def from_dict(data: dict[str, Any], table: PageTable) -> ChosenPages:
        """Invert `to_dict`; raises KeyError, TypeError or ValueError for any other dictionary and table."""
        if data["pages"] != len(table):
            raise ValueError("the table of the pages is another one")
        return ChosenPages(str(data["crawl"]), str(data["where"]), str(data["root"]), table)
