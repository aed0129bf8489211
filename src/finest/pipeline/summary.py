"""The summary of one finished slice and the totals over many: the source of every statistic of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from itertools import zip_longest
from typing import Any

from finest.errors import LedgerError

SAMPLES_PER_REASON = 6
"""Number of samples per reason in the totals: enough to show what the reason does, few enough to read."""


@dataclass(frozen=True, slots=True)
class SliceSummary:
    """The summary of one slice: `slice.json` in the ledger. Counts are pages unless stated otherwise."""

    source: int
    """Index of the source in the run's plan."""
    index: int
    """Index of the slice within its source."""
    start: int
    """The slice has the records that begin at or after `start` and before `end` (offsets in the compressed file)."""
    end: int
    first_offset: int
    """Offset of the slice's first record."""
    next_offset: int
    """Offset of the next slice's first record."""
    sha256: str
    """The sha256 of the compressed bytes from `first_offset` to `next_offset`."""
    records: dict[str, int]
    """WARC records by type."""
    pages: int
    kept: int
    """Pages that the recipe keeps, before deduplication across the run."""
    tokens: int
    """GPT-2 tokens of the kept pages."""
    payload_bytes: int
    compressed_bytes: int
    cpu_s: float
    wall_s: float
    peak_rss_bytes: int
    stage_cpu_s: dict[str, float]
    reasons: dict[str, int]
    """Pages by the reason of their verdict, including `kept`."""
    languages: dict[str, int]
    """Pages by identified language; counts only pages that reached language identification."""
    text_chars: dict[str, int]
    """Histogram of the lengths of kept texts: bin "b" counts texts of 2**b to 2**(b+1) - 1 characters."""
    losses: list[dict[str, Any]] = field(default_factory=list)
    """Records that could not be read: reason, offset, length, detail."""
    samples: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """A few pages of each reason: id, url, value, limit, language, excerpt."""
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The slice's own files: sha256, size_bytes, rows."""
    fallbacks: dict[str, int] = field(default_factory=dict)
    """Pages that the compiled core left to the slower code, by reason; the text is the same."""
    lost_bytes: int = 0
    """Bytes of the compressed file that yielded no record."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON; a shallow copy."""
        return {item.name: getattr(self, item.name) for item in fields(self)}

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> SliceSummary:
        """Build a summary from plain data; raises LedgerError if a field is missing, unknown or of the wrong type."""
        if not isinstance(data, Mapping):
            raise LedgerError(f"a slice's summary is a {type(data).__name__}, not an object; run again with --restart")
        data = {"fallbacks": {}} | {"lost_bytes": 0} | dict(data)  # earlier versions lack these
        for item in fields(SliceSummary):
            kinds = _KINDS[str(item.type).partition("[")[0]]
            if not isinstance(data.get(item.name), kinds):
                raise LedgerError(f"a slice's summary has no valid {item.name!r}; run again with --restart")
        if unknown := sorted(set(data) - _FIELDS):
            raise LedgerError(f"a slice's summary holds {unknown[0]!r}, which this version does not know")
        return SliceSummary(**data)


_KINDS: dict[str, tuple[type, ...]] = {
    "int": (int,), "float": (int, float), "str": (str,), "dict": (dict,), "list": (list,),
}  # fmt: skip
_FIELDS = frozenset(item.name for item in fields(SliceSummary))


@dataclass(frozen=True, slots=True)
class Totals:
    """The totals over slices. Fields have the same meaning as in SliceSummary."""

    slices: int
    records: dict[str, int]
    pages: int
    kept: int
    tokens: int
    payload_bytes: int
    compressed_bytes: int
    cpu_s: float
    wall_s: float
    """Wall-clock seconds summed over workers: more than the run's own time if several worked in parallel."""
    peak_rss_bytes: int
    """The maximum over the slices."""
    stage_cpu_s: dict[str, float]
    reasons: dict[str, int]
    languages: dict[str, int]
    text_chars: dict[str, int]
    losses: list[dict[str, Any]]
    """Records that could not be read, as in SliceSummary, each with its `source`."""
    samples: dict[str, list[dict[str, Any]]]
    """At most SAMPLES_PER_REASON pages per reason, from as many slices as possible."""
    fallbacks: dict[str, int]


def merge(summaries: Iterable[SliceSummary]) -> Totals:
    """Return the totals over slices; their order does not matter."""
    parts = sorted(summaries, key=lambda part: (part.source, part.index))
    return Totals(
        slices=len(parts),
        records=_sum(part.records for part in parts),
        pages=sum(part.pages for part in parts),
        kept=sum(part.kept for part in parts),
        tokens=sum(part.tokens for part in parts),
        payload_bytes=sum(part.payload_bytes for part in parts),
        compressed_bytes=sum(part.compressed_bytes for part in parts),
        cpu_s=sum(part.cpu_s for part in parts),
        wall_s=sum(part.wall_s for part in parts),
        peak_rss_bytes=max((part.peak_rss_bytes for part in parts), default=0),
        stage_cpu_s=_sum(part.stage_cpu_s for part in parts),
        reasons=_sum(part.reasons for part in parts),
        languages=_sum(part.languages for part in parts),
        text_chars=_sum(part.text_chars for part in parts),
        losses=[{"source": part.source, **loss} for part in parts for loss in part.losses],
        samples=_samples([part.samples for part in parts]),
        fallbacks=_sum(part.fallbacks for part in parts),
    )


def _sum(counts: Iterable[dict[str, Any]]) -> dict[str, Any]:
    total: Counter[str] = Counter()
    for count in counts:
        total.update(count)
    return dict(sorted(total.items()))


def _samples(parts: list[dict[str, list[dict[str, Any]]]]) -> dict[str, list[dict[str, Any]]]:
    names = sorted({name for part in parts for name in part})
    return {name: _spread([part.get(name, []) for part in parts]) for name in names}


def _spread(lists: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Interleave the lists (all first items, then all second items, ...) up to SAMPLES_PER_REASON items."""
    return [item for layer in zip_longest(*lists) for item in layer if item is not None][:SAMPLES_PER_REASON]
