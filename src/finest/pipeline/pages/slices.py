"""The slices of a run whose pages an index chose: each is a range that is read with one request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from finest.warc.slices import Slice

if TYPE_CHECKING:
    from numpy.typing import NDArray


class GroupSlices(Sequence[Slice]):
    """The ranges of a `PageTable` as slices, in the order of the sources; they follow from the table."""

    def __init__(self, groups: NDArray[Any], sources: int) -> None:
        self._groups = groups
        self.first = np.searchsorted(groups[:, 0], np.arange(sources + 1))
        """Number in the run of the first slice of each source; at the end, the number of slices."""

    def __len__(self) -> int:
        return len(self._groups)

    @overload
    def __getitem__(self, number: int) -> Slice: ...

    @overload
    def __getitem__(self, number: slice) -> list[Slice]: ...

    def __getitem__(self, number: int | slice) -> Slice | list[Slice]:
        if isinstance(number, slice):
            return [self[one] for one in range(len(self))[number]]
        number = range(len(self))[number]
        source, start, end = (int(value) for value in self._groups[number])
        return Slice(source, number - int(self.first[source]), start, end)

    def of(self, source: int) -> list[Slice]:
        """Return the slices of a source."""
        return self[int(self.first[source]) : int(self.first[source + 1])]

    def count(self, source: int) -> int:
        return int(self.first[source + 1] - self.first[source])

    def number(self, source: int, index: int) -> int:
        """Return the number in the run of a source's slice."""
        return int(self.first[source]) + index
