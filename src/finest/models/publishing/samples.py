"""Choose the texts that a model's card shows: some that it rejects, some at the middle, and some that it accepts.

They are drawn by the hash of their text, so that the card is the same on every machine and its maker chooses none.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from finest.formatting import showable
from finest.masking import masked, one_line
from finest.models.texts import as_bytes, has_token, rank_of
from finest.recipe.pii import redact
from finest.recipe.stages.pii import PiiRules

if TYPE_CHECKING:
    from finest.models.documents import Source
    from finest.recipe.quality_model import QualityModel

Progress = Callable[[str, float, str], None]
PER_GROUP = 4
"""Samples of each group of bins, or of each class."""
CHARS = 240
_PII = PiiRules(emails=True, ips=True)


@dataclass(frozen=True, slots=True)
class Sample:
    """The beginning of a text, on one line, without e-mail and IP addresses."""

    group: str
    """`rejected`, `between` or `accepted`; or the class."""
    bin: int
    raw: int
    words: str


def groups_of(model: QualityModel) -> tuple[str, ...]:
    """Return the groups in the order in which a card shows them."""
    return model.classes or ("rejected", "between", "accepted")


def samples(model: QualityModel, sources: Sequence[Source], progress: Progress) -> tuple[Sample, ...]:
    """Return up to PER_GROUP texts of each group: bins 0 to 4 are rejected, 8 to 11 between, 15 to 19 accepted."""
    heaps: dict[str, list[tuple[int, int, int, str]]] = {group: [] for group in groups_of(model)}
    for rank, text, words in _texts(sources, progress):
        scored = model.score(text)
        heap = heaps.get(scored.label or _group(scored.bin))
        entry = (-rank, scored.bin, scored.raw, words)
        if heap is None or any(entry[0] == other[0] for other in heap):
            continue
        heapq.heappush(heap, entry)
        if len(heap) > PER_GROUP:
            heapq.heappop(heap)
    return tuple(
        Sample(group, number, raw, _shown(words))
        for group, heap in heaps.items()
        for _, number, raw, words in sorted(heap, reverse=True)
    )


def _group(number: int) -> str:
    if number <= 4:
        return "rejected"
    if 8 <= number <= 11:
        return "between"
    return "accepted" if number >= 15 else ""


def _texts(sources: Sequence[Source], progress: Progress) -> Iterator[tuple[int, bytes, str]]:
    for number, source in enumerate(sources):

        def shown(share: float, number: int = number, name: str = source.name) -> None:
            progress("Samples", (number + share) / len(sources), name)

        for document in source.documents(shown, labelled=False):
            text = as_bytes(document.text)
            if has_token(text):
                yield rank_of(text), text, document.text[: 4 * CHARS]


def _shown(words: str) -> str:
    return one_line(showable(one_line(masked(redact(words, _PII))), CHARS))
