"""Gzip members that hold one WARC record each: read one after another, with whatever lies between them counted.

Common Crawl compresses record by record, so a WARC can be entered at any member and damage to one costs that one. A
member is found by gzip's magic number, and believed only if it decompresses and begins with `WARC/`.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, NamedTuple

from isal import isal_zlib

from finest.warc.loss import Loss

if TYPE_CHECKING:
    from isal.isal_zlib import Decompress

    from finest.warc.tape import Tape

MAGIC = b"\x1f\x8b\x08"
"""ID1, ID2 and the only compression method there is (RFC 1952, 2.3.1)."""

_PLAIN_HEADER = MAGIC + b"\0"
"""A header without options (FLG, RFC 1952, 2.3.1), as writers of WARCs make it."""

PROBE_BYTES = 2 << 10
"""Compressed bytes looked at to believe in a member: a gzip header of usual size and a deflate block's code tables
(at most about 300 bytes) fit in it."""

READ_BYTES = 16 << 10
"""Compressed bytes handed to the decoder at a time: nine members of ten in Common Crawl are shorter."""

STEP_BYTES = 1 << 20
"""Most bytes decompressed in one call: deflate can make 1,032 bytes of one."""

LOOKBACK_BYTES = 4 << 20
"""How much of a damaged member is searched for the next one; Common Crawl's members are below 1.1 MB."""

BOMB_FACTOR = 20
"""A member that goes beyond this many times the limit is not even decompressed to its end."""


class Member(NamedTuple):
    """A gzip member of the file and what it decompresses to."""

    offset: int
    length: int
    data: bytes


class _Damage(Exception):
    """A member that cannot be read to its end."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class Members:
    """The members of a file from the tape's offset on; what is none goes to `losses`."""

    def __init__(self, tape: Tape, max_bytes: int, losses: list[Loss]) -> None:
        self.losses = losses
        self._tape = tape
        self._max_bytes = max_bytes

    def at_end(self) -> bool:
        """Whether the file ends here."""
        return not self._tape.ahead(1)

    def seek(self) -> None:
        """Move to the next member that begins a WARC record, which may begin right here, or to the end of the file."""
        tape = self._tape
        while len(block := tape.ahead(least=len(MAGIC))) >= len(MAGIC):
            found = block.find(MAGIC)
            if found < 0:
                tape.advance(len(block) - len(MAGIC) + 1)
            else:
                tape.advance(found)
                if begins_record(tape.ahead(PROBE_BYTES, least=PROBE_BYTES)):
                    return
                tape.advance(1)
            tape.release()
        tape.advance(len(block))

    def skip_gap(self) -> None:
        """Move to the next member like `seek`, and count what lies before it as lost."""
        while not self.at_end() and not begins_record(self._tape.ahead(PROBE_BYTES, least=PROBE_BYTES)):
            member = self.read()
            if member is not None:
                self._lose("stream_gap", member.offset, f"a gzip header of more than {PROBE_BYTES} bytes")

    def read(self) -> Member | None:
        """The member that begins here; None where it is no good, which is counted, and the next one is found."""
        tape = self._tape
        start = tape.offset
        try:
            data = self._inflate(start)
        except _Damage as damage:
            tape.rewind(start + 1)
            self.seek()
            self._lose(damage.reason, start, damage.detail)
            return None
        if data is None:
            self._lose("record_too_large", start, f"decompresses to more than {self._max_bytes} bytes")
            return None
        if not _is_record(data):
            self._lose("not_warc_member", start, f"begins with {data[:16]!r}")
            return None
        tape.release()
        return Member(start, tape.offset - start, data)

    def _inflate(self, start: int) -> bytes | None:
        """What the member at `start` decompresses to, None where that is too much; raises _Damage."""
        data = self._quickly(start)
        if data is None:
            self._tape.rewind(start)
            data = self._by_zlib(start)
        return data

    def _quickly(self, start: int) -> bytes | None:
        """What ISA-L reads in half of zlib's time: a sound member without options in its header, of no unusual size.

        None for all others, which zlib decides: the two differ in what they make of damage.
        """
        tape, inflater = self._tape, isal_zlib.decompressobj(wbits=31)
        pieces: list[bytes] = []
        size = 0
        while not inflater.eof:
            block = tape.ahead(READ_BYTES)
            if not block or (tape.offset == start and not block.startswith(_PLAIN_HEADER)):
                return None
            try:
                piece = inflater.decompress(block, STEP_BYTES)
            except isal_zlib.error:  # type: ignore[misc]  # its stub calls the class an instance
                return None
            tape.advance(consumed(inflater, block))
            size += len(piece)
            if size > self._max_bytes or tape.offset - start > LOOKBACK_BYTES:
                return None
            pieces.append(piece)
        return b"".join(pieces)

    def _by_zlib(self, start: int) -> bytes | None:
        tape, inflater = self._tape, zlib.decompressobj(wbits=31)
        pieces: list[bytes] = []
        size = 0
        while not inflater.eof:
            block = tape.ahead()
            piece = _decompress(inflater, block, is_first=tape.offset == start)
            tape.advance(consumed(inflater, block))
            tape.release(LOOKBACK_BYTES)
            size += len(piece)
            if size <= self._max_bytes:
                pieces.append(piece)
            else:
                pieces.clear()
            if size > self._max_bytes * BOMB_FACTOR:
                raise _Damage("record_too_large", f"given up after {size} decompressed bytes")
        return b"".join(pieces) if size <= self._max_bytes else None

    def _lose(self, reason: str, start: int, detail: str) -> None:
        self._tape.release()
        self.losses.append(Loss(reason, start, self._tape.offset - start, detail))


def _decompress(inflater: zlib._Decompress, block: bytes, *, is_first: bool) -> bytes:
    if not block:
        raise _Damage("gzip_truncated", "the file ends inside the member")
    if is_first and not block.startswith(MAGIC):
        raise _Damage("stream_gap", "no gzip member begins here")
    try:
        return inflater.decompress(block, STEP_BYTES)
    except zlib.error as error:
        raise _Damage("gzip_corrupt", str(error)) from error


def consumed(inflater: zlib._Decompress | Decompress, block: bytes) -> int:
    """How many bytes of `block` the call that has just been given it used up."""
    # At the end of a member zlib can leave the same bytes in both.
    return len(block) - len(inflater.unused_data if inflater.eof else inflater.unconsumed_tail)


def begins_record(block: bytes) -> bool:
    """Whether the block begins with a gzip member whose content begins with a WARC record."""
    try:
        return _is_record(zlib.decompressobj(wbits=31).decompress(block, 64))
    except zlib.error:
        return False


def _is_record(data: bytes) -> bool:
    return data.startswith(b"WARC/") or data[:64].lstrip(b"\r\n").startswith(b"WARC/")
