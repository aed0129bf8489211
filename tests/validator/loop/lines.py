"""Lines of miners, and verdicts on them, as the queue takes them."""

from __future__ import annotations

from typing import Any

from finest.chain.payload import encode
from finest.validator.loop.lines import Entry, ObservedLine, RecordedVerdict
from finest.validator.loop.queue import Queue

ALICE, BOB, CAROL = "5" + "A" * 47, "5" + "B" * 47, "5" + "C" * 47
HASH = "ab" * 32
CRAWL = "CC-MAIN-2025-26"
SOON_S = 1e12
"""A moment at which everything is due."""


def line(number: int) -> str:
    return encode("alice/web", f"{number:040x}", "c" * 64)


def seen(hotkey: str = ALICE, number: int = 0, **changes: Any) -> ObservedLine:
    """A line that stands on the chain since block 100 + its number."""
    values = {"hotkey": hotkey, "line": line(number), "registered_block": 1, "block": 100 + number, "standing": True}
    values["size"] = None
    return ObservedLine(**(values | changes))


def warc(number: int, crawl: str = CRAWL) -> str:
    return f"s3://commoncrawl/crawl-data/{crawl}/segments/1.2/warc/{number}.warc.gz"


def settled(**changes: Any) -> RecordedVerdict:
    """A pass with 0.9 of a task of one WARC."""
    values: dict[str, Any] = {
        "verdict": "pass", "total": 0.9, "forged": False, "task_id": "t1", "warcs": (warc(0),), "block": 200,
        "evidence_sha256": HASH, "why": "so", "cpu_s": 1.0,
    }  # fmt: skip
    return RecordedVerdict(**({"tokens": 1000.0 * len((values | changes)["warcs"])} | values | changes))


def following(queue: Queue, *busy: int, now_s: float | None = None) -> Entry:
    """The next entry, which must be there."""
    entry = queue.next(busy, now_s)
    assert entry is not None
    return entry
