"""Report an unreadable Parquet file of a run as a one-line error that says what to remove."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from finest.errors import LedgerError
from finest.masking import one_line


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Context for reading that file; raises LedgerError if it is damaged or missing.

    The next run repeats a slice whose folder was removed, and assembles the dataset again if its manifest was removed.
    """
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        is_slice = path.parent.parent.name == "slices"
        remove = path.parent if is_slice else path.parents[2] / "manifest.json"
        raise LedgerError(f"{path} cannot be read ({one_line(error)}); remove {remove} and run again") from error


def batches_of(path: Path, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
    """Yield the record batches of a Parquet file of a run, of all or of some columns.

    The files are small, so prefetching and decoding columns in parallel threads would cost more than they save.
    """
    with readable(path), pq.ParquetFile(path, pre_buffer=False) as file:
        yield from file.iter_batches(batch_size=1000, columns=columns, use_threads=False)
