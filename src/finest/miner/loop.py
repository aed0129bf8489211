"""The miner's loop: the task in hand to its end, then the next one, whatever stops it in between.

An error is answered by its kind (error_kinds.py): what passes is tried again, what is the task's ends the task, what
a person must mend ends the miner with exit code 78. Unfinished journals come before new leases, the furthest first, so
that a task which is committed is finished before another commitment takes its place on the chain.
"""

from __future__ import annotations

import threading
import time
import traceback
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from finest.errors import FinestError, NeedsPerson, TaskServerError
from finest.formatting import byte_size, counted, duration
from finest.miner.disk import check_room, judged, sweep, warc_bytes
from finest.miner.error_kinds import Kind, at_last, kind_of, words_of
from finest.miner.journal import STEPS, Ended, Finished, Journal, journals
from finest.miner.lease import Lease, lost_lease
from finest.miner.prefetch import Ahead
from finest.miner.retrying import Tries
from finest.miner.steps import line_of
from finest.tasks.client import Refused
from finest.tasks.models import TaskState

if TYPE_CHECKING:
    from collections.abc import Callable

    from finest.miner.journal import How, Step
    from finest.miner.status_file import Now
    from finest.miner.steps import MineOptions
    from finest.miner.stop import Stop
    from finest.tasks.models import Score, ServerInfo, Task

FAILED_IN_A_ROW = 3
"""After so many failed tasks without a finished one between, something is wrong here and not with the tasks."""
VERDICTS = 50
"""Tasks whose verdicts are asked for at a time."""

DOING: dict[Step, str] = {
    "refined": "refining", "published": "publishing", "committed": "committing", "finished": "finishing",
}  # fmt: skip


class Server(Protocol):
    """What the loop needs of a task server."""

    def info(self) -> ServerInfo: ...
    def lease(self, warcs: int, *, crawl: str | None = None, besides: str | None = None) -> Task: ...
    def renew(self, task_id: str) -> Task: ...
    def release(self, task_id: str) -> Task: ...
    def task(self, task_id: str) -> Task: ...
    def tasks_of(self, hotkey: str, limit: int = 20) -> list[Task]: ...


class DoesSteps(Protocol):
    """Steps, or what stands for it."""

    def refined(self, journal: Journal, lease: Lease) -> Any: ...
    def published(self, journal: Journal, lease: Lease) -> Any: ...
    def committed(self, journal: Journal, lease: Lease) -> Any: ...
    def finished(self, journal: Journal, lease: Lease) -> Any: ...
    def abandoned(self, journal: Journal) -> None: ...


