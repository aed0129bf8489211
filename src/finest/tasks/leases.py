"""Leases: who works on which WARCs, until which block. Every function is a part of one transaction of the store's.

The miner's row is locked first, so that the requests of one miner for a lease come one after another and its second one
sees what the first one got; then WARCs are taken (claim.py).
"""

from __future__ import annotations

import secrets
import time
import uuid
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import bindparam as given

from finest.database import INSERTS
from finest.formatting import counted
from finest.tasks.claim import Wanted, take
from finest.tasks.models import Rules, Task, TaskState
from finest.tasks.problems import Problem
from finest.tasks.queries import one_task, task_row
from finest.tasks.tables import HELD, LEASED, crawls, miners, tasks

ANY_CRAWL = (0, 2**31 - 1)
"""crawls.id from and to."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request for a lease."""

    hotkey: str
    warcs: int
    block: int
    seen_block: int
    """The last block that the server has really seen; `block` is its reckoning."""
    crawl: str | None
    besides: str | None


@dataclass(frozen=True, slots=True)
class Standing:
    """A miner as its request finds it: what it holds, and since when its window is full."""

    miner_id: int
    held: dict[str, int]
    """Slot by task."""
    full_block: int | None
    """The lease of this block must leave the window before there is another."""

    def free_slot(self) -> int:
        return next(slot for slot in range(len(self.held) + 1) if slot not in self.held.values())


def lease(connection: sa.Connection, rules: Rules, asked: Asked) -> Task:
    """The lease that the miner holds besides the one it names, or a new one."""
    standing = _standing(connection, rules, asked)
    besides = _besides(connection, standing, asked)
    others = [task_id for task_id in standing.held if task_id != besides]
    if others:
        return one_task(connection, others[0], asked.block)
    if len(standing.held) >= rules.open_leases:
        raise Problem("too-many-leases", f"{len(standing.held)} leases are open, and {rules.open_leases} may be")
    if standing.full_block is not None:
        wait = standing.full_block + rules.window_blocks - asked.block
        few, then = f"{rules.tasks_per_window} tasks in any {rules.window_blocks} blocks", counted(wait, "block")
        raise Problem("window-full", f"a hotkey gets {few}; the next one in {then}", retry_after_blocks=wait)
    return _new(connection, rules, asked, standing)


_STANDING = (
    sa.select(tasks.c.id, tasks.c.slot, sa.column("block"))
    .select_from(
        sa.select(
            sa.select(tasks.c.leased_block)
            .where(tasks.c.miner_id == given("miner_id"), tasks.c.leased_block > given("since_block"))
            .order_by(tasks.c.leased_block.desc())
            .offset(given("fitting"))
            .limit(1)
            .scalar_subquery()
            .label("block")
        )
        .subquery("full")
        .outerjoin(tasks, sa.and_(tasks.c.miner_id == given("miner_id"), HELD))
    )
    .order_by(tasks.c.slot)
)


def _standing(connection: sa.Connection, rules: Rules, asked: Asked) -> Standing:
    miner_id = _enter(connection, asked)
    window = {"since_block": asked.block - rules.window_blocks, "fitting": rules.tasks_per_window - 1}
    rows = connection.execute(_STANDING, {"miner_id": miner_id, **window}).all()
    return Standing(miner_id, {row.id: row.slot for row in rows if row.id}, rows[0].block)


_ENTER = {
    name: insert(miners)
    .values(hotkey=given("hotkey"), last_block=given("block"))
    .on_conflict_do_update(index_elements=[miners.c.hotkey], set_={"last_block": given("block")})
    .returning(miners.c.id)
    for name, insert in INSERTS.items()
}


def _enter(connection: sa.Connection, asked: Asked) -> int:
    """The miner's row, made at its first request, and locked until this transaction ends."""
    statement = _ENTER[connection.dialect.name]
    return int(connection.execute(statement, {"hotkey": asked.hotkey, "block": asked.block}).scalar_one())


def _besides(connection: sa.Connection, standing: Standing, asked: Asked) -> str | None:
    """The open lease that the miner names; None if there is none, or if it was closed meanwhile."""
    if asked.besides is None or asked.besides in standing.held:
        return asked.besides
    row = task_row(connection, asked.besides)
    if row.hotkey != asked.hotkey:
        raise Problem("not-yours", f"task {asked.besides} belongs to another hotkey")
    return None


def _new(connection: sa.Connection, rules: Rules, asked: Asked, standing: Standing) -> Task:
    crawl_ids = _crawl_ids(connection, asked.crawl)
    wanted = Wanted(
        task_id=new_id(), hotkey=asked.hotkey, miner_id=standing.miner_id, slot=standing.free_slot(), warcs=asked.warcs,
        low=crawl_ids[0], high=crawl_ids[1], block=asked.block, seen_block=asked.seen_block,
        expires_block=asked.block + rules.lease_blocks, redundancy=rules.redundancy,
    )  # fmt: skip
    taken = take(connection, wanted)
    if taken is None:
        raise _no_work(connection, asked, crawl_ids)
    return Task(
        id=wanted.task_id, hotkey=asked.hotkey, state=TaskState.LEASED, crawl=taken.crawl, warcs=taken.paths,
        block=asked.block, leased_block=asked.seen_block, expires_block=wanted.expires_block,
    )  # fmt: skip


def _crawl_ids(connection: sa.Connection, crawl: str | None) -> tuple[int, int]:
    if crawl is None:
        return ANY_CRAWL
    crawl_id = connection.execute(sa.select(crawls.c.id).where(crawls.c.name == crawl)).scalar()
    if crawl_id is None:
        raise Problem("not-found", f"no crawl {crawl} here; /v1/statistics names those that are")
    return crawl_id, crawl_id


def _no_work(connection: sa.Connection, asked: Asked, crawl_ids: tuple[int, int]) -> Problem:
    first = sa.select(sa.func.min(tasks.c.expires_block)).where(LEASED, tasks.c.crawl_id.between(*crawl_ids))
    expires_block = connection.execute(first).scalar()
    what = f"every WARC of {asked.crawl or 'every crawl'} is leased or finished"
    if expires_block is None:
        return Problem("no-work", f"{what}, and no lease is open that could end")
    wait = max(1, expires_block + 1 - asked.block)
    return Problem("no-work", f"{what}; the next lease may end in {counted(wait, 'block')}", retry_after_blocks=wait)


def new_id() -> str:
    """A UUIDv7 (RFC 9562): 48 bits of milliseconds, then chance; ids sort by their age."""
    bits = (time.time_ns() // 1_000_000) << 80 | 7 << 76 | secrets.randbits(76)
    return uuid.UUID(int=bits & ~(3 << 62) | 2 << 62).hex
