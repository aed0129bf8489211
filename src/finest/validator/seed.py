"""What an audit looks at is drawn by public randomness that nobody knew when the miner committed.

    seed   sha256 over the hash of a block after the commitment, the committed line and the validator's hotkey
    draw   sha256(seed || label || counter), read as integers

So a miner cannot tell what will be looked at, validators look at different things, and anybody can repeat the draw in
any language: docs/reference/protocol.md has it byte by byte.
"""

from __future__ import annotations

import hashlib
import re
import struct

from finest.errors import UsageError

SEED_FORMAT = b"finest-seed/1"
"""Begins what is hashed for a seed; another encoding gets another number."""
BEACON_BLOCKS = 5
"""A beacon is the hash of the block so many after the commitment and the finish of its task. One would do against the
miner; five leave the commitment in a block that is final on the main network (it lags by two or three)."""

_WORDS = 1 << 64
_HASH = re.compile(r"0x[0-9a-f]{64}")
_SEED = re.compile(r"[0-9a-f]{64}")


def make_seed(block_hash: str, line: str, hotkey: str) -> str:
    """The seed (64 hex digits) of a validator's audit of a committed line.

    sha256 over `finest-seed/1` and three fields, each as its length in bytes (unsigned 64 bits little-endian) and its
    bytes: the block's hash (32 raw bytes), the line and the validator's hotkey (ss58), both in UTF-8.
    Raises UsageError where `block_hash` is not 0x and 64 lower-case hex digits.
    """
    if not _HASH.fullmatch(block_hash):
        raise UsageError(f"{block_hash[:80]!r} is no hash of a block: 0x and 64 hex digits")
    fields = (bytes.fromhex(block_hash[2:]), line.encode(), hotkey.encode())
    return hashlib.sha256(SEED_FORMAT + b"".join(struct.pack("<Q", len(f)) + f for f in fields)).hexdigest()


class Draw:
    """A stream of integers: the same for one seed and one label, whoever draws them.

    Number `counter` (from 0) is the first 8 bytes, little-endian, of sha256(seed || label || 0x00 || counter): the 32
    raw bytes of the seed, the label in ASCII, the counter as unsigned 64 bits little-endian.
    """

    def __init__(self, seed: str, label: str) -> None:
        if not _SEED.fullmatch(seed):
            raise UsageError(f"{seed[:80]!r} is no seed: 64 lower-case hex digits")
        self._head = bytes.fromhex(seed) + label.encode("ascii") + b"\0"
        self._counter = 0

    def below(self, limit: int) -> int:
        """A number from 0 up to `limit` (1 to 2^64, not included), each as likely as any other.

        Numbers from the last multiple of `limit` on are passed over: they would make small results likelier.
        """
        if not 1 <= limit <= _WORDS:
            raise ValueError(f"a number below {limit} is asked for")
        while (number := self._next()) >= _WORDS - _WORDS % limit:
            pass
        return number % limit

    def sample(self, size: int, count: int) -> list[int]:
        """`count` different numbers below `size` (all of them, if there are fewer), in the order in which they come.

        The first steps of a Fisher-Yates shuffle of 0, 1, 2, ...: step i swaps place i with place i + below(size - i).
        So a shorter sample is the beginning of a longer one.
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
