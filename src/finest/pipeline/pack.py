"""Everything that a run knows about one of its sources, once all slices of the source are judged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from finest.pipeline.damage import readable
from finest.pipeline.dedup import SignatureFile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pyarrow as pa

    from finest.pipeline.ledger import Ledger
    from finest.pipeline.summary import SliceSummary

BATCH_ROWS = 1000


class Pack:
    """The rows, verdicts, signatures and numbers of one source, in the order of its records.

    Assembly and deduplication read a run through packs alone. All methods raise LedgerError for a damaged file.
    """

    def __init__(self, ledger: Ledger, source_index: int) -> None:
        self.source_index = source_index
        self.source = ledger.plan.sources[source_index]
        slices = [slice_ for slice_ in ledger.plan.slices if slice_.source_index == source_index]
        self._folders = [ledger.slice_folder(slice_) for slice_ in slices]
        self.slices: tuple[SliceSummary, ...] = tuple(ledger.summary(slice_) for slice_ in slices)

    @property
    def pages(self) -> int:
        return sum(part.pages for part in self.slices)

    @property
    def kept(self) -> int:
        return sum(part.kept for part in self.slices)

    def rows(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows of the pages that the recipe keeps."""
        return self._batches("rows.parquet")

    def verdicts(self) -> Iterator[pa.RecordBatch]:
        """Yield one verdict for each page (VERDICT_SCHEMA)."""
        return self._batches("verdicts.parquet")

    def signatures(self) -> list[SignatureFile]:
        """Return the signatures, in consecutive parts: of the kept pages, or of all pages (`dedup_first`)."""
        return [SignatureFile.open(folder / "signatures.npy") for folder in self._folders]

    def _batches(self, name: str) -> Iterator[pa.RecordBatch]:
        for folder in self._folders:
            yield from _batches_of(folder / name)


def _batches_of(path: Path) -> Iterator[pa.RecordBatch]:
    with readable(path), pq.ParquetFile(path, pre_buffer=False) as file:
        yield from file.iter_batches(batch_size=BATCH_ROWS, use_threads=False)
