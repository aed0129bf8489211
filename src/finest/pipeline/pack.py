"""A pack: one file with everything that a run knows about a source whose slices are all judged.

    OUT/ledger/packs/012/12345.pack    rows (Parquet), verdicts (Parquet), signatures, samples (JSON), index (JSON),
                                       and a tail of 20 bytes: CRC-32 and length of the index, "FINESTP1"

The index holds the place of each part, about 130 bytes for each slice, and the totals of the source without samples.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import pyarrow as pa

from finest.errors import LedgerError
from finest.masking import one_line
from finest.pipeline.damage import ParquetPart
from finest.pipeline.dedup.signatures import SignatureFile, join_signatures
from finest.pipeline.outcome import parquet_writer
from finest.pipeline.summary import SliceSummary, Totals, merge

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path
    from typing import BinaryIO

PART_FILES = {"rows": "rows.parquet", "verdicts": "verdicts.parquet", "signatures": "signatures.npy"}
"""The parts of a pack that each slice has a file of."""
BATCH_ROWS = 1000
"""Rows of a record batch and of a row group."""
_MAGIC = b"FINESTP1"
_TAIL = struct.Struct("<IQ8s")


class PackedSlice(NamedTuple):
    """One slice of a pack."""

    offset: int
    """Offset of its first record in the compressed file."""
    length: int
    """Compressed bytes to the next slice's first record."""
    sha256: str
    """The sha256 of these bytes."""
    pages: int
    kept: int
    wall_s: float


class Pack:
    """The pack of one source. Its rows, verdicts and signatures are in the order of the source's records.

    All methods raise LedgerError if the file is damaged.
    """

    def __init__(self, path: Path) -> None:
        """Read the index; raises LedgerError if the file is missing, cut or not a pack."""
        self.path = path
        try:
            index = _read_index(path)
            self._parts = {str(name): (int(a), int(b), int(c)) for name, (a, b, c) in index["parts"].items()}
            self.slices = tuple(PackedSlice(*one) for one in index["slices"])
            self.totals = Totals.from_dict(index["totals"])
            """The totals of the source; the samples are read by `samples`."""
        except (OSError, ValueError, TypeError, KeyError, struct.error) as error:
            raise _damaged(path, error) from error

    def parquet(self, part: Literal["rows", "verdicts"]) -> ParquetPart:
        """Return the rows of the pages that the recipe keeps, or one verdict for each page (VERDICT_SCHEMA)."""
        offset, length, check = self._parts[part]
        return ParquetPart(self.path, offset, length, check)

    def batches(
        self, part: Literal["rows", "verdicts"], columns: list[str] | None = None
    ) -> Iterator[pa.RecordBatch]:  # fmt: skip
        """Yield the record batches of a part, of at most BATCH_ROWS rows each, with all or some of its columns."""
        with self.parquet(part).open() as file:
            yield from file.iter_batches(batch_size=BATCH_ROWS, columns=columns, use_threads=False)

    def signatures(self) -> SignatureFile:
        """Return the signatures of the kept pages, or of all pages (`dedup_first`)."""
        return SignatureFile.open(self.path, self._parts["signatures"][0])

    def samples(self) -> dict[str, list[dict[str, Any]]]:
        """Return a few pages per reason, as in Totals."""
        offset, length, check = self._parts["samples"]
        try:
            with self.path.open("rb") as file:
                file.seek(offset)
                return dict(json.loads(_whole(file.read(length), check)))
        except (OSError, ValueError, TypeError) as error:
            raise _damaged(self.path, error) from error


def _read_index(path: Path) -> Any:
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(max(end - _TAIL.size, 0))
        check, length, magic = _TAIL.unpack(file.read(_TAIL.size))
        if magic != _MAGIC or length > end - _TAIL.size:
            raise ValueError("it is cut, or not a pack")
        file.seek(end - _TAIL.size - length)
        return json.loads(_whole(file.read(length), check))


def _whole(data: bytes, check: int) -> bytes:
    if zlib.crc32(data) != check:
        raise ValueError("its bytes have changed")
    return data


def _damaged(path: Path, error: Exception) -> LedgerError:
    return LedgerError(f"{path} cannot be read ({one_line(error)}); remove {path} and run again")


def find_breaks(summaries: Iterable[SliceSummary]) -> dict[int, int]:
    """Return the slices of a source whose first record is not where the one before ended: {index: where it must begin}.

    These are the first such slice and those that follow it, as long as the previous one ends at or before that offset
    and so holds no record. Later slices are checked once these have been read again.
    """
    wrong: dict[int, int] = {}
    start: int | None = None
    for before, summary in pairwise(summaries):
        if summary.start > before.end:  # an index chose the pages, and none of those between
            start = None
        elif start is None and before.next_offset != summary.first_offset:
            wrong[summary.index] = start = before.next_offset
        elif start is not None and before.end <= start != summary.first_offset:
            wrong[summary.index] = start
    return wrong


def write_pack(scratch: Path, folders: Sequence[Path], summaries: Sequence[SliceSummary]) -> Totals:
    """Write the pack of a source to the file `scratch`, from the folders of its slices; return its totals."""
    totals = merge(summaries)
    parts: dict[str, tuple[int, int, int]] = {}
    with scratch.open("wb") as file:
        for name, of_slice in PART_FILES.items():
            offset = file.tell()
            files = [folder / of_slice for folder in folders]
            if name == "signatures":
                join_signatures(file, [SignatureFile.open(path) for path in files])
                parts[name] = (offset, file.tell() - offset, 0)
            else:
                sink = _Checked(file)
                _join_parquet(sink, files)
                parts[name] = (offset, file.tell() - offset, sink.check)
        samples = json.dumps(totals.samples, ensure_ascii=False).encode("utf-8", "surrogatepass")
        parts["samples"] = (file.tell(), len(samples), zlib.crc32(samples))
        slices = [
            PackedSlice(s.first_offset, s.next_offset - s.first_offset, s.sha256, s.pages, s.kept, round(s.wall_s, 3))
            for s in summaries
        ]
        index = json.dumps({"parts": parts, "slices": slices, "totals": {**totals.to_dict(), "samples": {}}}).encode()
        file.write(samples + index + _TAIL.pack(zlib.crc32(index), len(index), _MAGIC))
        file.flush()
        os.fsync(file.fileno())
    return totals


class _Checked:
    """A file that computes the CRC-32 of what is written to it, for a Parquet writer."""

    closed = False

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.check = 0

    def write(self, data: Any) -> int:
        self.check = zlib.crc32(data, self.check)
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()


def _join_parquet(sink: _Checked, files: Sequence[Path]) -> None:
    """Write the rows of the files as one Parquet file, in row groups of BATCH_ROWS."""
    with ParquetPart(files[0]).open() as first:
        schema = first.schema_arrow
    with parquet_writer(sink, schema) as writer:
        held: list[pa.RecordBatch] = []
        for path in files:
            with ParquetPart(path).open() as file:
                for batch in file.iter_batches(batch_size=BATCH_ROWS, use_threads=False):
                    held.append(batch)
                    if sum(one.num_rows for one in held) >= BATCH_ROWS:
                        writer.write_table(pa.Table.from_batches(held), row_group_size=BATCH_ROWS)
                        held = []
        if held:
            writer.write_table(pa.Table.from_batches(held), row_group_size=BATCH_ROWS)
