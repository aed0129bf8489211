"""Finds the task and the seed of a queued commitment line, which together are the subject of its audit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from finest.chain.errors import Unreachable
from finest.chain.payload import decode
from finest.errors import ChainError, TaskServerUnavailable
from finest.tasks.transport import Refused
from finest.validator.loop.contact import Contact
from finest.validator.models import Assignment, Submission
from finest.validator.subject import assignment_of, drawn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from finest.chain.subnet import Chain
    from finest.tasks.client import TaskServer
    from finest.tasks.models import Task
    from finest.validator.loop.lines import Entry
    from finest.validator.models import Subject


TASKLESS_BLOCKS = 25
"""Wait before a line without a finished task is retried: five minutes of the main network. A miner reports to the task
server within seconds; a line that is never reported would otherwise be asked for constantly for hours."""


@dataclass(frozen=True, slots=True)
class RetryLater:
    """The subject is not known yet; retry after this many blocks."""

    blocks: int
    why: str


class KnownTasks(Protocol):
    """The part of the queue that keeps what the task server said of finished tasks, for when it is away."""

    def remember(self, tasks: Sequence[Task]) -> None: ...
    def known_task(self, entry: Entry) -> Task | None: ...


class Assignments:
    """Looks up lines at the chain and the task server. Raises ChainError, TaskServerError if they do not respond."""

    def __init__(
        self, chain: Chain, server: TaskServer, queue: KnownTasks, contact: Contact | None = None
    ) -> None:  # fmt: skip
        self._chain, self._server, self._queue = chain, server, queue
        self._contact = contact or Contact()

    def subject(self, entry: Entry) -> tuple[Subject, Task | None] | RetryLater:
        """Return the subject to audit and its task (None makes it inadmissible), or RetryLater.

        A line without a finished task waits for the duration of a lease, because its miner may not have received a
        response yet. While the server is away, lines whose task is known are judged and all others wait.
        """
        try:
            task = self._task(entry)
            if task is not None:
                self._queue.remember([task])
        except TaskServerUnavailable as error:
            task = self._queue.known_task(entry)
            if task is None:
                return RetryLater(TASKLESS_BLOCKS, str(error))
        if task is None and not self._is_too_late(entry):
            return RetryLater(TASKLESS_BLOCKS, "no task is finished with it yet")
        said = decode(entry.line)
        submission = Submission(
            repo=said.repo if said else None, revision=said.revision if said else None, line=entry.line,
            hotkey=entry.hotkey, committed_block=entry.block,
        )  # fmt: skip
        try:
            return drawn(submission, assignment_of(task) if task else Assignment(warcs=()), self._chain), task
        except Unreachable:
            raise
        except ChainError as error:
            return RetryLater(1, str(error))

    def _task(self, entry: Entry) -> Task | None:
        if self._contact.away:
            raise TaskServerUnavailable("the task server is away")
        try:
            return self._server.task_by_commitment(entry.hotkey, entry.line)
        except Refused as no:
            if no.name != "not-found":
                raise
            return None

    def _is_too_late(self, entry: Entry) -> bool:
        lease_blocks, block = self._server.info().rules.lease_blocks, self._chain.block()
        return block > entry.block + lease_blocks and self._contact.blocks(block) > lease_blocks
