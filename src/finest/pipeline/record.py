"""Find a record of a source again by its offset, and build its row.

`refine` writes the rows that this module builds; `verify` and the validator build them again here to compare.
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
    """Return how many decompressed bytes of a record a run reads; None stands for the default payload rules."""
    return 2 * (recipe.payload if recipe else PayloadRules()).max_bytes


def find_records(
    source: Source, offset: int, record_id: str, max_record_bytes: int, policy: RetryPolicy | None = None
) -> list[Record]:
    """Return the page records with that id that begin at `offset` of the source, in file order.

    There is more than one only if a gzip member holds several records with the same id. Raises SourceError if the
    source cannot be read. Reads a single member if the compression allows it, else the file up to the records.
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
    """Return the records as `find_records` does, but raise SourceError also if there is no such record."""
    records = find_records(source, offset, record_id, max_record_bytes)
    if not records:
        raise SourceError(
            f"{source.address} has no page {record_id} at offset {offset}; check that it is the file that was refined"
        )
    return records


def read_record(source: Source, offset: int, record_id: str, max_record_bytes: int, url: str | None = None) -> Record:
    """Return the first of `read_records` with that URL, else the first of all; raises as `read_records`."""
    records = read_records(source, offset, record_id, max_record_bytes)
    return next((record for record in records if record.url == url), records[0])


def read_page(source: Source, offset: int, record_id: str, max_record_bytes: int, url: str | None = None) -> Page:
    """Return the page of that record; raises as `read_records`."""
    return read_record(source, offset, record_id, max_record_bytes, url).page()


def row_of(record: Record, verdict: Verdict, source_name: str) -> Row:
    """Build the row of a kept page."""
    return Row(
        text=verdict.text or "", id=record.id, dump=dump_of(source_name), url=record.url, date=record.date,
        file_path=source_name, language=verdict.language or "", language_score=verdict.language_score or 0.0,
        token_count=verdict.token_count or 0, warc_offset=record.offset, warc_length=record.length,
        columns=verdict.columns,
    )  # fmt: skip
