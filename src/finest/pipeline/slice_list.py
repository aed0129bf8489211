"""The slices of a run as a sequence that is computed and not stored."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from finest.warc.slices import Slice

if TYPE_CHECKING:
    from numpy.typing import NDArray


class SliceList(Sequence[Slice], ABC):
    """The slices of a run in the order of its sources."""

    def __init__(self, first: NDArray[Any]) -> None:
        self.first = first
        """Number in the run of the first slice of each source; at the end, the number of slices."""

    @abstractmethod
    def at(self, source: int, index: int) -> Slice:
        """Return a slice by its index within its source."""

    def __len__(self) -> int:
        return int(self.first[-1])

    @overload
    def __getitem__(self, number: int) -> Slice: ...

    @overload
    def __getitem__(self, number: slice) -> list[Slice]: ...

    def __getitem__(self, number: int | slice) -> Slice | list[Slice]:
        if isinstance(number, slice):
            return [self[one] for one in range(len(self))[number]]
        number = range(len(self))[number]
        source = int(np.searchsorted(self.first, number, side="right")) - 1
        return self.at(source, number - int(self.first[source]))

    def of(self, source: int) -> list[Slice]:
        """Return the slices of a source."""
        return [self.at(source, index) for index in range(self.count(source))]

    def count(self, source: int) -> int:
        """Return the number of slices of a source."""
        return int(self.first[source + 1] - self.first[source])

    def number(self, source: int, index: int) -> int:
        """Return the number in the run of a source's slice."""
        return int(self.first[source]) + index
