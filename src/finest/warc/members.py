"""Gzip members: told from other bytes, and decompressed, each from its own first byte in steps of fixed size.

Common Crawl compresses record by record, so a WARC can be entered at any member and damage to one costs that one. A
member is found by gzip's magic number, and believed only if it decompresses.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from isal import isal_zlib

from finest.warc.loss import Damage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from isal.isal_zlib import Decompress

    from finest.warc.tape import Tape

MAGIC = b"\x1f\x8b\x08"
"""ID1, ID2 and the only compression method there is (RFC 1952, 2.3.1)."""

_PLAIN_HEADER = MAGIC + b"\0"
"""A header without options (FLG, RFC 1952, 2.3.1), as writers of WARCs make it."""

PROBE_BYTES = 2 << 10
"""Compressed bytes looked at to believe in a member that begins a record: a gzip header of usual size and a deflate
block's code tables (at most about 300 bytes) fit in it."""

READ_BYTES = 16 << 10
"""Compressed bytes handed to the decoder at a time: nine members of ten in Common Crawl are shorter."""

STEP_BYTES = 1 << 20
"""Most bytes decompressed in one call: deflate can make 1,032 bytes of one."""

LOOKBACK_BYTES = 4 << 20
"""How much of a damaged member is searched for the next one; Common Crawl's members are below 1.1 MB."""

_SOUND_BYTES = 256 << 20
"""A member that decompresses to more than this is not tried to its end before it is believed."""


def quickly(tape: Tape, max_bytes: int) -> bytes | None:
    """The content of the member that begins here, by ISA-L in half of zlib's time; moves to the member's end.

    None for all but a sound member without options in its header, and of no unusual size, which zlib is to read: the
    two differ in what they make of damage. Then the tape does not move.
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
    """The content of the member that begins here, by zlib, piece by piece, and whether it ends, whole, with the piece.

    Raises Damage, after all the content before it, where the member cannot be read to its end.
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
    """What the block decompresses to before the byte that shows the damage."""
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
    """How many bytes of `block` the call that has just been given it used up."""
    # At the end of a member zlib can leave the same bytes in both.
    return len(block) - len(inflater.unused_data if inflater.eof else inflater.unconsumed_tail)


def begins_record(block: bytes) -> bool:
    """Whether the block begins with a gzip member whose content begins with a WARC record."""
    try:
        return is_record(zlib.decompressobj(wbits=31).decompress(block, 64))
    except zlib.error:
        return False


def is_record(data: bytes | bytearray) -> bool:
    """Whether the data begins with a WARC record, after newlines perhaps."""
    return data.startswith(b"WARC/") or data[:64].lstrip(b"\r\n").startswith(b"WARC/")


def is_sound(tape: Tape) -> bool:
    """Whether a gzip member begins here that can be read to its end, or as far as a search goes; the tape stays."""
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
