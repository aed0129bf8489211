"""A Parquet file of a run that cannot be read is one line that says what to remove."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from finest.errors import LedgerError
from finest.masking import one_line


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Reading that file; raises LedgerError where it is damaged or gone.

    A slice's folder is read again, and a dataset is assembled again from the slices once its manifest is away.
    """
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        is_slice = path.parent.parent.name == "slices"
        remove = path.parent if is_slice else path.parents[2] / "manifest.json"
        raise LedgerError(f"{path} cannot be read ({one_line(error)}); remove {remove} and run again") from error
