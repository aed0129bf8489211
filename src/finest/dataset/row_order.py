"""Compute the root of a dataset from its rows in the order of the files, and check that no row occurs twice.

In a data folder the rows of a source lie together, in the order of their offsets. So a row that occurs twice is found
among the rows of one offset, without a table of all rows: memory does not grow with the rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa
from pyarrow._compute import call_function  # pyarrow.compute takes 0.04 s to write its docstrings

from finest.dataset.merkle import SeriesTrees, series_of
from finest.errors import VerifyError

if TYPE_CHECKING:
    from finest.dataset.manifest import Manifest

COLUMNS = ("file_path", "language", "warc_offset", "row_hash")
"""The columns that the checks read: about 70 bytes a row, nearly all of them hashes."""


class RowOrder:
    """Takes the rows of a dataset's data files in the order of its manifest.

    `sources` is the number of sources that the manifest states. With `by_language`, each folder holds the rows of one
    language, from any source; otherwise a source has rows in one folder only.
    """

    def __init__(self, sources: int, *, by_language: bool) -> None:
        self._sources, self._by_language = sources, by_language
        self._trees = SeriesTrees()
        self._folder = self._path = ""
        self._row = 0
        self._seen: set[str] = set()
        self._source, self._offset = "", -1
        self._at_offset: set[bytes] = set()

    def add(self, path: str, batch: pa.RecordBatch, hashes: Sequence[bytes]) -> None:
        """Add the next rows of a file with their hashes; `batch` has the other COLUMNS, without empty fields.

        Raises VerifyError, with the file and the number of the row in it, if a row is out of order or occurs twice.
        """
        if path != self._path:
            self._begin(path)
        self._trees.add(series_of(path), hashes)
        if self._by_language and not self._is_language(batch["language"]):
            raise VerifyError(f"{path}: it has a row in another language than {self._folder}")
        offsets = batch["warc_offset"].to_pylist()
        for source, start, end in _runs(batch["file_path"]):
            self._enter(source, start)
            self._check(offsets[start:end], hashes[start:end], start)
        self._row += batch.num_rows

    def roots(self) -> dict[str, str]:
        """Return the root of each series, in their order."""
        return self._trees.roots()

    def _is_language(self, languages: pa.Array) -> bool:
        equal = call_function("equal", [languages, pa.scalar(self._folder)])
        return bool(call_function("all", [equal]).as_py())

    def _begin(self, path: str) -> None:
        folder = path.split("/")[1]
        if self._by_language and folder != self._folder:
            self._seen.clear()
            self._source = ""
        self._folder, self._path, self._row = folder, path, 0

    def _enter(self, source: str, at: int) -> None:
        if source == self._source:
            return
        if source in self._seen:
            raise VerifyError(f"{self._place(at)}: the rows of {source[:200]} do not lie together")
        if len(self._seen) >= self._sources:
            raise VerifyError(f"{self._place(at)}: rows of more than the {self._sources} sources of the manifest")
        self._seen.add(source)
        self._source, self._offset, self._at_offset = source, -1, set()

    def _check(self, offsets: list[int], hashes: Sequence[bytes], start: int) -> None:
        """Check rows of one source: ascending offsets, and different hashes where offsets are equal."""
        for at, (offset, digest) in enumerate(zip(offsets, hashes, strict=True), start):
            if offset < self._offset:
                raise VerifyError(f"{self._place(at)}: it lies before an earlier row of its source")
            if offset > self._offset:
                self._offset, self._at_offset = offset, set()
            if digest in self._at_offset:
                raise VerifyError(f"{self._place(at)}: the same row occurs twice")
            self._at_offset.add(digest)

    def _place(self, at: int) -> str:
        return f"{self._path}: row {self._row + at}"


def check_roots(found: dict[str, str], manifest: Manifest) -> None:
    """Raise VerifyError if the roots of the series are not those of the manifest."""
    for series, stated in manifest.roots.items():
        if found.get(series) != stated:
            raise VerifyError(
                f"{series}: the Merkle root over the rows is {found.get(series)}, the manifest says {stated}"
            )


def _runs(names: pa.Array) -> Iterator[tuple[str, int, int]]:
    """Yield each run of equal names with its start and end."""
    runs = call_function("run_end_encode", [names])
    start = 0
    for name, end in zip(runs.values.to_pylist(), runs.run_ends.to_pylist(), strict=True):
        yield name, start, end
        start = end
