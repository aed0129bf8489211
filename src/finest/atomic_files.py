"""Atomic file writes (temporary name, fsync, rename), file hashes and lock files."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from finest.errors import NeedsPerson

_CHUNK_BYTES = 1 << 20
_POLL_S = 0.1
NO_LOCKS = frozenset({errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK, errno.EINVAL})
"""What flock answers on a file system without locks, such as Lustre mounted without `-o flock` (flock(2), errno(3))."""
LOCK_S = 3.0
"""Default wait for a lock: the workers of a killed process hold it until they end too, within a second."""


class Held(Exception):
    """Another process holds the lock file; `holder` is its process id, or "unknown"."""

    def __init__(self, holder: str) -> None:
        super().__init__(f"held by process {holder}")
        self.holder = holder


def write_whole(path: Path, data: bytes, mode: int = 0o666) -> None:
    """Write a file under a temporary name and rename it, so that a reader sees the old or the new content.

    `mode` is the permission of the new file, before the process's umask: 0o600 for a file only its owner may read.
    """
    temporary = temporary_name(path)
    try:
        with open(temporary, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync(path.parent)


def temporary_name(path: Path) -> Path:
    """Return a name beside a path that no other process uses, on any machine."""
    return path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")


def sync(path: Path) -> None:
    """Fsync a file's content or a folder's entries, so that they survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def size_and_sha256(path: Path, progress: Callable[[int], None] = lambda _: None) -> tuple[int, str]:
    """Return a file's size in bytes and its sha256 in hex; `progress` gets the bytes read since its last call."""
    sha, size = hashlib.sha256(), 0
    with path.open("rb") as stream:
        while data := stream.read(_CHUNK_BYTES):
            sha.update(data)
            size += len(data)
            progress(len(data))
    return size, sha.hexdigest()


@contextmanager
def hold(path: Path, wait_s: float = 0.0) -> Iterator[None]:
    """Hold a lock file until the block or the process ends; raises Held if it is not free within `wait_s`.

    Raises NeedsPerson if the file system has no locks.
    """
    with path.open("a+") as file:
        deadline = time.monotonic() + wait_s
        while not _is_locked(file):
            if time.monotonic() >= deadline:
                file.seek(0)
                raise Held(file.read().strip() or "unknown")
            time.sleep(_POLL_S)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


@contextmanager
def alone(work: Path, what: str) -> Iterator[None]:
    """Lock a work folder for this process; raises NeedsPerson if another process holds it or it is not writable."""
    with ExitStack() as held:
        try:
            work.mkdir(parents=True, exist_ok=True)
            held.enter_context(hold(work / "lock", LOCK_S))
        except Held as error:
            raise NeedsPerson(
                f"another {what} (process {error.holder}) is running in {work}: stop it, or name another --work"
            ) from None
        except OSError as error:
            raise NeedsPerson(
                f"{work} cannot be written to ({error.strerror}): change its permissions, or name another --work"
            ) from error
        yield


def is_held(path: Path) -> bool:
    """Return whether a process holds that lock file now."""
    try:
        with path.open("r") as file:
            return not _is_locked(file)
    except (FileNotFoundError, NeedsPerson):
        return False
    except OSError:
        return True


def _is_locked(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in NO_LOCKS:
            raise NeedsPerson(
                f"the file system of {file.name} cannot lock files ({error.strerror}), "
                f"so two processes could not tell that they work in the same folder: mount it with locks (Lustre: "
                f"mount -o flock), or name a folder on another file system"
            ) from error
        return False
    return True
