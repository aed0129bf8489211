"""The task server's database: leases, finishes, scores, nonces. Each method is one transaction and safe to repeat."""

from __future__ import annotations

import threading
import time
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy import bindparam
from sqlalchemy.exc import DBAPIError, IntegrityError

from finest.database import INSERTS, Database
from finest.tasks import (
    canaries,
    event_log,
    imports,
    lease_expiry,
    leases,
    merges,
    outages,
    queries,
    recipes,
    replay,
    scores,
    transitions,
)
from finest.tasks.accepted import AcceptedTask, accepted_tasks
from finest.tasks.assignment import UNDRAWN
from finest.tasks.migrate import TABLES
from finest.tasks.models import (
    FIRST_KINDS,
    CrawlStatistics,
    Leader,
    LogPage,
    ReferenceRecipe,
    Rules,
    ScoreRequest,
    Statistics,
    Task,
    TaskPage,
    TaskState,
    WarcPage,
)
from finest.tasks.tables import WITHDRAWN, nonces, rules, warcs
from finest.tasks.work import add_work, has_work, set_price

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from finest.chain.payload import Anchor
    from finest.dataset.index import IndexEntry
    from finest.dataset.merge_inputs import MergeLease
    from finest.tasks.assignment import Beacon
    from finest.tasks.canaries import Canaries
    from finest.tasks.merges import MergeRound
    from finest.tasks.models import WorkKind
    from finest.tasks.recipes import AskedRecipe
    from finest.tasks.work import NewWork

BATCH = 10_000
"""WARCs in one transaction of an import. It takes some tenths of a second, for which SQLite's other writers wait."""
PURGE_S = 120.0
"""Time between two purges of old nonces, by a clock that may be set forwards or backwards."""
NUMBER_EVERY_S = 1.0
"""Shortest time in which readers of the log make a server process number new events twice."""
MIN_FREE_BYTES = 64 * 1024 * 1024
"""Free space below which SQLite's disk counts as full: its log alone grows to megabytes between two checkpoints."""


