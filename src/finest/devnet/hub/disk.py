"""Write files atomically: under a temporary name, flushed, then renamed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import AsyncIterable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

BLOCK_BYTES = 256 * 1024
"""Bytes of a file that one request holds in memory at a time."""


@dataclass(frozen=True, slots=True)
class Received:
    """Received bytes: their file, and the size and hash that the server computed."""

    path: Path
    size: int
    sha256: str

    def keep(self, target: Path) -> None:
        """Move the bytes to `target`, replacing an existing file atomically."""
        target.parent.mkdir(parents=True, exist_ok=True)
        self.path.replace(target)


class Incoming:
    """The folder of received bytes that have no final name yet; a starting server empties it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)

    @contextmanager
    def _file(self) -> Iterator[tuple[Path, BinaryIO]]:
        """Yield a new file; flush it to disk at the end, or delete it if anything fails."""
        path = self._folder / uuid.uuid4().hex
        try:
            with path.open("xb") as file:
                yield path, file
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            path.unlink(missing_ok=True)
            raise

    async def receive(self, stream: AsyncIterable[bytes]) -> Received:
        """Write a request's body to disk, with only one received block in memory at a time."""
        digest, size = hashlib.sha256(), 0
        with self._file() as (path, file):
            async for block in stream:
                digest.update(block)
                size += file.write(block)
        return Received(path, size, digest.hexdigest())

    def write(self, blocks: Iterable[bytes]) -> Received:
        """Write blocks that are already in memory to disk."""
        digest, size = hashlib.sha256(), 0
        with self._file() as (path, file):
            for block in blocks:
                digest.update(block)
                size += file.write(block)
        return Received(path, size, digest.hexdigest())


def read_range(path: Path, start: int, stop: int) -> Iterator[bytes]:
    """Yield bytes `start` to `stop` (exclusive) of a file, in blocks."""
    with path.open("rb") as file:
        file.seek(start)
        while start < stop and (block := file.read(min(BLOCK_BYTES, stop - start))):
            start += len(block)
            yield block


def write_json(path: Path, content: Any, *, mode: int = 0o644) -> None:
    """Write a small JSON file, replacing it atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(content, file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def read_json(path: Path) -> Any:
    """Return the content of a small JSON file; None if there is no such file."""
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
