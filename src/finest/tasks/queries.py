"""What the database says of tasks, as models. Every function is a part of one transaction."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy import bindparam as given

from finest.tasks.models import Score, Task, TaskPage, TaskState
from finest.tasks.problems import Problem
from finest.tasks.tables import FINISHED, claims, crawls, miners, scores, tasks, warcs

if TYPE_CHECKING:
    from collections.abc import Sequence

PAGE_BYTES = 256 * 1024
"""A page of tasks ends before its JSON is longer than this, unless its first task alone is: a task is of 2 to 60 kB."""
MOST_SCORES = 256
"""Scores that a task is shown with, the newest ones: as many as a subnet has seats."""
_LOT = 20
"""Tasks whose paths and scores are read at once: no more than one lot is read in vain for a page that is cut."""
_TASK_BYTES, _SCORE_BYTES, _PATH_BYTES = 800, 280, 3
"""The most that the JSON of a task, of a score without its note and of a path takes besides the path itself."""
_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)
_NAMED = (
    sa.select(tasks, miners.c.hotkey, crawls.c.name.label("crawl"))
    .join(miners, miners.c.id == tasks.c.miner_id)
    .join(crawls, crawls.c.id == tasks.c.crawl_id)
)
_ONE = _NAMED.where(tasks.c.id == given("task_id"))
_BY_COMMITMENT = _NAMED.where(miners.c.hotkey == given("hotkey"), tasks.c.commitment == given("line"), FINISHED)
_PATHS = (
    sa.select(claims.c.task_id, warcs.c.path)
    .join(warcs, warcs.c.id == claims.c.warc_id)
    .where(claims.c.task_id.in_(given("task_ids", expanding=True)))
    .order_by(claims.c.task_id, claims.c.warc_id)
)
_SCORES = (
    sa.select(scores)
    .where(scores.c.task_id.in_(given("task_ids", expanding=True)))
    .order_by(scores.c.task_id, scores.c.validator)
)


def is_id(text: str) -> bool:
    """Whether this can be a task's id; what cannot never reaches the database."""
    return _ID.fullmatch(text) is not None


def task_row(connection: sa.Connection, task_id: str) -> sa.Row[Any]:
    """The row of a task with its miner's hotkey and its crawl's name; raises Problem(not-found)."""
    row = connection.execute(_ONE, {"task_id": task_id}).one_or_none() if is_id(task_id) else None
    if row is None:
        raise Problem("not-found", "there is no such task")
    return row


def one_task(connection: sa.Connection, task_id: str, block: int) -> Task:
    """One task as it stands; raises Problem(not-found)."""
    return _as_tasks(connection, [task_row(connection, task_id)], block)[0]


def by_commitment(connection: sa.Connection, hotkey: str, commitment: str, block: int) -> Task:
    """The task that this miner finished with this line; raises Problem(not-found)."""
    row = connection.execute(_BY_COMMITMENT, {"hotkey": hotkey, "line": commitment}).one_or_none()
    if row is None:
        raise Problem("not-found", "no task of this hotkey is finished with this commitment")
    return _as_tasks(connection, [row], block)[0]


def page(
    connection: sa.Connection, block: int, *, state: TaskState | None, hotkey: str | None, after: str | None, limit: int
) -> TaskPage:
    """Tasks, newest first, below the id `after`: `limit` at most, and PAGE_BYTES of JSON; scores without notes."""
    statement = _NAMED.order_by(tasks.c.id.desc()).limit(limit + 1)
    if state is not None:
        statement = statement.where(tasks.c.state == state.value)
    if hotkey is not None:
        statement = statement.where(miners.c.hotkey == hotkey)
    if after is not None:
        if not is_id(after):
            raise Problem("invalid-request", "`after` is the `next` of another page")
        statement = statement.where(tasks.c.id < after)
    rows = connection.execute(statement).all()
    shown = _fitting(connection, rows[:limit], block)
    return TaskPage(tasks=shown, next=shown[-1].id if len(rows) > len(shown) else None)


def _fitting(connection: sa.Connection, rows: Sequence[sa.Row[Any]], block: int) -> list[Task]:
    """The first of the tasks that fit on a page, at least one, without the notes of their scores."""
    shown: list[Task] = []
    left = PAGE_BYTES
    for start in range(0, len(rows), _LOT):
        for task in _as_tasks(connection, rows[start : start + _LOT], block, notes=False):
            left -= _json_bytes(task)
            if left < 0 and shown:
                return shown
            shown.append(task)
    return shown


def _json_bytes(task: Task) -> int:
    """An upper bound of the task's JSON without notes: every other field has a greatest length."""
    paths = sum(len(path) + _PATH_BYTES for path in task.warcs)
    return _TASK_BYTES + paths + _SCORE_BYTES * len(task.scores)


def _as_tasks(connection: sa.Connection, rows: Sequence[sa.Row[Any]], block: int, *, notes: bool = True) -> list[Task]:
    named = {"task_ids": [row.id for row in rows]}
    paths, verdicts = defaultdict(list), defaultdict(list)
    for path in connection.execute(_PATHS, named) if rows else ():
        paths[path.task_id].append(path.path)
    finished = any(row.state == "finished" for row in rows)
    for score in connection.execute(_SCORES, named).mappings() if finished else ():
        said = dict(score) if notes else {**score, "note": ""}
        verdicts[score["task_id"]].append(Score.model_validate(said))
    return [
        Task.model_validate(
            dict(row._mapping) | {"warcs": paths[row.id], "scores": _newest(verdicts[row.id]), "block": block}
        )
        for row in rows
    ]


def _newest(scores: list[Score]) -> list[Score]:
    """The newest MOST_SCORES, still in the order of their validators."""
    if len(scores) <= MOST_SCORES:
        return scores
    newest = sorted(scores, key=lambda one: one.block, reverse=True)[:MOST_SCORES]
    return sorted(newest, key=lambda one: one.validator)
