"""What a confined process may still do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Bounds:
    """Everything that is not named here is refused, as far as the kernel can (`finest.sandbox`)."""

    read: tuple[Path, ...] = ()
    """Files, and folders with all below them. What does not exist is left out."""
    write: tuple[Path, ...] = ()
    """As `read`; here files may also be changed, made, renamed and removed."""
    devices: tuple[Path, ...] = ()
    """Device files that are read, written and controlled (ioctl): those of a GPU."""
    ports: tuple[int, ...] | None = ()
    """TCP ports that it may connect to, on any address; none by default, all with None. With ports it may also send
    UDP, for names are looked up so."""
    programs: bool = False
    """Whether it may start processes and programs; these are confined as it is."""
    permissions: bool = False
    """Whether it may change permissions of files, as an installer must. Landlock does not look at that, so it holds for
    every file that this user owns."""