class Miner:
    """One hotkey's work in one folder. The folder is held (journal.alone) by whoever calls."""

    def __init__(
        self, options: MineOptions, hotkey: str, server: Server, steps: DoesSteps, stop: Stop, now: Now,
        say: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._options, self._hotkey, self._server, self._steps = options, hotkey, server, steps
        self._stop, self._say = stop, say
        self._work = options.work
        self._tries = Tries(options.work, stop, now, say)
        self._leases: dict[str, Lease] = {}
        self._leasing = threading.Lock()
        self._ahead = Ahead(options.common_crawl, say)
        self._failed_in_a_row = 0

    def run(self) -> None:
        """Work until Ctrl-C, or with `once` until a task is finished; raises NeedsPerson, or KeyboardInterrupt."""
        try:
            self._begin()
            while (journal := self._next()) is not None:
                if self._to_its_end(journal) and self._options.once:
                    break
        except KeyboardInterrupt:
            if self._stop.at_once:
                raise  # else nothing was in hand
        finally:
            self._ahead.end()
            for lease in self._leases.values():
                lease.stop()
        self._hand_back_untouched()

    def hand_back(self) -> None:
        """Release every open lease but those of tasks that are committed already."""
        self._begin()
        tasks = self._tries.idle("list the leases", lambda: self._server.tasks_of(self._hotkey)) or []
        leased = [task.id for task in tasks if task.state is TaskState.LEASED]
        if not leased:
            self._say("No lease is open")
        for journal in self._unfinished():
            if journal.record.committed is not None:
                self._say(f"Task {journal.id} is committed already; finish it: the same command without --hand-back")
            else:
                self._release(journal, "handed back")
        for task_id in leased:
            if Journal.read(self._work / "tasks" / task_id) is None:
                self._tries.idle(f"release task {task_id}", partial(self._server.release, task_id))
                self._say(f"Task {task_id} is handed back")

    # Beginning

    def _begin(self) -> None:
        info = self._tries.idle("ask the task server who it is", self._server.info)
        if info is None:
            return
        if info.netuid != self._options.netuid:
            raise NeedsPerson(
                f"the task server is subnet {info.netuid}'s, this miner is for subnet {self._options.netuid}: "
                f"give its API_URL, or --netuid {info.netuid}"
            )
        self._tries.block_time_s = info.block_time_s
        for journal in self._unfinished():
            self._reconcile(journal)
        self._sweep()

    def _unfinished(self) -> list[Journal]:
        """Open journals of this hotkey on this subnet: the furthest first, then the oldest."""
        own = [one for one in journals(self._work) if one.record.open and self._is_own(one)]
        return sorted(own, key=lambda one: -STEPS.index(one.record.next_step or "finished"))

    def _is_own(self, journal: Journal) -> bool:
        return (journal.record.task.hotkey, journal.record.netuid) == (self._hotkey, self._options.netuid)

    def _reconcile(self, journal: Journal) -> None:
        """Hold a journal against what the task server knows."""
        try:
            task = self._tries.idle(f"ask for task {journal.id}", lambda: self._server.task(journal.id))
        except Refused as refused:
            if kind_of(refused, self._work) is not Kind.LOST:
                raise
            return self._end(journal, "lost", refused.details.detail)
        if task is None:
            return None
        if task.state is TaskState.LEASED:
            journal.note(task=task)
            self._say(f"Task {journal.id} goes on: it is {journal.record.state}")
            self._lease_of(journal)
        elif task.state is TaskState.FINISHED and journal.record.published and task.commitment == line_of(journal):
            journal.note(task=task, finished=Finished(block=task.closed_block))
            self._say(f"Task {journal.id} is finished")
        else:
            self._end(journal, "lost", f"the task server says that it is {task.state.value}")
        return None

    # The next task

    def _next(self) -> Journal | None:
        """An unfinished task, or a new one as soon as there is one; None when it is time to stop."""
        self._ahead.end()
        if self._stop.asked.is_set():
            return None
        unfinished = self._unfinished()
        return unfinished[0] if unfinished else self._lease()

    def _lease(self) -> Journal | None:
        options = self._options

        def ask() -> Journal | None:
            return self._adopt(self._server.lease(options.warcs, crawl=options.crawl))

        while not self._stop.asked.is_set():
            journal = self._tries.idle("get a task", ask)
            if journal is not None:
                return journal
            if self._stop.wait(self._tries.block_time_s):  # what was given is given back, and may take a block to be so
                break
        return None

    def _adopt(self, task: Task) -> Journal | None:
        """The journal of a leased task; None where it is one that failed here, which is given back again."""
        known = Journal.read(self._work / "tasks" / task.id)
        if known is None:
            journal = Journal.begin(self._work, task, self._options.netuid)
        elif known.record.state == "failed":
            self._server.release(task.id)
            return None
        else:
            journal = known
            journal.note(task=task, ended=None, finished=None)
        self._lease_of(journal)
        left = duration((task.expires_block - task.block) * self._tries.block_time_s)
        self._say(
            f"Task {task.id}: {counted(len(task.warcs), 'WARC')} of {task.crawl}, leased for {left}, renewed meanwhile"
        )
        return journal

    def _lease_of(self, journal: Journal) -> Lease:
        with self._leasing:  # the reader ahead leases, too
            lease = self._leases.get(journal.id)
            if lease is None:
                lease = Lease(self._server, journal.record.task, self._tries.block_time_s, self._work, self._say)
                lease.start()
                self._leases[journal.id] = lease
        return lease

    # One task

    def _to_its_end(self, journal: Journal) -> bool:
        """Do what is left of a task; True if it is finished by that. An error that ends it is answered here."""
        lease = self._lease_of(journal)
        try:
            if journal.record.next_step == "refined":
                self._tries.at_work("measuring", journal.id, lease, lambda: self._check_room(journal))
            while (step := journal.record.next_step) is not None:
                self._do(journal, lease, step)
        except Exception as error:  # noqa: BLE001 - a task's border; _answer says what the error means
            self._answer(journal, error)
            return False
        finally:
            lease.stop()
            self._leases.pop(journal.id, None)
        self._failed_in_a_row = 0
        self._sweep()
        return True

    def _check_room(self, journal: Journal) -> None:
        others = [one for one in journals(self._work) if one.id != journal.id]
        check_room(journal, warc_bytes(journal, self._options.common_crawl), self._work, others, self._say)

    def _do(self, journal: Journal, lease: Lease, step: Step) -> None:
        if step == "published" and self._options.prefetch and not self._options.once:
            self._ahead.begin(lambda: self._lease_besides(journal.id))
        began = time.monotonic()
        done = self._tries.at_work(DOING[step], journal.id, lease, lambda: getattr(self._steps, step)(journal, lease))
        journal.note(**{step: done})
        self._say(f"Task {journal.id} is {step}{_what(step, done)} ({duration(time.monotonic() - began)})")

    def _lease_besides(self, task_id: str) -> Journal | None:
        if self._stop.asked.is_set():
            return None
        options = self._options
        task = self._server.lease(options.warcs, crawl=options.crawl, besides=task_id)
        return self._adopt(task) if task.id != task_id else None

    def _answer(self, journal: Journal, error: Exception) -> None:
        """End a task by its error; raises NeedsPerson where that is what it takes."""
        kind, words = at_last(error, self._work), words_of(error, self._work)
        if kind is Kind.PERSON:
            if isinstance(error, NeedsPerson):
                raise error
            raise NeedsPerson(f"{words}. Nothing is lost: task {journal.id} is {journal.record.state}") from error
        if kind is Kind.LOST:
            return self._end(journal, "lost", words.removeprefix(lost_lease(journal.id)))
        self._failed_in_a_row += 1
        if not isinstance(error, FinestError):
            (journal.folder / "error.txt").write_text("".join(traceback.format_exception(error)), encoding="utf-8")
            words += f"; the traceback is in {journal.folder / 'error.txt'}"
        self._end(journal, "failed", words)
        if self._failed_in_a_row >= FAILED_IN_A_ROW:
            raise NeedsPerson(
                f"{FAILED_IN_A_ROW} tasks in a row failed, the last one: {words}. Look at it, then start again"
            ) from error
        return None

    def _end(self, journal: Journal, how: How, why: str) -> None:
        lease = self._leases.pop(journal.id, None)
        if lease is not None:
            lease.stop()
        journal.note(ended=Ended(how=how, why=why))
        self._say(f"Task {journal.id} is {how}: {why}")
        self._steps.abandoned(journal)
        if how == "failed":
            try:
                self._server.release(journal.id)
            except TaskServerError as error:
                self._say(f"Task {journal.id} could not be given back: {error}; its lease ends by itself")

    # Between tasks

    def _sweep(self) -> None:
        """Learn what validators said, and throw away what nobody needs any more."""
        own = [one for one in journals(self._work) if self._is_own(one)]
        if any(one.record.finished and not judged(one) for one in own):
            self._learn_verdicts({one.id: one for one in own})
        sweep(journals(self._work), self._options.keep_bytes, self._say)

    def _learn_verdicts(self, own: dict[str, Journal]) -> None:
        try:
            tasks = self._server.tasks_of(self._hotkey, VERDICTS)
        except TaskServerError:
            return  # it will be asked after the next task
        for task in tasks:
            journal = own.get(task.id)
            if journal is not None and journal.record.finished and _said(task) != _said(journal.record.task):
                journal.note(task=task)
                for score in task.scores:
                    self._say(
                        f"Task {task.id}: validator {score.validator} says {score.verdict}, score {score.score:g}"
                    )

    def _hand_back_untouched(self) -> None:
        """On a normal stop, a lease that nothing was done with is somebody else's chance."""
        for journal in self._unfinished():
            if journal.record.refined is None and not journal.dataset.exists():
                self._release(journal, "handed back: nothing was done of it")

    def _release(self, journal: Journal, why: str) -> None:
        try:
            self._server.release(journal.id)
        except TaskServerError as error:
            if kind_of(error, self._work) is not Kind.LOST:
                self._say(f"Task {journal.id} could not be given back: {error}; its lease ends by itself")
                return
        self._end(journal, "released", why)


def _said(task: Task) -> list[Score]:
    """What validators said, without their notes, which lists do not have."""
    return [score.model_copy(update={"note": ""}) for score in task.scores]


def _what(step: Step, done: Any) -> str:
    """What a step made, in a few words."""
    if step == "refined":
        return f": {counted(done.rows, 'row')} of {counted(done.pages, 'page')}, {byte_size(done.size_bytes)}"
    if step == "published":
        return f": {done.repo}@{done.revision}"
    return f" in block {done.block}" if step == "committed" else ""
