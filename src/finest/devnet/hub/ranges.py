"""Respond with bytes: the whole content, one range (206), an error (416), or only the headers (HEAD)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from fastapi import Request
from fastapi.responses import Response, StreamingResponse

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")

Read = Callable[[int, int], Iterator[bytes]]
"""A function that yields the bytes from start to stop (exclusive), in blocks."""


@dataclass(frozen=True, slots=True)
class Span:
    """The range that a Range header requests; `stop` is exclusive."""

    start: int
    stop: int
    partial: bool


def span_of(header: str | None, size: int) -> Span | None:
    """Return the span of a Range header over `size` bytes; None if it cannot be satisfied.

    The server ignores a header that is not a single range of bytes (RFC 9110, section 14.2).
    """
    found = _RANGE.fullmatch(header or "")
    first, last = found.groups() if found else ("", "")
    if not (first or last) or (first and last and int(last) < int(first)):
        return Span(0, size, partial=False)
    if not first:
        return Span(max(size - int(last), 0), size, partial=True) if int(last) and size else None
    if int(first) >= size:
        return None
    return Span(int(first), min(int(last) + 1, size) if last else size, partial=True)


def give(
    request: Request, size: int, read: Read, headers: Mapping[str, str], media_type: str = "application/octet-stream"
) -> Response:
    """Respond to a GET or HEAD for `size` bytes whose ETag is in `headers`."""
    etag = headers["ETag"]
    if request.headers.get("if-match", etag) not in {etag, "*"}:
        return Response(status_code=412, headers=dict(headers))
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=dict(headers))
    wanted = request.headers.get("range") if request.headers.get("if-range", etag) == etag else None
    span = span_of(wanted, size)
    if span is None:
        return Response(status_code=416, headers={"Content-Range": f"bytes */{size}"})
    told = {**headers, "Accept-Ranges": "bytes", "Content-Length": str(span.stop - span.start)}
    if span.partial:
        told["Content-Range"] = f"bytes {span.start}-{span.stop - 1}/{size}"
    status = 206 if span.partial else 200
    if request.method == "HEAD":
        return Response(status_code=status, headers=told, media_type=media_type)
    return StreamingResponse(read(span.start, span.stop), status, told, media_type)
