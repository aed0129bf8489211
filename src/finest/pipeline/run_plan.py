"""The definition of a run: its recipe, the table of its sources, and the rule that cuts them into slices."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from finest.pipeline.pages.slices import GroupSlices
from finest.pipeline.pages.table import ChosenPages
from finest.pipeline.slice_list import SliceList
from finest.pipeline.source_table import Sources, digest
from finest.warc.slices import Slice

if TYPE_CHECKING:
    from collections.abc import Mapping

    from finest.pipeline.pages.table import PageTable
    from finest.warc.source import Source

FORMAT = "finest-ledger/2"
LOCAL_SLICE_BYTES = 2 << 20
"""Smallest slice of a local file: one 50 MB WARC occupies two dozen cores, and a kill loses little work."""
REMOTE_SLICE_BYTES = 32 << 20
"""Slice size of remote files: each slice costs a request, and Common Crawl asks for few, long requests."""
LOCAL_SLICES = 4096
"""Number of slices from which those of local files grow, up to REMOTE_SLICE_BYTES: enough to keep 500 cores busy to
the end. More only cost: a slice takes 5 ms to commit."""


@dataclass(frozen=True, slots=True)
class SliceRule:
    """The size of the slices by the kind of source, in compressed bytes."""

    local_bytes: int
    remote_bytes: int

    @staticmethod
    def of(total_bytes: int) -> SliceRule:
        """Return the rule for a run over so many bytes of sources; neither machine nor workers change it."""
        grown = total_bytes // LOCAL_SLICES >> 20 << 20  # whole MiB
        return SliceRule(max(LOCAL_SLICE_BYTES, min(grown, REMOTE_SLICE_BYTES)), REMOTE_SLICE_BYTES)


class Slices(SliceList):
    """The slices of a run in the order of its sources. They follow from sizes and rule, and none is stored."""

    def __init__(self, sources: Sources, rule: SliceRule, limit: int | None) -> None:
        """With a limit, each source is one slice, since a limit counts pages from the head of a source."""
        self._sizes = sources.sizes
        self._bytes = np.where(sources.is_remote, rule.remote_bytes, rule.local_bytes)
        counts = (self._sizes + self._bytes // 2) // self._bytes
        whole = np.full(len(sources), limit is not None) | ~sources.is_cut
        super().__init__(np.concatenate(([0], np.cumsum(np.where(whole, 1, np.maximum(counts, 1))))))

    def at(self, source: int, index: int) -> Slice:
        """Return a slice; the last one of a source may be up to half as long again as the others."""
        step = int(self._bytes[source])
        is_last = index + 1 == self.count(source)
        return Slice(source, index, index * step, int(self._sizes[source]) if is_last else (index + 1) * step)


@dataclass(frozen=True)
class RunPlan:
    """The definition of a run. Equal plans mean the same run, regardless of workers and machine."""

    recipe: dict[str, Any]
    recipe_hash: str
    engine: str
    limit: int | None
    sources: Sources
    rule: SliceRule
    where: str | None = None
    """The expression that selects the rows of the dataset (`--where`); None for all rows."""
    against: tuple[str, ...] = ()
    """Roots of the earlier datasets whose pages are duplicates (`--against`), in their order."""
    chosen: ChosenPages | None = None
    """The only pages that are read (`--pages-where`); None for all pages."""

    @cached_property
    def slices(self) -> Slices | GroupSlices:
        if self.chosen is not None:
            return GroupSlices(self.chosen.table.groups(), len(self.sources))
        return Slices(self.sources, self.rule, self.limit)

    @cached_property
    def planned_bytes(self) -> int:
        """Bytes of all slices: those of the sources, or of the ranges of chosen pages."""
        if self.chosen is None:
            return int(self.sources.sizes.sum())
        return sum(slice_.end - slice_.start for slice_ in self.slices)

    def read_at(self, now: Mapping[int, Source]) -> RunPlan:
        """Return the plan with the present states of some sources, by number (a moved folder, HTTPS instead of S3)."""
        return replace(self, sources=self.sources.read_at(now))

    def to_dict(self, table: bytes) -> dict[str, Any]:
        """Return what run.json holds; `table` is the file beside it with the sources."""
        return {
            "format": FORMAT,
            "recipe": self.recipe,
            "recipe_hash": self.recipe_hash,
            "engine": self.engine,
            "limit": self.limit,
            "slice_bytes": {"local": self.rule.local_bytes, "remote": self.rule.remote_bytes},
            "sources": {"count": len(self.sources), "sha256": digest(table)},
            **({"where": self.where} if self.where is not None else {}),
            **({"against": list(self.against)} if self.against else {}),
            **({"chosen": self.chosen.to_dict()} if self.chosen is not None else {}),
        }

    @staticmethod
    def from_dict(data: dict[str, Any], sources: Sources, table: PageTable | None) -> RunPlan:
        """Invert `to_dict`; `table` is that of the chosen pages, if any.

        Raises KeyError, TypeError or ValueError for any other dictionary.
        """
        if data["sources"] != {"count": len(sources), "sha256": digest(sources.data)}:
            raise ValueError("the table of the sources is another one")
        rule = SliceRule(int(data["slice_bytes"]["local"]), int(data["slice_bytes"]["remote"]))
        if min(rule.local_bytes, rule.remote_bytes) < 1:
            raise ValueError("slices need a size")
        return RunPlan(
            recipe=data["recipe"],
            recipe_hash=data["recipe_hash"],
            engine=data["engine"],
            limit=data["limit"],
            sources=sources,
            rule=rule,
            where=data.get("where"),
            against=tuple(data.get("against", ())),
            chosen=ChosenPages.from_dict(data["chosen"], table) if table is not None else None,
        )

    def difference(self, other: RunPlan) -> str | None:
        """Describe how the other run differs from this one; None if they are the same run."""
        if self.recipe_hash != other.recipe_hash:
            return f"another recipe ({other.recipe['name']}, {other.recipe_hash[:12]})"
        if self.engine != other.engine:
            return f"another engine ({other.engine})"
        if self.limit != other.limit:
            return f"another limit ({other.limit})"
        if self.where != other.where:
            return (
                f"another selection ({other.where or 'all rows'}); `finest select` makes others of a finished dataset"
            )
        if self.against != other.against:
            named = ", ".join(root[:12] for root in other.against) or "none"
            return f"another earlier dataset ({named}) in place of --against"
        if (self.chosen and self.chosen.to_dict()) != (other.chosen and other.chosen.to_dict()):
            return f"other pages ({other.chosen.where if other.chosen else 'all of its sources'})"
        return self.sources.difference(other.sources)
