"""Which sources make which shard: a rule that depends on the sources alone, not on workers or earlier runs."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from finest.dataset.limits import SERIES_SOURCES
from finest.warc.source import dump_of

if TYPE_CHECKING:
    from finest.pipeline.ledger import Ledger

SHARD_SLICES = 50_000
"""Slices of a shard, of which its file with sources has one entry each (126 bytes)."""


class Shard(NamedTuple):
    """A range of the sources of one crawl."""

    dump: str
    number: int
    sources: tuple[int, ...]
    """Numbers of the sources in the run, ascending."""

    @property
    def verdicts(self) -> str:
        """The series of the shard's verdict files."""
        return f"verdicts/{self.dump}/{self.number:03d}"

    @property
    def folder(self) -> str:
        """The name of the shard's folder while the dataset is assembled."""
        return f"{self.dump}-{self.number:05d}"


def plan_shards(ledger: Ledger, *, by_language: bool) -> list[Shard]:
    """Return the shards of a run, by crawl and then by number.

    With `by_language`, each language has files of its own in each shard, so a crawl is a single shard.
    """
    by_dump: dict[str, list[int]] = defaultdict(list)
    for number in range(len(ledger.plan.sources)):
        by_dump[dump_of(ledger.plan.sources.name(number))].append(number)
    return [
        Shard(dump, number, tuple(part))
        for dump in sorted(by_dump)
        for number, part in enumerate([by_dump[dump]] if by_language else _ranges(ledger, by_dump[dump]))
    ]


def _ranges(ledger: Ledger, sources: list[int]) -> list[list[int]]:
    ranges: list[list[int]] = []
    slices = 0
    for source in sources:
        count = ledger.plan.slices.count(source)
        if not ranges or len(ranges[-1]) >= SERIES_SOURCES or slices + count > SHARD_SLICES:
            ranges.append([])
            slices = 0
        ranges[-1].append(source)
        slices += count
    return ranges
