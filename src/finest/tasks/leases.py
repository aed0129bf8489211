"""Leases: which miner works on which WARCs, until which block. Every function runs inside a transaction of the store.

A request locks the miner's row first, so the lease requests of one miner run one after another and the second sees what
the first got. Then claim.py claims the WARCs. lease_expiry.py ends leases that nobody renewed.
"""

from __future__ import annotations

import secrets
import time
import uuid
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import bindparam

from finest.database import INSERTS
from finest.formatting import counted
from finest.tasks.assignment import UNDRAWN, Beacon
from finest.tasks.canaries import Canaries, check_share
from finest.tasks.claim import NewTask, claim_warcs
from finest.tasks.merges import of_tasks
from finest.tasks.models import FIRST_KINDS, Rules, Task, TaskState, WorkKind
from finest.tasks.problems import Problem
from finest.tasks.provenance import keep_order
from finest.tasks.queries import choices, one_task, task_row
from finest.tasks.tables import LEASED, NOT_CLOSED, miners, tasks
from finest.tasks.work import ids_of_crawl, open_works


@dataclass(frozen=True, slots=True)
class LeaseCall:
    """The arguments of one request for a lease."""

    hotkey: str
    warcs: int
    block: int
    seen_block: int
    """The last block that the server read from the chain; `block` is its estimate of the current one."""
    crawl: str | None
    besides: str | None
    coldkey: str | None = None
    recipes: tuple[str, ...] = ()
    """Hashes of the recipes that the miner can use."""
    kinds: tuple[WorkKind, ...] = FIRST_KINDS
    """Kinds of work that it can do."""
    canaries: Canaries | None = None
    beacon: Beacon = UNDRAWN


@dataclass(frozen=True, slots=True)
class MinerLeases:
    """A miner's open leases, and whether its window of blocks is full."""

    miner_id: int
    slots: dict[str, int]
    """Slot number by task id."""
    window_full_since: int | None
    """Block of the lease that must leave the window before the miner gets another one; None if there is space."""

    def free_slot(self) -> int:
        return next(slot for slot in range(len(self.slots) + 1) if slot not in self.slots.values())


def lease(connection: sa.Connection, rules: Rules, call: LeaseCall) -> Task:
    """The open lease that the miner did not name in `besides`, or a new one."""
    miner = _read_open_leases(connection, rules, call)
    besides = _known_lease(connection, miner, call)
    others = [task_id for task_id in miner.slots if task_id != besides]
    if others:
        return one_task(connection, others[0], call.block)
    if len(miner.slots) >= rules.open_leases:
        raise Problem("too-many-leases", f"{len(miner.slots)} leases are open; the limit is {rules.open_leases}")
    _check_coldkey(connection, rules, call)
    if miner.window_full_since is not None:
        wait = miner.window_full_since + rules.window_blocks - call.block
        few, then = f"{rules.tasks_per_window} tasks in any {rules.window_blocks} blocks", counted(wait, "block")
        raise Problem("window-full", f"a hotkey gets {few}; ask again in {then}", retry_after_blocks=wait)
    return _new_lease(connection, rules, call, miner)


_OPEN_LEASES = (
    sa.select(tasks.c.id, tasks.c.slot, sa.column("block"))
    .select_from(
        sa.select(
            sa.select(tasks.c.leased_block)
            .where(tasks.c.miner_id == bindparam("miner_id"), tasks.c.leased_block > bindparam("since_block"))
            .order_by(tasks.c.leased_block.desc())
            .offset(bindparam("fitting"))
            .limit(1)
            .scalar_subquery()
            .label("block")
        )
        .subquery("full")
        .outerjoin(tasks, sa.and_(tasks.c.miner_id == bindparam("miner_id"), NOT_CLOSED))
    )
    .order_by(tasks.c.slot)
)


def _read_open_leases(connection: sa.Connection, rules: Rules, call: LeaseCall) -> MinerLeases:
    miner_id = _lock_miner(connection, call)
    window = {"since_block": call.block - rules.window_blocks, "fitting": rules.tasks_per_window - 1}
    rows = connection.execute(_OPEN_LEASES, {"miner_id": miner_id, **window}).all()
    return MinerLeases(miner_id, {row.id: row.slot for row in rows if row.id}, rows[0].block)


_LOCK_MINER = {
    name: insert(miners)
    .values(hotkey=bindparam("hotkey"), last_block=bindparam("block"), coldkey=bindparam("coldkey"))
    .on_conflict_do_update(
        index_elements=[miners.c.hotkey],
        set_={"last_block": bindparam("block"), "coldkey": sa.func.coalesce(bindparam("coldkey"), miners.c.coldkey)},
    )
    .returning(miners.c.id)
    for name, insert in INSERTS.items()
}


