"""Deaths of workers by slice and page, so that a page that kills its workers is passed over."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from finest.atomic_files import write_whole
from finest.errors import LedgerError

if TYPE_CHECKING:
    from pathlib import Path

    from finest.warc.slices import Slice

DEATHS_OF_A_CRASH = 2


class Deaths:
    """The notes of a run's ledger about workers that died."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def inflight_path(self, slice_: Slice) -> Path:
        """Return the file with the offset of the page that a worker is judging now."""
        return self._folder / "inflight" / slice_name(slice_)

    def crashed(self, slice_: Slice) -> set[int]:
        """Return the offsets of pages to skip: one crash may be unrelated, two are blamed on the page."""
        return {offset for offset, n in _counts(self._path(slice_)).items() if n >= DEATHS_OF_A_CRASH}

    def limited(self, slice_: Slice) -> set[int]:
        """Return the offsets of pages past the CPU limit: one kill is enough, as only the limit sends that signal."""
        return set(_counts(self._path(slice_, at_limit=True)))

    def note(self, slice_: Slice, *, at_limit: bool = False) -> int:
        """Record the death of a worker on this slice, and return the slice's number of deaths so far.

        `at_limit` means that the page exceeded its CPU limit; if the page is known, such a death returns 0.
        """
        marker = self.inflight_path(slice_)
        offset = int.from_bytes(marker.read_bytes(), "little", signed=True) if marker.exists() else -1
        at_limit &= offset >= 0
        path = self._path(slice_, at_limit=at_limit)
        counts = _counts(path)
        counts[offset] = counts.get(offset, 0) + 1
        path.parent.mkdir(exist_ok=True)
        write_whole(path, json.dumps(counts).encode())
        return 0 if at_limit else sum(counts.values())

    def _path(self, slice_: Slice, *, at_limit: bool = False) -> Path:
        return self._folder / "crashes" / f"{slice_name(slice_)}{'.limits' if at_limit else ''}.json"


def slice_name(slice_: Slice) -> str:
    return f"{slice_.source_index:05d}-{slice_.index:05d}"


def _counts(path: Path) -> dict[int, int]:
    """Read counts by offset from a file that may be missing; raises LedgerError if it is damaged."""
    try:
        return {int(offset): int(n) for offset, n in json.loads(path.read_bytes()).items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise LedgerError(f"{path} cannot be read ({error}); remove it and run again") from error
