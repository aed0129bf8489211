"""When blocks are made, and what time they bear."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from finest.devnet.chain.faults import Faults


class Clock:
    """Makes a block each `block_s` seconds; None: blocks are made by hand; 0: one for each transaction as it comes."""

    def __init__(self, block_s: float | None, faults: Faults) -> None:
        self.block_s = block_s
        self.faults = faults

    @property
    def at_once(self) -> bool:
        """Whether a transaction makes its own block."""
        return self.block_s == 0

    async def run(self, make_block: Callable[[], object]) -> None:
        """Make blocks until cancelled; slow blocks come late and none is skipped."""
        while self.block_s:
            await asyncio.sleep(self.block_s + self.faults.slow_block_s)
            if not self.faults.halt_blocks:
                make_block()


def now_ms(last_ms: int) -> int:
    """The wall clock in milliseconds, and later than the last block's."""
    return max(int(time.time() * 1000), last_ms + 1)
