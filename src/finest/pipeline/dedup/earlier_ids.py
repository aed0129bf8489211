"""The record ids of the rows of earlier datasets that are kept instead of pages: their verdicts name them.

    OUT/ledger/dedup/earlier-wanted.npy     for each of their rows, whether it is kept instead of a page
    OUT/ledger/dedup/earlier-ids-N.arrow    number and id of each such row of the data file N
    OUT/ledger/dedup/earlier-ids/           the same of all rows, to look up: numbers, ends of the ids, and ids

No process holds more than the ids of one data file.
"""

from __future__ import annotations

from contextlib import ExitStack
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from finest.pipeline.dedup.files import whole_file, whole_folder
from finest.pipeline.dedup.forest import CHUNK
from finest.pipeline.dedup.index import NONE, mapped

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from finest.pipeline.dedup.earlier_datasets import EarlierDatasets
    from finest.pipeline.tasks import Tasks


_FILES = {"rows": "<u4", "ends": "<i8", "ids": "u1"}


class EarlierIds:
    """Looks up the ids, in mapped files."""

    def __init__(self, folder: Path) -> None:
        self._rows, self._ends, self._text = (mapped(folder / name, kind) for name, kind in _FILES.items())

    def of(self, rows: NDArray[np.uint32]) -> list[str]:
        """Return the ids of these rows, which are all kept instead of pages."""
        at = np.searchsorted(self._rows, rows)
        starts, ends = np.where(at > 0, self._ends[at - 1], 0), self._ends[at]
        return [bytes(self._text[a:b]).decode() for a, b in zip(starts.tolist(), ends.tolist(), strict=True)]


def write_ids(folder: Path, rows: NDArray[np.uint32], earlier: EarlierDatasets, tasks: Tasks) -> EarlierIds:
    """Read the ids of these rows; each data file with one of them is read once."""
    wanted, found = folder / "earlier-wanted.npy", folder / "earlier-ids"
    files = earlier.files
    firsts = list(accumulate((shard.rows for _, shard in files), initial=0))

    def path(number: int) -> Path:
        return folder / f"earlier-ids-{number:05d}.arrow"

    def mark() -> None:
        marks = np.zeros(firsts[-1], np.bool_)
        for start in range(0, len(rows), CHUNK):
            part = rows[start : start + CHUNK]
            marks[part[part != NONE]] = True
        with whole_file(wanted) as file:
            np.save(file, marks)

    def read(number: int) -> None:
        at = np.flatnonzero(np.load(wanted, mmap_mode="r")[firsts[number] : firsts[number + 1]])
        ids = pa.array([], pa.string())
        if len(at):
            of, shard = files[number]
            with earlier.datasets[of].again() as own:
                ids = own.row_columns("id", files=[shard])["id"].combine_chunks().take(pa.array(at))
        with whole_file(path(number)) as file:
            table = pa.table({"row": at + firsts[number], "id": ids})
            with pa.ipc.new_file(file, table.schema) as writer:
                writer.write_table(table)

    def join() -> None:
        _join([path(number) for number in range(len(files))], found)
        for number in range(len(files)):
            path(number).unlink(missing_ok=True)

    tasks.once("Marking the rows kept instead of pages", mark, lambda: wanted.exists() or found.exists())
    tasks.run(
        "Reading the ids of the earlier dataset", range(len(files)), read,
        lambda number: path(number).exists() or found.exists(),
    )  # fmt: skip
    tasks.once("Joining the ids of the earlier dataset", join, found.exists)
    return EarlierIds(found)


def _join(paths: list[Path], folder: Path) -> None:
    """Write the ids of all data files as one list, a file at a time."""
    end = 0
    with whole_folder(folder) as made, ExitStack() as files:
        rows, ends, ids = (files.enter_context((made / name).open("wb")) for name in _FILES)
        for path in paths:
            with pa.ipc.open_file(path) as source:
                table = source.read_all()
            texts = [(one or "").encode() for one in table["id"].to_pylist()]
            table["row"].to_numpy().astype("<u4").tofile(rows)
            (np.cumsum([len(text) for text in texts], dtype="<i8") + end).tofile(ends)
            ids.writelines(texts)
            end += sum(map(len, texts))
