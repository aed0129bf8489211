"""From a line to what is audited: its task, its seed; and what has to be waited for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from finest.chain.errors import ChainError, Unreachable
from finest.tasks.transport import Refused
from finest.validator.loop.assignment import TASKLESS_BLOCKS, Assignments, RetryLater
from finest.validator.loop.contact import Contact
from finest.validator.loop.lines import Entry
from finest.validator.loop.validator import SOON_S
from finest.validator.seed import BEACON_BLOCKS, make_seed
from tests.miner.world import refused, task
from tests.validator.made import VALIDATOR

from .lines import ALICE, line

LEASE_BLOCKS = 100
BLOCK_HASH = "0x" + "cd" * 32
ENTRY = Entry(ALICE, line(0), 1, 150, True, 4, id=1, tries=0, why="")


class World:
    """A chain at a block, and a task server that knows a task or not."""

    def __init__(self, *, block: int = 160, known: Any = None, trouble: Exception | None = None) -> None:
        self.now, self.known, self.trouble = block, known, trouble
        self.hotkey = SimpleNamespace(address=VALIDATOR)
        self.contact = Contact()
        self.contact.made(1)

    def block(self) -> int:
        return self.now

    def block_hash(self, number: int) -> str:
        if self.trouble:
            raise self.trouble
        if number > self.now:
            raise ChainError(f"block {number} is not final")
        return BLOCK_HASH

    def task_by_commitment(self, hotkey: str, commitment: str) -> Any:
        if isinstance(self.known, Exception):
            raise self.known
        if self.known is None:
            raise refused("not-found")
        return self.known

    def remember(self, tasks: Any) -> None:
        pass

    def known_task(self, entry: Entry) -> None:
        pass

    def info(self) -> Any:
        return SimpleNamespace(rules=SimpleNamespace(lease_blocks=LEASE_BLOCKS))

    def subject(self) -> Any:
        return Assignments(self, self, self, self.contact).subject(ENTRY)  # type: ignore[arg-type]


def test_the_seed_follows_from_a_later_block() -> None:
    """Of the chain, the line and this validator: another validator looks at something else."""
    subject, found = World(known=task(commitment=line(0))).subject()
    assert found.id == "t1"
    assert (subject.beacon.block, subject.beacon.hash) == (150 + BEACON_BLOCKS, BLOCK_HASH)
    assert subject.seed == make_seed(BLOCK_HASH, line(0), VALIDATOR)
    assert subject.seed != make_seed(BLOCK_HASH, line(0), ALICE)
    assert (subject.submission.repo, subject.submission.committed_block) == ("alice/web", 150)
    assert subject.task.warcs == ("s3://commoncrawl/" + found.warcs[0],)


def test_a_miner_knows_no_draw_before_it_has_finished() -> None:
    """Whoever commits, looks what would be drawn, and finishes only what stands it, has looked at another draw."""
    finished = task(commitment=line(0), closed_block=160)
    assert World(block=164, known=finished).subject() == RetryLater(1, "block 165 is not final")
    subject, _ = World(block=165, known=finished).subject()
    assert subject.beacon.block == 160 + BEACON_BLOCKS


def test_a_block_that_is_not_final_is_waited_for() -> None:
    """A block at a time."""
    assert World(block=154, known=task()).subject() == RetryLater(1, "block 155 is not final")


def test_a_line_without_a_task_waits_for_a_lease_s_life() -> None:
    """In steps that `--once` does not wait for; then it is not admissible."""
    waits = World(block=150 + LEASE_BLOCKS).subject()
    assert waits == RetryLater(TASKLESS_BLOCKS, "no task is finished with it yet")
    assert waits.blocks * 12.0 > SOON_S
    subject, found = World(block=151 + LEASE_BLOCKS).subject()
    assert (found, subject.task.warcs) == (None, ())


@pytest.mark.parametrize("trouble", [refused("server-error"), refused("rate-limited")])
def test_what_the_task_server_refuses_is_no_answer(trouble: Refused) -> None:
    """Only "not found" says that there is no task."""
    with pytest.raises(Refused):
        World(block=10_000, known=trouble).subject()


def test_a_chain_out_of_reach_is_no_answer() -> None:
    """The round fails, and says so."""
    with pytest.raises(Unreachable):
        World(known=task(), trouble=Unreachable("away")).subject()


def test_while_the_task_server_is_away_it_is_not_asked() -> None:
    """Lines whose task is known go on, and the others wait without keeping anybody."""
    world = World(known=RuntimeError("asked"))
    world.contact.lost()
    assert world.subject() == RetryLater(TASKLESS_BLOCKS, "the task server is away")
    world.known_task = lambda entry: task(commitment=line(0))  # type: ignore[method-assign]
    subject, found = world.subject()
    assert (found.id, subject.task.id) == ("t1", "t1")


def test_after_an_outage_a_line_waits_as_if_it_were_new() -> None:
    """Its miner may not have heard yet that the server is back."""
    world = World(block=200 + LEASE_BLOCKS)
    world.contact.lost()
    world.contact.made(150)
    assert world.subject()[1] is None
    world.contact.lost()
    world.contact.made(200)
    assert isinstance(world.subject(), RetryLater)
