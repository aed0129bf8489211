"""Unreadable parts of a source, each with a named reason."""

from __future__ import annotations

from dataclasses import dataclass

SOURCE_UNREADABLE = "source_unreadable"
LOSS_REASONS = {
    "gzip_corrupt": "a gzip member whose data or checksum is damaged",
    "gzip_truncated": "the file ends inside a gzip member",
    "stream_corrupt": "a Zstandard or LZ4 frame that is damaged",
    "stream_truncated": "the file ends inside a Zstandard or LZ4 frame",
    "stream_gap": "bytes between records that belong to none",
    "not_warc_member": "a whole gzip member, or several, whose content does not begin with a WARC record",
    "record_unreadable": "a WARC header that cannot be parsed, or lacks the record's id, URL or length",
    "record_too_large": "a record (or what it decompresses to) beyond the limit",
    SOURCE_UNREADABLE: "a whole file that could not be read, left out of the dataset by --allow-missing",
    "record_truncated": "a record whose Content-Length does not lead to the end of the record",
}
"""The closed list of reasons, each with its meaning."""


@dataclass(frozen=True, slots=True)
class Loss:
    """A stretch of a source that gave no record.

    Where each record is a gzip member, `offset` and `length` count bytes of the file. In other files they count bytes
    of the decompressed stream for a record or a gap, and bytes of the file for damage to the compression itself.
    """

    reason: str
    offset: int
    length: int
    detail: str


class Damage(Exception):
    """Raised at a place in a file where the current frame cannot be read any further."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        """One of LOSS_REASONS; empty if nothing is lost but the next content does not continue the previous one."""
        self.detail = detail
        self.frame = 0
        """File offset of the frame that cannot be read to its end."""
        self.since = 0
        """File offset from which the bytes are lost."""
        self.begun = False
        """Whether the frame returned content before it failed."""
        self.plain = False
        """Whether the damage is among uncompressed bytes."""
