"""Decode untrusted Parquet files in a separate process, where they can do no harm.

The process (`finest.dataset.reader_main`) has bounded memory and CPU time, no token and no network. It asks its parent
for byte ranges (`finest.dataset.confined_reader` is the other end). Whatever a file does to it (crash the decoder,
exhaust memory, loop forever) only makes the parent refuse one request.

It calls Arrow's kernels by their names: `pyarrow.compute`, and the methods of arrays that import it, make Python
functions of all kernels, which takes 0.04 s of each start.
"""

from __future__ import annotations

import json
import math
import resource
from functools import reduce
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
from pyarrow._compute import CastOptions, call_function  # pyarrow.compute takes 0.04 s to write its docstrings

from finest.dataset.limits import MAX_COLUMN_BYTES
from finest.dataset.remote_parquet import Need, RemoteParquet, plainly
from finest.dataset.row_order import COLUMNS as ORDER_COLUMNS
from finest.dataset.row_order import RowOrder
from finest.dataset.rows import (
    HASHED_COLUMNS,
    SCHEMA,
    VERDICT_SCHEMA,
    added_columns,
    columns_schema,
    digests,
    schema_with,
)
from finest.errors import FinestError, VerifyError
from finest.recipe.column import Column

_VERDICT_COLUMNS = ("id", "url", "file_path", "offset", "length", "reason")
"""Verdict columns that are never null."""
_OPEN_FILES = 4
"""Number of files whose footers are cached."""


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
                with plainly(file.path):
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
        with plainly(file.path):
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
        with plainly(file.path):
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
        with plainly(file.path):
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
        with plainly(file.path):
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
