"""The journal of a task: a record of its finished steps, written after each step.

    WORK/lock                       lock of the one miner that works in this folder
    WORK/now.json                   what the miner is doing (status_file.py)
    WORK/tasks/<id>/journal.json    leased -> refined -> published -> committed -> finished, or how the task ended
    WORK/tasks/<id>/dataset/        the ledger and the dataset
    WORK/tasks/<id>/warcs/          prefetched WARCs

A journal is written under a temporary name, fsynced and renamed. Every step is safe to repeat, so a crash between a
step and its record does no harm.
"""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from finest.atomic_files import is_held, write_whole
from finest.dataset.hub import is_pinned
from finest.dataset.packet import item_of
from finest.errors import TaskServerError
from finest.tasks.models import Revision, Root, Task

Step = Literal["refined", "published", "committed", "finished"]
STEPS: tuple[Step, ...] = ("refined", "published", "committed", "finished")
"""The steps after the lease, in order."""
Ending = Literal["lost", "released", "failed"]

_ID = re.compile(r"[A-Za-z0-9_-]{1,40}")
_WARC = re.compile(r"crawl-data/CC-MAIN-[A-Za-z0-9-]+(?:/[A-Za-z0-9_][A-Za-z0-9_.-]*)+\.warc\.gz")


class _Done(BaseModel):
    """The result of a step and its time (seconds since 1970)."""

    model_config = ConfigDict(frozen=True)

    at: float = Field(default_factory=time.time)


class Refined(_Done):
    root: Root
    rows: int
    tokens: int
    pages: int
    size_bytes: int


class Published(_Done):
    repo: str
    revision: Revision


class Committed(_Done):
    line: str
    block: int


class Finished(_Done):
    block: int | None


class Ended(_Done):
    """How an unfinished task ended."""

    how: Ending
    why: str


class Record(BaseModel):
    """Everything known about one task."""

    model_config = ConfigDict(frozen=True)

    format: Literal["finest-task/1"] = "finest-task/1"
    task: Task
    """The task as the task server last returned it."""
    netuid: int
    leased: _Done = Field(default_factory=_Done)
    refined: Refined | None = None
    published: Published | None = None
    committed: Committed | None = None
    finished: Finished | None = None
    ended: Ended | None = None

    @property
    def open(self) -> bool:
        """Whether the task has steps left to do."""
        return self.finished is None and self.ended is None

    @property
    def next_step(self) -> Step | None:
        """The first unfinished step; None if the task is closed."""
        return next((step for step in STEPS if getattr(self, step) is None), None) if self.open else None

    @property
    def state(self) -> str:
        """The task's state: leased, refined, published, committed, finished, lost, released or failed."""
        if self.ended:
            return self.ended.how
        return next((step for step in reversed(STEPS) if getattr(self, step) is not None), "leased")

    @property
    def changed_at(self) -> float:
        """Time of the last change, in seconds since 1970."""
        done = (self.ended, self.finished, self.committed, self.published, self.refined, self.leased)
        return next(part.at for part in done if part is not None)


class Journal:
    """One task's folder and its record."""

    def __init__(self, folder: Path, record: Record) -> None:
        self.folder, self.record = folder, record

    @classmethod
    def begin(cls, work: Path, task: Task, netuid: int) -> Journal:
        """Create the journal of a leased task; raises TaskServerError if the task is malformed (see check_task)."""
        check_task(task)
        folder = work / "tasks" / task.id
        folder.mkdir(parents=True, exist_ok=True)
        journal = cls(folder, Record(task=task, netuid=netuid))
        journal.update()
        return journal

    @classmethod
    def read(cls, folder: Path) -> Journal | None:
        """The journal in a folder; None if it is missing or cannot be read."""
        try:
            return cls(folder, Record.model_validate_json((folder / "journal.json").read_bytes()))
        except (FileNotFoundError, NotADirectoryError, ValidationError):
            return None

    def update(self, **changes: Any) -> None:
        """Record changes; once this returns, they survive a power failure."""
        self.record = self.record.model_copy(update=changes)
        write_whole(self.folder / "journal.json", self.record.model_dump_json(indent=1).encode())

    @property
    def id(self) -> str:
        return self.record.task.id

    @property
    def dataset(self) -> Path:
        return self.folder / "dataset"

    @property
    def warcs(self) -> Path:
        return self.folder / "warcs"


def check_task(task: Task) -> None:
    """Check a task's id, which names a folder, and its WARC paths; raises TaskServerError if one is not allowed."""
    if not _ID.fullmatch(task.id):
        raise TaskServerError(
            f"the task server names a task {task.id[:60]!r}; an id may have only letters, digits, - and _"
        )
    if not task.warcs:
        raise TaskServerError(f"task {task.id}: the task server names no WARC")
    if task.merge:
        if task.warcs != [task.merge.item(task.crawl)]:
            raise TaskServerError(f"task {task.id}: {task.warcs[0][:200]!r} is not the merge {task.merge.root}")
        strange = next((one.place for one in task.merge.inputs if not is_pinned(one.place)), None)
        if strange is not None:
            raise TaskServerError(f"task {task.id}: {strange[:200]!r} is no revision on the Hub")
        return
    if task.packet:
        if task.warcs != [item_of(task.crawl, task.packet.root)]:
            raise TaskServerError(f"task {task.id}: {task.warcs[0][:200]!r} is not the packet {task.packet.root}")
        return
    for path in task.warcs:
        if not _WARC.fullmatch(path):
            raise TaskServerError(
                f"task {task.id}: {path[:200]!r} is not a file of Common Crawl; is API_URL a task server you trust?"
            )


def journals(work: Path) -> list[Journal]:
    """All readable journals, the oldest lease first."""
    folder = work / "tasks"
    found = [Journal.read(path) for path in folder.iterdir()] if folder.is_dir() else []
    return sorted((one for one in found if one), key=lambda one: (one.record.leased.at, one.id))


def is_running(work: Path) -> bool:
    """Whether a miner is running in this work folder."""
    return is_held(work / "lock")
