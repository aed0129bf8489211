"""One Parquet file of a dataset, read by byte ranges; every number in its footer is checked before it is used."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from finest.dataset.limits import MAX_FOOTER_BYTES, MAX_GROUP_BYTES, MAX_GROUPS, most_groups
from finest.dataset.rows import MAX_GROUP_ROWS, SCHEMA, VERDICT_SCHEMA
from finest.errors import VerifyError

Need = Callable[[str, int, int], bytes]
"""Callback that returns the bytes of a file (by path) from the first offset to the second, exclusive."""

_Span = tuple[int, int]
"""Start and end offset (exclusive) of a byte range in a file."""
_TAIL_BYTES = 64 * 1024
_MAGIC = b"PAR1"
_GAP_BYTES = 256 * 1024
"""Columns with a smaller gap than this between them share one request, which costs less than a second request."""
_AHEAD_BYTES = 16 * 1024 * 1024
"""Bytes to prefetch for several row groups together."""
_BATCH_ROWS = 500


class RemoteParquet:
    """One Parquet file, read by byte ranges; every number in its footer is checked before it is used."""

    def __init__(self, path: str, size_bytes: int, rows: int, need: Need, schema: pa.Schema = SCHEMA) -> None:
        self.path = path
        self.schema = schema if path.startswith("data/") else VERDICT_SCHEMA
        self._view = _View(path, size_bytes, need)
        with plainly(path):
            self._load_footer(size_bytes)
            self._file = pq.ParquetFile(pa.PythonFile(self._view, mode="r"), pre_buffer=False)
            self._check(rows)

    def _load_footer(self, size_bytes: int) -> None:
        if size_bytes < 12:
            raise VerifyError(f"{self.path}: not a Parquet file")
        tail = self._view.load(max(0, size_bytes - _TAIL_BYTES), size_bytes)
        footer = int.from_bytes(tail[-8:-4], "little")
        if tail[-4:] != _MAGIC or footer > size_bytes - 12:
            raise VerifyError(f"{self.path}: not a Parquet file")
        if footer > MAX_FOOTER_BYTES:
            raise VerifyError(f"{self.path}: a footer of {footer} bytes, at most {MAX_FOOTER_BYTES} are read")
        self._footer_bytes = footer
        if footer + 8 > len(tail):
            self._view.load(size_bytes - footer - 8, size_bytes)

    def _check(self, rows: int) -> None:
        meta, schema = self._file.metadata, self.schema
        if not self._file.schema_arrow.equals(schema):
            raise VerifyError(f"{self.path}: its columns are not {', '.join(schema.names)} of the types they must have")
        if meta.num_rows != rows:
            raise VerifyError(f"{self.path}: rows is {meta.num_rows}, the manifest says {rows}")
        most = min(MAX_GROUPS, most_groups(rows, self._view.size_bytes - self._footer_bytes))
        if meta.num_row_groups > most:
            raise VerifyError(f"{self.path}: {meta.num_row_groups} row groups of {rows} rows, at most {most} are read")
        self.groups = [self._group_rows(number) for number in range(meta.num_row_groups)]
        if sum(self.groups) != rows:
            raise VerifyError(f"{self.path}: its row groups hold {sum(self.groups)} rows, the footer says {rows}")

    def _group_rows(self, number: int) -> int:
        group = self._file.metadata.row_group(number)
        if not 0 <= group.num_rows <= MAX_GROUP_ROWS or not 0 <= group.total_byte_size <= MAX_GROUP_BYTES:
            raise VerifyError(f"{self.path}: row group {number} is larger than a dataset of ours can have")
        return int(group.num_rows)

    def batches(self, numbers: Sequence[int], columns: list[str]) -> Iterator[pa.RecordBatch]:
        """Yield the rows of these row groups in batches; raises VerifyError if a group is larger than allowed.

        Columns that are close to each other are fetched with one request, across several groups if these are small.
        """
        for spans, together in self._planned(numbers, columns):
            with plainly(self.path):
                for start, end in spans:
                    self._view.load(start, end)
                for number in together:
                    yield from self._group(number, columns)
            self._view.forget()

    def _group(self, number: int, columns: list[str]) -> Iterator[pa.RecordBatch]:
        rows = held = 0
        for batch in self._file.iter_batches(
            batch_size=_BATCH_ROWS, row_groups=[number], columns=columns, use_threads=False
        ):
            rows, held = rows + batch.num_rows, held + batch.nbytes
            if held > MAX_GROUP_BYTES:
                raise VerifyError(f"{self.path}: row group {number} holds more than {MAX_GROUP_BYTES} bytes")
            yield batch
        if rows != self.groups[number]:
            raise VerifyError(f"{self.path}: row group {number} holds {rows} rows, not {self.groups[number]}")

    def _planned(self, numbers: Sequence[int], columns: list[str]) -> Iterator[tuple[list[_Span], list[int]]]:
        """Yield the row groups to read together and their spans: up to _AHEAD_BYTES, or a single group."""
        spans: list[_Span] = []
        together: list[int] = []
        for number in numbers:
            with plainly(self.path):
                own = self._spans(number, columns)
            joined = _joined([*spans, *own])
            if together and _size(joined) > _AHEAD_BYTES:
                yield spans, together
                spans, together = own, [number]
            else:
                spans, together = joined, [*together, number]
        if together:
            yield spans, together

    def _spans(self, number: int, columns: list[str]) -> list[_Span]:
        """Return the byte ranges of a group's columns; columns that are close to each other share one range."""
        group, names = self._file.metadata.row_group(number), self._file.schema_arrow.names
        spans = _joined([self._chunk(group.column(names.index(name)), number) for name in columns])
        if _size(spans) > MAX_GROUP_BYTES:
            raise VerifyError(f"{self.path}: row group {number} is larger than a dataset of ours can have")
        return spans

    def _chunk(self, column: Any, number: int) -> tuple[int, int]:
        start = column.data_page_offset
        if column.has_dictionary_page:
            start = min(start, column.dictionary_page_offset)
        end = start + column.total_compressed_size
        if not 4 <= start <= end <= self._view.size_bytes - 8:
            raise VerifyError(f"{self.path}: row group {number} has a column outside of the file")
        return int(start), int(end)


