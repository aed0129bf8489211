"""One record of a source, found again by its offset: what `why` and `verify` judge anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

from finest.errors import SourceError
from finest.warc.slices import Layout, Slice, read_slice

if TYPE_CHECKING:
    from finest.recipe.page import Page
    from finest.warc.source import Source


def read_page(source: Source, offset: int, record_id: str, max_record_bytes: int) -> Page:
    """The page with that record id whose record begins at `offset` of the source.

    Raises SourceError where no response record begins there. Where the compression allows it, one member is read;
    else the file is read up to the record.
    """
    cuttable = source.layout is Layout.MEMBERS
    slice_ = Slice(0, 0, offset, offset + 1) if cuttable else Slice(0, 0, 0, source.size_bytes)
    start = offset if cuttable else None
    for record in read_slice(source, slice_, exact_start=start, limit=None, max_record_bytes=max_record_bytes):
        if record.offset == offset and record.id == record_id:
            return record.page()
    raise SourceError(f"{source.location} has no page {record_id} at offset {offset}; is it the file that was refined?")
