"""Files that are there whole or not at all: a temporary name, fsync, rename; and what is in them, as a hash."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

_CHUNK_BYTES = 1 << 20


def write_whole(path: Path, data: bytes) -> None:
    """Write a file under a temporary name, then give it its own: a reader sees the old or the new one."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    sync(path.parent)


def sync(path: Path) -> None:
    """Make what is in a file, or what a folder lists, outlast a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def size_and_sha256(path: Path, progress: Callable[[int], None] = lambda _: None) -> tuple[int, str]:
    """How many bytes a file holds, and their sha256 in hex; `progress` is told the bytes read since the last call."""
    sha, size = hashlib.sha256(), 0
    with path.open("rb") as stream:
        while data := stream.read(_CHUNK_BYTES):
            sha.update(data)
            size += len(data)
            progress(len(data))
    return size, sha.hexdigest()
