"""The accepted tasks of a server: finished, passed by more validators than failed it, and not leased again since.

A dataset that is gone from the Hub is not accepted any more once a merge was withdrawn for it, nor is that merge.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from statistics import median_low
from typing import Any

import sqlalchemy as sa

from finest.dataset.hub import task_place
from finest.tasks.merges import gone_places, of_tasks
from finest.tasks.tables import FINISHED, LIVE, claims, crawls, merges, miners, scores, tasks, warcs
from finest.tasks.work import CRAWL

BATCH = 500
"""Tasks whose paths are read at once."""


@dataclass(frozen=True, slots=True)
class AcceptedTask:
    """A task whose dataset belongs in the index."""

    id: str
    crawl: str
    kind: str
    hotkey: str
    repo: str
    revision: str
    root: str
    verified_tokens: int
    """The lower median of those that the passing validators report, so that none alone can raise it."""
    warcs: tuple[str, ...]
    """Paths of its WARCs; of a packet or a merge its name."""
    merged: tuple[str, ...] = ()
    """Roots of the datasets that it was merged from."""


def accepted_tasks(connection: sa.Connection) -> list[AcceptedTask]:
    """Return all accepted tasks, by crawl and then the oldest first."""
    tokens = _verified_tokens(connection)
    live = sa.exists().where(claims.c.task_id == tasks.c.id, LIVE).correlate(tasks)
    withdrawn = sa.exists().where(
        claims.c.task_id == tasks.c.id, merges.c.warc_id == claims.c.warc_id, merges.c.gone.is_not(None)
    ).correlate(tasks)  # fmt: skip
    rows = connection.execute(
        sa.select(
            tasks.c.id, CRAWL.label("crawl"), crawls.c.kind, miners.c.hotkey, tasks.c.repo, tasks.c.revision,
            tasks.c.root,
        )
        .join(miners, miners.c.id == tasks.c.miner_id)
        .join(crawls, crawls.c.id == tasks.c.crawl_id)
        .where(FINISHED, live, ~withdrawn)
        .order_by(CRAWL, tasks.c.id)
    ).all()  # fmt: skip
    lost = gone_places(connection)
    found = [row for row in rows if row.id in tokens and lost.isdisjoint(_places(row))]
    paths = _paths(connection, [row.id for row in found])
    merged = of_tasks(connection, [row.id for row in found if row.kind == "merge"])
    roots = {task_id: merge.roots for task_id, merge in merged.items()}
    return [
        AcceptedTask(*row, verified_tokens=tokens[row.id], warcs=tuple(paths[row.id]), merged=roots.get(row.id, ()))
        for row in found
    ]


def _places(row: Any) -> tuple[str, str]:
    """Return the places that a task's dataset may have: its folder, or with earlier versions the whole repository."""
    return task_place(row.repo, row.revision, row.id), task_place(row.repo, row.revision, None)


def _verified_tokens(connection: sa.Connection) -> dict[str, int]:
    """Return the verified tokens of each task with more passes than fails."""
    wanted = sa.select(scores.c.task_id, scores.c.verdict, scores.c.tokens).order_by(scores.c.task_id)
    found = {}
    for task_id, rows in groupby(connection.execute(wanted), key=lambda row: row.task_id):
        verdicts = list(rows)
        passed = [row.tokens or 0 for row in verdicts if row.verdict == "pass"]
        if len(passed) > sum(row.verdict == "fail" for row in verdicts):
            found[task_id] = median_low(passed)
    return found


def _paths(connection: sa.Connection, task_ids: list[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {task_id: [] for task_id in task_ids}
    for start in range(0, len(task_ids), BATCH):
        wanted = (
            sa.select(claims.c.task_id, warcs.c.path)
            .join(warcs, warcs.c.id == claims.c.warc_id)
            .where(claims.c.task_id.in_(task_ids[start : start + BATCH]))
            .order_by(claims.c.task_id, warcs.c.id)
        )
        for task_id, path in connection.execute(wanted):
            found[task_id].append(path)
    return found
