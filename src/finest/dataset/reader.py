"""Decode untrusted Parquet files in a separate process, where they can do no harm.

The process (`finest.dataset.reader_main`) has bounded memory and CPU time, no token and no network. It asks its parent
for byte ranges (`finest.dataset.confined_reader` is the other end). Whatever a file does to it (crash the decoder,
exhaust memory, loop forever) only makes the parent refuse one request.

It calls Arrow's kernels by their names: `pyarrow.compute`, and the methods of arrays that import it, make Python
functions of all kernels, which takes 0.04 s of each start.
"""

from __future__ import annotations

import io
import json
import math
import resource
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import reduce
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow._compute import CastOptions, call_function

from finest.dataset.limits import MAX_COLUMN_BYTES, MAX_FOOTER_BYTES, MAX_GROUP_BYTES, MAX_GROUPS, most_groups
from finest.dataset.row_order import COLUMNS as ORDER_COLUMNS
from finest.dataset.row_order import RowOrder
from finest.dataset.rows import (
    HASHED_COLUMNS,
    MAX_GROUP_ROWS,
    SCHEMA,
    VERDICT_SCHEMA,
    added_columns,
    columns_schema,
    digests,
    schema_with,
)
from finest.errors import FinestError, VerifyError
from finest.recipe.column import Column

Need = Callable[[str, int, int], bytes]
"""Callback that returns the bytes of a file (by path) from the first offset to the second, exclusive."""

_Span = tuple[int, int]
"""Start and end offset (exclusive) of a byte range in a file."""
_VERDICT_COLUMNS = ("id", "url", "file_path", "offset", "length", "reason")
"""Verdict columns that are never null."""
_TAIL_BYTES = 64 * 1024
_MAGIC = b"PAR1"
_GAP_BYTES = 256 * 1024
"""Columns with a smaller gap than this between them share one request, which costs less than a second request."""
_AHEAD_BYTES = 16 * 1024 * 1024
"""Bytes to prefetch for several row groups together."""
_BATCH_ROWS = 500
_OPEN_FILES = 4
"""Number of files whose footers are cached."""


class RemoteParquet:
    """One Parquet file, read by byte ranges; every number in its footer is checked before it is used."""

    def __init__(self, path: str, size_bytes: int, rows: int, need: Need, schema: pa.Schema = SCHEMA) -> None:
        self.path = path
        self.schema = schema if path.startswith("data/") else VERDICT_SCHEMA
        self._view = _View(path, size_bytes, need)
        with _plainly(path):
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
            with _plainly(self.path):
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
            with _plainly(self.path):
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


class Reader:
    """Answers requests about files; each request names a file with its path, size and rows."""

    def __init__(self, need: Need) -> None:
        self._need = need
        self._files: dict[str, RemoteParquet] = {}
        self._schema = SCHEMA

    def answer(self, request: dict[str, Any]) -> tuple[Any, bytes]:
        """Return a small value and a table as an Arrow stream (or no bytes); raises VerifyError if a file is bad."""
        self._schema = schema_with(Column(*column) for column in request.get("columns_added", ()))
        if request["op"] == "check":
            self._check_folder(Path(request["folder"]), request["manifest"])
            return None, b""
        if request["op"] == "root":
            order = RowOrder(request["sources"], by_language=request["by_language"])
            return self._root(request["files"], order), b""
        file = self._file(request["file"])
        if request["op"] == "groups":
            return file.groups, b""
        if request["op"] == "unsatisfied":
            return _unsatisfied(file, request["rules"]), b""
        if request["op"] == "decided":
            return None, _stream(_decided(file, request["rules"]))
        if request["op"] == "columns":
            return None, _stream(_columns(file, request["columns"], request.get("group")))
        return None, _stream(_rows(file, request["group"], request["rows"]))

    def _file(self, stated: dict[str, Any]) -> RemoteParquet:
        path = stated["path"]
        if path not in self._files:
            if len(self._files) >= _OPEN_FILES:
                del self._files[next(iter(self._files))]
            self._files[path] = RemoteParquet(path, stated["size_bytes"], stated["rows"], self._need, self._schema)
        return self._files[path]

    def _root(self, files: list[dict[str, Any]], order: RowOrder) -> dict[str, str]:
        """Return the root of each series over the stored row hashes; raises VerifyError if a row occurs twice."""
        for stated in files:
            file = self._file(stated)
            for batch in file.batches(range(len(file.groups)), list(ORDER_COLUMNS)):
                with _plainly(file.path):
                    batch.validate(full=True)
                    hashes = [bytes.fromhex(digest) for digest in _present(file, batch, "row_hash")]
                    for name in ORDER_COLUMNS:
                        _present(file, batch, name)
                    order.add(file.path, batch, hashes)
        return order.roots()

    def _check_folder(self, folder: Path, manifest: str) -> None:
        from finest.dataset.check_files import check_files
        from finest.dataset.manifest import parse_manifest

        check_files(folder, parse_manifest(manifest.encode(), "manifest.json"))


def _columns(file: RemoteParquet, columns: list[str], group: int | None) -> pa.Table:
    """Return some columns of a group, or of all rows; raises VerifyError if they take more than MAX_COLUMN_BYTES."""
    held, batches = 0, []
    schema = columns_schema(file.schema, columns)
    for batch in file.batches(range(len(file.groups)) if group is None else [group], columns):
        with _plainly(file.path):
            batch.validate(full=True)
            taken = pa.record_batch([_cast(batch[field.name], field.type) for field in schema], schema=schema)
        held += taken.nbytes
        if held > MAX_COLUMN_BYTES:
            raise VerifyError(f"{file.path}: {', '.join(columns)} hold more than {MAX_COLUMN_BYTES} bytes")
        batches.append(taken)
    return pa.Table.from_batches(batches, schema).unify_dictionaries()