def _joined(spans: list[_Span]) -> list[_Span]:
    """Sort the spans and merge those with a small gap between them."""
    joined: list[_Span] = []
    for start, end in sorted(spans):
        if joined and start - joined[-1][1] < _GAP_BYTES:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def _size(spans: list[_Span]) -> int:
    return sum(end - start for start, end in spans)


class _View(io.RawIOBase):
    """A file-like object for Arrow that holds only some ranges of a file and fetches all other reads."""

    def __init__(self, path: str, size_bytes: int, need: Need) -> None:
        self.path, self.size_bytes, self._need = path, size_bytes, need
        self._footer: tuple[int, bytes] | None = None
        self._spans: list[tuple[int, bytes]] = []
        self._at = 0

    def load(self, start: int, end: int) -> bytes:
        """Fetch a range and keep it until `forget`."""
        data = self._need(self.path, start, end)
        self._spans.append((start, data))
        return data

    def forget(self) -> None:
        """Drop the ranges that were kept."""
        self._spans.clear()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + (0, self._at, self.size_bytes)[whence]
        return self._at

    def read(self, size: int = -1) -> bytes:
        end = self.size_bytes if size < 0 else min(self._at + size, self.size_bytes)
        start, self._at = self._at, max(end, self._at)
        if start >= end:
            return b""
        for offset, data in self._spans:
            if offset <= start and end <= offset + len(data):
                return data[start - offset : end - offset]
        return self._need(self.path, start, end)


@contextmanager
def plainly(path: str) -> Iterator[None]:
    """Turn errors of Arrow and the decoder into a plain VerifyError that names the file."""
    try:
        yield
    except (MemoryError, pa.ArrowMemoryError) as error:
        raise VerifyError(f"{path}: unpacks to more than its reader may hold") from error
    except (pa.ArrowException, OSError, ValueError, KeyError, OverflowError) as error:
        if isinstance(error, BrokenPipeError):
            raise
        raise VerifyError(f"{path}: cannot be read: {str(error).partition(chr(10))[0][:200]}") from error
