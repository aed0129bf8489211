"""The slices of a run whose pages an index chose: each is a range that is read with one request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from finest.pipeline.slice_list import SliceList
from finest.warc.slices import Slice

if TYPE_CHECKING:
    from numpy.typing import NDArray


class GroupSlices(SliceList):
    """The ranges of a `PageTable` as slices, in the order of the sources; they follow from the table."""

    def __init__(self, groups: NDArray[Any], sources: int) -> None:
        self._groups = groups
        super().__init__(np.searchsorted(groups[:, 0], np.arange(sources + 1)))

    def at(self, source: int, index: int) -> Slice:
        """Return a slice by its index within its source."""
        _, start, end = (int(value) for value in self._groups[self.number(source, index)])
        return Slice(source, index, start, end)
