"""A task that a miner finished."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from bench.subnet.miners import Job
from finest.chain.payload import decode
from finest.dataset.hub import task_place
from finest.tasks.models import Task
from finest.validator.models import Beacon
from finest.validator.seed import BEACON_BLOCKS


def sha(text: str) -> str:
    """Return the sha256 of a text as 64 hex digits."""
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Committed:
    """A task that a miner finished."""

    hotkey: str
    strategy: str
    line: str
    block: int
    registered_block: int
    task: Task
    job: Job

    @property
    def beacon(self) -> Beacon:
        """The block after the commitment that all draws follow from."""
        return Beacon(block=self.block + BEACON_BLOCKS, hash="0x" + sha(f"beacon {self.line}"))

    @property
    def place(self) -> str:
        """Where the dataset is, as the look for availability names it."""
        commitment = decode(self.line)
        assert commitment is not None
        return task_place(commitment.repo, commitment.revision, self.task.id)

    @property
    def blocks(self) -> tuple[int, int]:
        """The blocks that the miner used, and those that promptness allows."""
        leased, due = self.task.leased_block, self.task.due_block or self.task.expires_block
        return self.block - leased, due - leased
