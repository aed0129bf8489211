"""What an audit works with: where the WARCs lie, what may be spent, what earlier submissions held."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from finest.errors import ChainError, HubError, RecipeError, RunError, SourceError
from finest.validator.budget import Budget
from finest.warc.source import CommonCrawl, Source, inspect, name_sources, resolve
from finest.warc.stream import RetryPolicy

if TYPE_CHECKING:
    from finest.validator.fingerprints import FingerprintIndex

OURS = (HubError, SourceError, RecipeError, RunError, ChainError)
"""Errors that say nothing of the miner."""
RETRY = RetryPolicy(tries=6, cap_s=20.0)
"""A source that brings no byte in six tries, under a minute, is no evidence; the audit is made again later."""
MAX_UNREADABLE = 4
"""Reads of the WARCs that may fail, each after the tries of RETRY, before the whole audit is put off."""


@dataclass(slots=True)
class Means:
    """Everything that an audit needs beside its subject, its plan and its seed."""

    cache: Path
    warcs: Warcs
    place: str
    """`OWNER/NAME@REVISION`, or a local folder."""
    token: str | None = None
    index: FingerprintIndex | None = None
    budget: Budget = field(default_factory=Budget)
    say: Callable[[str], None] = lambda _: None


class Warcs:
    """The assigned WARCs by the names that rows give them; each is looked at when it is first needed."""

    def __init__(self, locations: Mapping[str, str], policy: RetryPolicy = RETRY) -> None:
        self._locations, self.policy = dict(locations), policy
        self._sources: dict[str, Source] = {}
        self._unreadable = 0

    @classmethod
    def of(cls, specs: Sequence[str], common_crawl: CommonCrawl) -> Warcs:
        """Those that `specs` mean (`finest.warc.resolve`); raises SourceError."""
        locations = resolve(specs, common_crawl)
        return cls(dict(zip(name_sources(locations), locations, strict=True)))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._locations)

    def source(self, name: str) -> Source:
        """The source of that name; raises SourceError where it cannot be read."""
        if name not in self._sources:
            self._sources[name] = inspect(self._locations[name], name, policy=self.policy)
        return self._sources[name]

    def failed(self, error: SourceError) -> None:
        """Count a read that failed; raises the error where there are too many."""
        self._unreadable += 1
        if self._unreadable > MAX_UNREADABLE:
            raise error

    def sources(self) -> list[Source]:
        """All of them, in their order."""
        return [self.source(name) for name in self._locations]
