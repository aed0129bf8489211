"""Read one WARC record: fastwarc parses its headers, and its block stays as it is stored.

The recipe interprets an HTTP response in the block (`finest.recipe.payload`).
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import orjson
from fastwarc.warc import HeaderMap

from finest.recipe.iso639 import language_of
from finest.recipe.page import Page
from finest.warc.cut import unfolded
from finest.warc.loss import Loss

if TYPE_CHECKING:
    from finest.warc.cut import Cut

Languages = tuple[tuple[str, float], ...]

PAGE_TYPES = frozenset({"response", "conversion", "resource"})
"""WARC-Types of the records that can hold pages: HTTP responses, the extracted text of WET files, and files archived
without HTTP. A recipe chooses among them (`[payload] records`)."""

_CLD2 = re.compile(rb"(?m)\nlanguages-cld2:[ \t]*(\{.*\})[ \t\r]*$")


@dataclass(frozen=True, slots=True)
class Record:
    """A record that can hold a page: its type is one of PAGE_TYPES."""

    id: str
    url: str
    date: str
    type: str
    payload_type: str | None
    block: bytes
    """The block as it is stored: an HTTP response with its header, or the document itself."""
    offset: int
    """Offset of its gzip member in the file; if the file is not compressed record by record, offset of the record in
    the decompressed stream."""
    length: int
    """Length in bytes from `offset` on."""
    languages: Languages | None = None

    def page(self) -> Page:
        """Return the fields that a recipe can use."""
        return Page(self.id, self.url, self.date, self.block, self.payload_type, self.languages, self.type)


class Entry(NamedTuple):
    """A record of any type, with the fields that readers need from that type."""

    type: str
    record: Record | None = None
    about: tuple[str, ...] = ()
    """Ids of the records that a metadata record refers to."""
    url: str = ""
    languages: Languages | None = None


def read_entry(cut: Cut) -> Entry | Loss:
    """Read the record; return a Loss with the reason if it cannot be read."""
    try:
        return _read(cut)
    except (_Unreadable, OSError) as error:
        return Loss("record_unreadable", cut.offset, cut.length, str(error))
    except BaseException as error:
        # fastwarc is Rust: a panic there arrives as a BaseException whose class cannot be imported.
        if type(error).__name__ != "PanicException":
            raise
        return Loss("record_unreadable", cut.offset, cut.length, f"fastwarc panicked: {error}")


def with_languages(record: Record, following: Entry | None) -> Record:
    """Return the record with the languages that the following entry states, if that entry is about this record.

    After each response, Common Crawl writes a metadata record with the languages that CLD2 detected on the page
    (commoncrawl/nutch, WarcRecordWriter.java).
    """
    if following is None or following.languages is None:
        return record
    about_this = record.id in following.about if following.about else record.url == following.url
    return replace(record, languages=following.languages) if about_this else record


class _Unreadable(Exception):
    """Raised when a record lacks a field that every page needs."""


def _read(cut: Cut) -> Entry:
    headers = HeaderMap()
    headers.parse(io.BytesIO(_with_crlf(unfolded(cut.data[: cut.head_bytes]))))
    kind = (_text(headers, b"WARC-Type") or "unknown").lower()
    if kind in PAGE_TYPES:
        return Entry(kind, _page_record(kind, headers, cut))
    if kind == "metadata" and (languages := _languages(cut.data)) is not None:
        about = headers.get_bytes_multiple(b"WARC-Concurrent-To") + headers.get_bytes_multiple(b"WARC-Refers-To")
        return Entry(kind, None, tuple(_decode(value) for value in about), _url(headers), languages)
    return Entry(kind)


def _with_crlf(head: bytes | bytearray) -> bytes | bytearray:
    """Return the header with CRLF at the end of each line: fastwarc requires it, and old tools do not always write
    it.
    """
    if head.count(b"\n") == head.count(b"\r\n"):
        return head
    return head.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def _page_record(kind: str, headers: HeaderMap, cut: Cut) -> Record:
    record_id, url = _text(headers, b"WARC-Record-ID"), _url(headers)
    if not record_id or not url:
        raise _Unreadable("no WARC-Target-URI" if record_id else "no WARC-Record-ID")
    block = cut.data[cut.head_bytes : cut.end]
    date = _text(headers, b"WARC-Date") or _text(headers, b"archive-date") or ""
    payload_type = _text(headers, b"WARC-Identified-Payload-Type")
    if kind == "resource" and payload_type is None:
        payload_type = _text(headers, b"Content-Type")  # the block is the payload, so this is its type
    return Record(record_id, url, date, kind, payload_type, block, cut.offset, cut.length)


def _url(headers: HeaderMap) -> str:
    """Return the URL as warcio does: without the angle brackets of Wget 1.19, spaces as %20, from `uri` in the oldest
    files.
    """
    url = _text(headers, b"WARC-Target-URI") or _text(headers, b"uri") or ""
    if url.startswith("<") and url.endswith(">"):
        url = url[1:-1]
    return url.replace(" ", "%20")


def _languages(data: bytes) -> Languages | None:
    """Return Common Crawl's `languages-cld2` as ((code, share of the text), ...); None if it is missing or empty."""
    found = _CLD2.search(data)
    if found is None:
        return None
    try:
        stated = orjson.loads(found[1])["languages"]
        return tuple((_language(item), float(item["text-covered"])) for item in stated) or None
    except (ValueError, KeyError, TypeError):
        return None


def _language(item: dict[str, str]) -> str:
    """Return CLD2's code; return the ISO 639-3 code next to it if only that one is a known language."""
    code, other = str(item.get("code") or ""), str(item.get("code-iso-639-3") or "")
    return code if language_of(code) or not language_of(other) else other


def _text(headers: HeaderMap, name: bytes) -> str | None:
    value = headers.get_bytes(name)
    return None if value is None else _decode(value)


def _decode(value: bytes) -> str:
    """Decode header bytes as UTF-8, or as Latin-1 if they are not UTF-8 (as warcio does)."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")
