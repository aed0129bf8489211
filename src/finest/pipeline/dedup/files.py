"""Files and folders of the deduplication, which are there whole or not at all."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from finest.atomic_files import sync, temporary_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file for writing under a temporary name, and rename it when it is complete."""
    temporary = temporary_name(path)
    with temporary.open("wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Create a folder under a temporary name, and rename it when its files are complete.

    If another process has made it meanwhile, that one stays.
    """
    temporary = temporary_name(path)
    temporary.mkdir()
    yield temporary
    for file in temporary.iterdir():
        sync(file)
    try:
        temporary.rename(path)
    except OSError:
        if not path.is_dir():
            raise
        shutil.rmtree(temporary)
