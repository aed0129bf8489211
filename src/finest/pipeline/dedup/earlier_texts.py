"""The texts of earlier datasets' rows that share a bucket with pages of a run, for the comparison of texts.

    OUT/ledger/dedup/earlier-texts-S-of-SS-in-BB/B.arrow   the rows of span S that share a bucket with pages of block B

A span is a range of row numbers, of which the row groups with such a row are read. A file has each row
once for every cluster of the block with such a page, and the row's text only the first time.
"""

from __future__ import annotations

from contextlib import ExitStack
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import xxhash

from finest.pipeline.dedup.files import whole_folder
from finest.pipeline.dedup.signatures import WithinGroup

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from finest.pipeline.dedup.against import Earlier
    from finest.pipeline.dedup.earlier_datasets import EarlierDatasets
    from finest.pipeline.dedup.signatures import Rows
    from finest.pipeline.tasks import Tasks

_SPANS = 64
"""Spans that even a small dataset is divided into, for all cores."""
_SPAN_ROWS, _MOST_SPAN_ROWS = 20_000, 1_000_000
"""Least and most rows of a span; more spans would make too many files of a large run."""
_SCHEMA = pa.schema([("row", pa.int64()), ("root", pa.int64()), ("language", pa.string()), ("text", pa.large_string())])


class EarlierTexts:
    """Reads the texts of the rows, and gives them to the blocks of clusters that are compared together."""

    def __init__(self, earlier: Earlier, survivor: Rows, blocks: int) -> None:
        """`survivor` is the page that MinHash keeps of the cluster of each page; its number decides on the block."""
        self._earlier, self._survivor, self._blocks = earlier, survivor, blocks
        rows = earlier.earlier.rows
        size = min(max(_SPAN_ROWS, -(-rows // _SPANS)), _MOST_SPAN_ROWS)
        self._spans = list(pairwise([*range(0, rows, size), rows]))

    def read(self, tasks: Tasks, is_over: Callable[[], bool]) -> None:
        """Write the files that are missing."""
        tasks.run(
            "Reading texts of the earlier dataset", range(len(self._spans)), self._read,
            lambda span: self._path(span).exists() or is_over(),
        )  # fmt: skip

    def of(self, block: int) -> Iterator[tuple[int, int, str | None, str | None]]:
        """Yield row, cluster, language and text, by row; the latter two are None but for the row's first cluster."""
        for span in range(len(self._spans)):
            with (
                pa.OSFile(str(self._path(span) / f"{block:05d}.arrow"), "rb") as file,
                pa.ipc.open_stream(file) as stream,
            ):
                for batch in stream:
                    yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)

    def _read(self, span: int) -> None:
        with (
            self._earlier.earlier.again() as datasets,
            whole_folder(self._path(span)) as folder,
            ExitStack() as files,
        ):
            groups = datasets.row_groups_between(*self._spans[span])
            sinks = [
                files.enter_context(pa.OSFile(str(folder / f"{block:05d}.arrow"), "wb"))
                for block in range(self._blocks)
            ]
            streams = [files.enter_context(pa.ipc.new_stream(sink, _SCHEMA)) for sink in sinks]
            bounds = (groups[0].first_row, groups[-1].first_row + groups[-1].rows) if groups else (0, 0)
            rows, pages = self._matches(*bounds)
            for group in groups:
                here = slice(*np.searchsorted(rows, [group.first_row, group.first_row + group.rows]))
                if here.start < here.stop:
                    self._write_group(datasets, rows[here], pages[here], streams)

    def _matches(self, first: int, end: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the rows in a range that share a bucket with pages, ascending, and these pages."""
        found = []
        for matches in self._earlier.matches():
            low, high = np.searchsorted(matches[0], [first, end])
            found.append(np.array(matches[:, low:high]))
        rows, pages = np.concatenate(found, axis=1)
        order = np.argsort(rows, kind="stable")
        return rows[order], pages[order]

    def _write_group(
        self, datasets: EarlierDatasets, rows: NDArray[np.int64], pages: NDArray[np.int64],
        streams: list[pa.RecordBatchStreamWriter],
    ) -> None:  # fmt: skip
        """Write the rows of a row group, each once for every cluster, into the streams of the clusters' blocks."""
        numbers = np.unique(rows)
        table = datasets.read_rows(numbers.tolist(), ["language", "text", "dump"])
        rows, pages = _of_one_group(self._earlier, rows, pages, numbers, table["dump"])
        roots = self._survivor[pages].astype(np.int64)
        order = np.lexsort((roots, rows))
        rows, roots = rows[order], roots[order]
        is_new = np.ones(len(rows), np.bool_)
        is_new[1:] = (rows[1:] != rows[:-1]) | (roots[1:] != roots[:-1])
        rows, roots = rows[is_new], roots[is_new]
        blocks = roots % self._blocks
        for block in np.unique(blocks).tolist():
            some, clusters = rows[blocks == block], roots[blocks == block]
            is_repeated = np.zeros(len(some), np.bool_)
            is_repeated[1:] = some[1:] == some[:-1]
            at = pa.array(np.searchsorted(numbers, some), mask=is_repeated)
            texts = [table[name].combine_chunks().take(at) for name in ("language", "text")]
            columns = [pa.array(some), pa.array(clusters), *texts]
            streams[block].write_batch(pa.record_batch(
                [column.cast(kind) for column, kind in zip(columns, _SCHEMA.types, strict=True)], schema=_SCHEMA
            ))  # fmt: skip

    def _path(self, span: int) -> Path:
        return self._earlier.folder / f"earlier-texts-{span:05d}-of-{len(self._spans)}-in-{self._blocks}"


def _of_one_group(
    earlier: Earlier, rows: NDArray[np.int64], pages: NDArray[np.int64], numbers: NDArray[np.int64], dumps: pa.Array
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the pairs of a row and a page that the recipe compares: a forged index may name rows of another crawl.

    `dumps` are the crawls of the rows `numbers`.
    """
    groups = [part.group if isinstance(part, WithinGroup) else None for part in earlier.parts]
    if None in groups:
        return rows, pages
    theirs = np.array([xxhash.xxh64_intdigest(dump) for dump in dumps.to_pylist()], np.uint64)
    ours = np.array(groups, np.uint64)[np.searchsorted(earlier.starts, pages, side="right") - 1]
    same = theirs[np.searchsorted(numbers, rows)] == ours
    return rows[same], pages[same]
