"""Count the reads from an untrusted dataset and refuse more than a dataset of its size explains.

The meter counts ranges and bytes, not seconds: their number depends only on the files, while the time also depends on
the Hub. A range that is retried counts once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from finest.dataset.limits import READ_BYTES, READ_TIMES, READS, READS_A_GROUP, most_groups
from finest.errors import VerifyError

if TYPE_CHECKING:
    from finest.dataset.confined_reader import Store
    from finest.dataset.manifest import Manifest


class Allowance(NamedTuple):
    """Ranges and bytes that may be read."""

    ranges: int
    bytes: int


def allowance(manifest: Manifest) -> Allowance:
    """Return what one check of this dataset may read, computed from the rows and bytes that the manifest states."""
    tables = (*manifest.shards, *manifest.verdicts)
    groups = sum(most_groups(file.rows, file.size_bytes) for file in tables)
    stored = sum(file.size_bytes for file in tables) + sum(file.size_bytes for file in manifest.source_files)
    return Allowance(
        READS + READS_A_GROUP * groups + READ_TIMES * len(manifest.source_files), READ_BYTES + READ_TIMES * stored
    )


class Metered:
    """A store that counts what is read from it; reads are unlimited while no allowance is set."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.ranges = self.bytes = 0
        self.allowed: Allowance | None = None

    def read(self, path: str, start: int, end: int) -> bytes:
        """Read the bytes from `start` to `end` (exclusive) of a file; raises VerifyError beyond the allowance."""
        self.ranges, self.bytes = self.ranges + 1, self.bytes + end - start
        if self.allowed and (self.ranges > self.allowed.ranges or self.bytes > self.allowed.bytes):
            raise VerifyError(
                f"the dataset takes more than {self.allowed.ranges} ranges or {self.allowed.bytes / 1e6:,.0f} MB to "
                f"check, more than its rows and bytes explain"
            )
        return self._store.read(path, start, end)
