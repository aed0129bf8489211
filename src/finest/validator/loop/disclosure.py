"""Disclosure: when a validator's verdicts may be told to the task server, and thereby to everybody.

A subnet with commit-reveal hides weights until the chain reveals them, so that nobody can set a copy of them before.
Verdicts that are public earlier would give the weights away. A verdict is therefore told only when weights that contain
it are revealed; on a subnet that hides nothing it is told at once.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from finest.chain.subnet import Chain

ASK_S = 60.0
"""Least time between two questions to the chain, five blocks of the main network; public endpoints limit rates."""


class Disclosure:
    """Follows the hidden weights of this validator's hotkey.

    What was revealed before a restart is not remembered: verdicts then wait until the next weights are revealed, or
    until none are hidden.
    """

    def __init__(self, chain: Chain, ask_s: float = ASK_S) -> None:
        self._chain, self._ask_s = chain, ask_s
        self._asked_s = float("-inf")
        self._hidden: frozenset[int] = frozenset()
        self._until_block: int | None = None

    def until_block(self) -> int | None:
        """Return the block up to which verdicts may be told; None if all may. Raises ChainError."""
        now_s = time.monotonic()
        if now_s - self._asked_s >= self._ask_s:
            self._until_block = self._ask()
            self._asked_s = now_s
        return self._until_block

    def _ask(self) -> int | None:
        pending = self._chain.pending_weights(self._chain.hotkey.address)
        if not pending.hides:
            return None
        hidden = frozenset(pending.blocks)
        revealed = self._hidden - hidden
        self._hidden = hidden
        if not hidden:
            revealed |= {pending.last_update_block}
        return max([self._until_block or 0, *revealed])
