"""The clock that makes blocks, and the timestamps of blocks."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from finest.devnet.chain.faults import Faults


class Clock:
    """Makes a block every `block_s` seconds; None makes blocks only on request, 0 makes one for each transaction."""

    def __init__(self, block_s: float | None, faults: Faults) -> None:
        self.block_s = block_s
        self.faults = faults

    @property
    def at_once(self) -> bool:
        """Whether each transaction makes its own block at once."""
        return self.block_s == 0

    async def run(self, make_block: Callable[[], object]) -> None:
        """Make blocks until cancelled; slow blocks are late, but no block is skipped."""
        while self.block_s:
            await asyncio.sleep(self.block_s + self.faults.slow_block_s)
            if not self.faults.halt_blocks:
                make_block()


def now_ms(last_ms: int) -> int:
    """Return the current time in milliseconds, but always later than the last block's."""
    return max(int(time.time() * 1000), last_ms + 1)
