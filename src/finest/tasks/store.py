"""The task server's memory: leases, finishes, scores, nonces. Each method is one transaction, and safe to say again."""

from __future__ import annotations

import json
import threading
import time
from itertools import islice
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy import bindparam as given
from sqlalchemy.exc import DBAPIError, IntegrityError

from finest.database import INSERTS, Database
from finest.tasks import leases, queries, scores, transitions
from finest.tasks.migrated import TABLES
from finest.tasks.models import CrawlStatistics, Leader, Rules, ScoreRequest, Statistics, Task, TaskPage, TaskState
from finest.tasks.tables import crawls, nonces, rules, warcs

if TYPE_CHECKING:
    from collections.abc import Iterable

BATCH = 10_000
"""WARCs in one transaction of an import: some tenths of a second, for which SQLite's other writers wait."""
NONCE_S = 3600.0
"""A nonce is kept so long. A signature is accepted for 30 s (btauth/1), but by a clock that may be set back: until it
has been set back by more than this, every nonce is told from every other."""
PURGE_S = 120.0
"""Between two purges of nonces, by a clock that may be set in either direction."""
LEAST_FREE_BYTES = 64 * 1024 * 1024
"""With less room on its disk SQLite is as good as full: its log alone grows to megabytes between two checkpoints."""


