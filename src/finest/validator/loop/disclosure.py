"""Disclosure: when a validator's verdicts may be told to the task server, and thereby to everybody.

A subnet with commit-reveal hides weights until the chain reveals them, so that nobody can set a copy of them before.
Verdicts that are public earlier would give the weights away. A verdict is therefore told only when weights that contain
it are revealed; on a subnet that hides nothing it is told at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from finest.chain.subnet import Chain


class Disclosure:
    """Follows the hidden weights of this validator's hotkey.

    What was revealed before a restart is not remembered: verdicts then wait until the next weights are revealed, or
    until none are hidden.
    """

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._hidden: frozenset[int] = frozenset()
        self._until_block = 0

    def until_block(self) -> int | None:
        """Return the block up to which verdicts may be told; None if all may. Raises ChainError."""
        pending = self._chain.pending_weights(self._chain.hotkey.address)
        if not pending.hides:
            return None
        hidden = frozenset(pending.blocks)
        revealed = self._hidden - hidden
        self._hidden = hidden
        if not hidden:
            revealed |= {pending.last_update_block}
        self._until_block = max([self._until_block, *revealed])
        return self._until_block
