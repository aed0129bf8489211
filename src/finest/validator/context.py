"""Audit context: locations of the WARCs, budget, and the index of earlier submissions' fingerprints."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from finest.errors import ChainError, HubError, RecipeError, RunError, SourceError
from finest.validator.budget import Budget
from finest.warc.source import CommonCrawl, Source, common_crawl_path, inspect, name_sources, resolve
from finest.warc.stream import RetryPolicy

if TYPE_CHECKING:
    from finest.dataset.open import Dataset
    from finest.validator.fingerprints import FingerprintIndex
    from finest.validator.packet import PacketPages

VALIDATOR_ERRORS = (HubError, SourceError, RecipeError, RunError, ChainError)
"""Errors on the validator's side, which are no evidence against the miner."""
SOURCE_RETRY = RetryPolicy(tries=6, cap_s=20.0)
"""Retries of a source. If it gives no byte in six tries (under a minute), there is no evidence, and the audit is
repeated later."""
MAX_UNREADABLE = 4
"""Failed reads of WARCs, each after all its retries, that an audit tolerates before it is postponed."""


@dataclass(slots=True)
class AuditContext:
    """The resources of an audit, apart from its subject and its plan."""

    cache: Path
    warcs: Warcs
    place: str
    """Location of the submission: `OWNER/NAME@REVISION` on the Hub, or a local folder."""
    token: str | None = None
    index: FingerprintIndex | None = None
    budget: Budget = field(default_factory=Budget)
    say: Callable[[str], None] = lambda _: None
    earlier: Sequence[Dataset] = ()
    """The datasets that the submission was made against and that the auditor trusts; in paid work there are none."""
    packet: PacketPages | None = None
    """The only pages that the task is of, once the dataset has shown that it answers them; None for whole WARCs."""


class Warcs:
    """The assigned WARCs by their names in the rows; each is opened at its first use."""

    def __init__(
        self, locations: Mapping[str, str], policy: RetryPolicy = SOURCE_RETRY, common_crawl: CommonCrawl | None = None
    ) -> None:  # fmt: skip
        self._locations, self.policy, self._common_crawl = dict(locations), policy, common_crawl
        self._sources: dict[str, Source] = {}
        self._unreadable = 0

    @classmethod
    def of(cls, specs: Sequence[str], common_crawl: CommonCrawl) -> Warcs:
        """Build the WARCs that `specs` resolve to (`finest.warc.resolve`); raises SourceError."""
        locations = resolve(specs, common_crawl) if specs else []
        return cls(dict(zip(name_sources(locations), locations, strict=True)), common_crawl=common_crawl)

    def add(self, names: Sequence[str]) -> None:
        """Add files of Common Crawl by their names in the rows; raises SourceError for any other name."""
        for name in names:
            path = common_crawl_path(name)
            if name not in self._locations:
                if path is None or self._common_crawl is None:
                    raise SourceError(f"{name[:200]!r} is not a file of Common Crawl")
                self._locations[name] = f"{self._common_crawl.base}/{path}"

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._locations)

    def source(self, name: str) -> Source:
        """Return the source with this name; raises SourceError if it cannot be read."""
        if name not in self._sources:
            self._sources[name] = inspect(self._locations[name], name, policy=self.policy)
        return self._sources[name]

    def failed(self, error: SourceError) -> None:
        """Count a failed read; raises the error if there are too many."""
        self._unreadable += 1
        if self._unreadable > MAX_UNREADABLE:
            raise error

    def sources(self) -> list[Source]:
        """Return all sources in their order."""
        return [self.source(name) for name in self._locations]
