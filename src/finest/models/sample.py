"""Hold the hashed features of a bounded number of documents, whatever the size of the sources.

Each document has a rank: the first 64 bits of the sha256 of its text. Of each label, the documents with the smallest
ranks are kept. So the sample does not depend on the order of the sources, equal texts meet and are counted once, and a
document that cannot be among the kept ones is skipped before its features are computed.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from finest.errors import UsageError
from finest.models.documents import Document, GroupedBy
from finest.models.labels import Label
from finest.models.texts import as_bytes, has_token, rank_of
from finest.recipe.quality_model import features
from finest.recipe.quality_model.format import MAX_CLASSES

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_HELD = 150_000_000
"""Maximum number of distinct features (summed over the documents) that are held. Training takes 13 bytes for each, so
2 GB at most."""
Outcome = Literal["drawn", "empty", "duplicate", "held out", "left out"]


@dataclass(frozen=True, slots=True)
class Held:
    """One document of the sample, without its text."""

    rank: int
    indices: NDArray[np.int32]
    """Distinct features, ascending."""
    counts: NDArray[Any]
    """How often each occurs in the text, in the smallest type that holds the largest."""
    label: Label
    group: str
    source: int


@dataclass(slots=True)
class Sample:
    """The documents that a model is trained on."""

    bits: int
    max_documents: int
    """Maximum over all labels; each label may have an equal part of it."""
    max_held: int = MAX_HELD
    held_out: set[int] = field(default_factory=set)
    """Ranks of texts that are never taken in."""
    grouped_by: set[GroupedBy] = field(default_factory=set)
    _strata: dict[Label, list[tuple[int, Held]]] = field(default_factory=dict)
    _ranks: set[int] = field(default_factory=set)
    _held: int = 0

    def add(self, document: Document, label: Label, source: int) -> Outcome:
        """Take in a document, if its rank is small enough; another one may be left out for it."""
        text = as_bytes(document.text)
        rank = rank_of(text)
        if not has_token(text):
            return "empty"
        if rank in self._ranks:
            return "duplicate"
        if rank in self.held_out:
            return "held out"
        heap = self._heap(label)
        if len(heap) >= self._most and rank > -heap[0][0]:
            return "left out"
        found = features(text, self.bits)
        indices, counts = np.unique(found, return_counts=True)
        group = document.group or f"page:{rank:016x}"
        small = counts.astype(np.min_scalar_type(counts.max()))
        held = Held(rank, indices.astype(np.int32), small, label, group, source)
        self.grouped_by.add(document.grouped_by)
        heapq.heappush(heap, (-rank, held))
        self._ranks.add(rank)
        self._held += len(indices)
        self._shrink()
        return "drawn"

    def _heap(self, label: Label) -> list[tuple[int, Held]]:
        """Return the documents of a label; grades between two whole ones share those of the nearest."""
        stratum = label if isinstance(label, str) else float(round(label))
        if stratum not in self._strata and len(self._strata) == MAX_CLASSES:
            raise UsageError(f"the labels have more than {MAX_CLASSES} names, such as {stratum}; merge classes")
        return self._strata.setdefault(stratum, [])

    @property
    def _most(self) -> int:
        return max(1, self.max_documents // max(len(self._strata), 1))

    def _shrink(self) -> None:
        for heap in self._strata.values():
            while len(heap) > self._most:
                self._leave_out(heap)
        while self._held > self.max_held:
            self._leave_out(max(self._strata.values(), key=len))

    def _leave_out(self, heap: list[tuple[int, Held]]) -> None:
        _, held = heapq.heappop(heap)
        self._ranks.discard(held.rank)
        self._held -= len(held.indices)

    def labels(self) -> set[Label]:
        """Return the distinct labels of the documents held."""
        return {held.label for heap in self._strata.values() for _, held in heap}

    def taken(self) -> list[Held]:
        """Return the documents by ascending rank and forget them, so that the caller alone holds them."""
        documents = [held for heap in self._strata.values() for _, held in heap]
        self._strata, self._ranks, self._held = {}, set(), 0
        return sorted(documents, key=lambda held: held.rank)
