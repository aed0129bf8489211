"""Measure how far a crawl gets if hotkeys are out to burn its WARCs, with the product's own leases and reopening.

    python -m bench.subnet.griefers            256 hotkeys and 10,000 WARCs, without griefers and with a tenth of them

Half of the griefers lease as much as the rules allow and finish each task with garbage at once; the others lease as
much and renew to the end without finishing. Three validators fail garbage and pass the rest, 2.4 hours after a task was
finished. Honest hotkeys lease four WARCs at a time and take seven minutes for each. Who gets nothing, or has lost a
lease, asks again within an hour.
"""

from __future__ import annotations

import argparse
import heapq
import random
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from bench.subnet.miners import BLOCKS_A_WARC
from bench.subnet.panel import REPORT_BLOCKS
from bench.subnet.run import MEMORY
from bench.subnet.settings import DAY, LEASED_WARCS
from bench.subnet.task import sha
from finest.chain.payload import encode
from finest.tasks.models import MAX_WARCS, Rules, ScoreRequest
from finest.tasks.problems import Problem
from finest.tasks.store import Store

CRAWL = "CC-MAIN-2026-30"
SHARES = (0.5, 0.9, 0.99, 1.0)
ASK_AGAIN = 300
"""Blocks within which a refused hotkey asks again: an hour."""


@dataclass(slots=True)
class Coverage:
    """The hours after which so much of the crawl is refined and passed; infinite if it never is."""

    griefers: float
    hours: dict[float, float] = field(default_factory=dict)
    at_the_end: float = 0.0


class Crawl:
    """One crawl from its first lease on, event by event."""

    def __init__(self, folder: Path, hotkeys: int, griefers: float, warcs: int, seed: int) -> None:
        self.random, self.rules = random.Random(seed), Rules()
        self.store = Store.open(f"sqlite:///{folder / 'tasks.db'}", self.rules)
        path = f"crawl-data/{CRAWL}/segments/1/warc/{{:05d}}.warc.gz"
        self.store.add_warcs(CRAWL, (path.format(number) for number in range(warcs)))
        self.whole, self.done = warcs, 0
        self.found = Coverage(griefers)
        self._events: list[tuple[int, int, str, tuple[str, ...]]] = []
        self._bad = {f"hotkey {number}" for number in range(round(griefers * hotkeys))}
        for number in range(hotkeys):
            self._at(self.random.randrange(1, LEASED_WARCS * BLOCKS_A_WARC), "lease", f"hotkey {number}")

    def run(self, days: int) -> Coverage:
        """Go on until all is done or the days are over."""
        while self._events and self._events[0][0] <= days * DAY and self.done < self.whole:
            block, _, what, args = heapq.heappop(self._events)
            getattr(self, f"_{what}")(block, *args)
        self.found.at_the_end = self.done / self.whole
        self.store.close()
        return self.found

    def _at(self, block: int, what: str, *args: str) -> None:
        heapq.heappush(self._events, (block, len(self._events) + self.random.randrange(1 << 30), what, args))

    def _lease(self, block: int, hotkey: str) -> None:
        bad = hotkey in self._bad
        try:
            task = self.store.lease(hotkey, MAX_WARCS if bad else LEASED_WARCS, block, coldkey=hotkey)
        except Problem:
            self._at(block + self.random.randrange(ASK_AGAIN // 2, ASK_AGAIN), "lease", hotkey)
            return
        if bad and int(hotkey.split()[1]) % 2:
            self._at(block + self.rules.lease_blocks - 1, "renew", hotkey, task.id)
            return
        wait = 1 if bad else len(task.warcs) * BLOCKS_A_WARC
        self._at(block + wait, "finish", hotkey, task.id)
        self._at(block + wait + 1, "lease", hotkey)

    def _renew(self, block: int, hotkey: str, task: str) -> None:
        try:
            held = self.store.renew(hotkey, task, block)
        except Problem:
            self._at(block + self.random.randrange(ASK_AGAIN), "lease", hotkey)
            return
        self._at(min(block + self.rules.lease_blocks - 1, held.expires_block + 1), "renew", hotkey, task)

    def _finish(self, block: int, hotkey: str, task: str) -> None:
        root = sha(task)
        try:
            self.store.finish(hotkey, task, "a/b", root[:40], root, encode("a/b", root[:40], root), block)
        except Problem:
            return
        self._at(block + REPORT_BLOCKS, "report", hotkey, task)

    def _report(self, block: int, hotkey: str, task: str) -> None:
        passed = hotkey not in self._bad
        score = ScoreRequest(verdict="pass" if passed else "fail", score=0.9 if passed else 0.0, tokens=0)
        for number in range(3):
            found = self.store.report(f"validator {number}", task, score, block)
        self.done += len(found.warcs) if passed else 0
        for share in SHARES:
            if self.done >= share * self.whole:
                self.found.hours.setdefault(share, round(block * 12 / 3600, 1))


def table(found: list[Coverage]) -> str:
    """Return the figures as Markdown."""
    rows = [f"| hotkeys out to burn | {' | '.join(f'hours to {share:.0%}' for share in SHARES)} | at the end |"]
    rows.append("|---" * (len(SHARES) + 2) + "|")
    for one in found:
        hours = [f"{one.hours[share]:.1f}" if share in one.hours else "never" for share in SHARES]
        rows.append(f"| {one.griefers:.0%} | {' | '.join(hours)} | {one.at_the_end:.1%} |")
    return "\n".join(rows)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.subnet.griefers", description=__doc__)
    parser.add_argument("--hotkeys", type=int, default=256)
    parser.add_argument("--warcs", type=int, default=10_000)
    parser.add_argument("--days", type=int, default=10)
    args = parser.parse_args()
    found = []
    for griefers in (0.0, 0.1):
        print(f"{griefers:.0%} of the hotkeys burn", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
            found.append(Crawl(Path(folder), args.hotkeys, griefers, args.warcs, seed=1).run(args.days))
    print(table(found))


if __name__ == "__main__":
    main()
