"""Recognize Zstandard and LZ4 frames, and decompress each from its own first byte."""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING

import zstandard
from fastwarc.stream_io import Lz4Reader

from finest.warc.loss import Damage
from finest.warc.members import MAGIC as GZIP_MAGIC
from finest.warc.stream import BLOCK_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typing_extensions import Buffer

    from finest.warc.tape import Tape

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
DICTIONARY_MAGIC = b"\x5d\x2a\x4d\x18"
"""Magic number of the skippable frame that holds the dictionary of a .warc.zst
(iipc.github.io/warc-specifications, warc-zstd)."""
LZ4_MAGIC = b"\x04\x22\x4d\x18"

ZSTD_STEP_BYTES = 1 << 10
"""Compressed bytes decoded in one call. Zstandard can expand 4 bytes to a block of 128 KiB, so a call returns at most
32 MiB."""

WINDOW_BYTES = 1 << 31
"""Largest accepted window, that of `zstd --long=31`. The unused part of a window costs no memory."""

DICTIONARY_BYTES = 128 << 20
"""Largest accepted dictionary; the reader skips larger ones like any other skippable frame."""

_SEARCHED_SKIPPABLE_BYTES = 4 << 20
"""Longest skippable frame that the search after damage accepts."""

_LZ4_CHECKSUMS = 4
_LZ4_END = bytes(4)


class Dictionary:
    """The dictionary for the next Zstandard frames: the last one found in the file."""

    def __init__(self) -> None:
        self._words: zstandard.ZstdCompressionDict | None = None

    def learn(self, data: bytes) -> None:
        """Load the content of a dictionary frame, which may itself be compressed; raise Damage if it is invalid."""
        try:
            if data.startswith(ZSTD_MAGIC):
                data = zstandard.ZstdDecompressor().decompress(data, max_output_size=DICTIONARY_BYTES)
            self._words = zstandard.ZstdCompressionDict(data)
        except zstandard.ZstdError as error:
            raise Damage("stream_corrupt", f"the dictionary cannot be read: {error}") from error

    def decompressor(self) -> zstandard.ZstdDecompressor:
        return zstandard.ZstdDecompressor(dict_data=self._words, max_window_size=WINDOW_BYTES)


def zstd(tape: Tape, words: Dictionary) -> Iterator[tuple[bytes, bool]]:
    """Yield the content of the Zstandard frame that begins here, each piece with whether it ends the frame.

    Raises Damage.
    """
    decompressor = words.decompressor()  # kept in a variable: its objects do not keep it alive
    frame = decompressor.decompressobj()
    while not frame.eof:
        block = tape.ahead(ZSTD_STEP_BYTES)
        if not block:
            raise Damage("stream_truncated", "the file ends inside the frame")
        try:
            piece = frame.decompress(block)
        except zstandard.ZstdError as error:
            raise Damage("stream_corrupt", str(error)) from error
        tape.advance(len(block) - len(frame.unused_data))
        yield piece, frame.eof


def skippable(tape: Tape, words: Dictionary) -> Iterator[tuple[bytes, bool]]:
    """Skip the skippable frame that begins here and load the dictionary that it may hold; every piece is empty."""
    head = tape.ahead(8)
    left = int.from_bytes(head[4:], "little")
    tape.advance(len(head))
    if head[:4] == DICTIONARY_MAGIC and left <= DICTIONARY_BYTES:
        data = tape.ahead(left)
        tape.advance(len(data))
        left -= len(data)
        if not left:
            words.learn(data)
    while left and (block := tape.ahead(min(left, BLOCK_BYTES))):
        tape.advance(len(block))
        left -= len(block)
        yield b"", False
    if left or len(head) < 8:
        raise Damage("stream_truncated", "the file ends inside a skippable frame")
    yield b"", True


def lz4(tape: Tape) -> Iterator[tuple[bytes, bool]]:
    """Yield the content of the LZ4 frame that begins here, each piece with whether it ends the frame.

    Raises Damage.
    """
    raw = _Lz4Frame(tape)
    reader = Lz4Reader(raw)
    while True:
        try:
            piece = reader.read(BLOCK_BYTES)
        except OSError as error:
            ended = "the file ends inside the frame" if raw.is_cut else ""
            raise Damage("stream_truncated" if ended else "stream_corrupt", ended or str(error)) from error
        if not piece and not raw.is_whole:
            raise Damage("stream_truncated" if raw.is_cut else "stream_corrupt", "the frame does not end")
        yield piece, not piece
        if not piece:
            return


class _Lz4Frame(io.RawIOBase):
    """File object over one LZ4 frame on a tape; it ends where the frame ends (lz4_Frame_format.md)."""

    def __init__(self, tape: Tape) -> None:
        super().__init__()
        self._tape = tape
        head = tape.ahead(6)
        flags = head[4] if len(head) == 6 else 0
        self._block_checksum = 4 * bool(flags & 0x10)
        self._content_checksum = 4 * bool(flags & _LZ4_CHECKSUMS)
        self._left = 7 + 8 * bool(flags & 0x08) + 4 * bool(flags & 0x01)
        self._last = False
        self.is_cut = False
        """Whether the file ends inside the frame."""

    @property
    def is_whole(self) -> bool:
        return self._last and not self._left

    def readable(self) -> bool:
        return True

    def tell(self) -> int:  # fastwarc calls it
        return self._tape.offset

    def readinto(self, buffer: Buffer) -> int:
        view = memoryview(buffer).cast("B")
        if not self._left and not self._last:
            self._next_block()
        block = self._tape.ahead(min(len(view), self._left, BLOCK_BYTES))
        view[: len(block)] = block
        self._tape.advance(len(block))
        self._left -= len(block)
        self.is_cut = bool(self._left) and not block and len(view) > 0
        return len(block)

    def _next_block(self) -> None:
        head = self._tape.ahead(4)
        self._last = head == _LZ4_END
        size = int.from_bytes(head, "little") & 0x7FFF_FFFF
        self._left = 4 + (self._content_checksum if self._last else size + self._block_checksum)


def begins_frame(tape: Tape, words: Dictionary) -> bool:
    """Whether a Zstandard, LZ4 or skippable frame begins here whose start can be read; the tape does not move."""
    start = tape.offset
    head = tape.ahead(8)
    try:
        if head.startswith(ZSTD_MAGIC):
            return any(piece or ends for piece, ends in zstd(tape, words))
        if head.startswith(LZ4_MAGIC):
            return any(piece or ends for piece, ends in lz4(tape))
        return len(head) == 8 and _skips_to_frame(tape, struct.unpack("<I", head[4:])[0])
    except Damage:
        return False
    finally:
        tape.rewind(start)


def _skips_to_frame(tape: Tape, size: int) -> bool:
    if size > _SEARCHED_SKIPPABLE_BYTES:
        return False
    after = tape.ahead(8 + size + 4)[8 + size :]
    return after.startswith((ZSTD_MAGIC, LZ4_MAGIC, GZIP_MAGIC))
