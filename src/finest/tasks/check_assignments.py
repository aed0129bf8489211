"""Recomputes from the public log which WARCs each lease gets, by the rule of finest.tasks.assignment.

The lists of WARCs are asked for, from the server or anybody else, and must have the roots that the log states for their
imports. Leases of earlier versions, which come before the import of their list in the log, are not recomputed; what
they hold is not free.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from finest.errors import VerifyError
from finest.formatting import showable
from finest.tasks.assignment import BEACON_BLOCKS, NO_ROOT, Beacon, Draw, beacon_block, first_places, root_after
from finest.tasks.models import MAX_WARCS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from numpy.typing import NDArray

    from finest.tasks.models import LogEntry

    Lists = Callable[[str], list[str]]
    """Returns the list of a crawl, at least as far as the log states it; raises FinestError."""

SHOWN = 2
"""WARCs that a message names on either side."""


@dataclass(slots=True)
class _Crawl:
    """The list of a crawl as far as it is known."""

    name: str
    imports: list[tuple[int, int, str]] = field(default_factory=list)
    """Number of the entry, length of the list after it, and root of that list."""
    checked: int = 0
    """Imports whose root the list has."""
    paths: list[str] = field(default_factory=list)
    places: dict[str, int] = field(default_factory=dict)
    claims: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    @property
    def length(self) -> int:
        return self.imports[-1][1] if self.imports else 0

    @property
    def root(self) -> str:
        return self.imports[-1][2] if self.imports else NO_ROOT


class CheckedAssignments:
    """The state that assignments follow from, replayed event by event."""

    def __init__(self, lists: Lists) -> None:
        self._lists = lists
        self._crawls: dict[str, _Crawl] = {}
        self._leases: Counter[str] = Counter()
        self._held: defaultdict[str, Counter[str]] = defaultdict(Counter)
        """Paths that each hotkey holds."""
        self._returned: defaultdict[str, set[str]] = defaultdict(set)
        self._claims: Counter[str] = Counter()
        """Number of tasks that hold a WARC, by its path."""
        self.beacons: dict[int, tuple[str, int]] = {}
        """Hash that the log states for each block, and the first entry that does."""
        self.recomputed = 0

    def imported(self, entry: LogEntry) -> None:
        """Note an import; its root is compared when the list is first needed."""
        name, root = entry.detail.get("crawl"), entry.detail.get("root")
        length, new = (_whole(entry, one) for one in ("warcs", "new"))
        crawl = self._crawls.setdefault(str(name), _Crawl(str(name)))
        if new < 1 or length != crawl.length + new or not isinstance(root, str):
            raise VerifyError(f"entry {entry.number} of the log: an import does not follow the one before it")
        crawl.imports.append((entry.number, length, root))

    def leased(self, entry: LogEntry, warcs: Collection[str]) -> None:
        """Compare what a lease got with what it gets by the rule; raises VerifyError if they differ."""
        self._leases[entry.hotkey] += 1
        if "beacon" in entry.detail:
            expected, why = self._expected(entry)
            if set(warcs) != set(expected):
                raise _differs(entry, warcs, expected, why)
            self.recomputed += 1
        elif not warcs and self._crawls:
            raise _wrong(entry, "does not name its WARCs")
        elif drawn := next((path for path in warcs if _crawl_of(path) in self._crawls), None):
            raise _wrong(entry, f"has {drawn} and does not say by which beacon")
        self._held[entry.hotkey].update(warcs)
        self._add(warcs, 1)

    def ended(self, entry: LogEntry, hotkey: str, warcs: Collection[str]) -> None:
        """Note that a task of `hotkey` holds its WARCs no more."""
        self._held[hotkey].subtract(warcs)
        self._held[hotkey] += Counter()  # drops what is not held any more
        if entry.what != "expired":
            self._returned[hotkey].update(warcs)
        self._add(warcs, -1)

    def _add(self, warcs: Collection[str], more: int) -> None:
        for path in warcs:
            self._claims[path] += more
            crawl = self._crawls.get(_crawl_of(path))
            if crawl and path in crawl.places:
                crawl.claims[crawl.places[path]] += more

    def _expected(self, entry: LogEntry) -> tuple[list[str], str]:
        crawl = self._crawls.get(str(entry.detail.get("crawl")))
        if crawl is None:
            raise _wrong(entry, "is of a crawl that was not imported")
        self._load(crawl)
        number, asked, redundancy = (_whole(entry, name) for name in ("number", "asked", "redundancy"))
        if number != self._leases[entry.hotkey]:
            raise _wrong(entry, f"is lease {self._leases[entry.hotkey]} of its hotkey and says {number}")
        if not 1 <= asked <= MAX_WARCS:
            raise _wrong(entry, f"is of {asked} WARCs")
        beacon = self._beacon(entry)
        draw = Draw(crawl.root, beacon, entry.hotkey, number)
        places = self._free(crawl, entry.hotkey, redundancy)
        why = f"by the beacon of block {beacon.block}, as lease {number} of its hotkey"
        return [crawl.paths[place] for place in sorted(first_places(draw, places, asked))], why

    def _free(self, crawl: _Crawl, hotkey: str, redundancy: int) -> NDArray[np.int64]:
        """Return the free places of a crawl, without those that the miner gave back unless there are no others."""
        free = crawl.claims < redundancy
        free[_places(crawl, self._held[hotkey])] = False
        places = np.flatnonzero(free)
        free[_places(crawl, self._returned[hotkey])] = False
        fresh = np.flatnonzero(free)
        return fresh if len(fresh) else places

    def _beacon(self, entry: LogEntry) -> Beacon:
        block, seen_block = (_whole(entry, name) for name in ("beacon_block", "seen_block"))
        found = str(entry.detail["beacon"])
        if seen_block > entry.block or block != beacon_block(seen_block):
            raise _wrong(entry, f"has the beacon of block {block}, while the server had read block {seen_block}")
        known, number = self.beacons.setdefault(block, (found, entry.number))
        if known != found:
            raise _wrong(entry, f"has another hash of block {block} than entry {number}")
        if block < max(self.beacons) - BEACON_BLOCKS:
            raise _wrong(entry, f"has the beacon of block {block}, after that of block {max(self.beacons)} was used")
        return Beacon(block, found)

    def _load(self, crawl: _Crawl) -> None:
        """Get the list as far as the log states it, and compare its roots."""
        if crawl.checked == len(crawl.imports):
            return
        before = crawl.imports[crawl.checked - 1][1] if crawl.checked else 0
        if len(crawl.paths) < crawl.length:
            crawl.paths = self._lists(crawl.name)
        root = crawl.imports[crawl.checked - 1][2] if crawl.checked else NO_ROOT
        for number, length, stated in crawl.imports[crawl.checked :]:
            root = root_after(root, crawl.paths[before:length])
            if root != stated or len(crawl.paths) < length:
                raise VerifyError(
                    f"entry {number} of the log: the list of {showable(crawl.name, 64)} does not have the root that it "
                    "had at its import: the list was changed since"
                )
            before = length
        crawl.checked = len(crawl.imports)
        crawl.places = {path: place for place, path in enumerate(crawl.paths[: crawl.length])}
        crawl.claims = np.array([self._claims[path] for path in crawl.places], np.int64)


def _places(crawl: _Crawl, paths: Collection[str]) -> list[int]:
    return [crawl.places[path] for path in paths if path in crawl.places]


def _crawl_of(path: str) -> str:
    parts = path.split("/", 2)
    return parts[1] if len(parts) > 2 else ""


def _whole(entry: LogEntry, name: str) -> int:
    value = entry.detail.get(name)
    if type(value) is not int:
        raise VerifyError(f"entry {entry.number} of the log has the {name} {str(value)[:40]!r}")
    return value


def _differs(entry: LogEntry, warcs: Collection[str], expected: Collection[str], why: str) -> VerifyError:
    given, missing = ([path for path in a if path not in b] for a, b in ((warcs, expected), (expected, warcs)))
    return _wrong(entry, f"of {entry.hotkey} was given {_few(given)}; {why}, it gets {_few(missing)}")


def _few(paths: Collection[str]) -> str:
    shown = ", ".join(showable(path, 160) for path in list(paths)[:SHOWN]) or "nothing else"
    return shown if len(paths) <= SHOWN else f"{shown} and {len(paths) - SHOWN} more"


def _wrong(entry: LogEntry, what: str) -> VerifyError:
    return VerifyError(f"entry {entry.number} of the log: task {entry.task_id} {what}")
