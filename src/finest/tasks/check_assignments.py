"""Recomputes from the public log which WARCs each lease gets, by the rule of finest.tasks.assignment.

Each crawl, and each other work on a crawl, has a list of WARCs of its own. The lists are asked for, from the server or
anybody else, and must have the roots that the log states for their imports. Leases of earlier versions, which come
before the import of their list in the log, are not recomputed; what they hold is not free.
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

    Warc = tuple[str, str]
    """The name of the work, which is empty for a whole crawl, and the path."""
    Lists = Callable[[str], list[str]]
    """Returns the list of a crawl or other work, at least as far as the log states it; raises FinestError."""

REMOVED = 1 << 32
"""Claims of an item that was removed: more than any redundancy allows."""
SHOWN = 2
"""WARCs that a message names on either side."""


@dataclass(slots=True)
class _List:
    """The list of a crawl or other work as far as it is known."""

    name: str
    imports: list[tuple[int, int, str]] = field(default_factory=list)
    """Number of the entry, length of the list after it, and root of that list."""
    checked: int = 0
    """Imports whose root the list has."""
    paths: list[str] = field(default_factory=list)
    places: dict[str, int] = field(default_factory=dict)
    claims: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    kind: str = ""
    """The kind of its entries, if they are no WARCs: packets or merges, of which a lease gets one."""

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
        self._crawls: dict[str, _List] = {}
        """By the name of the crawl or other work."""
        self._leases: Counter[str] = Counter()
        self._held: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        """Paths that each hotkey holds of a list."""
        self._returned: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        self._claims: defaultdict[str, Counter[str]] = defaultdict(Counter)
        """Number of tasks that hold a WARC of a list, by its path."""
        self.beacons: dict[int, tuple[str, int]] = {}
        """Hash that the log states for each block, and the first entry that does."""
        self.recomputed = 0

    def imported(self, entry: LogEntry) -> None:
        """Note an import; its root is compared when the list is first needed."""
        name, root = _list_name(entry), entry.detail.get("root")
        length, new = (_whole(entry, one) for one in ("warcs", "new"))
        crawl = self._crawls.setdefault(name, _List(name))
        if new < 1 or length != crawl.length + new or not isinstance(root, str):
            raise VerifyError(f"entry {entry.number} of the log: an import does not follow the one before it")
        crawl.imports.append((entry.number, length, root))
        crawl.kind = str(entry.detail.get("kind") or "")

    def leased(self, entry: LogEntry, warcs: Collection[Warc]) -> None:
        """Compare what a lease got with what it gets by the rule; raises VerifyError if they differ."""
        self._leases[entry.hotkey] += 1
        if "beacon" in entry.detail:
            expected, why = self._expected(entry)
            given = [path for _, path in warcs]
            if set(given) != set(expected):
                raise _differs(entry, given, expected, why)
            self.recomputed += 1
        elif not warcs and self._crawls:
            raise _wrong(entry, "does not name its WARCs")
        elif drawn := next((path for work, path in warcs if self._is_drawn(work, path)), None):
            raise _wrong(entry, f"has {drawn} and does not say by which beacon")
        self._add(entry.hotkey, warcs, 1)

    def ended(self, entry: LogEntry, hotkey: str, warcs: Collection[Warc]) -> None:
        """Note that a task of `hotkey` holds its WARCs no more."""
        self._add(hotkey, warcs, -1)
        if entry.what != "expired":
            for warc in warcs:
                self._returned[hotkey, _list_of(warc)].add(warc[1])

    def removed(self, entry: LogEntry, items: Collection[Warc]) -> None:
        """Note that merges were withdrawn: no later lease gets them. Nothing else may be removed from a list."""
        name = _list_name(entry)
        if name not in self._crawls or self._crawls[name].kind != "merge":
            raise VerifyError(f"entry {entry.number} of the log: {showable(name, 64)} has no merges to remove")
        self._claim(items, REMOVED)

    def _is_drawn(self, work: str, path: str) -> bool:
        """Whether leases of this WARC are drawn by now; servers import the lists of all other work before a lease."""
        return bool(self._crawls) and (work != "" or _list_of((work, path)) in self._crawls)

    def _add(self, hotkey: str, warcs: Collection[Warc], more: int) -> None:
        for warc in warcs:
            name, path = _list_of(warc), warc[1]
            held = self._held[hotkey, name]
            held[path] += more
            if held[path] <= 0:
                del held[path]
        self._claim(warcs, more)

    def _claim(self, warcs: Collection[Warc], more: int) -> None:
        for warc in warcs:
            name, path = _list_of(warc), warc[1]
            self._claims[name][path] += more
            crawl = self._crawls.get(name)
            if crawl and path in crawl.places:
                crawl.claims[crawl.places[path]] += more

    def _expected(self, entry: LogEntry) -> tuple[list[str], str]:
        crawl = self._crawls.get(_list_name(entry))
        if crawl is None:
            raise _wrong(entry, "is of a crawl that was not imported")
        self._load(crawl)
        number, asked, redundancy = (_whole(entry, name) for name in ("number", "asked", "redundancy"))
        if number != self._leases[entry.hotkey]:
            raise _wrong(entry, f"is lease {self._leases[entry.hotkey]} of its hotkey and says {number}")
        if not 1 <= asked <= (1 if crawl.kind else MAX_WARCS):
            raise _wrong(entry, f"is of {asked} {showable(crawl.kind, 16) or 'WARCs'}")
        beacon = self._beacon(entry)
        draw = Draw(crawl.root, beacon, entry.hotkey, number)
        places = self._free(crawl, entry.hotkey, redundancy)
        why = f"by the beacon of block {beacon.block}, as lease {number} of its hotkey"
        return [crawl.paths[place] for place in sorted(first_places(draw, places, asked))], why

    def _free(self, crawl: _List, hotkey: str, redundancy: int) -> NDArray[np.int64]:
        """Return the free places of a crawl, without those that the miner gave back unless there are no others."""
        free = crawl.claims < redundancy
        free[_places(crawl, self._held[hotkey, crawl.name])] = False
        places = np.flatnonzero(free)
        free[_places(crawl, self._returned[hotkey, crawl.name])] = False
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

    def _load(self, crawl: _List) -> None:
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
        crawl.claims = np.array([self._claims[crawl.name][path] for path in crawl.places], np.int64)


def _places(crawl: _List, paths: Collection[str]) -> list[int]:
    return [crawl.places[path] for path in paths if path in crawl.places]


def _list_name(entry: LogEntry) -> str:
    """Return which list an import or a lease is of."""
    return str(entry.detail.get("work") or entry.detail.get("crawl"))


def _list_of(warc: Warc) -> str:
    """Return the list of a WARC: that of its work, or for a whole crawl the one that its path names."""
    work, path = warc
    parts = path.split("/", 2)
    return work or (parts[1] if len(parts) > 2 else "")


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
