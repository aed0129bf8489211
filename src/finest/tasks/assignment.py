"""Which WARCs a lease gets: a pure function of what everybody can know, so that anybody can compute it again.

A lease gets the free WARCs that come first in an order of its own. The order follows from

    the list     the WARCs of the crawl or other work, in the order of their import; its root is in the public log
    the beacon   the hash of a block of the chain, the same for all leases of 360 blocks
    the hotkey   of the miner
    the number   of the lease: 1 for the hotkey's first

and which WARCs are free follows from the public log (finest.tasks.check_log). Neither the server nor a miner chooses
any of them. The seed is the first 8 bytes of a SHA-256 over all four, and the WARC at place p of the list ranks by the
output p of SplitMix64 (Steele, Lea and Flood 2014) from that seed: these outputs differ for all places, so there are no
ties.

A miner can wait for another beacon or give a lease back, and each time gets another draw. It has 20 beacons and at most
`tasks_per_window` leases a day, 68 draws by default. With 90,000 free WARCs, 68 draws of 4 hold a certain WARC with a
probability of 0.3 %.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

BEACON_BLOCKS = 360
"""Blocks that share a beacon: 72 minutes, the usual tempo of a subnet. Whoever waits for a better draw has 20 a day."""
SETTLED_BLOCKS = 25
"""Age at which a block becomes a beacon: 5 minutes. It is final by then, and every server process has read it."""
NO_ROOT = hashlib.sha256(b"finest-warcs/1").hexdigest()
"""The root of an empty list."""
_STEP, _FIRST, _SECOND = (np.uint64(n) for n in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))
"""SplitMix64's constants."""


@dataclass(frozen=True, slots=True)
class Beacon:
    """A block of the chain and its hash."""

    block: int
    hash: str


UNDRAWN = Beacon(0, "0x" + 64 * "0")
"""Stands for the first block of a chain in simulations, which have none."""


@dataclass(frozen=True, slots=True)
class Draw:
    """The inputs that determine the order of WARCs for one lease."""

    root: str
    beacon: Beacon
    hotkey: str
    number: int

    @property
    def seed(self) -> int:
        text = "\n".join(("finest-assignment/1", self.root, self.beacon.hash, self.hotkey, str(self.number)))
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def beacon_block(seen_block: int) -> int:
    """Return the block whose hash is the beacon of a lease; `seen_block` is the last block that the server read."""
    return max(0, seen_block - SETTLED_BLOCKS) // BEACON_BLOCKS * BEACON_BLOCKS


def root_after(root: str, paths: Iterable[str]) -> str:
    """Return the root of a list after `paths` are appended to it, in one batch, when its root was `root`."""
    return hashlib.sha256("\n".join((root, *paths)).encode()).hexdigest()


def ranks(draw: Draw, places: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Return the rank of each place for a lease; the lowest come first, and no two are equal."""
    state = np.uint64(draw.seed) + (places.astype(np.uint64) + np.uint64(1)) * _STEP
    state = (state ^ (state >> np.uint64(30))) * _FIRST
    state = (state ^ (state >> np.uint64(27))) * _SECOND
    return state ^ (state >> np.uint64(31))


def first_places(draw: Draw, places: NDArray[np.int64], count: int) -> list[int]:
    """Return the `count` of these places that come first for a lease, the very first first."""
    ranked = ranks(draw, places)
    if count < len(places):
        lowest = np.argpartition(ranked, count)[:count]
        places, ranked = places[lowest], ranked[lowest]
    return [int(place) for place in places[np.argsort(ranked)]]