def _lock_miner(connection: sa.Connection, call: LeaseCall) -> int:
    """Lock the miner's row until this transaction ends, creating it at the miner's first request; returns its id."""
    statement = _LOCK_MINER[connection.dialect.name]
    named = {"hotkey": call.hotkey, "block": call.block, "coldkey": call.coldkey}
    return int(connection.execute(statement, named).scalar_one())


_COLDKEY_LEASES = (
    sa.select(sa.func.count())
    .select_from(tasks)
    .join(miners, miners.c.id == tasks.c.miner_id)
    .where(NOT_CLOSED, miners.c.coldkey == bindparam("coldkey"))
)


def _check_coldkey(connection: sa.Connection, rules: Rules, call: LeaseCall) -> None:
    """Raise Problem if the hotkeys of this coldkey together hold as many leases as they may.

    The transaction holds a lock of the coldkey until it ends, so that two hotkeys cannot pass at the same moment.
    """
    if call.coldkey is None:
        return
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(call.coldkey, 0))))
    held = connection.execute(_COLDKEY_LEASES, {"coldkey": call.coldkey}).scalar_one()
    if held >= rules.coldkey_leases:
        limit = f"the limit of all hotkeys of a coldkey is {rules.coldkey_leases}"
        raise Problem("too-many-leases", f"{held} leases of coldkey {call.coldkey} are open; {limit}")


def _known_lease(connection: sa.Connection, miner: MinerLeases, call: LeaseCall) -> str | None:
    """The open lease that the miner named in `besides`; None if it named no lease or the lease is closed."""
    if call.besides is None or call.besides in miner.slots:
        return call.besides
    row = task_row(connection, call.besides)
    if row.hotkey != call.hotkey:
        raise Problem("not-yours", f"task {call.besides} belongs to another hotkey")
    return None


def _new_lease(connection: sa.Connection, rules: Rules, call: LeaseCall, miner: MinerLeases) -> Task:
    task_id = new_id()
    if call.canaries is not None:
        check_share(connection, call.canaries, call.hotkey)
    new_task = NewTask(
        task_id=task_id, hotkey=call.hotkey, miner_id=miner.miner_id, slot=miner.free_slot(), warcs=call.warcs,
        block=call.block, seen_block=call.seen_block, beacon=call.beacon,
        expires_block=call.block + rules.lease_blocks, redundancy=rules.redundancy,
        seal=call.canaries.seal(call.hotkey, task_id, call.seen_block) if call.canaries else None,
    )  # fmt: skip
    if call.crawl is not None and not ids_of_crawl(connection, call.crawl):
        raise Problem("not-found", f"this server has no crawl {call.crawl}; /v1/statistics lists its crawls")
    keep_order(connection)
    claimed = claim_warcs(connection, new_task, open_works(connection, call.crawl, call.recipes, call.kinds))
    if claimed is None:
        raise _no_work(connection, call)
    work, paths = claimed
    packet = choices(connection, [task_id]).get(task_id) if work.kind == "packets" else None
    merge = of_tasks(connection, [task_id]).get(task_id) if work.kind == "merge" else None
    return Task(
        id=new_task.task_id, hotkey=call.hotkey, state=TaskState.LEASED, **work.of_task, warcs=paths, packet=packet,
        merge=merge, block=call.block, leased_block=call.seen_block, expires_block=new_task.expires_block,
        due_block=new_task.expires_block, seal=new_task.seal,
    )  # fmt: skip


def _no_work(connection: sa.Connection, call: LeaseCall) -> Problem:
    first = sa.select(sa.func.min(tasks.c.expires_block)).where(LEASED)
    if call.crawl is not None:
        first = first.where(tasks.c.crawl_id.in_(ids_of_crawl(connection, call.crawl)))
    expires_block = connection.execute(first).scalar()
    what = f"every WARC of {call.crawl or 'every crawl'} is leased or finished"
    if expires_block is None:
        return Problem("no-work", f"{what}, and there is no open lease that could expire")
    wait = max(1, expires_block + 1 - call.block)
    return Problem("no-work", f"{what}; the next lease may expire in {counted(wait, 'block')}", retry_after_blocks=wait)


def new_id() -> str:
    """A UUIDv7 (RFC 9562): 48 bits of milliseconds, then random bits, so that ids sort by age."""
    bits = (time.time_ns() // 1_000_000) << 80 | 7 << 76 | secrets.randbits(76)
    return uuid.UUID(int=bits & ~(3 << 62) | 2 << 62).hex
