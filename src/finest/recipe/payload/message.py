"""Split an HTTP response, as a record stores it, into status, header fields and body (RFC 9110, RFC 9112).

The parser accepts deviations that archives contain and browsers accept: lines that end in LF only, folded field lines
(obs-fold, RFC 9112 5.2), spaces before a field's colon, blank lines (RFC 9112 2.2) or a byte order mark before the
status line, a status line of another protocol (`ICY 200 OK`) or without a reason phrase, HTTP/2's `:status`, a missing
status line, and a header that ends where the markup begins, without a blank line. A block that begins with neither a
status line nor a field line is an HTTP/0.9 response, which consists only of the body.

Interim responses (1xx, RFC 9110 15.2), and a proxy's answer to CONNECT, are skipped if another response follows.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_HEAD_END = re.compile(rb"(?i)\n(?:[ \t\r\f\v]*(?:\n|\Z)|(?=<(?:!doctype|html|head|body)[\s>]))")
"""Matches the end of the header: the first empty or blank line, or a newline before markup."""
_BLANK_LINES = re.compile(rb"(?:\xef\xbb\xbf)?(?:[ \t\r\f\v]*\n)*(?:[ \t]+(?=HTTP/))?")
_BEGINS_HEAD = re.compile(rb"(?i)(?:HTTP|ICY|SPDY)(?:/[\d.]+)?[ \t\r\n]|:?[!#$%&'*+\-.^_`|~0-9a-z]+[ \t]*:")
"""Matches the start of a status line or of a field line (a token, RFC 9110 5.6.2, and a colon)."""
_STATUS = re.compile(rb"(?i)(?:(?:HTTP|ICY|SPDY)(?:/[\d.]+)?|:status:)[ \t]+([1-9]\d\d)(?!\d)")
_INTERIM = re.compile(rb"(?i)HTTP(?:/[\d.]+)?[ \t]+(?:1\d\d(?!\d)|200[ \t]+connection established[ \t]*\r?\n)")
_FOLD = re.compile(rb"\r?\n[ \t]+")
_FIELD = re.compile(rb"(?im)^(content-type|content-encoding|transfer-encoding)[ \t]*:[ \t]*(.*)$")


class Message(NamedTuple):
    """The parts of a response that affect verdicts; the other header fields are ignored."""

    body: bytes
    """The body as sent, with its codings."""
    status: int | None = None
    """The status; None if there is no status line, or no three-digit status in it."""
    content_type: str = ""
    """The values of all Content-Type fields in their order, joined by commas."""
    content_codings: tuple[str, ...] = ()
    """The codings in the order in which they were applied, in lower case, without `identity`."""
    transfer_codings: tuple[str, ...] = ()


def split_message(block: bytes) -> Message:
    """Parse the response in `block`; if its header does not end, the body is empty."""
    start = _first_line(block, 0)
    if start is None:
        return Message(block)
    end = _HEAD_END.search(block, start)
    while end is not None and _INTERIM.match(block, start):
        final = _first_line(block, end.end())
        if final is None or _STATUS.match(block, final) is None:
            break
        start, end = final, _HEAD_END.search(block, final)
    if end is None:
        return Message(b"", _status(block, start))
    fields = _fields(block[start : end.start() + 1])
    return Message(
        block[end.end() :], _status(block, start), ", ".join(fields.get("content-type", ())),
        _codings(fields.get("content-encoding", ())), _codings(fields.get("transfer-encoding", ())),
    )  # fmt: skip


def has_status_line(block: bytes) -> bool:
    """Return whether the block begins with a status line, as no document does."""
    start = _first_line(block, 0)
    return start is not None and _STATUS.match(block, start) is not None


def _first_line(block: bytes, at: int) -> int | None:
    """Return the index at which the header begins that is expected at `at`; None if there is no header."""
    blank = _BLANK_LINES.match(block, at)
    start = blank.end() if blank else at
    return start if _BEGINS_HEAD.match(block, start) else None


def _status(block: bytes, start: int) -> int | None:
    found = _STATUS.match(block, start)
    return int(found[1]) if found else None


def _fields(head: bytes) -> dict[str, list[str]]:
    """Return the values of the relevant fields in their order, by lower-case name."""
    found: dict[str, list[str]] = {}
    unfolded = _FOLD.sub(b" ", head) if b"\n " in head or b"\n\t" in head else head
    for name, value in _FIELD.findall(unfolded):
        found.setdefault(name.decode().lower(), []).append(value.decode("latin-1").strip())
    return found


def _codings(values: list[str] | tuple[()]) -> tuple[str, ...]:
    """Return the codings in all lines of a field (RFC 9110 5.3), without parameters and quotation marks."""
    listed = (part.partition(";")[0].strip(" \t\r\"'").lower() for value in values for part in value.split(","))
    return tuple(coding for coding in listed if coding not in ("", "identity"))
