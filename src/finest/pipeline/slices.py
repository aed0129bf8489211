"""Judge the slices of a run in forked workers on this machine, and watch for failures."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from finest.dataset.rows import verdict_batch
from finest.errors import RunError, SourceBusy, SourceError
from finest.executors.local import ForkedExecutor
from finest.pipeline.deaths import slice_name
from finest.pipeline.done import SliceDone, Tail
from finest.pipeline.guard import CPU_SIGNAL
from finest.pipeline.missing import MissingWatch, is_missing
from finest.pipeline.queue import cut, queue_of, spans_of
from finest.pipeline.steps import JudgePages, ReadSlice, Session, WriteSlice
from finest.pipeline.summary import Totals
from finest.recipe.reasons import FAILURES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from datatrove.pipeline.base import PipelineStep

    from finest.pipeline.ledger import Ledger
    from finest.pipeline.options import RunOptions
    from finest.pipeline.progress import Progress
    from finest.pipeline.queue import Queue

MAX_FAILURE_SHARE = 0.01
"""A larger share of failed (not dropped) pages stops the run: something is wrong that no retry repairs."""
MIN_FAILURES = 10
"""Fewer failures than this never stop the run, whatever their share."""
MAX_DEATHS_PER_SLICE = 8
"""More worker deaths than this in one slice stop the run."""


def run_slices(ledger: Ledger, options: RunOptions, progress: Progress) -> None:
    """Judge the missing slices, then read again those that do not begin where the previous one ended."""
    _run_ranks(ledger, options, progress, ledger.pending(), {})
    while unchained := find_unchained(ledger):
        progress.say(f"Reading {len(unchained)} slices again from where the slice before them ended")
        for rank in unchained:
            ledger.discard(ledger.plan.slices[rank])
        _run_ranks(ledger, options, progress, sorted(unchained), unchained)


def find_unchained(ledger: Ledger) -> dict[int, int]:
    """Pack the sources whose slices are all finished; return those slices whose first record is not where the one
    before ended: {rank: where it must begin}.
    """
    return {
        ledger.plan.slices.number(source, index): start
        for source, indices in ledger.loose()
        if len(indices) == ledger.plan.slices.count(source)
        for index, start in ledger.close_source(source).items()
    }


def _run_ranks(
    ledger: Ledger, options: RunOptions, progress: Progress, ranks: Sequence[int], exact_starts: dict[int, int]
) -> None:
    if not ranks:
        return
    watch = FailureWatch(ledger, progress.say)
    progress.begin(ledger, watch.found, options.workers)
    blocks = cut(spans_of(ranks), ledger.plan.slices.first, options.workers)
    queue = queue_of(blocks, lambda rank: is_missing(ledger, rank))
    judge_slices(ledger, options, progress, queue, watch, exact_starts)
    progress.end()


def judge_slices(
    ledger: Ledger, options: RunOptions, progress: Progress, queue: Queue, watch: FailureWatch,
    exact_starts: dict[int, int], logs: Path | None = None,
) -> None:  # fmt: skip
    """Judge the slices of the queue in forked workers; `watch` hears of each slice, and may end this by an error."""
    gap_s = options.workers / options.requests_per_s if ledger.plan.chosen else 0.0
    session = Session(ledger, exact_starts, ledger.pauses(options.max_pause_s, gap_s), queue.last)
    ledger.log.name()  # creates the log, which the workers share
    verdict_batch([])  # makes pyarrow import pandas (if installed) once here, not in every worker

    def on_done(_: int) -> None:
        take_in(ledger, watch, progress)

    def on_death(rank: int, exit_code: int) -> None:
        watch.killed(exit_code)
        slice_ = ledger.plan.slices[rank]
        source = ledger.plan.sources[slice_.source_index].name
        at_limit = exit_code == -CPU_SIGNAL
        if ledger.deaths.note(slice_, at_limit=at_limit) > MAX_DEATHS_PER_SLICE:
            raise RunError(
                f"workers keep dying (exit code {exit_code}) in slice {slice_name(slice_)} of {source}; "
                f"the machine may be short of memory: run the same command with fewer --workers"
            )
        progress.say(
            f"A worker died (exit code {exit_code}) in slice {slice_name(slice_)} of {source}; reading the slice again"
        )

    executor = ForkedExecutor(
        _pipeline(options, session), queue.next, world_size=len(ledger.plan.slices), workers=options.workers,
        logging_dir=logs or ledger.folder / "logs", on_done=on_done, on_tick=progress.tick, on_death=on_death,
        on_error=watch.failed,
    )  # fmt: skip
    executor.run()


def _pipeline(options: RunOptions, session: Session) -> list[PipelineStep]:
    middle: list[PipelineStep] = [JudgePages(session, options.recipe, options.cache)]
    if options.engine == "datatrove":
        from finest.pipeline.datatrove_engine import datatrove_steps  # importing it takes a third of a second

        middle = datatrove_steps(session, options.recipe, options.cache)
    return [ReadSlice(session, options.recipe), *middle, WriteSlice(session, options.recipe)]


class FailureWatch:
    """Reads what any process finishes, once each, and stops a run with too large a share of failed pages (a broken
    machine must not look like bad pages) or of sources that cannot be read, or at any other error.

    A task of a cluster, which is one of many, goes on after an error: `finest.pipeline.failures.TaskWatch`.
    """

    def __init__(self, ledger: Ledger, say: Callable[[str], None], *, only_own: bool = False) -> None:
        """`only_own` leaves out what was finished before, and what other tasks finish."""
        self._ledger, self._say = ledger, say
        self._missing = MissingWatch(ledger, say)
        self._tail = Tail(ledger.folder / "done", ledger.log.name() if only_own else None)
        self._tail.skip()  # before the ledger is read: what is logged from here on is either in it or new
        self._is_done = np.zeros(len(ledger.plan.slices), np.bool_) if only_own else ledger.done()
        self.found = Totals() if only_own else ledger.so_far()
        """The totals over what is finished, so far as it was read."""
        self._failures = _failures(self.found.reasons)

    @property
    def missing(self) -> int:
        """Number of slices that nobody has finished yet."""
        return int((~self._is_done).sum())

    def news(self) -> Iterator[SliceDone]:
        """Yield the slices that were finished since the last call; raises RunError if too many pages have failed."""
        for done in self._tail.news():
            if isinstance(done, SliceDone) and done.number < len(self._is_done) and not self._is_done[done.number]:
                self._is_done[done.number] = True
                self.done(done)
                yield done

    def killed(self, exit_code: int) -> None:
        """Hear that a worker died; unless this raises, its slice is read again."""

    def failed(self, rank: int, error: Exception) -> None:
        """Hear that a slice could not be judged; unless this raises, it is left out."""
        if not isinstance(error, SourceError) or isinstance(error, SourceBusy):
            raise error
        self._missing.note(rank, error, self._is_done)

    def done(self, done: SliceDone) -> None:
        """Hear that a slice is finished; raises RunError if too many pages have failed."""
        slice_ = self._ledger.plan.slices[done.number]
        self.found = replace(
            self.found, slices=self.found.slices + 1, pages=self.found.pages + done.pages,
            kept=self.found.kept + done.kept, planned_bytes=self.found.planned_bytes + slice_.end - slice_.start,
        )  # fmt: skip
        self._failures += _failures(done.failures)
        if self._failures >= MIN_FAILURES and self._failures > MAX_FAILURE_SHARE * self.found.pages:
            raise RunError(
                f"{self._failures} of {self.found.pages} pages failed (more than {MAX_FAILURE_SHARE:.0%}), "
                f"last {done.failures or 'in other slices'}; see: finest status {self._ledger.out}, "
                f"logs are in {self._ledger.folder / 'logs'}"
            )


def take_in(ledger: Ledger, watch: FailureWatch, progress: Progress) -> None:
    """Report and check the slices that this and other processes have finished since the last call."""
    for done in watch.news():
        progress.finished(done, ledger.plan.slices[done.number])


def _failures(reasons: dict[str, int]) -> int:
    return sum(count for reason, count in reasons.items() if reason in FAILURES)
