"""The miner's loop: works on one task to its end, then on the next, and resumes after any interruption.

The kind of an error (error_kinds.py) decides what follows: a transient error is retried, an error of the task ends the
task, and an error that needs the operator ends the miner with exit code 78. Unfinished tasks come before new leases,
the most advanced first, so that a committed task is finished before another commitment replaces it on the chain.
"""

from __future__ import annotations

import threading
import time
import traceback
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from finest.errors import FinestError, NeedsPerson, TaskServerError
from finest.formatting import byte_size, counted, duration
from finest.miner.disk import check_free_space, clean_up, is_judged, warc_bytes
from finest.miner.error_kinds import Kind, at_last, kind_of, words_of
from finest.miner.journal import STEPS, Ended, Finished, Journal, journals
from finest.miner.lease import Lease, lost_message
from finest.miner.prefetch import Prefetcher
from finest.miner.retrying import Tries
from finest.miner.steps import line_of
from finest.tasks.models import TaskState
from finest.tasks.transport import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from finest.miner.journal import Ending, Step
    from finest.miner.status_file import StatusFile
    from finest.miner.steps import MineOptions
    from finest.miner.stop import Stop
    from finest.tasks.models import Score, ServerInfo, Task

MAX_FAILURES_IN_A_ROW = 3
"""After so many failed tasks in a row, the cause is probably this machine and not the tasks."""
VERDICTS_LIMIT = 50
"""The number of newest tasks whose verdicts are read at a time."""

STEP_NAMES: dict[Step, str] = {
    "refined": "refining", "published": "publishing", "committed": "committing", "finished": "finishing",
}  # fmt: skip


class TaskApi(Protocol):
    """The part of a task server that the loop needs."""

    def info(self) -> ServerInfo: ...
    def lease(
        self, warcs: int, *, crawl: str | None = None, besides: str | None = None, recipes: Sequence[str] = ()
    ) -> Task: ...  # fmt: skip
    def renew(self, task_id: str) -> Task: ...
    def release(self, task_id: str) -> Task: ...
    def task(self, task_id: str) -> Task: ...
    def tasks_of(self, hotkey: str, limit: int = 20) -> list[Task]: ...


class StepRunner(Protocol):
    """The steps of a task; see steps.Steps."""

    def refined(self, journal: Journal, lease: Lease) -> Any: ...
    def published(self, journal: Journal, lease: Lease) -> Any: ...
    def committed(self, journal: Journal, lease: Lease) -> Any: ...
    def finished(self, journal: Journal, lease: Lease) -> Any: ...
    def cancel_jobs(self, journal: Journal) -> None: ...


