"""Draws what an audit checks, from public randomness that nobody knew when the miner committed.

    seed   sha256 over the hash of a block after the commitment, the committed line and the validator's hotkey
    draw   sha256(seed || label || counter), read as integers

A miner therefore cannot predict what will be checked, validators check different things, and anybody can repeat the
draw in any language: docs/reference/protocol.md specifies it byte by byte.
"""

from __future__ import annotations

import hashlib
import re
import struct

from finest.errors import UsageError

SEED_FORMAT = b"finest-seed/1"
"""Prefix of the bytes that are hashed for a seed; another encoding gets another number."""
BEACON_BLOCKS = 5
"""The beacon is the hash of the block this many blocks after the commitment and the finish of its task. One block would
be enough against the miner; after five the commitment's block is final on the main network (finality lags by two or
three)."""

_WORDS = 1 << 64
_HASH = re.compile(r"0x[0-9a-f]{64}")
_SEED = re.compile(r"[0-9a-f]{64}")


def make_seed(block_hash: str, line: str, hotkey: str) -> str:
    """Return the seed (64 hex digits) of a validator's audit of a committed line.

    It is the sha256 over `finest-seed/1` and three fields, each as its length in bytes (unsigned 64 bits little-endian)
    and its bytes: the block's hash (32 raw bytes), the line and the validator's hotkey (ss58), both in UTF-8. Raises
    UsageError if `block_hash` is not 0x and 64 lower-case hex digits.
    """
    if not _HASH.fullmatch(block_hash):
        raise UsageError(f"{block_hash[:80]!r} is no hash of a block: 0x and 64 hex digits")
    fields = (bytes.fromhex(block_hash[2:]), line.encode(), hotkey.encode())
    return hashlib.sha256(SEED_FORMAT + b"".join(struct.pack("<Q", len(f)) + f for f in fields)).hexdigest()


class Draw:
    """A stream of integers, which depends only on the seed and the label.

    Number `counter` (from 0) is the first 8 bytes, little-endian, of sha256(seed || label || 0x00 || counter): the 32
    raw bytes of the seed, the label in ASCII, the counter as unsigned 64 bits little-endian.
    """

    def __init__(self, seed: str, label: str) -> None:
        if not _SEED.fullmatch(seed):
            raise UsageError(f"{seed[:80]!r} is no seed: 64 lower-case hex digits")
        self._head = bytes.fromhex(seed) + label.encode("ascii") + b"\0"
        self._counter = 0

    def below(self, limit: int) -> int:
        """Draw a number from 0 up to `limit` (1 to 2^64, exclusive) uniformly.

        Numbers from the last multiple of `limit` on are skipped, because they would make small results more likely.
        """
        if not 1 <= limit <= _WORDS:
            raise ValueError(f"a number below {limit} is asked for")
        while (number := self._next()) >= _WORDS - _WORDS % limit:
            pass
        return number % limit

    def sample(self, size: int, count: int) -> list[int]:
        """Draw `count` distinct numbers below `size` (all of them, if there are fewer), in the order of the draw.

        These are the first steps of a Fisher-Yates shuffle of 0, 1, 2, ...: step i swaps position i with position i +
        below(size - i). A shorter sample is therefore the beginning of a longer one.
        """
        moved: dict[int, int] = {}
        drawn = []
        for place in range(min(count, size)):
            other = place + self.below(size - place)
            drawn.append(moved.get(other, other))
            moved[other] = moved.get(place, place)
        return drawn

    def _next(self) -> int:
        digest = hashlib.sha256(self._head + struct.pack("<Q", self._counter)).digest()
        self._counter += 1
        return int.from_bytes(digest[:8], "little")
