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
MAX_LOSSES = 100
"""Number of lost records that the totals name one by one; the others are only counted."""


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
    """The totals over slices, of the same size for any number of them. Fields mean the same as in SliceSummary."""

    slices: int = 0
    planned_bytes: int = 0
    """Bytes between `start` and `end` of the slices: those of a whole source are its size."""
    records: dict[str, int] = field(default_factory=dict)
    pages: int = 0
    kept: int = 0
    tokens: int = 0
    payload_bytes: int = 0
    compressed_bytes: int = 0
    lost_bytes: int = 0
    cpu_s: float = 0.0
    wall_s: float = 0.0
    """Wall-clock seconds summed over workers: more than the run's own time if several worked in parallel."""
    peak_rss_bytes: int = 0
    """The maximum over the slices."""
    stage_cpu_s: dict[str, float] = field(default_factory=dict)
    reasons: dict[str, int] = field(default_factory=dict)
    languages: dict[str, int] = field(default_factory=dict)
    text_chars: dict[str, int] = field(default_factory=dict)
    loss_counts: dict[str, int] = field(default_factory=dict)
    """Records that could not be read, by reason."""
    losses: list[dict[str, Any]] = field(default_factory=list)
    """The first MAX_LOSSES of them, as in SliceSummary, each with the index of its `source`."""
    samples: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """At most SAMPLES_PER_REASON pages per reason, from as many slices as possible."""
    fallbacks: dict[str, int] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON; a shallow copy."""
        return {item.name: getattr(self, item.name) for item in fields(self)}

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> Totals:
        """Invert `to_dict`; raises TypeError for unknown fields and values of another type."""
        totals = Totals(**data)
        for name, kinds in _TOTALS_KINDS:
            if not isinstance(getattr(totals, name), kinds):
                raise TypeError(f"{name} has another type")
        return totals


_TOTALS_KINDS = [(item.name, _KINDS[str(item.type).partition("[")[0]]) for item in fields(Totals)]


def merge(summaries: Iterable[SliceSummary]) -> Totals:
    """Return the totals over slices; their order does not matter."""
    return add_up(map(_totals, sorted(summaries, key=lambda part: (part.source, part.index))))


def _totals(part: SliceSummary) -> Totals:
    counts: Counter[str] = Counter(str(loss["reason"]) for loss in part.losses)
    return Totals(
        slices=1, planned_bytes=part.end - part.start, loss_counts=dict(counts),
        losses=[{"source": part.source, **loss} for loss in part.losses[:MAX_LOSSES]],
        **{name: getattr(part, name) for name in _SHARED},
    )  # fmt: skip


_SHARED = [item.name for item in fields(Totals) if item.name in _FIELDS and item.name != "losses"]


def add_up(parts: Iterable[Totals]) -> Totals:
    """Return the sum of totals, in memory that does not grow with their number; samples are taken in their order."""
    numbers: Counter[str] = Counter()
    counts: dict[str, Counter[str]] = {name: Counter() for name in _COUNTED}
    losses: list[dict[str, Any]] = []
    samples: dict[str, list[list[dict[str, Any]]]] = {}
    peak = 0
    for part in parts:
        numbers.update({name: getattr(part, name) for name in _NUMBERS})
        for name, counter in counts.items():
            counter.update(getattr(part, name))
        losses += part.losses
        if len(losses) > 10 * MAX_LOSSES:
            losses = _first(losses)
        peak = max(peak, part.peak_rss_bytes)
        for reason, found in part.samples.items():
            lists = samples.setdefault(reason, [])
            if found and len(lists) < SAMPLES_PER_REASON:
                lists.append(found)
    values: dict[str, Any] = {name: dict(sorted(counter.items())) for name, counter in counts.items()}
    return Totals(
        **values, **dict[str, Any](numbers), peak_rss_bytes=peak, losses=_first(losses),
        samples={reason: _spread(samples[reason]) for reason in sorted(samples)},
    )  # fmt: skip


_NUMBERS = [item.name for item in fields(Totals) if item.type in ("int", "float") and item.name != "peak_rss_bytes"]
_COUNTED = [item.name for item in fields(Totals) if str(item.type).startswith(("dict[str, int]", "dict[str, float]"))]


def _first(losses: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the first losses by source and offset, at most MAX_LOSSES."""
    return sorted(losses, key=lambda loss: (loss["source"], loss.get("offset") or 0))[:MAX_LOSSES]


def _spread(lists: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Interleave the lists (all first items, then all second items, ...) up to SAMPLES_PER_REASON items."""
    return [item for layer in zip_longest(*lists) for item in layer if item is not None][:SAMPLES_PER_REASON]
