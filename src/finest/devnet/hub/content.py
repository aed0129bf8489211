"""Find the bytes of a file by their sha256, whether they arrived by a regular commit, Git LFS or Xet."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from finest.devnet.hub.cas import Cas
from finest.devnet.hub.disk import Received, read_range
from finest.devnet.hub.shard import XetFile

SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Blob:
    """Content that the server stores as a separate file or as chunks of xorbs."""

    size: int
    path: Path | None
    cas: Cas
    xet: XetFile | None

    def read(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield bytes `start` to `stop` (exclusive), in blocks."""
        if self.path:
            return read_range(self.path, start, stop)
        assert self.xet is not None
        return self.cas.read(self.xet, start, stop)


class Contents:
    """All stored content, each once, under the sha256 that the server computed."""

    def __init__(self, folder: Path, cas: Cas) -> None:
        self._folder = folder
        self._cas = cas

    def keep(self, body: Received) -> None:
        body.keep(self._path(body.sha256))

    def find(self, sha256: str) -> Blob | None:
        """Return the content with that sha256; None if it never arrived or `sha256` is not a valid hash."""
        if not SHA256.fullmatch(sha256):
            return None
        path, xet = self._path(sha256), self._cas.find_sha256(sha256)
        if path.exists():
            return Blob(path.stat().st_size, path, self._cas, xet)
        return Blob(xet.size, None, self._cas, xet) if xet else None

    def _path(self, sha256: str) -> Path:
        return self._folder / sha256[:2] / sha256
