"""A window over a sequential stream: read ahead, go back a little, and hash each byte once it is done with.

What `ahead` gives depends on the file alone: as many bytes as were asked for, fewer only where the file ends. How many
bytes a read of the stream happened to bring can therefore decide nothing.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from finest.warc.stream import BLOCK_BYTES

if TYPE_CHECKING:
    from io import RawIOBase


class Tape:
    """The bytes of `stream`, whose first byte is byte `offset` of the file.

    What lies before `offset` stays in memory until `release` hashes and forgets it.
    """

    def __init__(self, stream: RawIOBase, offset: int = 0) -> None:
        self.offset = offset
        """The byte of the file that comes next."""
        self._stream = stream
        self._held = bytearray()
        self._held_from = offset
        self._digest = hashlib.sha256()

    def ahead(self, size: int = BLOCK_BYTES) -> bytes:
        """The next `size` bytes, without moving; fewer only where the file ends."""
        start = self.offset - self._held_from
        while len(self._held) - start < size and self._fill():
            pass
        return bytes(memoryview(self._held)[start : start + size])

    def advance(self, size: int) -> None:
        """Move over bytes that `ahead` gave."""
        self.offset += size

    def rewind(self, offset: int) -> None:
        """Go back to `offset`, which has not been released."""
        assert self._held_from <= offset <= self.offset, (self._held_from, offset, self.offset)
        self.offset = offset

    def release(self, upto: int | None = None) -> None:
        """Hash and forget the bytes before `upto`, by default all before `offset`."""
        size = (self.offset if upto is None else min(upto, self.offset)) - self._held_from
        if size <= 0:
            return
        self._digest.update(memoryview(self._held)[:size])
        del self._held[:size]
        self._held_from += size

    def restart_digest(self) -> None:
        """Forget what lies before `offset` and hash from here on."""
        self.release()
        self._digest = hashlib.sha256()

    def sha256(self) -> str:
        """Digest of all that was released since the start or `restart_digest`, in hex."""
        return self._digest.hexdigest()

    def _fill(self) -> bool:
        block = self._stream.read(BLOCK_BYTES)
        self._held += block or b""
        return bool(block)
