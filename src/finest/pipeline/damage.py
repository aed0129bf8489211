"""Read Parquet files of a run; an unreadable one is a one-line error that says what to remove."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from finest.errors import LedgerError
from finest.masking import one_line


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Context for reading that file; raises LedgerError if it is damaged or missing.

    The next run judges a slice or a source again whose folder or pack was removed, and assembles the dataset again if
    its manifest was removed.
    """
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        words = f"{path} cannot be read ({one_line(error)}); remove {_culprit(path)} and run again"
        raise LedgerError(words) from error


def _culprit(path: Path) -> Path:
    if path.suffix == ".pack":
        return path
    return path.parent if path.parts[-5:-4] == ("slices",) else path.parents[2] / "manifest.json"


@dataclass(frozen=True, slots=True)
class ParquetPart:
    """A Parquet file of a run: a file of its own, or a part of a pack."""

    path: Path
    offset: int = 0
    length: int | None = None
    """Bytes of the part; None for the whole file."""
    check: int = 0
    """The CRC-32 of a part."""

    @contextmanager
    def open(self) -> Iterator[pq.ParquetFile]:
        """Open it for reading in the block; raises LedgerError if it is damaged or missing, also within the block."""
        with readable(self.path):
            if self.length is None:
                with pq.ParquetFile(self.path, pre_buffer=False) as file:
                    yield file
                return
            with pa.OSFile(str(self.path)) as whole:
                whole.seek(self.offset)
                data = whole.read_buffer(self.length)
            if zlib.crc32(data) != self.check:
                raise OSError("its bytes have changed")
            with pq.ParquetFile(pa.BufferReader(data), pre_buffer=False) as file:
                yield file
