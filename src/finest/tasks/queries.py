"""Queries for tasks, returned as models. Every function runs inside one transaction."""

from __future__ import annotations

import re
import zlib
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy import bindparam

from finest.dataset.page_choice import PageChoice
from finest.tasks import merges
from finest.tasks.models import Score, Task, TaskPage, TaskState
from finest.tasks.problems import Problem
from finest.tasks.tables import (
    FINISHED,
    REVEALED,
    claims,
    crawls,
    miners,
    packets,
    recipes,
    scores,
    tasks,
    verdict_seals,
    warcs,
)
from finest.tasks.work import ASKS_FOR, FIELDS_OF_TASK

if TYPE_CHECKING:
    from collections.abc import Sequence

PAGE_BYTES = 256 * 1024
"""Size limit of a page of tasks as JSON, unless its first task alone is longer; a task takes 2 to 60 kB."""
MAX_SCORES = 256
"""The most scores that a task is shown with, newest first: as many as a subnet has neurons."""
READ_BATCH = 20
"""Tasks whose paths and scores are read at once. A page that is cut wastes at most one batch."""
_TASK_BYTES, _SCORE_BYTES, _PATH_BYTES, _INPUT_BYTES = 1_300, 370, 3, 160
"""Upper bounds for the JSON of a task, of a score without its note and its evidence, and of a path and of a dataset to
merge apart from the characters of the path and the dataset's place."""
_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)
_NAMED = (
    sa.select(tasks, miners.c.hotkey, *FIELDS_OF_TASK)
    .join(miners, miners.c.id == tasks.c.miner_id)
    .join(crawls, crawls.c.id == tasks.c.crawl_id)
    .outerjoin(recipes, ASKS_FOR)
)
_ONE = _NAMED.where(tasks.c.id == bindparam("task_id"))
_BY_COMMITMENT = _NAMED.where(miners.c.hotkey == bindparam("hotkey"), tasks.c.commitment == bindparam("line"), FINISHED)
_PATHS = (
    sa.select(claims.c.task_id, warcs.c.path)
    .join(warcs, warcs.c.id == claims.c.warc_id)
    .where(claims.c.task_id.in_(bindparam("task_ids", expanding=True)))
    .order_by(claims.c.task_id, claims.c.warc_id)
)
_SCORES = (
    sa.select(scores, verdict_seals.c.block.label("sealed_block"))
    .outerjoin(
        verdict_seals,
        sa.and_(
            verdict_seals.c.task_id == scores.c.task_id,
            verdict_seals.c.validator == scores.c.validator,
            verdict_seals.c.evidence_sha256 == scores.c.evidence_sha256,
        ),
    )
    .where(scores.c.task_id.in_(bindparam("task_ids", expanding=True)))
    .order_by(scores.c.task_id, scores.c.validator)
)

_CHOICES = (
    sa.select(claims.c.task_id, packets.c.root, packets.c.pages, crawls.c.pages_where)
    .join(packets, packets.c.warc_id == claims.c.warc_id)
    .join(warcs, warcs.c.id == claims.c.warc_id)
    .join(crawls, crawls.c.id == warcs.c.crawl_id)
    .where(claims.c.task_id.in_(bindparam("task_ids", expanding=True)))
)
_PACKET = sa.select(packets.c.packet).where(packets.c.root == bindparam("root")).limit(1)


def is_id(text: str) -> bool:
    """Whether this text can be a task id. Other texts never reach the database."""
    return _ID.fullmatch(text) is not None


def task_row(connection: sa.Connection, task_id: str) -> sa.Row[Any]:
    """The row of a task with its miner's hotkey and its crawl's name; raises Problem(not-found)."""
    row = connection.execute(_ONE, {"task_id": task_id}).one_or_none() if is_id(task_id) else None
    if row is None:
        raise Problem("not-found", "no task has this id")
    return row


def one_task(connection: sa.Connection, task_id: str, block: int) -> Task:
    """The current state of one task; raises Problem(not-found)."""
    return _as_tasks(connection, [task_row(connection, task_id)], block)[0]


def by_commitment(connection: sa.Connection, hotkey: str, commitment: str, block: int) -> Task:
    """The task that this miner finished with this commitment line; raises Problem(not-found)."""
    row = connection.execute(_BY_COMMITMENT, {"hotkey": hotkey, "line": commitment}).one_or_none()
    if row is None:
        raise Problem("not-found", "this hotkey has finished no task with this commitment")
    return _as_tasks(connection, [row], block)[0]


