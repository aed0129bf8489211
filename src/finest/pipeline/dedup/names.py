"""The record ids of the pages that are kept instead of others, in a file that all processes of an assembly share.

OUT/ledger/dedup/names.bin   for each such page, in order: a byte with the length of its id, and the id in 63 bytes
OUT/ledger/dedup/long.bin    ids of more than 63 bytes; there, `names.bin` has 255 and the id's place and length
"""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING

import numpy as np

from finest.pipeline.dedup.forest import CHUNK

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from finest.pipeline.dedup.signatures import Rows

_WIDTH = 64
"""An id of Common Crawl, `<urn:uuid:...>`, has 47 bytes."""
_LONG = 255
_PLACE = struct.Struct("<QQ")


class Names:
    """The ids of the pages that are kept instead of others, by page number; unknown until they are learned."""

    def __init__(self, survivor: Rows, folder: Path) -> None:
        """Prepare the files for the pages that `survivor`, the kept page of each page, has for others."""
        self._pages = _winners(survivor)
        self._long = folder / "long.bin"
        path = folder / "names.bin"
        with path.open("wb") as file:
            file.truncate(len(self._pages) * _WIDTH)
        self._long.unlink(missing_ok=True)
        shape = (len(self._pages), _WIDTH)
        self._names = np.memmap(path, np.uint8, "r+", shape=shape) if len(self._pages) else np.zeros(shape, np.uint8)

    def learn(self, numbers: NDArray[np.int64], ids: Sequence[str]) -> None:
        """Remember the ids of those pages that are kept instead of others; `ids` are the ids of all these pages."""
        places = np.minimum(np.searchsorted(self._pages, numbers), max(len(self._pages) - 1, 0))
        known: list[int] = np.flatnonzero(self._pages[places] == numbers).tolist() if len(self._pages) else []
        for at in known:
            data = ids[at].encode("utf-8", "surrogatepass")
            if len(data) < _WIDTH:
                self._write(places[at], len(data), data)
            else:
                self._write(places[at], _LONG, _PLACE.pack(self._append(data), len(data)))

    def __getitem__(self, number: int) -> str | None:
        """Return the id of a page that is kept instead of another; None if it was not learned."""
        at = int(np.searchsorted(self._pages, number))
        entry = self._names[at].tobytes()
        length, data = entry[0], entry[1:]
        if length == _LONG:
            place, size = _PLACE.unpack_from(data)
            with self._long.open("rb") as file:
                file.seek(place)
                return file.read(size).decode("utf-8", "surrogatepass")
        return data[:length].decode("utf-8", "surrogatepass") if length else None

    def _write(self, place: int, length: int, data: bytes) -> None:
        self._names[place, 0] = length
        self._names[place, 1 : 1 + len(data)] = np.frombuffer(data, np.uint8)

    def _append(self, data: bytes) -> int:
        """Append a long id and return its place; the kernel keeps the writes of several processes apart."""
        descriptor = os.open(self._long, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            os.write(descriptor, data)
            return os.lseek(descriptor, 0, os.SEEK_CUR) - len(data)
        finally:
            os.close(descriptor)


def _winners(survivor: Rows) -> Rows:
    """Return the pages that are kept instead of another, ascending."""
    is_winner = np.zeros(len(survivor), np.bool_)
    for start in range(0, len(survivor), CHUNK):
        part = survivor[start : start + CHUNK]
        is_winner[part[part != np.arange(start, start + len(part))]] = True
    return np.flatnonzero(is_winner).astype(survivor.dtype)
