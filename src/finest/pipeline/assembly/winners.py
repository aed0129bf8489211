"""The record ids of the pages that are kept instead of duplicates, which the verdicts of the duplicates name.

A duplicate's winner may be in any source. So a first round of tasks, each over a range of the sources, writes the ids
of its winners into a file, from which the tasks that write verdicts look up those that they need.

    OUT/ledger/assembly/winners.npy           for each page that was compared, whether it is a winner
    OUT/ledger/assembly/winners/00000.arrow   number and id of each winner in a range of the sources
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from finest.atomic_files import temporary_name

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from finest.pipeline.assembly.pages import Pages

RANGE_SOURCES = 64
"""Sources of one file of ids: about 40,000 winners, in 3 MB."""
_CHUNK = 1 << 20
_SCHEMA = pa.schema([("number", pa.int64()), ("id", pa.string())])


class Winners:
    """The winners of a run's duplicates."""

    def __init__(self, pages: Pages, folder: Path) -> None:
        self._pages, self._folder = pages, folder

    @property
    def ranges(self) -> range:
        """Numbers of the ranges of sources; there are none if nothing was compared."""
        if self._pages.survivors is None:
            return range(0)
        return range(-(-len(self._pages.first_compared[1:]) // RANGE_SOURCES))

    def is_marked(self) -> bool:
        return self._pages.survivors is None or (self._folder / "winners.npy").exists()

    def mark(self) -> None:
        """Write which pages are winners, before the ids are written."""
        survivors, path = self._pages.survivors, self._folder / "winners.npy"
        if survivors is None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        temporary = temporary_name(path)
        marks = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.bool_, shape=(max(len(survivors), 1),))
        for start in range(0, len(survivors), _CHUNK):
            part = np.asarray(survivors[start : start + _CHUNK])
            marks[part[part != np.arange(start, start + len(part))]] = True
        marks.flush()
        del marks
        temporary.replace(path)

    def path(self, number: int) -> Path:
        return self._folder / "winners" / f"{number:05d}.arrow"

    def write(self, number: int) -> None:
        """Write the ids of the winners of one range of sources."""
        marks = np.load(self._folder / "winners.npy", mmap_mode="r")
        path = self.path(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = temporary_name(path)
        with pa.OSFile(str(temporary), "wb") as file, pa.ipc.new_file(file, _SCHEMA) as writer:
            for source in self._sources(number):
                first, end = self._pages.compared(source)
                found = np.flatnonzero(marks[first:end])
                if len(found):
                    ids = self._pages.compared_ids(source).take(pa.array(found))
                    writer.write_batch(pa.record_batch([pa.array(found + first), ids], schema=_SCHEMA))
        temporary.replace(path)

    def ids(self, numbers: NDArray[np.int64]) -> pa.Array:
        """Return the ids of winners by their ascending numbers."""
        parts = [pa.array([], pa.string())]
        firsts = self._pages.first_compared[:-1:RANGE_SOURCES]
        at = np.searchsorted(firsts, numbers, side="right") - 1
        for number in np.unique(at).tolist():
            wanted = numbers[at == number]
            with pa.memory_map(str(self.path(number))) as file:
                table = pa.ipc.open_file(file).read_all()
                places = np.searchsorted(table["number"].to_numpy(), wanted)
                parts += table["id"].take(pa.array(places)).chunks
        return pa.concat_arrays(parts)

    def _sources(self, number: int) -> range:
        return range(number * RANGE_SOURCES, min((number + 1) * RANGE_SOURCES, len(self._pages.first_compared) - 1))
