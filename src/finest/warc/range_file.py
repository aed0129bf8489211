"""A remote file that is read at random places, such as a Parquet file of which only some columns are wanted."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from finest.warc.places import opener_for
from finest.warc.stream import ResumableStream

if TYPE_CHECKING:
    from typing_extensions import Buffer

HEAD_BYTES = 1 << 10
"""Bytes asked for to learn a file's size."""


class RangeFile(io.RawIOBase):
    """Each read is one request for exactly its bytes; it retries as any source does. Raises SourceError."""

    def __init__(self, location: str) -> None:
        super().__init__()
        self._opener = opener_for(location)
        self._position = 0
        self.read_bytes = 0
        """Bytes read so far."""
        head = ResumableStream(self._opener, until=HEAD_BYTES, more_bytes=0)
        try:
            head.connect()
            self.size_bytes, self._etag = head.size_bytes or 0, head.etag
        finally:
            head.close()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size_bytes}[whence]
        self._position = max(base + offset, 0)
        return self._position

    def readinto(self, buffer: Buffer) -> int:
        view = memoryview(buffer).cast("B")
        view = view[: max(0, min(len(view), self.size_bytes - self._position))]
        if not view:
            return 0
        stream = ResumableStream(
            self._opener, position=self._position, etag=self._etag, size_bytes=self.size_bytes,
            until=self._position + len(view), more_bytes=0,
        )  # fmt: skip
        done = 0
        try:
            while done < len(view) and (count := stream.readinto(view[done:])):
                done += count
        finally:
            stream.close()
        self._position += done
        self.read_bytes += done
        return done
