"""A window over a sequential stream: read ahead, go back a little, and hash each byte when it is released.

The result of `ahead` depends only on the file: it returns as many bytes as requested, fewer only at the end of the
file. The size of the individual reads of the stream therefore never influences the result.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from finest.warc.stream import BLOCK_BYTES

if TYPE_CHECKING:
    from io import RawIOBase


KEPT_BYTES = 8 << 20
"""Most bytes that `keep` keeps. One record, which is what is read after a slice's end, is rarely larger."""


class Tape:
    """A window over `stream`, whose first byte is byte `offset` of the file.

    The bytes before the current offset stay in memory until `release` hashes and drops them.
    """

    def __init__(self, stream: RawIOBase, offset: int = 0) -> None:
        self.offset = offset
        """File offset of the next byte."""
        self._stream = stream
        self._held = bytearray()
        self._held_from = offset
        self._digest = hashlib.sha256()
        self._keeps = False

    def ahead(self, size: int = BLOCK_BYTES) -> bytes:
        """Return the next `size` bytes without moving; fewer only at the end of the file."""
        start = self.offset - self._held_from
        while len(self._held) - start < size and self._fill():
            pass
        return bytes(memoryview(self._held)[start : start + size])

    def advance(self, size: int) -> None:
        """Move past `size` bytes that `ahead` returned."""
        self.offset += size

    def rewind(self, offset: int) -> None:
        """Go back to `offset`, which must not have been released."""
        assert self._held_from <= offset <= self.offset, (self._held_from, offset, self.offset)
        self.offset = offset

    def release(self, upto: int | None = None) -> None:
        """Hash and drop the bytes before `upto`, by default all before `offset`."""
        size = (self.offset if upto is None else min(upto, self.offset)) - self._held_from
        if size <= 0 or (self._keeps and size <= KEPT_BYTES):
            return
        self._keeps = False
        self._digest.update(memoryview(self._held)[:size])
        del self._held[:size]
        self._held_from += size

    def keep(self) -> None:
        """Keep the bytes from `offset` on, although they are released, so that `back_to` can return there."""
        self.release()
        self._keeps = True

    def back_to(self, offset: int) -> bool:
        """Return to where `keep` was called and start a new digest; False if more than KEPT_BYTES were read since."""
        self._keeps = False
        if self._held_from != offset:
            return False
        self.rewind(offset)
        self.restart_digest()
        return True

    def restart_digest(self) -> None:
        """Drop the bytes before `offset` and start a new digest here."""
        self.release()
        self._digest = hashlib.sha256()

    def sha256(self) -> str:
        """Return the digest, in hex, of all bytes released since the start or `restart_digest`."""
        return self._digest.hexdigest()

    def _fill(self) -> bool:
        block = self._stream.read(BLOCK_BYTES)
        self._held += block or b""
        return bool(block)
