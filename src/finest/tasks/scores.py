"""Scores of finished tasks, and the sums over them: leaderboard and statistics. Runs inside one transaction."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import bindparam

from finest.database import INSERTS
from finest.tasks.lease_expiry import reopen_warcs
from finest.tasks.models import CrawlStatistics, Leader, Rules, ScoreRequest, Statistics, Task
from finest.tasks.problems import Problem
from finest.tasks.provenance import keep_order, record_event
from finest.tasks.queries import one_task, task_row
from finest.tasks.tables import (
    FINISHED,
    LEASED,
    LIVE,
    OPEN,
    WITHDRAWN,
    claims,
    crawls,
    miners,
    recipes,
    scores,
    tasks,
    verdict_seals,
    warcs,
)
from finest.tasks.work import ASKS_FOR, IN_ORDER

_LOCK_TASK = sa.select(tasks.c.id).where(tasks.c.id == bindparam("task_id")).with_for_update()
"""Two validators that report at the same moment count each other's verdict. SQLite has one writer at a time anyway."""
_OWN = sa.select(*(scores.c[name] for name in ScoreRequest.model_fields)).where(
    scores.c.task_id == bindparam("task_id"), scores.c.validator == bindparam("validator")
)
_VERDICTS = sa.select(scores.c.verdict).where(scores.c.task_id == bindparam("task_id"))
_IS_LIVE = sa.select(sa.exists().where(claims.c.task_id == bindparam("task_id"), LIVE))
_REPORTS = {name: insert(scores) for name, insert in INSERTS.items()}
_REPORT = {
    name: report.on_conflict_do_update(
        index_elements=[scores.c.task_id, scores.c.validator],
        set_={one: report.excluded[one] for one in (*ScoreRequest.model_fields, "block")},
    )
    for name, report in _REPORTS.items()
}


def report(
    connection: sa.Connection, rules: Rules, validator: str, task_id: str, score: ScoreRequest, block: int
) -> Task:
    """Store the validator's score, replacing its previous one; safe to repeat. Raises Problem(not-finished).

    The task's WARCs are leased again once it has failed: nothing in them is verified, and nothing is paid for them.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(_LOCK_TASK, {"task_id": task_id})
    task = task_row(connection, task_id)
    if task.state != "finished":
        raise Problem("not-finished", f"task {task_id} is {task.state}")
    values = score.model_dump()
    before = connection.execute(_OWN, {"task_id": task_id, "validator": validator}).mappings().one_or_none()
    if before is not None and dict(before) == values:
        return one_task(connection, task_id, block)
    row = {"task_id": task_id, "validator": validator, "block": block, **values}
    connection.execute(_REPORT[connection.dialect.name], row)
    record_event(connection, block, validator, task_id, "scored", **values)
    if _has_failed(connection, rules, task_id) and connection.execute(_IS_LIVE, {"task_id": task_id}).scalar_one():
        keep_order(connection)
        reopen_warcs(connection, rules, [task_id], returned=True)
        record_event(connection, block, validator, task_id, "reopened")
    return one_task(connection, task_id, block)


def seal(connection: sa.Connection, validator: str, task_id: str, evidence_sha256: str, block: int) -> Task:
    """Record the hash of the validator's evidence; only its first one counts. Raises Problem(not-finished)."""
    task = one_task(connection, task_id, block)
    if task.state != "finished":
        raise Problem("not-finished", f"task {task_id} is {task.state.value}")
    row = {"task_id": task_id, "validator": validator, "evidence_sha256": evidence_sha256, "block": block}
    if connection.execute(_SEAL[connection.dialect.name], row).first() is not None:
        record_event(connection, block, validator, task_id, "sealed", evidence_sha256=evidence_sha256)
    return task


_SEAL = {
    name: insert(verdict_seals).on_conflict_do_nothing().returning(verdict_seals.c.block)
    for name, insert in INSERTS.items()
}


def _has_failed(connection: sa.Connection, rules: Rules, task_id: str) -> bool:
    """Whether enough validators have failed the task, and more than have passed it."""
    verdicts = connection.execute(_VERDICTS, {"task_id": task_id}).scalars().all()
    fails = verdicts.count("fail")
    return fails >= rules.fails_to_reopen and fails > verdicts.count("pass")


_WORTH = sa.case(
    (scores.c.verdict == "pass", scores.c.score * sa.func.coalesce(scores.c.tokens, 0)), else_=0.0
)  # fmt: skip
"""The worth of a task by one verdict: score x verified tokens."""