def page(
    connection: sa.Connection,
    block: int,
    *,
    state: TaskState | None,
    hotkey: str | None,
    after: str | None,
    limit: int,
    canaries: bool = False,
) -> TaskPage:
    """One page of tasks older than the id `after`, newest first, with scores but without their notes.

    The page has at most `limit` tasks and PAGE_BYTES of JSON.
    """
    statement = _NAMED.order_by(tasks.c.id.desc()).limit(limit + 1)
    if state is not None:
        statement = statement.where(tasks.c.state == state.value)
    if hotkey is not None:
        statement = statement.where(miners.c.hotkey == hotkey)
    if canaries:
        statement = statement.where(REVEALED)
    if after is not None:
        if not is_id(after):
            raise Problem("invalid-request", "`after` must be the `next` of another page")
        statement = statement.where(tasks.c.id < after)
    rows = connection.execute(statement).all()
    shown = _fitting(connection, rows[:limit], block)
    return TaskPage(tasks=shown, next=shown[-1].id if len(rows) > len(shown) else None)


def _fitting(connection: sa.Connection, rows: Sequence[sa.Row[Any]], block: int) -> list[Task]:
    """As many of the first tasks as fit on a page, at least one, without the notes of their scores."""
    shown: list[Task] = []
    left = PAGE_BYTES
    for start in range(0, len(rows), READ_BATCH):
        for task in _as_tasks(connection, rows[start : start + READ_BATCH], block, notes=False):
            left -= _json_bytes(task)
            if left < 0 and shown:
                return shown
            shown.append(task)
    return shown


def _json_bytes(task: Task) -> int:
    """Upper bound for the task's JSON without notes; every other field has a maximum length."""
    paths = sum(len(path) + _PATH_BYTES for path in task.warcs)
    places = sum(len(score.evidence or "") for score in task.scores)
    places += sum(len(one.place) + _INPUT_BYTES for one in task.merge.inputs) if task.merge else 0
    return _TASK_BYTES + paths + _SCORE_BYTES * len(task.scores) + places


def _as_tasks(connection: sa.Connection, rows: Sequence[sa.Row[Any]], block: int, *, notes: bool = True) -> list[Task]:
    named = {"task_ids": [row.id for row in rows]}
    paths, verdicts = defaultdict(list), defaultdict(list)
    of_packets = choices(connection, [row.id for row in rows if row.kind == "packets"])
    of_merges = merges.of_tasks(connection, [row.id for row in rows if row.kind == "merge"])
    for path in connection.execute(_PATHS, named) if rows else ():
        paths[path.task_id].append(path.path)
    finished = any(row.state == "finished" for row in rows)
    for score in connection.execute(_SCORES, named).mappings() if finished else ():
        fields = dict(score) if notes else {**score, "note": ""}
        verdicts[score["task_id"]].append(Score.model_validate(fields))
    return [
        Task.model_validate(
            dict(row._mapping)
            | {"warcs": paths[row.id], "packet": of_packets.get(row.id), "merge": of_merges.get(row.id)}
            | {"scores": _newest(verdicts[row.id]), "block": block}
        )
        for row in rows
    ]


def choices(connection: sa.Connection, task_ids: Sequence[str]) -> dict[str, PageChoice]:
    """The pages of tasks that are packets, by task: their number, the root over them, and what chose them."""
    rows = connection.execute(_CHOICES, {"task_ids": task_ids}).all() if task_ids else ()
    return {row.task_id: PageChoice(where=row.pages_where, root=row.root, pages=row.pages) for row in rows}


def packet(connection: sa.Connection, root: str) -> bytes:
    """The JSON of the packet with this root; raises Problem(not-found)."""
    found = connection.execute(_PACKET, {"root": root}).scalar()
    if found is None:
        raise Problem("not-found", "no packet has this root")
    return zlib.decompress(found)


def _newest(scores: list[Score]) -> list[Score]:
    """The newest MAX_SCORES scores, in the order of their validators."""
    if len(scores) <= MAX_SCORES:
        return scores
    newest = sorted(scores, key=lambda one: one.block, reverse=True)[:MAX_SCORES]
    return sorted(newest, key=lambda one: one.validator)
