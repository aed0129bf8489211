"""Unreadable parts of a source, each with a named reason."""

from __future__ import annotations

from dataclasses import dataclass

LOSS_REASONS = {
    "gzip_corrupt": "a gzip member whose data or checksum is damaged",
    "gzip_truncated": "the file ends inside a gzip member",
    "stream_corrupt": "a Zstandard or LZ4 frame that is damaged",
    "stream_truncated": "the file ends inside a Zstandard or LZ4 frame",
    "stream_gap": "bytes between records that belong to none",
    "not_warc_member": "a whole gzip member, or several, whose content does not begin with a WARC record",
    "record_unreadable": "a WARC header that cannot be parsed, or lacks the record's id, URL or length",
    "record_too_large": "a record (or what it decompresses to) beyond the limit",
    "record_truncated": "a record whose Content-Length does not lead to the end of the record",
}
"""The closed list: reason -> what it means."""


@dataclass(frozen=True, slots=True)
class Loss:
    """A stretch of a source that gave no record.

    Where each record is a gzip member, `offset` and `length` are bytes of the file. In other files those of a record
    and of a gap are bytes of the decompressed stream, and those of damage to the compression itself are bytes of the
    file.
    """

    reason: str
    offset: int
    length: int
    detail: str


class Damage(Exception):
    """A place in a file where what was being read cannot be read any further."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        """One of LOSS_REASONS; empty where nothing is lost, but what comes next is no continuation of what was."""
        self.detail = detail
        self.frame = 0
        """Where in the file the frame begins that cannot be read to its end."""
        self.since = 0
        """From where on the bytes of the file are lost."""
        self.begun = False
        """Whether the frame had given content before it failed."""
        self.plain = False
        """Whether it is among bytes that are not compressed."""
