"""Read Common Crawl's columnar index: Parquet files with one row per page, sorted by the reversed host of its URL.

    crawl-data/CC-MAIN-2026-30/cc-index-table.paths.gz     the list of the index's files, about 300 for the pages

An expression is pushed down: row groups whose statistics exclude it are skipped, of the others only the columns that it
reads are fetched, and the places of the pages only where a row is chosen
(https://commoncrawl.org/columnar-index).
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from finest.errors import SourceError
from finest.formatting import byte_size
from finest.pipeline.pages.prune import bounds_of, may_hold
from finest.warc.range_file import RangeFile
from finest.where import bind, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from finest.where import Where

PLACE = ("warc_filename", "warc_record_offset", "warc_record_length")
SAID_EVERY_S = 5.0


@dataclass(slots=True)
class IndexRead:
    """Counts of what was read of an index."""

    rows: int = 0
    """Pages of the crawl."""
    read_bytes: int = 0
    found: list[tuple[str, int, int]] = field(default_factory=list)
    """Path at Common Crawl, offset and length of each chosen page."""


def choose(addresses: Sequence[str], expression: str, say: Callable[[str], None]) -> IndexRead:
    """Return the pages of an index for which the expression is true; raises WhereError and SourceError."""
    parsed, read, where = parse(expression), IndexRead(), None
    said = time.monotonic()
    for number, address in enumerate(addresses, 1):
        remote = RangeFile(address)
        try:
            file = pq.ParquetFile(pa.PythonFile(remote, mode="r"), pre_buffer=False)
            schema = file.schema_arrow
            where = bind(parsed, schema)
            _check(schema, address)
            read.found += _of_file(file, where)
            read.rows += file.metadata.num_rows
        except pa.ArrowInvalid as error:
            raise SourceError(f"{address}: not a Parquet file that can be read: {error}") from error
        read.read_bytes += remote.read_bytes
        if time.monotonic() - said > SAID_EVERY_S or number == len(addresses):
            said = time.monotonic()
            say(
                f"Index: {number} of {len(addresses)} files, {byte_size(read.read_bytes)} read, "
                f"{len(read.found):,} pages chosen of {read.rows:,}"
            )
    return read


def _check(schema: pa.Schema, address: str) -> None:
    if missing := [name for name in PLACE if name not in schema.names]:
        raise SourceError(f"{address}: no index of a crawl's pages: it has no column {missing[0]}")


def _of_file(file: pq.ParquetFile, where: Where) -> Iterator[tuple[str, int, int]]:
    for number in range(file.num_row_groups):
        if not may_hold(where.expression.root, bounds_of(file.metadata.row_group(number))):
            continue
        rows = file.read_row_group(number, columns=list(where.columns or PLACE[:1]))
        mask = pa.chunked_array([where.mask(batch) for batch in rows.to_batches()], pa.bool_())
        if not any(chunk.true_count for chunk in mask.chunks):
            continue
        places = file.read_row_group(number, columns=list(PLACE)).filter(mask)
        yield from zip(*(places[name].to_pylist() for name in PLACE), strict=True)
