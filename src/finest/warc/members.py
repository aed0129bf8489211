"""Recognize gzip members and decompress each from its own first byte, in steps of fixed size.

Common Crawl compresses record by record, so reading can start at any member, and damage to a member costs only that
one. The reader finds a member by gzip's magic number and accepts it only if it decompresses.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from isal import isal_zlib

from finest.warc.cut import MAGICS, PADDING
from finest.warc.loss import Damage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from isal.isal_zlib import Decompress

    from finest.warc.tape import Tape

MAGIC = b"\x1f\x8b\x08"
"""ID1, ID2 and the only compression method in use, deflate (RFC 1952, 2.3.1)."""

_PLAIN_HEADER = MAGIC + b"\0"
"""A header without options (FLG, RFC 1952, 2.3.1), as WARC writers produce it."""

PROBE_BYTES = 2 << 10
"""Compressed bytes inspected to decide whether a member begins a record: a gzip header of usual size and a deflate
block's code tables (at most about 300 bytes) fit in them."""

READ_BYTES = 16 << 10
"""Compressed bytes passed to the decoder per call: nine of ten members in Common Crawl are shorter."""

STEP_BYTES = 1 << 20
"""Most bytes decompressed in one call: deflate can expand one byte to 1,032 bytes."""

LOOKBACK_BYTES = 4 << 20
"""Bytes of a damaged member that are searched for the next member; Common Crawl's members are below 1.1 MB."""

_SOUND_BYTES = 256 << 20
"""Bytes to which a member must decompress to count as sound before its end is reached."""


def quickly(tape: Tape, max_bytes: int) -> bytes | None:
    """Return the content of the member that begins here and move to its end. ISA-L takes half as long as zlib.

    Return None, and leave the tape in place, unless the member is sound, of ordinary size and without options in its
    header. `slowly` reads all others with zlib, because ISA-L and zlib treat damage differently.
    """
    start, inflater = tape.offset, isal_zlib.decompressobj(wbits=31)
    pieces: list[bytes] = []
    size = 0
    while not inflater.eof:
        block = tape.ahead(READ_BYTES)
        if not block or (tape.offset == start and not block.startswith(_PLAIN_HEADER)):
            break
        try:
            piece = inflater.decompress(block, STEP_BYTES)
        except isal_zlib.error:  # type: ignore[misc]  # its stub calls the class an instance
            break
        tape.advance(_consumed(inflater, block))
        size += len(piece)
        if size > max_bytes or tape.offset - start > LOOKBACK_BYTES:
            break
        pieces.append(piece)
    else:
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)
    tape.rewind(start)
    return None


def slowly(tape: Tape) -> Iterator[tuple[bytes, bool]]:
    """Yield the content of the member that begins here piece by piece, decompressed by zlib, each piece with whether
    it completes the member.

    Raises Damage, after all the content before it, if the member cannot be read to its end.
    """
    inflater = zlib.decompressobj(wbits=31)
    while not inflater.eof:
        block = tape.ahead(READ_BYTES)
        if not block:
            raise Damage("gzip_truncated", "the file ends inside the member")
        before = inflater.copy()
        try:
            piece = inflater.decompress(block, STEP_BYTES)
        except zlib.error as error:
            yield _up_to_damage(before, block), False
            raise Damage("gzip_corrupt", str(error)) from error
        tape.advance(_consumed(inflater, block))
        yield piece, inflater.eof


def _up_to_damage(inflater: zlib._Decompress, block: bytes) -> bytes:
    """Return the content of the block before the byte that reveals the damage."""
    pieces: list[bytes] = []
    size = at = 0
    while at < len(block) and size < STEP_BYTES:
        try:
            piece = inflater.decompress(inflater.unconsumed_tail or block[at : at + 1], STEP_BYTES)
        except zlib.error:
            break
        at += not inflater.unconsumed_tail
        pieces.append(piece)
        size += len(piece)
    return b"".join(pieces)


def _consumed(inflater: zlib._Decompress | Decompress, block: bytes) -> int:
    """Return how many bytes of `block` the last decompress call consumed."""
    # At the end of a member zlib can leave the same bytes in both.
    return len(block) - len(inflater.unused_data if inflater.eof else inflater.unconsumed_tail)


def begins_record(block: bytes) -> bool:
    """Whether the block begins with a gzip member whose content begins with a WARC record."""
    try:
        return is_record(zlib.decompressobj(wbits=31).decompress(block, 64))
    except zlib.error:
        return False


def is_record(data: bytes | bytearray) -> bool:
    """Whether the data begins with a WARC record, possibly after padding."""
    return data.startswith(MAGICS) or data.lstrip(PADDING).startswith(MAGICS)


def is_sound(tape: Tape) -> bool:
    """Whether a gzip member begins here that decompresses to its end or to the search limit; the tape does not move."""
    start, inflater, size = tape.offset, zlib.decompressobj(wbits=31), 0
    try:
        while not inflater.eof and tape.offset - start < LOOKBACK_BYTES and size < _SOUND_BYTES:
            block = tape.ahead(READ_BYTES)
            if not block:
                return False
            size += len(inflater.decompress(block, STEP_BYTES))
            tape.advance(_consumed(inflater, block))
    except zlib.error:
        return False
    finally:
        tape.rewind(start)
    return True
