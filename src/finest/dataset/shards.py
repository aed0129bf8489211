"""Write Parquet shards: stream rows into files of bounded size and hash them while writing, in constant memory.

The format is the Hub's "optimized Parquet" (content-defined chunking, page index) with zstd. Row groups are small, so
that checking a sample of rows reads a few megabytes instead of a whole shard.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field

from finest.atomic_files import sync
from finest.dataset.merkle import Tree
from finest.dataset.rows import MAX_GROUP_ROWS, SCHEMA
from finest.errors import RunError

if TYPE_CHECKING:
    import numpy as np

MAX_SHARD_BYTES = 500_000_000
"""Shard size of the `datasets` library; the Hub's viewer and downloads work best with shards up to this size."""
MAX_GROUP_BYTES = 16 * 1024 * 1024
"""Uncompressed bytes of a row group: reading one random row fetches about 6 MB."""
ZSTD_LEVEL = 3
REPEATED_COLUMNS = frozenset({"dump", "file_path", "language", "reason"})
"""Columns with few distinct values; only these benefit from dictionary encoding."""


class Shard(BaseModel):
    """One finished file of a dataset, named by its path inside the dataset's folder."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    path: str = Field(pattern=r"^(?:[A-Za-z0-9][A-Za-z0-9._-]*/)+[A-Za-z0-9][A-Za-z0-9._-]*\.parquet$", max_length=512)
    rows: int = Field(ge=0)
    size_bytes: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class _HashingFile:
    """An append-only file that computes its own sha256; it has the methods that pyarrow's writer calls."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.sha = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        self.sha.update(data)
        self.size += len(data)
        return self._file.write(data)

    def tell(self) -> int:
        return self.size

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        """Do nothing: the owner closes the file after its fsync."""

    @property
    def closed(self) -> bool:
        return self._file.closed


class ShardWriter:
    """Streams record batches into `<folder>/<prefix>_00000.parquet`, `..._00001.parquet`, and so on.

        with ShardWriter(folder, "data/CC-MAIN-2025-26/000") as writer:
            for batch in batches:
                writer.write(batch)
        shards = writer.shards

    The files depend only on the rows and their order, not on how they were split into batches. A file gets its final
    name only after it is complete and on disk. If the block ends with an error, the writer removes the unfinished file
    and keeps the finished ones. Raises RunError if the file system refuses a write. `tree` is the Merkle tree over the
    hashes of rows, and stays empty for other files.
    """

    def __init__(self, folder: Path, prefix: str, schema: pa.Schema = SCHEMA, max_bytes: int = MAX_SHARD_BYTES) -> None:
        self.shards: list[Shard] = []
        self.tree = Tree()
        self._folder, self._prefix, self._schema, self._max_bytes = folder, prefix, schema, max_bytes
        self._pending: list[pa.RecordBatch] = []
        self._pending_rows = self._pending_bytes = 0
        self._file: _OpenShard | None = None

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is None:
            self.close()
        elif self._file is not None:
            self._file.abandon()

    def write(self, batch: pa.RecordBatch) -> None:
        """Add the rows of a batch, which must have the writer's schema, in their order."""
        if "row_hash" in self._schema.names:
            self.tree.add(map(bytes.fromhex, batch.column("row_hash").to_pylist()))
        sizes = _row_bytes(batch)
        start = 0
        while start < batch.num_rows:
            room = sizes[start:].cumsum().searchsorted(MAX_GROUP_BYTES - self._pending_bytes, side="right")
            take = min(int(room), MAX_GROUP_ROWS - self._pending_rows, batch.num_rows - start)
            if take == 0 and self._pending_rows:
                self._write_group()
                continue
            take = max(take, 1)
            self._pending.append(batch.slice(start, take))
            self._pending_rows += take
            self._pending_bytes += int(sizes[start : start + take].sum())
            start += take

    def close(self) -> list[Shard]:
        """Finish the last file and return the list of all shards."""
        self._write_group()
        self._finish_file()
        return self.shards

    @property
    def roots(self) -> dict[str, str]:
        """The series of these files with its root, as the manifest has it; empty if no file was written."""
        return {self._prefix: self.tree.root()} if self.shards else {}

    def _write_group(self) -> None:
        if not self._pending:
            return
        if self._file is not None and self._file.size + self._pending_bytes > self._max_bytes:
            self._finish_file()
        if self._file is None:
            self._file = _OpenShard(self._folder, f"{self._prefix}_{len(self.shards):05d}.parquet", self._schema)
        self._file.write(pa.Table.from_batches(self._pending, self._schema).combine_chunks())
        self._pending, self._pending_rows, self._pending_bytes = [], 0, 0

    def _finish_file(self) -> None:
        if self._file is not None:
            self.shards.append(self._file.finish())
            self._file = None


class _OpenShard:
    """A shard that is being written under a temporary name."""

    def __init__(self, folder: Path, path: str, schema: pa.Schema) -> None:
        self._path, self._final = path, folder / path
        self._temporary = self._final.with_name(f".{self._final.name}.tmp")
        self._rows = 0
        try:
            self._final.parent.mkdir(parents=True, exist_ok=True)
            self._raw = open(self._temporary, "wb")  # noqa: SIM115  closed by finish or abandon
        except OSError as error:
            raise self._refused(error) from error
        self._file = _HashingFile(self._raw)
        self._writer = pq.ParquetWriter(
            self._file,
            schema,
            compression="zstd",
            compression_level=ZSTD_LEVEL,
            use_dictionary=[name for name in schema.names if name in REPEATED_COLUMNS],
            use_content_defined_chunking=True,
            write_page_index=True,
        )

    @property
    def size(self) -> int:
        return self._file.size

    def write(self, group: pa.Table) -> None:
        try:
            self._writer.write_table(group, row_group_size=max(1, group.num_rows))
        except OSError as error:
            raise self._refused(error) from error
        self._rows += group.num_rows

    def finish(self) -> Shard:
        try:
            self._writer.close()
            self._raw.flush()
            os.fsync(self._raw.fileno())
            self._raw.close()
            os.replace(self._temporary, self._final)
            sync(self._final.parent)
        except OSError as error:
            self.abandon()
            raise self._refused(error) from error
        return Shard(path=self._path, rows=self._rows, size_bytes=self._file.size, sha256=self._file.sha.hexdigest())

    def abandon(self) -> None:
        """Remove the unfinished file."""
        with suppress(OSError):
            self._writer.close()
        with suppress(OSError):
            self._raw.close()
        self._temporary.unlink(missing_ok=True)

    def _refused(self, error: OSError) -> RunError:
        return RunError(
            f"cannot write {self._final}: {error.strerror or error}; fix that and run the same command again"
        )


def _row_bytes(batch: pa.RecordBatch) -> np.ndarray:
    """Return the uncompressed bytes of each row: the length of its strings, and 8 bytes for every column."""
    import numpy as np  # only a writer needs it, and every reader of a manifest loads this module

    sizes = np.full(batch.num_rows, 8 * batch.num_columns, dtype=np.int64)
    for column in batch.columns:
        if pa.types.is_string(column.type):
            sizes += pc.fill_null(pc.binary_length(column), 0).to_numpy(zero_copy_only=False)
    return sizes