class Store:
    """The database operations behind the API. `block` is the chain's current block; callers are already authenticated.

    Methods block and are safe to use from any thread. They raise Problem to refuse a request, and SQLAlchemyError if
    the database fails.
    """

    def __init__(self, database: Database, rules: Rules, canaries: Canaries | None = None) -> None:
        self.rules, self._database, self._canaries = rules, database, canaries
        self._expiry, self._expired_block, self._purged_s = threading.Lock(), -1, 0.0
        self._numbered_s = float("-inf")

    @classmethod
    def open(cls, url: str, rules: Rules | None = None, canaries: Canaries | None = None) -> Store:
        """Open a store on SQLite or PostgreSQL and migrate its tables; raises FinestError in one plain line.

        Imports and views pass no rules: the redundancy that a server has applied then stays as it is. With `canaries`,
        every lease gets a seal, and canaries are revealed when they are due.
        """
        store = cls(Database.open(url, TABLES), rules or Rules(), canaries)
        if rules:
            store._database.write(store._apply_redundancy)
        return store

    def close(self) -> None:
        self._database.close()

    def lease(
        self, hotkey: str, warcs: int, block: int, *, seen_block: int | None = None, crawl: str | None = None,
        besides: str | None = None, coldkey: str | None = None, recipes: Sequence[str] = (),
        kinds: Sequence[WorkKind] = FIRST_KINDS, beacon: Beacon = UNDRAWN,
    ) -> Task:  # fmt: skip
        """The open lease that the miner does not name in `besides`, or a new one of up to `warcs` WARCs.

        `seen_block` is the last block that the server read from the chain, and `block` an estimate based on it. The
        task records `seen_block`, so no commitment for it can be older, however wrong the estimate is. The hotkeys of
        one `coldkey` share a limit of open leases. `recipes` are the hashes of the recipes that the miner can use, and
        `kinds` the kinds of work that it can do. `beacon` decides which WARCs the lease gets.
        """
        self._expire_for_block(block)
        seen_block = block if seen_block is None else seen_block
        call = leases.LeaseCall(
            hotkey, warcs, block, seen_block, crawl, besides, coldkey, tuple(recipes), tuple(kinds), self._canaries,
            beacon,
        )  # fmt: skip
        return self._database.write(lambda connection: leases.lease(connection, self.rules, call))

    def renew(self, hotkey: str, task_id: str, block: int) -> Task:
        """Renew the lease; returns a finished task unchanged."""
        self._expire_for_block(block)
        return self._database.write(
            lambda connection: transitions.renew(connection, self.rules, hotkey, task_id, block)
        )

    def finish(
        self, hotkey: str, task_id: str, repo: str, revision: str, root: str, commitment: str, block: int
    ) -> Task:
        """Finish the task with what was published. No two tasks of a miner may have the same commitment."""
        self._expire_for_block(block)
        published = {"repo": repo, "revision": revision, "root": root, "commitment": commitment}
        try:
            return self._database.write(
                lambda connection: transitions.finish(connection, hotkey, task_id, block, **published)
            )
        except IntegrityError:
            raise transitions.commitment_already_used(commitment) from None

    def release(self, hotkey: str, task_id: str, block: int) -> Task:
        """Release the task."""
        self._expire_for_block(block)
        return self._database.write(
            lambda connection: transitions.release(connection, self.rules, hotkey, task_id, block)
        )

    def expire(self, block: int) -> int:
        """Expire all leases that ended before `block`; returns how many. The other methods call it themselves."""
        total = 0
        while ended := self._database.write(lambda connection: lease_expiry.expire(connection, self.rules, block)):
            total += ended
        return total

    def note_alive(self, block: int) -> int:
        """Note that a process has read this block; returns how many leases it extended for an outage before it."""
        return self._database.write(lambda connection: outages.note_alive(connection, block))

    def report(self, validator: str, task_id: str, score: ScoreRequest, block: int) -> Task:
        """Store the validator's score of a finished task; replaces the validator's previous one.

        The WARCs of a task that has failed are leased again.
        """
        return self._database.write(
            lambda connection: scores.report(connection, self.rules, validator, task_id, score, block)
        )

    def seal(self, validator: str, task_id: str, evidence_sha256: str, block: int) -> Task:
        """Record the hash of a validator's evidence before its verdict is told; its first one counts."""
        return self._database.write(
            lambda connection: scores.seal(connection, validator, task_id, evidence_sha256, block)
        )

    def task(self, task_id: str, block: int) -> Task:
        self._expire_for_block(block)
        return self._database.read(lambda connection: queries.one_task(connection, task_id, block))

    def task_by_commitment(self, hotkey: str, line: str, block: int) -> Task:
        """The task that the miner finished with this commitment line."""
        return self._database.read(lambda connection: queries.by_commitment(connection, hotkey, line, block))

    def tasks(
        self, block: int, *, state: TaskState | None = None, hotkey: str | None = None, after: str | None = None,
        limit: int = 50, canaries: bool = False,
    ) -> TaskPage:  # fmt: skip
        """One page of tasks, newest first; with `canaries` those that were revealed as such."""
        self._expire_for_block(block)
        return self._database.read(
            lambda connection: queries.page(
                connection, block, state=state, hotkey=hotkey, after=after, limit=limit, canaries=canaries
            )
        )

    def log(self, after: int, limit: int) -> LogPage:
        """One page of the public log, oldest first; numbers new events before it reads, at most once a second."""
        if abs(time.monotonic() - self._numbered_s) > NUMBER_EVERY_S:
            self._numbered_s = time.monotonic()
            self._number_events()
        return self._database.read(lambda connection: event_log.page(connection, after, limit))

    def log_head(self) -> Anchor | None:
        """The number and head of the newest entry of the public log; None while it is empty."""
        self._number_events()
        return self._database.read(event_log.newest)

    def _number_events(self) -> None:
        while self._database.write(event_log.number_events) == event_log.NUMBER_BATCH:
            pass

    def recipes(self) -> list[ReferenceRecipe]:
        """The list of recipes that tasks ask for, oldest entry first."""
        return self._database.read(recipes.listed)

    def add_recipe(self, recipe: ReferenceRecipe) -> bool:
        """Add a reference to the list of recipes; returns False if it is there already."""
        return self._database.write(lambda connection: recipes.add(connection, recipe))

    def leaderboard(self, limit: int) -> list[Leader]:
        return self._database.read(lambda connection: scores.leaderboard(connection, limit))

    def statistics(self, block: int) -> Statistics:
        self._expire_for_block(block)
        return self._database.read(lambda connection: scores.statistics(connection, block))

    def crawls(self) -> list[CrawlStatistics]:
        """Statistics of each work, in the order in which the server leases its WARCs."""
        return self._database.read(scores.crawl_statistics)

    def accepted(self) -> list[AcceptedTask]:
        """The tasks whose datasets belong in the index."""
        return self._database.read(accepted_tasks)

    def warcs_of(self, crawl: str, after: int, limit: int) -> WarcPage:
        """Up to `limit` paths of the list of a crawl or other work, those that follow the first `after` ones."""
        return self._database.read(lambda connection: imports.page(connection, crawl, after, limit))

    def packet(self, root: str) -> bytes:
        """The JSON of the packet (finest.dataset.packet.Packet) with this root."""
        return self._database.read(lambda connection: queries.packet(connection, root))

    def accept_nonce(self, hotkey: str, nonce_ns: int, now_s: float) -> bool:
        """Record the nonce of a signed request; returns False for a replay. Shared by all server processes."""
        if abs(now_s - self._purged_s) > PURGE_S:
            self._purged_s = now_s
            self._database.write(lambda connection: replay.purge_nonces(connection, now_s - replay.NONCE_S))
        return self._database.write_one(lambda connection: replay.accept_nonce(connection, hotkey, nonce_ns, now_s))

    def check(self) -> str:
        """Reason why the database cannot be written to, in plain words; an empty string if it can.

        Writes two rows and checks the free space on SQLite's disk. Raises SQLAlchemyError if the database does not
        answer.
        """
        free = self._database.free_bytes()
        if free is not None and free < MIN_FREE_BYTES:
            return f"the database's disk is full: {free >> 20} MiB are left, and {MIN_FREE_BYTES >> 20} are needed"
        try:
            self._database.write(lambda connection: _touch(connection, time.time()))
        except DBAPIError as error:
            return next((text for part, text in _WRITE_ERRORS.items() if part in str(error.orig)), _NOT_WRITABLE)
        return ""

    def add_warcs(self, crawl: str, paths: Iterable[str]) -> int:
        """Add WARCs in this order; returns how many are new. Works in batches, and finished batches stay if stopped."""
        self._database.write(partial(imports.add, crawl=crawl, paths=[]))
        rest, added = iter(paths), 0
        while batch := list(islice(rest, BATCH)):
            added += self._database.write(partial(imports.add, crawl=crawl, paths=batch))
        if self._database.postgresql:
            self._database.write_one(lambda connection: connection.exec_driver_sql("ANALYZE warcs"))
        return added

    def add_work(self, work: NewWork, price: float) -> int:
        """Add work on a crawl, or set its price if it is there; returns how many WARCs or packets are new."""
        return self._database.write(lambda connection: add_work(connection, work, price))

    def add_merges(
        self, crawl: str, recipe: AskedRecipe, entries: Sequence[IndexEntry], size: int, price: float, *,
        without_missing: bool = False, gone: Collection[str] = (),
    ) -> MergeRound:  # fmt: skip
        """Add merges of datasets of an index that are in none yet, and set the price (finest.tasks.merges.add)."""
        return self._database.write(
            lambda connection: merges.add(
                connection, crawl, recipe, entries, size, price, without_missing=without_missing, gone=gone
            )
        )

    def stuck_merges(self, crawl: str, recipe: AskedRecipe, entries: Sequence[IndexEntry]) -> list[MergeLease]:
        """The merges to be accepted that somebody tried in vain (finest.tasks.merges.stuck)."""
        return self._database.read(lambda connection: merges.stuck(connection, crawl, recipe, entries))

    def has_work(self, name: str) -> bool:
        """Whether there is a work of this name."""
        return self._database.read(lambda connection: has_work(connection, name))

    def set_price(self, name: str, price: float) -> None:
        """Set the price of a crawl or other work for new leases; raises UsageError if there is no such work."""
        self._database.write(lambda connection: set_price(connection, name, price))

    def _expire_for_block(self, block: int) -> None:
        """Expire leases once for each block; leases end by blocks alone."""
        if block != self._expired_block:
            with self._expiry:
                if block != self._expired_block:
                    self.expire(block)
                    self._reveal(block)
                    self._expired_block = block

    def _reveal(self, block: int) -> None:
        """Reveal the canaries that are due."""
        plan = self._canaries
        while plan and self._database.write(lambda connection: canaries.reveal(connection, self.rules, plan, block)):
            pass

    def _apply_redundancy(self, connection: sa.Connection) -> None:
        """Recompute which WARCs are open if the redundancy differs from the one stored in the database."""
        redundancy = self.rules.redundancy
        if connection.execute(sa.select(rules.c.redundancy)).scalar() == redundancy:
            return
        if self._database.postgresql:
            connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        connection.execute(_APPLY_REDUNDANCY[connection.dialect.name], {"redundancy": redundancy})
        free = sa.and_(warcs.c.claims < redundancy, ~WITHDRAWN)
        connection.execute(sa.update(warcs).where(warcs.c.open != free).values(open=free))


