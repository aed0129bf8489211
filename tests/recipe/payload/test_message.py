"""HTTP responses as archives store them: status, fields and body."""

from __future__ import annotations

import time

import pytest

from finest.recipe.payload.message import Message, split_message


def test_a_response_is_split() -> None:
    """Fields of all lines are joined, names and codings have no case."""
    block = (
        b"HTTP/1.1 206 Partial Content\r\nContent-TYPE: text/html;\r\n charset=x\r\n"
        b"content-encoding: GZIP, identity\r\n"
        b"Content-Encoding : br;q=1\r\nTransfer-Encoding:\r\n\tchunked\r\nX-Content-Encoding: zstd\r\n\r\nbody\r\n\r\n"
    )
    assert split_message(block) == Message(
        b"body\r\n\r\n", 206, "text/html; charset=x", ("gzip", "br"), ("chunked",)
    )  # fmt: skip


@pytest.mark.parametrize(
    ("line", "status"),
    [(b"HTTP/1.1 200 OK", 200), (b"HTTP/2 404", 404), (b"icy 200 OK", 200), (b"HTTP/1.1  301  x", 301),
     (b"HTTP/1.1 0 OK", None), (b"HTTP/1.1", None), (b"HTTP/1.1 2000", None), (b"A: b", None)],
)  # fmt: skip
def test_status_lines(line: bytes, status: int | None) -> None:
    """Three digits behind the protocol, whichever it is; anything else names no status."""
    assert split_message(line + b"\r\nA: b\n\nbody") == Message(b"body", status)


@pytest.mark.parametrize("before", [b"\r\n\r\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf \n", b" \t"])
def test_blank_lines_before_the_status_are_passed_over(before: bytes) -> None:
    """As RFC 9112 2.2 asks for; an editor's byte order mark too."""
    assert split_message(before + b"HTTP/1.1 200 OK\r\n\r\nbody") == Message(b"body", 200)
    assert split_message(before + b"<p>A: b\n\nc") == Message(before + b"<p>A: b\n\nc")


def test_a_response_without_a_header_is_all_body() -> None:
    """HTTP/0.9, and records that hold a document under http:."""
    html = b"<!DOCTYPE html>\n<p>A: b\n\n<p>c"
    assert split_message(html) == Message(html)


def test_a_header_that_does_not_end_leaves_no_body() -> None:
    """The record was cut in its header."""
    assert split_message(b"HTTP/1.1 200 OK\r\nContent-Type: text/html") == Message(b"", 200)


def test_splitting_takes_linear_time() -> None:
    """A hostile header of some megabytes costs about what a block of that size costs."""

    def cost(block: bytes) -> float:
        start = time.process_time()
        split_message(block)
        return time.process_time() - start

    for piece in (b" ", b"\n ", b"a", b"A: b\r\n", b"Content-Type: x\r\n", b"\r\n\t"):
        small, large = (b"HTTP/1.1 200 OK\r\n" + piece * (size // len(piece)) for size in (1 << 17, 1 << 21))
        assert cost(large) < 16 * 30 * max(cost(small), 1e-4)


@pytest.mark.parametrize(
    "before",
    [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 2,
     b"HTTP/1.0 200 Connection established\r\n\r\n", b"HTTP/1.1 100\n\n"],
)  # fmt: skip
def test_interim_responses_are_skipped(before: bytes) -> None:
    """The final response counts; without one, the interim one does."""
    assert split_message(before + b"HTTP/1.1 404 No\r\nA: b\r\n\r\nbody") == Message(b"body", 404)
    assert split_message(before + b"<p>").status in (100, 103, 200)


def test_a_header_ends_where_markup_begins() -> None:
    """A server forgot the blank line."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"
    assert split_message(head + b"<!DOCTYPE html>\n\n<p>") == Message(b"<!DOCTYPE html>\n\n<p>", 200, "text/html")


def test_the_status_of_http_2() -> None:
    assert split_message(b":status: 404\r\ncontent-type: a/b\r\n\r\nbody") == Message(b"body", 404, "a/b")
