"""The data of `finest dashboard`: journals, progress of the current task, disk space and verdicts."""

from __future__ import annotations

import shutil
import threading
import time
from collections import Counter
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from finest.errors import FinestError, LedgerError
from finest.miner.disk import folder_bytes
from finest.miner.journal import is_running, journals
from finest.miner.status_file import Activity, read_status
from finest.pipeline.status import Status, status

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from finest.miner.journal import Journal
    from finest.tasks.models import Score

MAX_TASKS = 10
"""The most tasks that the dashboard lists."""
REFRESH_S = 30.0
DEADLINE_S = 5.0


@dataclass(frozen=True, slots=True)
class TaskLine:
    """One row of the task list."""

    id: str
    state: str
    changed_at: float
    warcs: int
    rows: int | None = None
    tokens: int | None = None
    root: str | None = None
    repo: str | None = None
    revision: str | None = None
    committed_block: int | None = None
    verdicts: tuple[str, ...] = ()
    score: float | None = None
    """Mean score over the validators that passed or failed the task."""
    why: str | None = None
    """Why the task ended without being finished."""


@dataclass(frozen=True, slots=True)
class Overview:
    """The state of a work folder at one moment."""

    work: str
    running: bool
    doing: Activity | None
    refining: Status | None
    left_s: float | None
    """Estimated seconds until the current task is refined."""
    tasks: tuple[TaskLine, ...]
    """The newest tasks, newest first."""
    counts: dict[str, int]
    """Number of tasks by state."""
    used_bytes: int
    free_bytes: int
    task_server: str
    """`not asked`, `reachable`, or why not."""

    def to_dict(self) -> dict[str, Any]:
        """The overview as a JSON-compatible dict."""
        return asdict(self)


class Scores:
    """The newest scores of a hotkey's tasks, read by a thread every half a minute."""

    def __init__(self, api_url: str | None) -> None:
        self._url = api_url
        self.state = "not asked: API_URL is not set" if api_url is None else "not asked yet"
        self.by_task: dict[str, list[Score]] = {}
        self._asked_at = -REFRESH_S
        self._thread: threading.Thread | None = None

    def refresh(self, hotkey: str, *, wait: bool) -> None:
        """Ask the task server again if the last answer is old; `wait` blocks until the answer is there."""
        busy = self._thread is not None and self._thread.is_alive()
        if self._url is None or busy or time.monotonic() - self._asked_at < REFRESH_S:
            return
        self._asked_at = time.monotonic()
        self._thread = threading.Thread(target=self._ask, args=(hotkey,), daemon=True)
        self._thread.start()
        if wait:
            self._thread.join()

    def _ask(self, hotkey: str) -> None:
        from finest.tasks.client import TaskServer

        assert self._url is not None
        try:
            with closing(TaskServer(self._url, None, deadline_s=DEADLINE_S)) as server:
                tasks = server.tasks_of(hotkey, 2 * MAX_TASKS)
        except FinestError as error:
            self.state = f"not reachable: {error}"
        else:
            self.by_task = {task.id: task.scores for task in tasks}
            self.state = "reachable"


def overview(work: Path, scores: Scores, *, wait: bool = True) -> Overview:
    """Read the work folder and the task server's scores."""
    known = journals(work)
    if known:
        scores.refresh(known[-1].record.task.hotkey, wait=wait)
    doing, running = read_status(work), is_running(work)
    counts = dict(Counter(journal.record.state for journal in known))
    newest = sorted(known, key=lambda one: -one.record.changed_at)[:MAX_TASKS]
    refining = _refining(known, doing if running else None)
    left_s = refining.cpu_left_s / max(1, doing.workers) if refining and doing and refining.cpu_left_s else None
    return Overview(
        work=str(work), running=running, doing=doing, refining=refining, left_s=left_s,
        tasks=tuple(_task_line(journal, scores) for journal in newest), counts=counts, used_bytes=folder_bytes(work),
        free_bytes=shutil.disk_usage(work).free if work.exists() else 0, task_server=scores.state,
    )  # fmt: skip


def _refining(known: Sequence[Journal], doing: Activity | None) -> Status | None:
    """Progress of the current task while it is being refined; otherwise None."""
    for journal in known:
        in_hand = doing is not None and doing.task == journal.id
        if in_hand and journal.record.next_step == "refined":
            try:
                return status(journal.dataset)
            except LedgerError:
                return None
    return None


def _task_line(journal: Journal, scores: Scores) -> TaskLine:
    record = journal.record
    scores_of_task = scores.by_task.get(journal.id) or record.task.scores
    counted = [score.score for score in scores_of_task if score.verdict != "no_evidence"]
    refined, published, committed = record.refined, record.published, record.committed
    return TaskLine(
        id=journal.id, state=record.state, changed_at=record.changed_at, warcs=len(record.task.warcs),
        rows=refined.rows if refined else None, tokens=refined.tokens if refined else None,
        root=refined.root if refined else None, repo=published.repo if published else None,
        revision=published.revision if published else None, committed_block=committed.block if committed else None,
        verdicts=tuple(score.verdict for score in scores_of_task),
        score=sum(counted) / len(counted) if counted else None,
        why=record.ended.why if record.ended else None,
    )  # fmt: skip
