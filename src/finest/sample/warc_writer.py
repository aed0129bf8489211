"""Write WARC records in Common Crawl's layout: each in its own gzip member, three for each page."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import uuid
from dataclasses import dataclass

DATE = "2024-05-18T01:{:02d}:{:02d}Z"
_SPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://sample.example.org/warc")
_LANGUAGES = {
    "en": ("eng", "ENGLISH"), "de": ("deu", "GERMAN"), "fr": ("fra", "FRENCH"), "es": ("spa", "SPANISH"),
    "zh": ("zho", "Chinese"), "ru": ("rus", "RUSSIAN"), "ar": ("ara", "ARABIC"), "ja": ("jpn", "Japanese"),
    "it": ("ita", "ITALIAN"), "pt": ("por", "PORTUGUESE"), "nl": ("nld", "DUTCH"), "pl": ("pol", "POLISH"),
}  # fmt: skip
"""CLD2's code -> ISO 639-3 code and CLD2's name, as in Common Crawl's metadata records."""


@dataclass(frozen=True, slots=True)
class Response:
    """The response of one of the sample's servers."""

    url: str
    body: bytes
    languages: tuple[tuple[str, float], ...] | None = (("en", 0.99),)
    """CLD2's result, (code, share of the text); None writes a metadata record without that line."""
    content_type: str = "text/html; charset=utf-8"
    payload_type: str | None = "text/html"
    """WARC-Identified-Payload-Type; None omits the header, as in old crawls."""
    status: str = "200 OK"


def warcinfo(name: str) -> bytes:
    """Return the first member of a WARC, its warcinfo record."""
    lines = ("isPartOf: SAMPLE", "publisher: Finest Data", "description: Pages written for the sample")
    block = "\r\n".join((*lines, "format: WARC File Format 1.0", "", ""))
    headers = [("WARC-Filename", name), ("Content-Type", "application/warc-fields")]
    return member(record("warcinfo", "warcinfo", 0, headers, block.encode()))


def page_members(number: int, response: Response) -> list[bytes]:
    """Return the request, response and metadata members of page `number`."""
    return [member(block) for block in page_records(number, response)]


def page_records(number: int, response: Response) -> tuple[bytes, bytes, bytes]:
    """Return the request, response and metadata records of page `number`, uncompressed."""
    key = f"{number}"
    target = [("WARC-Warcinfo-ID", _id("warcinfo")), ("WARC-Target-URI", response.url)]
    http, type_ = _http(response), response.payload_type
    answer = [
        *target,
        ("WARC-Concurrent-To", _id(f"request-{key}")),
        ("WARC-IP-Address", "203.0.113.7"),
        ("WARC-Payload-Digest", _digest(response.body)),
        *([("WARC-Identified-Payload-Type", type_)] if type_ else []),
        ("Content-Type", "application/http; msgtype=response"),
    ]
    asked = [*target, ("WARC-IP-Address", "203.0.113.7"), ("Content-Type", "application/http; msgtype=request")]
    told = [*target, ("WARC-Concurrent-To", _id(f"response-{key}")), ("Content-Type", "application/warc-fields")]
    return (
        record("request", f"request-{key}", number, asked, _request(response.url)),
        record("response", f"response-{key}", number, answer, http),
        record("metadata", f"metadata-{key}", number, told, _metadata(response)),
    )


def record(kind: str, key: str, number: int, headers: list[tuple[str, str]], block: bytes) -> bytes:
    """Return one WARC/1.0 record, with an id derived from `key` and a date derived from `number`."""
    head = [
        ("WARC-Type", kind),
        ("WARC-Date", DATE.format(number // 60 % 60, number % 60)),
        ("WARC-Record-ID", _id(key)),
        ("Content-Length", str(len(block))),
        *headers,
        ("WARC-Block-Digest", _digest(block)),
    ]
    return b"WARC/1.0\r\n" + "".join(f"{k}: {v}\r\n" for k, v in head).encode() + b"\r\n" + block + b"\r\n\r\n"


def member(data: bytes) -> bytes:
    """Compress `data` as one gzip member, always to identical bytes."""
    return gzip.compress(data, 9, mtime=0)


def _request(url: str) -> bytes:
    host, _, path = url.partition("://")[2].partition("/")
    lines = (f"GET /{path} HTTP/1.1", "User-Agent: CCBot/2.0 (https://commoncrawl.org/faq/)", f"Host: {host}")
    return "\r\n".join((*lines, "Accept-Language: en-US,en;q=0.5", "Connection: Keep-Alive", "", "")).encode()


def _http(response: Response) -> bytes:
    head = f"HTTP/1.1 {response.status}\r\nServer: sample\r\nContent-Type: {response.content_type}\r\n"
    return f"{head}Content-Length: {len(response.body)}\r\n\r\n".encode() + response.body


def _metadata(response: Response) -> bytes:
    lines = ["fetchTimeMs: 41", "charset-detected: UTF-8"]
    if response.languages is not None:
        found = [_language(code, share) for code, share in response.languages]
        told = {"reliable": True, "text-bytes": len(response.body) // 2, "languages": found}
        lines.append(f"languages-cld2: {json.dumps(told, separators=(',', ':'))}")
    return "\r\n".join((*lines, "", "")).encode()


def _language(code: str, share: float) -> dict[str, str | float]:
    iso, name = _LANGUAGES[code]
    return {"code": code, "code-iso-639-3": iso, "text-covered": share, "score": 1200.0, "name": name}


def _id(key: str) -> str:
    return f"<urn:uuid:{uuid.uuid5(_SPACE, key)}>"


def _digest(data: bytes) -> str:
    return "sha1:" + base64.b32encode(hashlib.sha1(data, usedforsecurity=False).digest()).decode()