class Store:
    """What the API asks. `block` is the chain's block now; whoever asks has been authenticated.

    Blocking; safe to use from any thread. Every method raises Problem where the answer is no, and SQLAlchemyError
    where the database fails.
    """

    def __init__(self, database: Database, allowed: Rules) -> None:
        self.rules, self._database = allowed, database
        self._expiry, self._expired_block, self._purged_s = threading.Lock(), -1, 0.0

    @classmethod
    def open(cls, url: str, rules: Rules | None = None) -> Store:
        """A store on SQLite or PostgreSQL, its tables brought up to date; raises FinestError in one plain line.

        Without rules, for whoever imports or looks: what a server has settled stays.
        """
        store = cls(Database.open(url, TABLES), rules or Rules())
        if rules:
            store._database.write(store._settle)
        return store

    def close(self) -> None:
        self._database.close()

    def lease(
        self, hotkey: str, warcs: int, block: int, *, seen_block: int | None = None, crawl: str | None = None,
        besides: str | None = None,
    ) -> Task:  # fmt: skip
        """The open lease that the miner does not name by `besides`, or a new one of up to `warcs` WARCs.

        `seen_block` is the last block that was really seen, where `block` is reckoned from it: no commitment of the
        task can be older, however wrong the reckoning.
        """
        self._expire_once(block)
        asked = leases.Asked(hotkey, warcs, block, block if seen_block is None else seen_block, crawl, besides)
        return self._database.write(lambda connection: leases.lease(connection, self.rules, asked))

    def renew(self, hotkey: str, task_id: str, block: int) -> Task:
        """The lease, begun anew; a finished task as it is."""
        self._expire_once(block)
        return self._database.write(
            lambda connection: transitions.renew(connection, self.rules, hotkey, task_id, block)
        )

    def finish(
        self, hotkey: str, task_id: str, repo: str, revision: str, root: str, commitment: str, block: int
    ) -> Task:
        """The task, finished with what was published; the commitment is one that no other task of the miner has."""
        self._expire_once(block)
        published = {"repo": repo, "revision": revision, "root": root, "commitment": commitment}
        try:
            return self._database.write(
                lambda connection: transitions.finish(connection, hotkey, task_id, block, **published)
            )
        except IntegrityError:
            raise transitions.given_before(commitment) from None

    def release(self, hotkey: str, task_id: str, block: int) -> Task:
        """The task, given back."""
        self._expire_once(block)
        return self._database.write(
            lambda connection: transitions.release(connection, self.rules, hotkey, task_id, block)
        )

    def expire(self, block: int) -> int:
        """End all leases that nobody renewed before `block`; how many. The other methods do it by themselves."""
        total = 0
        while ended := self._database.write(lambda connection: transitions.expire(connection, self.rules, block)):
            total += ended
        return total

    def report(self, validator: str, task_id: str, score: ScoreRequest, block: int) -> Task:
        """The finished task with this score as the validator's last."""
        return self._database.write(lambda connection: scores.report(connection, validator, task_id, score, block))

    def task(self, task_id: str, block: int) -> Task:
        self._expire_once(block)
        return self._database.read(lambda connection: queries.one_task(connection, task_id, block))

    def task_by_commitment(self, hotkey: str, line: str, block: int) -> Task:
        """The task that the miner finished with what it committed on the chain."""
        return self._database.read(lambda connection: queries.by_commitment(connection, hotkey, line, block))

    def tasks(
        self, block: int, *, state: TaskState | None = None, hotkey: str | None = None, after: str | None = None,
        limit: int = 50,
    ) -> TaskPage:  # fmt: skip
        """Tasks, newest first."""
        self._expire_once(block)
        return self._database.read(
            lambda connection: queries.page(connection, block, state=state, hotkey=hotkey, after=after, limit=limit)
        )

    def leaderboard(self, limit: int) -> list[Leader]:
        return self._database.read(lambda connection: scores.leaderboard(connection, limit))

    def statistics(self, block: int) -> Statistics:
        self._expire_once(block)
        return self._database.read(lambda connection: scores.statistics(connection, block))

    def crawls(self) -> list[CrawlStatistics]:
        """Each crawl's part of the statistics, in the order in which WARCs are handed out."""
        return self._database.read(scores.crawl_statistics)

    def remember(self, hotkey: str, nonce_ns: int, now_s: float) -> bool:
        """Whether this nonce of a signature is new, and now is not; shared by all server processes.

        Of the nonces that are forgotten after NONCE_S the newest of each hotkey stays, and no older one of it is
        accepted any more: a clock that was ahead, and is set back, brings no old signature to life.
        """
        if abs(now_s - self._purged_s) > PURGE_S:
            self._purged_s = now_s
            self._database.write(lambda connection: _forget(connection, now_s - NONCE_S))
        row = {"hotkey": hotkey, "nonce_ns": nonce_ns, "seen_s": now_s}

        def step(connection: sa.Connection) -> bool:
            return connection.execute(_REMEMBER[connection.dialect.name], row).first() is not None

        return self._database.write_one(step)

    def check(self) -> str:
        """Why the database cannot take what is written to it, in plain words; empty where it can.

        Writes two rows, and looks at the room on SQLite's disk. Raises SQLAlchemyError where it does not answer.
        """
        free = self._database.free_bytes()
        if free is not None and free < LEAST_FREE_BYTES:
            return f"the database's disk is full: {free >> 20} MiB are left, and {LEAST_FREE_BYTES >> 20} are needed"
        try:
            self._database.write(lambda connection: _touch(connection, time.time()))
        except DBAPIError as error:
            return next((words for said, words in _UNWRITABLE.items() if said in str(error.orig)), _NO_ANSWER)
        return ""

    def add_warcs(self, crawl: str, paths: Iterable[str]) -> int:
        """Make WARCs known, in this order; how many are new. Batch by batch: what was added stays if it is stopped."""
        self._database.write(
            lambda connection: connection.execute(_ADD_CRAWL[connection.dialect.name], {"crawl": crawl})
        )
        rest, added = iter(paths), 0
        while batch := list(islice(rest, BATCH)):
            added += self._add(crawl, batch)
        if self._database.postgresql:
            self._database.write_one(lambda connection: connection.exec_driver_sql("ANALYZE warcs"))
        return added

    def _add(self, crawl: str, paths: list[str]) -> int:
        named = {"crawl": crawl, "paths": json.dumps(paths)}

        def step(connection: sa.Connection) -> int:
            new = connection.execute(_ADD_WARCS[connection.dialect.name], named).rowcount
            more = sa.update(crawls).where(crawls.c.name == crawl).values(warcs=crawls.c.warcs + new)
            connection.execute(more)
            return new

        return self._database.write(step)

    def _expire_once(self, block: int) -> None:
        """Leases end by blocks alone, so looking once for each block is enough."""
        if block != self._expired_block:
            with self._expiry:
                if block != self._expired_block:
                    self.expire(block)
                    self._expired_block = block

    def _settle(self, connection: sa.Connection) -> None:
        """Which WARCs are open follows from the redundancy: counted anew when it is another one than before."""
        redundancy = self.rules.redundancy
        if connection.execute(sa.select(rules.c.redundancy)).scalar() == redundancy:
            return
        if self._database.postgresql:
            connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        connection.execute(_SETTLE[connection.dialect.name], {"redundancy": redundancy})
        free = warcs.c.claims < redundancy
        connection.execute(sa.update(warcs).where(warcs.c.open != free).values(open=free))


