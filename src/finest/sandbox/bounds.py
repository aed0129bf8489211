"""The limits of a confined process."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Bounds:
    """The access that a confined process keeps; the kernel refuses the rest as far as it can (`finest.sandbox`)."""

    read: tuple[Path, ...] = ()
    """Readable files, and folders with everything below them. Paths that do not exist are ignored."""
    write: tuple[Path, ...] = ()
    """Like `read`; the process may also change, create, rename and remove files here."""
    devices: tuple[Path, ...] = ()
    """Device files, such as those of a GPU, that the process may read, write and control (ioctl)."""
    ports: tuple[int, ...] | None = ()
    """TCP ports that it may connect to, on any address; empty (the default) allows no port, None allows all. With any
    port it may also send UDP, which name lookups need."""
    programs: bool = False
    """Whether it may start processes and programs, which are confined in the same way."""
    permissions: bool = False
    """Whether it may change file permissions, as an installer must. Landlock does not control this, so it applies to
    every file that this user owns."""
