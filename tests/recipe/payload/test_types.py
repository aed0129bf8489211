"""Media types: parsed where they are named, sniffed where they are not."""

from __future__ import annotations

from typing import Literal

import pytest

from finest.recipe.page import Page
from finest.recipe.payload import is_wanted_status, read_message, read_response
from finest.recipe.payload.media_type import MediaType, parse_media_type
from finest.recipe.payload.sniff import sniff
from finest.recipe.recipe import PayloadRules


@pytest.mark.parametrize(
    ("value", "wanted"),
    [("text/html", MediaType("text/html")), (" Text/HTML ; x", MediaType("text/html")),
     ("text/html;charset=UTF-8", MediaType("text/html", "UTF-8")),
     ('text/html; a=";charset=x"; charset="k\\oi8-r" ', MediaType("text/html", "koi8-r")),
     ("text/html; charset=a; charset=b", MediaType("text/html", "a")),
     ("text/html; charset=utf-8, text/html", MediaType("text/html", "utf-8")),
     ("text/html; charset=utf-8, text/plain", MediaType("text/plain")),
     ("text/html, nonsense", MediaType("text/html")), ("*/*", None), ("", None), ("unk", None),
     ("text/", None), ("/html", None), ("text /html", None), ('"text/html"', None), ("unknown/unknown", None)],
)  # fmt: skip
def test_media_types_are_parsed(value: str, wanted: MediaType | None) -> None:
    """Essence in lower case and charset; None of what names no type."""
    assert parse_media_type(value) == wanted


@pytest.mark.parametrize(
    ("body", "wanted"),
    [(b"<!DOCTYPE html><p>", "text/html"), (b" \r\n<HTML lang=en>", "text/html"), (b"<p>a", "text/html"),
     (b"<ul\n><li>", "text/html"), (b"<section/>", "text/html"), (b"<!-- a --><!doctype HTML>", "text/html"),
     (b"<!-- never ends", "text/html"), (b"\xef\xbb\xbf<html>", "text/html"),
     (b"\xff\xfe" + "<html>".encode("utf-16-le"), "text/html"), (b"<h7>", "text/plain"), (b"<pre-a>", "text/plain"),
     (b'<?xml version="1.0"?>\n<!-- a -->\n<!DOCTYPE html PUBLIC "-//W3C">', "application/xhtml+xml"),
     (b'<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml">', "application/xhtml+xml"),
     (b'<?xml version="1.0"?><?xml-stylesheet href="a"?><!DOCTYPE x [<!ENTITY a "b">]><h:html>',
      "application/xhtml+xml"),
     (b'<?xml version="1.0"?><rss><channel>', "text/xml"), (b'<?xml version="1.0"?><table>', "text/xml"),
     (b"Hello <b>world</b>", "text/plain"), (b"%PDF-1.7\n\x00\x01", "application/octet-stream"),
     (b"\x1f\x8b\x08\x00", "application/octet-stream"), (b'{"a": 1}', "text/plain"), (b"", "text/plain")],
)  # fmt: skip
def test_types_are_sniffed(body: bytes, wanted: str) -> None:
    """By the first thing in the body that says something."""
    assert sniff(body) == wanted


@pytest.mark.parametrize(
    ("named", "served", "body", "wanted"),
    [("text/html", "image/png", b"x", "text/html"), (None, "text/html", b"x", "text/html"),
     (None, "text/xml", b"<html>", "application/xhtml+xml"), ("application/xml", None, b"<rss>", "text/xml"),
     (None, "text/html", b"<?xml version='1.0'?><rss version='2.0'>", "text/xml"),
     (None, "text/plain", b"<html>", "text/plain"), (None, None, b"<html>", "text/html")],
)  # fmt: skip
def test_the_record_decides_before_http_and_http_before_the_body(
    named: str | None, served: str | None, body: bytes, wanted: str
) -> None:
    """Types of XML are looked into, and a feed under the name of HTML is none."""
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {served}\r\n\r\n" if served else "HTTP/1.1 200 OK\r\n\r\n"
    page, rules = Page("<a>", "https://example.com/", "", head.encode() + body, named), PayloadRules()
    assert read_response(page, read_message(page, rules), rules).type == wanted


@pytest.mark.parametrize("reading", ["standard", "datatrove"])
def test_statuses_count_in_either_reading(reading: Literal["standard", "datatrove"]) -> None:
    """Classes and numbers; none named means that all are pages, and a response without one is a page."""
    page = Page("<a>", "https://example.com/", "", b"HTTP/1.1 404 Not Found\r\n\r\n<p>", "text/html")

    def is_page(*statuses: str) -> bool:
        rules = PayloadRules(reading=reading, statuses=statuses)
        return is_wanted_status(read_message(page, rules).status, rules)

    assert [is_page("2xx"), is_page("2xx", "404"), is_page("4xx"), is_page("403"), is_page()] == [
        False,
        True,
        True,
        False,
        True,
    ]
    assert is_wanted_status(None, PayloadRules())


def test_a_resource_is_of_its_records_type() -> None:
    """A file that was archived without HTTP: its block is the body, its charset counts."""
    page, rules = (
        Page("<a>", "https://a/", "", b"A: b\n\n<p>", "Text/HTML; charset=koi8-r", None, "resource"),
        PayloadRules(),
    )
    found = read_response(page, read_message(page, rules), rules)
    assert (found.type, found.charset, found.body) == ("text/html", "koi8-r", b"A: b\n\n<p>")


@pytest.mark.parametrize("url", ["HTTP://a/", "a.example/x", "<none>"])
def test_a_status_line_shows_http(url: str) -> None:
    """Whatever the address; a document that archives took over FTP has none."""
    rules = PayloadRules()
    for block, body in ((b"HTTP/1.0 200 OK\r\nA: b\r\n\r\n<p>", b"<p>"), (b"A: b\n\n<p>", b"A: b\n\n<p>")):
        assert read_message(Page("<a>", url, "", block), rules).body == body
