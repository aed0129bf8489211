"""Which verdicts were published in which batch of evidence, and the spot checks of other validators' evidence.

A batch is first recorded here with its verdicts, then published, and then its place is recorded. After a crash between
the two the same verdicts are published as the same batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from finest.validator.loop.tables import batches, spot_checks, submissions
from finest.validator.loop.weights import CLAIMED
from finest.validator.published.batch import MAX_RECORDS, MAX_SPOT_CHECKS, SpotCheck

if TYPE_CHECKING:
    from finest.database import Database

NOT_PUBLISHED = 0
"""Batch of a verdict whose record is gone or too large."""
_T = submissions.c
_C = spot_checks.c


@dataclass(frozen=True, slots=True)
class JudgedLine:
    """A line with a verdict of this validator's own."""

    id: int
    hotkey: str
    line: str
    evidence_sha256: str


@dataclass(frozen=True, slots=True)
class OpenBatch:
    """A batch that is not published yet."""

    number: int
    previous: str | None
    """The root of the batch before."""
    lines: tuple[JudgedLine, ...]
    spot_checks: tuple[SpotCheck, ...]


class Batches:
    """The batches in a validator's database; every method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, until_block: int | None) -> OpenBatch | None:
        """Return the batch that is not published yet, or begin one; None if there is nothing to publish.

        A new batch has the oldest verdicts up to `until_block` (None: all), and the spot checks that no batch has.
        """
        return self._database.write(lambda connection: _begin(connection, until_block))

    def leave_out(self, line: JudgedLine) -> None:
        """Record that a verdict cannot be published."""
        self._move(line, NOT_PUBLISHED)

    def put_back(self, line: JudgedLine) -> None:
        """Leave a verdict to the next batch."""
        self._move(line, None)

    def _move(self, line: JudgedLine, batch: int | None) -> None:
        update = sa.update(submissions).where(_T.id == line.id).values(batch=batch)
        self._database.write_one(lambda connection: connection.execute(update))

    def published(self, batch: OpenBatch, root: str, place: str) -> None:
        """Record where a batch is. What was reported before without its place is reported again."""

        def step(connection: sa.Connection) -> None:
            done = sa.update(batches).where(batches.c.number == batch.number).values(root=root, place=place)
            connection.execute(done)
            connection.execute(sa.update(submissions).where(_T.batch == batch.number).values(reported=False))

        self._database.write(step)

    def drop(self, batch: OpenBatch) -> None:
        """Forget a batch of which no record is left to be published."""
        self._database.write_one(
            lambda connection: connection.execute(sa.delete(batches).where(batches.c.number == batch.number))
        )

    def add_spot_check(self, check: SpotCheck) -> None:
        """Record a spot check for the next batch."""
        self._database.write_one(lambda connection: connection.execute(sa.insert(spot_checks), check.model_dump()))


def _begin(connection: sa.Connection, until_block: int | None) -> OpenBatch | None:
    number = connection.execute(sa.select(batches.c.number).where(batches.c.place.is_(None))).scalar()
    if number is None:
        number = _new(connection, until_block)
    if number is None:
        return None
    rows = connection.execute(
        sa.select(_T.id, _T.hotkey, _T.line, _T.evidence_sha256)
        .where(_T.batch == number)
        .order_by(_T.judged_block, _T.id)
    )
    lines = tuple(JudgedLine(*row) for row in rows)
    found = connection.execute(sa.select(spot_checks).where(_C.batch == number).order_by(_C.id)).mappings()
    checks = tuple(SpotCheck(**{name: row[name] for name in SpotCheck.model_fields}) for row in found)
    before = sa.select(batches.c.root).where(batches.c.number == number - 1)
    return OpenBatch(number, connection.execute(before).scalar(), lines, checks)


def _new(connection: sa.Connection, until_block: int | None) -> int | None:
    wanted = sa.select(_T.id).where(
        _T.verdict.is_not(None), _T.verdict != CLAIMED, _T.task_id.is_not(None), _T.evidence_sha256 != "",
        _T.batch.is_(None),
    )  # fmt: skip
    if until_block is not None:
        wanted = wanted.where(_T.judged_block <= until_block)
    ids = _ids(connection, wanted.order_by(_T.judged_block, _T.id).limit(MAX_RECORDS))
    if not ids:
        return None
    number = (connection.execute(sa.select(sa.func.max(batches.c.number))).scalar() or 0) + 1
    connection.execute(sa.insert(batches), {"number": number})
    connection.execute(sa.update(submissions).where(_T.id.in_(ids)).values(batch=number))
    checks = _ids(connection, sa.select(_C.id).where(_C.batch.is_(None)).order_by(_C.id).limit(MAX_SPOT_CHECKS))
    connection.execute(sa.update(spot_checks).where(_C.id.in_(checks)).values(batch=number))
    return int(number)


def _ids(connection: sa.Connection, wanted: sa.Select[Any]) -> list[int]:
    return [int(row[0]) for row in connection.execute(wanted)]
