"""An HTTP response as a record stores it, split into status, header fields and body (RFC 9110, RFC 9112).

What is read leniently, because archives hold it and browsers accept it: lines that end in LF alone, folded field lines
(obs-fold, RFC 9112 5.2), spaces before a field's colon, blank lines before the status line (RFC 9112 2.2), a status
line of another protocol (`ICY 200 OK`) or without a reason phrase, and no status line at all. A block that begins with
neither a status line nor a field line is an HTTP/0.9 response: all of it is the body.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_HEAD_END = re.compile(rb"\n[ \t\r\f\v]*(?:\n|\Z)")
"""The end of the header: the first line that is empty or blank."""
_BLANK_LINES = re.compile(rb"(?:[ \t\r\f\v]*\n)*")
_BEGINS_HEAD = re.compile(rb"(?i)(?:HTTP|ICY)(?:/[\d.]+)?[ \t\r\n]|[!#$%&'*+\-.^_`|~0-9a-z]+[ \t]*:")
"""A status line, or a field line: a token (RFC 9110 5.6.2) and a colon."""
_STATUS = re.compile(rb"(?i)(?:HTTP|ICY)(?:/[\d.]+)?[ \t]+([1-9]\d\d)(?!\d)")
_FOLD = re.compile(rb"\r?\n[ \t]+")
_FIELD = re.compile(rb"(?im)^(content-type|content-encoding|transfer-encoding)[ \t]*:[ \t]*(.*)$")


class Message(NamedTuple):
    """What of a response decides: the rest of its header is not looked at."""

    body: bytes
    """As it came over the wire."""
    status: int | None = None
    """None where the response names none: there is no status line, or no three digits in it."""
    content_type: str = ""
    """All Content-Type fields, joined by commas in their order."""
    content_codings: tuple[str, ...] = ()
    """In the order in which they were applied, in lower case, without `identity`."""
    transfer_codings: tuple[str, ...] = ()


def split_message(block: bytes) -> Message:
    """The response in `block`. A header that does not end leaves an empty body."""
    start = _first_line(block)
    if start is None:
        return Message(block)
    end = _HEAD_END.search(block, start)
    if end is None:
        return Message(b"", _status(block, start))
    fields = _fields(block[start : end.start() + 1])
    return Message(
        block[end.end() :], _status(block, start), ", ".join(fields.get("content-type", ())),
        _codings(fields.get("content-encoding", ())), _codings(fields.get("transfer-encoding", ())),
    )  # fmt: skip


def _first_line(block: bytes) -> int | None:
    """Where the header begins; None where the block has none."""
    blank = _BLANK_LINES.match(block)
    start = blank.end() if blank else 0
    return start if _BEGINS_HEAD.match(block, start) else None


def _status(block: bytes, start: int) -> int | None:
    found = _STATUS.match(block, start)
    return int(found[1]) if found else None


def _fields(head: bytes) -> dict[str, list[str]]:
    """The values of the fields that are looked at, by name in lower case, in their order."""
    found: dict[str, list[str]] = {}
    unfolded = _FOLD.sub(b" ", head) if b"\n " in head or b"\n\t" in head else head
    for name, value in _FIELD.findall(unfolded):
        found.setdefault(name.decode().lower(), []).append(value.decode("latin-1").strip())
    return found


def _codings(values: list[str] | tuple[()]) -> tuple[str, ...]:
    """The codings that a field lists, over all its lines (RFC 9110 5.3); parameters and quotation marks are dropped."""
    listed = (part.partition(";")[0].strip(" \t\r\"'").lower() for value in values for part in value.split(","))
    return tuple(coding for coding in listed if coding not in ("", "identity"))
