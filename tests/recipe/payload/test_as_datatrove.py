"""HTTP payloads: what DataTrove's reader would give, byte for byte, however the body is encoded or broken."""

from __future__ import annotations

import gzip
import io
import zlib
from typing import Any

import brotli
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from warcio.archiveiterator import ArchiveIterator

from finest.recipe.payload import PayloadTooLarge
from finest.recipe.payload.as_datatrove import http_payload
from tests.deep import examples
from tests.warc.made_warc import http, record

MAX_BYTES = 1 << 24
PACK: dict[str, Any] = {"gzip": gzip.compress, "deflate": zlib.compress, "br": brotli.compress}


def payload_of(message: bytes, max_bytes: int = MAX_BYTES) -> bytes:
    return http_payload(message, max_bytes)


def chunked(body: bytes, size: int, end: bytes = b"0\r\n\r\n") -> bytes:
    """The body as chunks of `size` bytes."""
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + end


@pytest.mark.parametrize("coding", PACK)
def test_encoded_bodies_are_decoded(coding: str) -> None:
    """Transfer and content encoding are undone."""
    html = b"<p>hello</p>" * 99
    packed = PACK[coding](html)
    assert payload_of(http(packed, f"Content-Encoding: {coding}")) == html
    in_chunks = http(chunked(packed, 20), f"content-encoding: {coding.upper()}", "Transfer-Encoding: chunked")
    assert payload_of(in_chunks) == html


@pytest.mark.parametrize("coding", PACK)
def test_a_body_that_decodes_to_too_much_is_refused(coding: str) -> None:
    """The limit holds for what a body decodes to, not for what it is on the wire."""
    message = http(PACK[coding](bytes(1 << 20)), f"Content-Encoding: {coding}")
    assert len(payload_of(message, 1 << 20)) == 1 << 20
    with pytest.raises(PayloadTooLarge):
        payload_of(message, (1 << 20) - 1)


def test_a_brotli_body_that_is_none_is_taken_as_it_is() -> None:
    """A wrong label is no reason to lose a page."""
    assert payload_of(http(b"<p>plain</p>", "Content-Encoding: br")) == b"<p>plain</p>"


def test_headers_of_other_names_encode_nothing() -> None:
    """Common Crawl keeps the original encodings under names of its own."""
    message = http(b"<p>plain</p>", "X-Crawler-Content-Encoding: gzip", "X-Crawl-Transfer-Encoding: chunked")
    assert payload_of(message) == b"<p>plain</p>"


@pytest.mark.parametrize(
    "message",
    [
        b"HTTP/1.1 200 OK",
        b"HTTP/1.1 200 OK\r\nA: b",
        b"HTTP/1.1 200 OK\r\n\r\nbody",
        b"HTTP/1.1 200 OK\nA: b\n\nbody\n\nmore",
        b"HTTP/1.1 200 OK\r\nA: b\r\n \t\r\nbody",
        b"\r\nbody",
        b"\n\nbody",
        b"<html>no header</html>\n\n<p>rest</p>",
    ],
)
def test_odd_headers_end_where_warcio_ends_them(message: bytes) -> None:
    """A header without an end, with bare line feeds, with blank lines, or not there at all."""
    assert payload_of(message) == by_warcio(message)


def by_warcio(message: bytes) -> bytes:
    """The payload as DataTrove's reader gives it."""
    theirs = next(ArchiveIterator(io.BytesIO(record("response", "https://example.com/", message))))
    read: bytes = theirs.content_stream().read()
    return read


@st.composite
def broken_messages(draw: st.DrawFn) -> bytes:
    """Bodies of any encoding, cut or flipped anywhere, under any label, in chunks that may end badly."""
    data = draw(st.binary(max_size=200)) * draw(st.sampled_from([1, 1, 300]))
    pack = draw(st.sampled_from([bytes, gzip.compress, zlib.compress, lambda data: zlib.compress(data)[2:-4]]))
    body = bytearray(pack(data))
    if body and draw(st.booleans()):
        body[draw(st.integers(0, len(body) - 1))] ^= draw(st.integers(1, 255))
    del body[draw(st.integers(0, len(body))) if draw(st.booleans()) else len(body) :]
    coding = draw(st.sampled_from(["gzip", "deflate", "GZIP", "identity", "gzip, gzip", None]))
    headers = [f"Content-Encoding: {coding}"] if coding else []
    if draw(st.booleans()):
        ends = [b"0\r\n\r\n", b"0\r\nX: y\r\n\r\n", b"", b"zz\r\n", b"-5\r\n\r\n", b"ff\r\nshort", b"2\r\nabc\r\n"]
        body = bytearray(chunked(bytes(body), draw(st.integers(1, 5000)), draw(st.sampled_from(ends))))
        headers.append("Transfer-Encoding: chunked")
    return http(bytes(body), *headers)


@settings(max_examples=examples(80, 1_000))
@given(broken_messages())
def test_payloads_are_those_of_warcio(message: bytes) -> None:
    """Broken and mislabelled encodings give byte for byte what DataTrove's reader gives."""
    assert payload_of(message) == by_warcio(message)