class Miner:
    """One hotkey's miner in one work folder. The caller must hold the folder's lock (atomic_files.alone)."""

    def __init__(
        self, options: MineOptions, hotkey: str, server: TaskApi, steps: StepRunner, stop: Stop, now: StatusFile,
        say: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._options, self._hotkey, self._server, self._steps = options, hotkey, server, steps
        self._stop, self._say = stop, say
        self._work = options.work
        self._tries = Tries(options.work, stop, now, say)
        self._leases: dict[str, Lease] = {}
        self._lease_lock = threading.Lock()
        self._prefetcher = Prefetcher(options.common_crawl, say)
        self._failed_in_a_row = 0

    def run(self) -> None:
        """Work until Ctrl-C, or until one task is finished with `once`; raises NeedsPerson or KeyboardInterrupt."""
        try:
            self._begin()
            while (journal := self._next()) is not None:
                if self._finish_task(journal) and self._options.once:
                    break
        except KeyboardInterrupt:
            if self._stop.at_once:
                raise  # otherwise the miner had no task to interrupt
        finally:
            self._prefetcher.end()
            for lease in self._leases.values():
                lease.stop()
        self._release_untouched()

    def hand_back(self) -> None:
        """Release every open lease, except for those of tasks that are already committed."""
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
                self._say(f"Task {task_id} is released")

    # Beginning

    def _begin(self) -> None:
        info = self._tries.idle("ask the task server who it is", self._server.info)
        if info is None:
            return
        if info.netuid != self._options.netuid:
            raise NeedsPerson(
                f"the task server belongs to subnet {info.netuid}, but this miner works for subnet "
                f"{self._options.netuid}: set the API_URL of its task server, or give --netuid {info.netuid}"
            )
        self._tries.block_time_s = info.block_time_s
        for journal in self._unfinished():
            self._reconcile(journal)
        self._clean_up()

    def _unfinished(self) -> list[Journal]:
        """Open journals of this hotkey on this subnet, the most advanced first, then the oldest."""
        own = [one for one in journals(self._work) if one.record.open and self._is_own(one)]
        return sorted(own, key=lambda one: -STEPS.index(one.record.next_step or "finished"))

    def _is_own(self, journal: Journal) -> bool:
        return (journal.record.task.hotkey, journal.record.netuid) == (self._hotkey, self._options.netuid)

    def _reconcile(self, journal: Journal) -> None:
        """Bring a journal in line with the task server's state of the task."""
        try:
            task = self._tries.idle(f"ask for task {journal.id}", lambda: self._server.task(journal.id))
        except Refused as refused:
            if kind_of(refused, self._work) is not Kind.LOST:
                raise
            return self._end(journal, "lost", refused.details.detail)
        if task is None:
            return None
        if task.state is TaskState.LEASED:
            journal.update(task=task)
            self._say(f"Resuming task {journal.id}: it is {journal.record.state}")
            self._lease_of(journal)
        elif task.state is TaskState.FINISHED and journal.record.published and task.commitment == line_of(journal):
            journal.update(task=task, finished=Finished(block=task.closed_block))
            self._say(f"Task {journal.id} is finished")
        else:
            self._end(journal, "lost", f"the task server says that it is {task.state.value}")
        return None

    # The next task

    def _next(self) -> Journal | None:
        """An unfinished task, or a new one as soon as the server has one; None if the miner is to stop."""
        self._prefetcher.end()
        if self._stop.asked.is_set():
            return None
        unfinished = self._unfinished()
        return unfinished[0] if unfinished else self._lease()

    def _lease(self) -> Journal | None:
        options = self._options

        def ask() -> Journal | None:
            recipes = [recipe.hash for recipe in options.recipes]
            return self._journal_for(self._server.lease(options.warcs, crawl=options.crawl, recipes=recipes))

        while not self._stop.asked.is_set():
            journal = self._tries.idle("get a task", ask)
            if journal is not None:
                return journal
            if self._stop.wait(self._tries.block_time_s):  # the lease was released again; wait a block
                break
        return None

    def _journal_for(self, task: Task) -> Journal | None:
        """The journal of a leased task; None if it is a task that failed here before, which is released again."""
        known = Journal.read(self._work / "tasks" / task.id)
        if known is None:
            journal = Journal.begin(self._work, task, self._options.netuid)
        elif known.record.state == "failed":
            self._server.release(task.id)
            return None
        else:
            journal = known
            journal.update(task=task, ended=None, finished=None)
        self._lease_of(journal)
        left = duration((task.expires_block - task.block) * self._tries.block_time_s)
        self._say(f"Task {task.id}: {task.contents} of {task.crawl}, leased for {left} and renewed automatically")
        return journal

    def _lease_of(self, journal: Journal) -> Lease:
        with self._lease_lock:  # the prefetch thread leases too
            lease = self._leases.get(journal.id)
            if lease is None:
                lease = Lease(self._server, journal.record.task, self._tries.block_time_s, self._work, self._say)
                lease.start()
                self._leases[journal.id] = lease
        return lease

    # One task

    def _finish_task(self, journal: Journal) -> bool:
        """Do the remaining steps of a task; returns False if an error ended the task (see _handle_error)."""
        lease = self._lease_of(journal)
        try:
            if journal.record.next_step == "refined" and not journal.record.task.merge:  # `merge` checks its own room
                self._tries.at_work("measuring", journal.id, lease, lambda: self._check_free_space(journal))
            while (step := journal.record.next_step) is not None:
                self._run_step(journal, lease, step)
        except Exception as error:  # noqa: BLE001 - a task's border; _handle_error classifies it
            self._handle_error(journal, error)
            return False
        finally:
            lease.stop()
            self._leases.pop(journal.id, None)
        self._failed_in_a_row = 0
        self._clean_up()
        return True

    def _check_free_space(self, journal: Journal) -> None:
        others = [one for one in journals(self._work) if one.id != journal.id]
        check_free_space(journal, warc_bytes(journal, self._options.common_crawl), self._work, others, self._say)

    def _run_step(self, journal: Journal, lease: Lease, step: Step) -> None:
        if step == "published" and self._options.prefetch and not self._options.once:
            self._prefetcher.begin(lambda: self._lease_another(journal.id))
        began = time.monotonic()
        done = self._tries.at_work(
            STEP_NAMES[step], journal.id, lease, lambda: getattr(self._steps, step)(journal, lease)
        )
        journal.update(**{step: done})
        self._say(f"Task {journal.id} is {step}{_summary(step, done)} ({duration(time.monotonic() - began)})")

    def _lease_another(self, task_id: str) -> Journal | None:
        if self._stop.asked.is_set():
            return None
        options = self._options
        recipes = [recipe.hash for recipe in options.recipes]
        task = self._server.lease(options.warcs, crawl=options.crawl, besides=task_id, recipes=recipes)
        return self._journal_for(task) if task.id != task_id else None

    def _handle_error(self, journal: Journal, error: Exception) -> None:
        """End the task because of this error; raises NeedsPerson if the operator must act."""
        kind, words = at_last(error, self._work), words_of(error, self._work)
        if kind is Kind.PERSON:
            if isinstance(error, NeedsPerson):
                raise error
            raise NeedsPerson(f"{words}. Nothing is lost: task {journal.id} is {journal.record.state}") from error
        if kind is Kind.LOST:
            return self._end(journal, "lost", words.removeprefix(lost_message(journal.id)))
        self._failed_in_a_row += 1
        if not isinstance(error, FinestError):
            (journal.folder / "error.txt").write_text("".join(traceback.format_exception(error)), encoding="utf-8")
            words += f"; the traceback is in {journal.folder / 'error.txt'}"
        self._end(journal, "failed", words)
        if self._failed_in_a_row >= MAX_FAILURES_IN_A_ROW:
            raise NeedsPerson(
                f"{MAX_FAILURES_IN_A_ROW} tasks in a row failed, the last one: {words}. Fix the cause, then start again"
            ) from error
        return None

    def _end(self, journal: Journal, how: Ending, why: str) -> None:
        lease = self._leases.pop(journal.id, None)
        if lease is not None:
            lease.stop()
        journal.update(ended=Ended(how=how, why=why))
        self._say(f"Task {journal.id} is {how}: {why}")
        self._steps.cancel_jobs(journal)
        if how == "failed":
            try:
                self._server.release(journal.id)
            except TaskServerError as error:
                self._say(f"Task {journal.id} could not be released: {error}; its lease will expire")

    # Between tasks

    def _clean_up(self) -> None:
        """Read the validators' verdicts, and delete work that is no longer needed."""
        own = [one for one in journals(self._work) if self._is_own(one)]
        if any(one.record.finished and not is_judged(one) for one in own):
            self._read_verdicts({one.id: one for one in own})
        clean_up(journals(self._work), self._options.keep_bytes, self._say)

    def _read_verdicts(self, own: dict[str, Journal]) -> None:
        try:
            tasks = self._server.tasks_of(self._hotkey, VERDICTS_LIMIT)
        except TaskServerError:
            return  # retried after the next task
        for task in tasks:
            journal = own.get(task.id)
            if (
                journal is not None
                and journal.record.finished
                and _scores_without_notes(task) != _scores_without_notes(journal.record.task)
            ):
                journal.update(task=task)
                for score in task.scores:
                    self._say(
                        f"Task {task.id}: verdict {score.verdict} of validator {score.validator}, score {score.score:g}"
                    )

    def _release_untouched(self) -> None:
        """Release leases without any work on a normal stop, so that other miners get their WARCs."""
        for journal in self._unfinished():
            if journal.record.refined is None and not journal.dataset.exists():
                self._release(journal, "released because no work was done on it")

    def _release(self, journal: Journal, why: str) -> None:
        try:
            self._server.release(journal.id)
        except TaskServerError as error:
            if kind_of(error, self._work) is not Kind.LOST:
                self._say(f"Task {journal.id} could not be released: {error}; its lease will expire")
                return
        self._end(journal, "released", why)


def _scores_without_notes(task: Task) -> list[Score]:
    """The scores of a task without their notes, which lists of tasks leave out."""
    return [score.model_copy(update={"note": ""}) for score in task.scores]


def _summary(step: Step, done: Any) -> str:
    """The result of a step in a few words."""
    if step == "refined":
        return f": {counted(done.rows, 'row')} of {counted(done.pages, 'page')}, {byte_size(done.size_bytes)}"
    if step == "published":
        return f": {done.repo}@{done.revision}"
    return f" in block {done.block}" if step == "committed" else ""
