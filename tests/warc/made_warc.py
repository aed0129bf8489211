"""Small WARCs made for the tests of reading. `layouts.py` beside this file lays their records out in every way."""

from __future__ import annotations

import gzip
import json
import random
import zlib
from typing import TYPE_CHECKING

from finest.recipe.payload.as_datatrove import http_payload
from finest.warc.slices import Record, Slice, SliceReader, read_slice
from finest.warc.source import Source, inspect

if TYPE_CHECKING:
    from pathlib import Path

MAX_RECORD_BYTES = 1 << 20


def record(
    kind: str,
    url: str,
    block: bytes,
    *,
    id_: str = "",
    version: str = "1.0",
    length: int | str | None = None,
    **more: str,
) -> bytes:
    """One uncompressed WARC record. Keywords are further headers, `_` standing for `-`."""
    headers = {
        "WARC-Type": kind,
        "WARC-Record-ID": f"<urn:uuid:{id_ or kind + '-' + url}>",
        "WARC-Date": "2024-05-18T01:00:00Z",
        "WARC-Target-URI": url,
        **{name.replace("_", "-"): value for name, value in more.items()},
        "Content-Length": str(len(block) if length is None else length),
    }
    lines = [f"WARC/{version}", *(f"{name}: {value}" for name, value in headers.items() if value)]
    return "\r\n".join(lines).encode("utf-8", "surrogateescape") + b"\r\n\r\n" + block + b"\r\n\r\n"


def http(body: bytes, *headers: str) -> bytes:
    """An HTTP response with that body."""
    return "\r\n".join(["HTTP/1.1 200 OK", "Content-Type: text/html", *headers]).encode() + b"\r\n\r\n" + body


def page(number: int, body: bytes | None = None) -> list[bytes]:
    """Request, response and metadata of one page, as Common Crawl writes them."""
    url = f"https://example.com/{number}"
    noise = random.Random(number)
    body = body if body is not None else f"<p>{[noise.random() for _ in range(noise.randrange(400))]}</p>".encode()
    stated = json.dumps({"reliable": True, "languages": [{"code": "en", "text-covered": number / 100}]})
    concurrent = f"<urn:uuid:response-{url}>"
    return [
        record("request", url, b"GET / HTTP/1.1\r\n\r\n"),
        record("response", url, http(body), WARC_Identified_Payload_Type="text/html"),
        record(
            "metadata", url, f"fetchTimeMs: 1\r\nlanguages-cld2: {stated}\r\n".encode(), WARC_Concurrent_To=concurrent
        ),
    ]


def records(pages: int) -> list[bytes]:
    """A warcinfo and that many pages."""
    return [record("warcinfo", "", b"software: test\r\n"), *(one for i in range(pages) for one in page(i))]


def members(parts: list[bytes]) -> bytes:
    """Each record as a gzip member, as Common Crawl has it."""
    return b"".join(gzip.compress(part, mtime=0) for part in parts)


def stored(data: bytes) -> bytes:
    """A gzip member whose deflate blocks are stored as they are, so that what is inside shows."""
    deflater = zlib.compressobj(0, zlib.DEFLATED, 31)
    return deflater.compress(data) + deflater.flush()


def read(
    path: Path | str, *, max_record_bytes: int = MAX_RECORD_BYTES, limit: int | None = None
) -> tuple[list[Record], SliceReader]:
    """Read a file in one slice: its records, and what the reader says of it."""
    source = inspect(str(path))
    reader = whole(source, max_record_bytes=max_record_bytes, limit=limit)
    return list(reader), reader


def body(record: Record) -> bytes:
    """The body of the record's HTTP response as DataTrove's reader gives it, or the document that the record holds."""
    return http_payload(record.block, 1 << 30) if record.page().is_http else record.block


def whole(source: Source, *, max_record_bytes: int = MAX_RECORD_BYTES, limit: int | None = None) -> SliceReader:
    """A reader of the whole source as one slice."""
    one = Slice(0, 0, 0, source.size_bytes)
    return read_slice(source, one, max_record_bytes=max_record_bytes, limit=limit)
