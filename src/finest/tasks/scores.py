"""Scores of finished tasks, and the sums over them: leaderboard and statistics. Runs inside one transaction."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import bindparam

from finest.database import INSERTS
from finest.tasks.lease_expiry import reopen_warcs
from finest.tasks.models import CrawlStatistics, Leader, Rules, ScoreRequest, Statistics, Task
from finest.tasks.problems import Problem
from finest.tasks.provenance import keep_order, record_event
from finest.tasks.queries import one_task
from finest.tasks.tables import FINISHED, LEASED, LIVE, OPEN, claims, crawls, miners, scores, tasks, warcs

_LOCK_TASK = sa.select(tasks.c.id).where(tasks.c.id == bindparam("task_id")).with_for_update()
"""Two validators that report at the same moment count each other's verdict."""
_IS_LIVE = sa.select(sa.exists().where(claims.c.task_id == bindparam("task_id"), LIVE))
_REPORTS = {name: insert(scores) for name, insert in INSERTS.items()}
_REPORT = {
    name: report.on_conflict_do_update(
        index_elements=[scores.c.task_id, scores.c.validator],
        set_={one: report.excluded[one] for one in ("verdict", "score", "tokens", "evidence_sha256", "note", "block")},
    )
    for name, report in _REPORTS.items()
}


def report(
    connection: sa.Connection, rules: Rules, validator: str, task_id: str, score: ScoreRequest, block: int
) -> Task:
    """Store the validator's score, replacing its previous one; safe to repeat. Raises Problem(not-finished).

    The task's WARCs are leased again once it has failed: nothing in them is verified, and nothing is paid for them.
    """
    connection.execute(_LOCK_TASK, {"task_id": task_id})
    task = one_task(connection, task_id, block)
    if task.state != "finished":
        raise Problem("not-finished", f"task {task_id} is {task.state.value}")
    values = score.model_dump()
    before = next((one for one in task.scores if one.validator == validator), None)
    if before and before.model_dump(include=set(values)) == values:
        return task
    row = {"task_id": task_id, "validator": validator, "block": block, **values}
    connection.execute(_REPORT[connection.dialect.name], row)
    record_event(connection, block, validator, task_id, "scored", **values)
    if _has_failed(connection, rules, task_id) and connection.execute(_IS_LIVE, {"task_id": task_id}).scalar_one():
        keep_order(connection)
        reopen_warcs(connection, rules, [task_id], returned=True)
        record_event(connection, block, validator, task_id, "reopened")
    return one_task(connection, task_id, block)


def _has_failed(connection: sa.Connection, rules: Rules, task_id: str) -> bool:
    """Whether enough validators have failed the task, and more than have passed it."""
    verdicts = connection.execute(sa.select(scores.c.verdict).where(scores.c.task_id == task_id)).scalars().all()
    fails = verdicts.count("fail")
    return fails >= rules.fails_to_reopen and fails > verdicts.count("pass")


def leaderboard(connection: sa.Connection, limit: int) -> list[Leader]:
    """The miners in the order of their finished WARCs times their mean score; without scores, by finished WARCs.

    Reads all finished tasks, so callers should cache the result.
    """
    of_task = (
        sa.select(scores.c.task_id, sa.func.avg(scores.c.score).label("score"))
        .where(scores.c.verdict.in_(("pass", "fail")))
        .group_by(scores.c.task_id)
        .subquery()
    )
    finished_warcs = sa.func.sum(tasks.c.warcs).label("finished_warcs")
    worth = sa.func.sum(tasks.c.warcs * sa.func.coalesce(of_task.c.score, 0.0))
    rows = connection.execute(
        sa.select(
            miners.c.hotkey, sa.func.count().label("finished_tasks"), finished_warcs,
            sa.func.avg(of_task.c.score).label("mean_score"),
            sa.func.max(tasks.c.closed_block).label("last_finished_block"),
        )
        .select_from(tasks)
        .join(miners, miners.c.id == tasks.c.miner_id)
        .outerjoin(of_task, of_task.c.task_id == tasks.c.id)
        .where(FINISHED)
        .group_by(miners.c.id, miners.c.hotkey)
        .order_by(worth.desc(), finished_warcs.desc(), miners.c.hotkey)
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
    """Each crawl's WARCs by state: open if a miner can still lease them, else leased or finished."""
    free = sa.select(warcs.c.crawl_id, sa.func.count().label("n")).where(OPEN).group_by(warcs.c.crawl_id)
    held = (
        sa.select(warcs.c.crawl_id, sa.func.count(warcs.c.id.distinct()).label("n"))
        .join(claims, claims.c.warc_id == warcs.c.id)
        .join(tasks, tasks.c.id == claims.c.task_id)
        .where(LEASED, ~warcs.c.open)
        .group_by(warcs.c.crawl_id)
    )
    a, b = free.subquery("free"), held.subquery("held")
    rows = connection.execute(
        sa.select(crawls.c.name, crawls.c.warcs, sa.func.coalesce(a.c.n, 0), sa.func.coalesce(b.c.n, 0))
        .outerjoin(a, a.c.crawl_id == crawls.c.id)
        .outerjoin(b, b.c.crawl_id == crawls.c.id)
        .order_by(crawls.c.id)
    )
    return [
        CrawlStatistics(crawl=name, warcs=total, open=left, leased=leased, finished=total - left - leased)
        for name, total, left, leased in rows
    ]
