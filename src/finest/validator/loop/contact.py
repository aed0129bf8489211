"""Whether the task server can be reached, and since which block.

After an outage miners need some time to report what they committed meanwhile. So nobody concludes from the server's
silence on a line, or from a line's age, before the server has been there for some time again.
"""

from __future__ import annotations


class Contact:
    """The results of the validator's requests to the task server. One thread writes it, any thread reads it."""

    def __init__(self) -> None:
        self.away = False
        """Whether the last look failed."""
        self._since_block: int | None = None

    def made(self, block: int) -> None:
        """Note that the server answered at this block."""
        self.away = False
        if self._since_block is None:
            self._since_block = block

    def lost(self) -> None:
        """Note that the server did not answer."""
        self.away, self._since_block = True, None

    def blocks(self, block: int) -> int:
        """Return for how many blocks it has answered without an outage, as of `block`."""
        return 0 if self._since_block is None else max(0, block - self._since_block)
