"""One record of a source, found again by its offset, and the row that a recipe makes of it.

What `refine` writes, and what `why`, `verify` and the validator hold that against, is made here alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from finest.dataset.rows import Row
from finest.errors import SourceError
from finest.recipe.recipe import PayloadRules
from finest.warc.slices import Layout, Slice, read_slice
from finest.warc.source import dump_of

if TYPE_CHECKING:
    from finest.recipe.judge import Verdict
    from finest.recipe.page import Page
    from finest.recipe.recipe import Recipe
    from finest.warc.slices import Record
    from finest.warc.source import Source
    from finest.warc.stream import RetryPolicy


def max_record_bytes(recipe: Recipe | None) -> int:
    """Decompressed bytes of a record that is read, as a run reads it; of no recipe, as the rules' defaults have it."""
    return 2 * (recipe.payload if recipe else PayloadRules()).max_bytes


def find_records(
    source: Source, offset: int, record_id: str, max_record_bytes: int, policy: RetryPolicy | None = None
) -> list[Record]:
    """The page records with that id that begin at `offset` of the source, in their order.

    There is more than one only where a gzip member holds several records that share an id. Raises SourceError where
    the source cannot be read. Where the compression allows it, one member is read; else the file is read up to the
    records.
    """
    cuttable = source.layout is Layout.MEMBERS
    if cuttable and not 0 <= offset < source.size_bytes:
        return []
    slice_ = Slice(0, 0, offset, offset + 1) if cuttable else Slice(0, 0, 0, source.size_bytes)
    start = offset if cuttable else None
    found = []
    for record in read_slice(source, slice_, exact_start=start, max_record_bytes=max_record_bytes, policy=policy):
        if record.offset > offset:
            break
        if record.offset == offset and record.id == record_id:
            found.append(record)
    return found


def read_records(source: Source, offset: int, record_id: str, max_record_bytes: int) -> list[Record]:
    """As `find_records`; raises SourceError where there is no such record too."""
    records = find_records(source, offset, record_id, max_record_bytes)
    if not records:
        raise SourceError(
            f"{source.address} has no page {record_id} at offset {offset}; check that it is the file that was refined"
        )
    return records


def read_record(source: Source, offset: int, record_id: str, max_record_bytes: int, url: str | None = None) -> Record:
    """The first of `read_records`, or the first with that address where there is one; raises as they."""
    records = read_records(source, offset, record_id, max_record_bytes)
    return next((record for record in records if record.url == url), records[0])


def read_page(source: Source, offset: int, record_id: str, max_record_bytes: int, url: str | None = None) -> Page:
    """The page of that record; raises as `read_records`."""
    return read_record(source, offset, record_id, max_record_bytes, url).page()


def row_of(record: Record, verdict: Verdict, source_name: str) -> Row:
    """The row of a page that was kept."""
    return Row(
        text=verdict.text or "", id=record.id, dump=dump_of(source_name), url=record.url, date=record.date,
        file_path=source_name, language=verdict.language or "", language_score=verdict.language_score or 0.0,
        token_count=verdict.token_count or 0, warc_offset=record.offset, warc_length=record.length,
        columns=verdict.columns,
    )  # fmt: skip
