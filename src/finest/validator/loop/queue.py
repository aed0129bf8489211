"""The queue of lines that wait for a verdict, and all verdicts.

A line leaves the queue with a verdict, or as claimed: if the draw left it out, or if it is too old to be paid.

The database is SQLite or PostgreSQL. The oldest line comes first, so that all hotkeys wait equally long, whether they
commit much or little. Only hotkeys whose verdicts took far more CPU time than usual today come after all others, so
that a miner whose submissions take long does not delay them. How many lines are judged of each hotkey is up to the draw
(finest.validator.loop.sampling).
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict

import sqlalchemy as sa

from finest.database import INSERTS, Database
from finest.formatting import showable
from finest.tasks.models import Task
from finest.validator.loop import queue_statements as statements
from finest.validator.loop.batches import NOT_PUBLISHED, Batches
from finest.validator.loop.lines import Counts, Entry, ObservedLine, PaidLine, RecordedVerdict, Report, past_of
from finest.validator.loop.tables import TABLES, canaries, submissions, trust
from finest.validator.loop.weights import CLAIMED, Past

DAY_S = 86_400.0
WHY_CHARS = 800
"""Maximum length of a reason, as in the evidence. It may quote strangers, and PostgreSQL cannot store NUL."""
_NO_END = 2**31 - 1
"""A block after all others: the largest number of the column."""
_T = submissions.c


class Queue:
    """The queue in a database; every method is one transaction.

    It is safe to use from any thread, but only one process may use a database. Raises SQLAlchemyError if the database
    fails.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.batches = Batches(database)

    @classmethod
    def open(cls, url: str) -> Queue:
        """Open the queue in a database, creating missing tables; raises UsageError, RunError with a one-line text."""
        return cls(Database.open(url, TABLES))

    def close(self) -> None:
        """Close the connections."""
        self._database.close()

    def add(self, seen: Iterable[ObservedLine], now_s: float | None = None) -> list[ObservedLine]:
        """Add the lines that are new and return them. A line counts once, however often it is committed.

        The size of a known line is added if it is told now.
        """
        due_s = {"due_s": time.time() if now_s is None else now_s}
        told = list(seen)

        def step(connection: sa.Connection) -> list[ObservedLine]:
            insert = statements.ADD[connection.dialect.name]
            new = [one for one in told if connection.execute(insert, asdict(one) | due_s).first() is not None]
            sizes = [{"of": one.hotkey, "told": one.line, "named": one.size} for one in told if one.size is not None]
            if sizes:
                connection.execute(statements.NAME_SIZE, sizes)
            return new

        return self._database.write(step) if told else []

    def remember(self, tasks: Iterable[Task]) -> None:
        """Keep what the task server says of finished tasks for the lines that wait, for when it is away.

        A line whose task was finished long after it was committed counts from the finish: an outage of the task server
        was in between, and nobody could judge it.
        """
        told = [
            {
                "its_hotkey": task.hotkey,
                "its_line": task.commitment,
                "json": task.model_dump_json(),
                "closed": task.closed_block,
            }
            for task in tasks
        ]
        if told:
            self._database.write(lambda connection: connection.execute(statements.REMEMBER, told))

    def known_task(self, entry: Entry) -> Task | None:
        """Return a line's task as the task server described it last; None if it never did."""
        named = {"entry": entry.id}
        told = self._database.read(lambda one: one.execute(statements.KNOWN_TASK, named).scalar_one_or_none())
        return Task.model_validate_json(told) if told else None

    def next(
        self, busy: Collection[int] = (), now_s: float | None = None, *, apart: bool = False
    ) -> Entry | None:  # fmt: skip
        """Return the next due line: the oldest, but lines of hotkeys that use far more CPU time than usual last.

        It is one of those that were `set_apart`, or one of all others.
        """
        now_s = time.time() if now_s is None else now_s
        named = {"now_s": now_s, "since_s": now_s - DAY_S, **({"busy": list(busy)} if busy else {})}
        wanted = (statements.NEXT_BESIDES if busy else statements.NEXT)[apart]
        row = self._database.read(lambda connection: connection.execute(wanted, named).one_or_none())
        return None if row is None else Entry(**row._mapping)

    def next_due_s(self) -> float | None:
        """Return when the next line is due, in seconds since 1970; None if no line waits."""
        return self._database.read(lambda connection: connection.execute(statements.NEXT_DUE).scalar_one())

    def retry_later(self, entry: Entry, wait_s: float, why: str, *, cpu_s: float = 0.0, tried: bool = True) -> None:
        """Postpone a line; `tried` counts the attempt."""
        now_s = time.time()
        values = {"due_s": now_s + wait_s, "why": showable(why, WHY_CHARS), "touched_s": now_s}
        self._change(entry.id, values | {"more_tries": int(tried), "more_cpu_s": cpu_s}, statements.TRY)

    def record_verdict(self, entry: Entry, found: RecordedVerdict, *, own: bool = True) -> None:
        """Store the verdict of a line; one of other validators is not reported to the task server."""
        values = {
            "verdict": found.verdict, "total": found.total, "forged": found.forged, "task_id": found.task_id,
            "warcs": "\n".join(found.warcs), "size": len(found.warcs), "tokens": found.tokens,
            "price": found.price,
            "judged_block": found.block, "evidence_sha256": found.evidence_sha256,
            "why": showable(found.why, WHY_CHARS), "touched_s": time.time(), "reported": not own,
            "sealed": 0 if found.seals else None, "more_tries": 1, "more_cpu_s": found.cpu_s,
        }  # fmt: skip
        self._change(entry.id, values, statements.TRY)

    def unsealed(self) -> list[Report]:
        """Return the verdicts whose evidence the task server has to be told the hash of, before anything else."""
        rows = self._database.read(lambda connection: connection.execute(statements.UNSEALED).all())
        return [
            Report(row.id, row.task_id, row.verdict, row.total, row.evidence_sha256, row.why, row.tokens)
            for row in rows
        ]

    def sealed(self, report: Report) -> None:
        """Record that the task server was told."""
        self._change(report.id, {"sealed": 1})

    def unreported(self, until_block: int | None = None) -> list[Report]:
        """Return the verdicts that the task server has not acknowledged, the oldest first, up to a block's."""
        named = {"until": _NO_END if until_block is None else until_block}
        rows = self._database.read(lambda connection: connection.execute(statements.UNREPORTED, named).all())
        return [
            Report(
                row.id,
                row.task_id,
                row.verdict,
                row.total,
                row.evidence_sha256 or None,
                row.why,
                row.tokens,
                row.place,
                bool(row.evidence_sha256) and row.place is None and row.batch != NOT_PUBLISHED,
            )
            for row in rows
        ]

    def reported(self, report: Report) -> None:
        """Mark a verdict as acknowledged by the task server."""
        self._change(report.id, {"reported": True})

    def past(self, since_block: int) -> list[Past]:
        """Return the verdicts given since a block, and the lines left out, in the order of their commitments.

        A line that was tried and has no verdict yet is one without evidence.
        """
        rows = self._database.read(lambda connection: connection.execute(statements.PAST, {"since": since_block}).all())
        return [past_of(row) for row in rows]

    def sizes(self, after_block: int, until_block: int) -> dict[str, dict[int, int]]:
        """Return by hotkey and number of WARCs the tasks that were committed after a block up to another.

        Judged or not; a task of unknown size has the usual one.
        """
        named = {"after": after_block, "until": until_block}
        found: dict[str, dict[int, int]] = {}
        for hotkey, warcs, number in self._database.read(lambda one: one.execute(statements.SIZES, named).all()):
            found.setdefault(hotkey, {})[warcs] = number
        return found

    def set_apart(self, entry: Entry) -> None:
        """Record that the line's verdict takes long, so that it is judged beside all others."""
        self._change(entry.id, {"apart": True})

    def set_share(self, entry: Entry, share: float, warcs: int) -> None:
        """Record that the line was drawn to be judged, with which probability, and the size of its task."""
        self._change(entry.id, {"share": share, "size": warcs})

    def leave_out(self, entry: Entry, share: float, task_id: str | None, warcs: Collection[str], block: int) -> None:
        """Record that the draw left the line out: it is not judged."""
        values = {
            "verdict": CLAIMED, "total": 0.0, "forged": False, "task_id": task_id, "warcs": "\n".join(warcs),
            "size": len(warcs), "tokens": 0.0, "share": share, "judged_block": block, "reported": True,
        }  # fmt: skip
        self._change(entry.id, values)

    def paid_lines(self, since_block: int) -> list[PaidLine]:
        """Return the lines committed since a block that passed or were left out."""
        wanted, named = statements.PAID_LINES, {"since": since_block}
        return [PaidLine(*row) for row in self._database.read(lambda one: one.execute(wanted, named).all())]

    def forfeit(self, line: PaidLine, why: str) -> None:
        """Turn a paid line into a fail, which is reported to the task server like any other.

        A line that the draw had left out stands for itself alone.
        """
        values = {
            "verdict": "fail", "total": 0.0, "tokens": 0.0, "why": showable(why, WHY_CHARS), "reported": False,
        }  # fmt: skip
        self._change(line.id, values, statements.FORFEIT)

    def expire(self, before_block: int, now_block: int) -> int:
        """Let lines leave the queue that were committed before a block and never tried; returns how many.

        While they wait, those that can be judged before they are paid wait longer.
        """
        values = {
            "verdict": CLAIMED, "total": 0.0, "forged": False, "warcs": "", "size": 0, "tokens": 0.0,
            "judged_block": now_block, "reported": True,
        }  # fmt: skip
        named = values | {"before": before_block}
        return self._database.write_one(lambda connection: connection.execute(statements.EXPIRE, named).rowcount)

    def reveal(self, task_id: str) -> bool:
        """Record that a task was a canary, and pay it no longer; return whether that was new.

        A fail stays what it is: a hotkey that forged is not paid for its other tasks either.
        """
        values = {"verdict": CLAIMED, "total": 0.0, "tokens": 0.0, "size": 0, "reported": True}
        paid = sa.update(submissions).where(_T.task_id == task_id, _T.verdict.in_(("pass", CLAIMED))).values(values)

        def step(connection: sa.Connection) -> bool:
            insert = INSERTS[connection.dialect.name](canaries).on_conflict_do_nothing()
            new = connection.execute(insert.returning(canaries.c.task_id), {"task_id": task_id}).first() is not None
            connection.execute(paid)
            return new

        return self._database.write(step)

    def compare(self, differing: Mapping[str, bool]) -> None:
        """Count for other validators whether their verdicts on a line differ from this validator's own."""
        rows = [{"hotkey": hotkey, "compared": 1, "differed": int(off)} for hotkey, off in differing.items()]

        def step(connection: sa.Connection) -> None:
            insert = INSERTS[connection.dialect.name](trust)
            more = {name: trust.c[name] + insert.excluded[name] for name in ("compared", "differed")}
            connection.execute(insert.on_conflict_do_update(index_elements=[trust.c.hotkey], set_=more), rows)

        if rows:
            self._database.write(step)

    def distrusted(self) -> set[str]:
        """Return the validators whose verdicts differ from this validator's own too often."""
        return set(self._database.read(lambda connection: connection.execute(statements.DISTRUSTED).scalars().all()))

    def last_block(self) -> int:
        """Return the block of the newest verdict; 0 before the first."""
        wanted = sa.select(sa.func.max(_T.judged_block))
        return self._database.read(lambda connection: connection.execute(wanted).scalar_one()) or 0

    def assigned(self, crawl: str) -> set[str]:
        """Return the WARCs of a crawl in submissions that have a verdict, named as in the rows.

        The result is limited to one crawl, because all WARCs of several years would fill the memory.
        """
        place = f"/{crawl}/"
        wanted = sa.select(_T.warcs).where(_T.warcs.contains(place, autoescape=True))
        return self._database.read(
            lambda connection: {
                warc for row in connection.execute(wanted).scalars() for warc in row.split() if place in warc
            }
        )

    def counts(self) -> Counts:
        """Count the waiting lines, and the lines by verdict."""
        wanted = sa.select(_T.verdict, sa.func.count()).group_by(_T.verdict)
        rows = self._database.read(lambda connection: connection.execute(wanted).all())
        found: dict[str | None, int] = dict(row._tuple() for row in rows)
        return Counts(found.pop(None, 0), {str(verdict): count for verdict, count in found.items()})

    def _change(self, id_: int, values: Mapping[str, object], update: sa.Update = statements.OF_ENTRY) -> None:
        named = {**values, "entry": id_}
        self._database.write_one(lambda connection: connection.execute(update, named))