def _cast(column: pa.Array, to: pa.DataType) -> pa.Array:
    return call_function("cast", [column], CastOptions.safe(to))


def _rows(file: RemoteParquet, number: int, wanted: list[int]) -> pa.Table:
    """Return rows of a group by their ascending indices in it; recomputes the hash of each data row."""
    schema, is_rows = file.schema, file.schema is not VERDICT_SCHEMA
    first, chosen = 0, []
    for batch in file.batches([number], schema.names):
        here = [row - first for row in wanted if first <= row < first + batch.num_rows]
        first += batch.num_rows
        with _plainly(file.path):
            taken = call_function("take", [batch, pa.array(here, pa.int64())])
            taken.validate(full=True)
            for name in (*HASHED_COLUMNS, *added_columns(schema)) if is_rows else _VERDICT_COLUMNS:
                _present(file, taken, name)
            if is_rows:
                _check_hashes(file, taken)
        chosen.append(taken)
    return pa.Table.from_batches(chosen, schema)


def _unsatisfied(file: RemoteParquet, rules: list[dict[str, Any]]) -> list[str] | None:
    """Return the id of the first row that does not satisfy a rule, and the rule; None if all rows satisfy all."""
    from finest.dataset.selection import Rule, unsatisfied

    stated = [Rule.model_validate(rule) for rule in rules]
    needed = sorted({"id", *(name for rule in stated for name in rule.columns(file.schema))})
    for batch in file.batches(range(len(file.groups)), needed):
        with _plainly(file.path):
            batch.validate(full=True)
            found = unsatisfied(batch, stated)
        if found is not None:
            return [found[0], str(found[1])]
    return None


def _decided(file: RemoteParquet, rules: list[dict[str, Any]]) -> pa.Table:
    """Return id, hash (recomputed and compared) of each row, and whether it satisfies all rules."""
    import pyarrow.compute as pc

    from finest.dataset.selection import Rule

    keeps = [Rule.model_validate(rule).keep(file.schema) for rule in rules]
    schema = pa.schema([("id", pa.string()), ("row_hash", pa.string()), ("stays", pa.bool_())])
    batches = []
    for batch in file.batches(range(len(file.groups)), file.schema.names):
        with _plainly(file.path):
            batch.validate(full=True)
            for name in (*HASHED_COLUMNS, *added_columns(file.schema)):
                _present(file, batch, name)
            _check_hashes(file, batch)
            stays = reduce(pc.and_, (keep(batch) for keep in keeps))
            batches.append(pa.record_batch([batch["id"], batch["row_hash"], stays], schema=schema))
    return pa.Table.from_batches(batches, schema)


def _check_hashes(file: RemoteParquet, batch: pa.RecordBatch) -> None:
    for digest, stated, id in zip(digests(batch), batch["row_hash"].to_pylist(), batch["id"].to_pylist(), strict=True):
        if digest.hex() != stated:
            raise VerifyError(f"{file.path}: row {id[:80]} is altered: its row_hash is not that of its columns")


def _present(file: RemoteParquet, batch: pa.RecordBatch, name: str) -> list[str]:
    column = batch.column(batch.schema.names.index(name))
    if column.null_count:
        raise VerifyError(f"{file.path}: column {name} has empty fields")
    return list(column.to_pylist())


def _stream(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


@contextmanager
def _plainly(path: str) -> Iterator[None]:
    """Turn errors of Arrow and the decoder into a plain VerifyError that names the file."""
    try:
        yield
    except (MemoryError, pa.ArrowMemoryError) as error:
        raise VerifyError(f"{path}: unpacks to more than its reader may hold") from error
    except (pa.ArrowException, OSError, ValueError, KeyError, OverflowError) as error:
        if isinstance(error, BrokenPipeError):
            raise
        raise VerifyError(f"{path}: cannot be read: {str(error).partition(chr(10))[0][:200]}") from error


def serve(asked: BinaryIO, told: BinaryIO) -> None:
    """Answer requests, one line of JSON each, until the input ends; raises BrokenPipeError when the parent is gone."""
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)

    def tell(line: dict[str, Any], data: bytes = b"") -> None:
        told.write(json.dumps(line | {"size": len(data)}).encode() + b"\n" + data)
        told.flush()

    def need(path: str, start: int, end: int) -> bytes:
        tell({"need": [path, start, end]})
        if not asked.readline():
            raise BrokenPipeError
        data = asked.read(end - start)
        if len(data) != end - start:
            raise BrokenPipeError
        return data

    reader = Reader(need)
    for line in iter(asked.readline, b""):
        request = json.loads(line)
        _bound_cpu(request["cpu_s"])
        try:
            value, data = reader.answer(request)
        except MemoryError:
            tell({"refused": "unpacks to more than its reader may hold"})
        except FinestError as error:
            tell({"refused": str(error)[:1000]})
        else:
            tell({"done": value}, data)


def _bound_cpu(seconds: int) -> None:
    """Limit this process to this many more CPU seconds; the kernel ends it when they are used up."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = math.ceil(used.ru_utime + used.ru_stime) + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.getrlimit(resource.RLIMIT_CPU)[1]))
