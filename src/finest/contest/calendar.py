"""When a round takes place, in blocks: seals until it closes, openings for a day, then the block that draws pages."""

from __future__ import annotations

from dataclasses import dataclass

ROUND_BLOCKS = 7 * 7200
"""A week of 12 s blocks: a validator needs some hours for a round, and miners need days to try something."""
OPENING_BLOCKS = 7200
SEED_AFTER_BLOCKS = 10
"""Blocks between the last opening and the block whose hash draws the pages, so that the openings are final by then."""


@dataclass(frozen=True, slots=True)
class Calendar:
    """The rounds of a subnet."""

    round_blocks: int = ROUND_BLOCKS
    opening_blocks: int = OPENING_BLOCKS

    def number_at(self, block: int) -> int:
        """Return the round to which a seal in this block belongs."""
        return block // self.round_blocks

    def close(self, number: int) -> int:
        """Return the last block for seals of a round."""
        return (number + 1) * self.round_blocks - 1

    def opened(self, number: int) -> int:
        """Return the last block for its openings."""
        return self.close(number) + self.opening_blocks

    def seed(self, number: int) -> int:
        """Return the block whose hash draws its pages."""
        return self.opened(number) + SEED_AFTER_BLOCKS

    def newest_ready(self, block: int) -> int | None:
        """Return the newest round whose seed block has passed; None before the first."""
        number = (block - SEED_AFTER_BLOCKS - self.opening_blocks + 1) // self.round_blocks - 1
        return number if number >= 0 else None