_NO_ANSWER = "the database does not take what is written to it"
_UNWRITABLE = {
    "disk is full": "the database's disk is full",
    "readonly database": "the database is read-only",
    "No space left": "the database's disk is full",
    "read-only transaction": "the database is read-only",
}
"""Words of SQLite's and PostgreSQL's, and what anybody may be told of them."""
_TOUCH = {
    name: insert(nonces)
    .values(hotkey="", nonce_ns=0, seen_s=given("now_s"))
    .on_conflict_do_update(index_elements=[nonces.c.hotkey, nonces.c.nonce_ns], set_={"seen_s": given("now_s")})
    for name, insert in INSERTS.items()
}


def _touch(connection: sa.Connection, now_s: float) -> None:
    """Write a row of a table that PostgreSQL logs, and one that has changed: SQLite leaves out what has not."""
    connection.execute(sa.update(rules).values(redundancy=rules.c.redundancy))
    connection.execute(_TOUCH[connection.dialect.name], {"now_s": now_s})


_KEY = sa.tuple_(nonces.c.hotkey, nonces.c.nonce_ns)
_NEWEST = sa.select(nonces.c.hotkey, sa.func.max(nonces.c.nonce_ns)).group_by(nonces.c.hotkey)
MARK_S = 0.0
"""`seen_s` of the newest nonce of those of its hotkey that were forgotten."""
_MARK = (
    sa.update(nonces)
    .where(nonces.c.seen_s < given("old_s"), _KEY.in_(_NEWEST.where(nonces.c.seen_s < given("old_s"))))
    .values(seen_s=MARK_S)
)
_FORGET = sa.delete(nonces).where(
    sa.or_(
        sa.and_(nonces.c.seen_s < given("old_s"), nonces.c.seen_s > MARK_S),
        sa.and_(nonces.c.seen_s == MARK_S, _KEY.not_in(_NEWEST.where(nonces.c.seen_s == MARK_S))),
    )
)


def _forget(connection: sa.Connection, old_s: float) -> None:
    connection.execute(_MARK, {"old_s": old_s})
    connection.execute(_FORGET, {"old_s": old_s})


_MARKS = nonces.alias("marks")
_IS_NEWER = ~sa.exists().where(
    _MARKS.c.hotkey == given("hotkey"), _MARKS.c.seen_s == MARK_S, _MARKS.c.nonce_ns >= given("nonce_ns")
)
_ROW = sa.select(*(sa.cast(given(one.name), one.type) for one in nonces.c)).where(_IS_NEWER)
_REMEMBER = {
    name: insert(nonces)
    .from_select([one.name for one in nonces.c], _ROW)
    .on_conflict_do_nothing()
    .returning(nonces.c.nonce_ns)
    for name, insert in INSERTS.items()
}
_ADD_CRAWL = {
    name: insert(crawls).values(name=given("crawl")).on_conflict_do_nothing() for name, insert in INSERTS.items()
}
_SETTLE = {
    name: insert(rules)
    .values(id=1, redundancy=given("redundancy"))
    .on_conflict_do_update(index_elements=[rules.c.id], set_={"redundancy": given("redundancy")})
    for name, insert in INSERTS.items()
}
_ADD_WARCS = {
    name: sa.text(f"""
        INSERT INTO warcs (crawl_id, path) SELECT (SELECT id FROM crawls WHERE name = :crawl), path
        FROM {listed} WHERE true ORDER BY place ON CONFLICT DO NOTHING
    """)  # noqa: S608 - nothing foreign is in it
    for name, listed in {
        "sqlite": "(SELECT value AS path, key AS place FROM json_each(:paths)) AS listed",
        "postgresql": "json_array_elements_text(CAST(:paths AS json)) WITH ORDINALITY AS listed (path, place)",
    }.items()
}