def _judged() -> sa.Subquery:
    """Each task with a pass or a fail: the mean score, and the median of what its verdicts say that it is worth.

    The median is the lower one of two, so that no single validator can raise it.
    """
    task = scores.c.task_id
    ranked = (
        sa.select(
            task, scores.c.score, _WORTH.label("worth"),
            sa.func.row_number().over(partition_by=task, order_by=_WORTH).label("place"),
            sa.func.count().over(partition_by=task).label("verdicts"),
        )
        .where(scores.c.verdict.in_(("pass", "fail")))
        .subquery()
    )  # fmt: skip
    median = sa.func.max(sa.case((ranked.c.place == (ranked.c.verdicts + 1) // 2, ranked.c.worth), else_=0.0))
    return (
        sa.select(ranked.c.task_id, sa.func.avg(ranked.c.score).label("score"), median.label("worth"))
        .group_by(ranked.c.task_id)
        .subquery()
    )


def leaderboard(connection: sa.Connection, limit: int) -> list[Leader]:
    """The miners in the order of the verified tokens that they are paid for, then of their finished WARCs.

    Reads all finished tasks, so callers should cache the result.
    """
    of_task = _judged()
    finished_warcs = sa.func.sum(tasks.c.warcs).label("finished_warcs")
    paid = sa.func.sum(tasks.c.price * sa.func.coalesce(of_task.c.worth, 0.0))
    rows = connection.execute(
        sa.select(
            miners.c.hotkey, sa.cast(sa.func.round(paid), sa.BigInteger).label("paid_tokens"),
            sa.func.count().label("finished_tasks"), finished_warcs,
            sa.func.avg(of_task.c.score).label("mean_score"),
            sa.func.max(tasks.c.closed_block).label("last_finished_block"),
        )
        .select_from(tasks)
        .join(miners, miners.c.id == tasks.c.miner_id)
        .outerjoin(of_task, of_task.c.task_id == tasks.c.id)
        .where(FINISHED)
        .group_by(miners.c.id, miners.c.hotkey)
        .order_by(paid.desc(), finished_warcs.desc(), miners.c.hotkey)
        .limit(limit)
    )  # fmt: skip
    return [Leader.model_validate(dict(row)) for row in rows.mappings()]


def statistics(connection: sa.Connection, block: int) -> Statistics:
    """Sums over all crawls, tasks and scores. Counts every open WARC and task, so callers should cache the result."""
    states = connection.execute(sa.select(tasks.c.state, sa.func.count()).group_by(tasks.c.state)).all()
    verdicts = sa.select(scores.c.verdict, sa.func.count()).group_by(scores.c.verdict)
    return Statistics.model_validate(
        {
            "block": block,
            "crawls": crawl_statistics(connection),
            "tasks": dict(row._tuple() for row in states),
            "miners": connection.execute(sa.select(sa.func.count()).select_from(miners)).scalar_one(),
            "scores": dict(row._tuple() for row in connection.execute(verdicts)),
        }
    )


def crawl_statistics(connection: sa.Connection) -> list[CrawlStatistics]:
    """The WARCs of each work by state: open if a miner can still lease them, else leased or finished. Merges that are
    withdrawn have none of these states.

    The works are in the order in which they are leased.
    """
    free = sa.select(warcs.c.crawl_id, sa.func.count().label("n")).where(OPEN).group_by(warcs.c.crawl_id)
    held = (
        sa.select(warcs.c.crawl_id, sa.func.count(warcs.c.id.distinct()).label("n"))
        .join(claims, claims.c.warc_id == warcs.c.id)
        .join(tasks, tasks.c.id == claims.c.task_id)
        .where(LEASED, ~warcs.c.open)
        .group_by(warcs.c.crawl_id)
    )
    gone = sa.select(warcs.c.crawl_id, sa.func.count().label("n")).where(WITHDRAWN).group_by(warcs.c.crawl_id)
    a, b, c = free.subquery("free"), held.subquery("held"), gone.subquery("gone")
    rows = connection.execute(
        sa.select(
            crawls.c.name, crawls.c.kind, crawls.c.language, recipes.c.name.label("recipe"), crawls.c.price,
            crawls.c.warcs, sa.func.coalesce(a.c.n, 0).label("open"), sa.func.coalesce(b.c.n, 0).label("leased"),
            sa.func.coalesce(c.c.n, 0).label("gone"),
        )
        .outerjoin(recipes, ASKS_FOR)
        .outerjoin(a, a.c.crawl_id == crawls.c.id)
        .outerjoin(b, b.c.crawl_id == crawls.c.id)
        .outerjoin(c, c.c.crawl_id == crawls.c.id)
        .order_by(*IN_ORDER)
    )  # fmt: skip
    return [
        CrawlStatistics(
            crawl=row.name, kind=row.kind, language=row.language, recipe=row.recipe, price=row.price, warcs=row.warcs,
            open=row.open, leased=row.leased, finished=row.warcs - row.open - row.leased - row.gone,
        )
        for row in rows
    ]  # fmt: skip