_NOT_WRITABLE = "the database does not accept writes"
_WRITE_ERRORS = {
    "disk is full": "the database's disk is full",
    "readonly database": "the database is read-only",
    "No space left": "the database's disk is full",
    "read-only transaction": "the database is read-only",
}
"""Parts of error messages of SQLite and PostgreSQL, each with the message that the server shows instead."""
_TOUCH = {
    name: insert(nonces)
    .values(hotkey="", nonce_ns=0, seen_s=bindparam("now_s"))
    .on_conflict_do_update(index_elements=[nonces.c.hotkey, nonces.c.nonce_ns], set_={"seen_s": bindparam("now_s")})
    for name, insert in INSERTS.items()
}


def _touch(connection: sa.Connection, now_s: float) -> None:
    """Write one row of a logged table for PostgreSQL, and one changed row for SQLite, which skips unchanged ones."""
    connection.execute(sa.update(rules).values(redundancy=rules.c.redundancy))
    connection.execute(_TOUCH[connection.dialect.name], {"now_s": now_s})


_APPLY_REDUNDANCY = {
    name: insert(rules)
    .values(id=1, redundancy=bindparam("redundancy"))
    .on_conflict_do_update(index_elements=[rules.c.id], set_={"redundancy": bindparam("redundancy")})
    for name, insert in INSERTS.items()
}
