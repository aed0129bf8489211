"""Judge the slices of a run in forked workers on this machine, and watch for failures."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from finest.dataset.rows import verdict_batch
from finest.errors import RunError
from finest.executors.local import ForkedExecutor
from finest.pipeline.guard import CPU_SIGNAL
from finest.pipeline.ledger import slice_name
from finest.pipeline.queue import cut, queue_of
from finest.pipeline.steps import JudgePages, ReadSlice, Session, WriteSlice
from finest.recipe.reasons import FAILURES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from datatrove.pipeline.base import PipelineStep

    from finest.pipeline.ledger import Ledger
    from finest.pipeline.options import RunOptions
    from finest.pipeline.progress import Progress
    from finest.pipeline.queue import Queue
    from finest.pipeline.summary import SliceSummary

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
    """Return the slices whose first record is not where the previous slice ended: {rank: where it must begin}.

    For each source, these are the first such slice and those that follow it, as long as the previous one ends at or
    before that offset and so holds no record. Later slices are checked once these have been read again.
    """
    wrong: dict[int, int] = {}
    start: dict[int, int] = {}
    """For each source with a break: the offset where the slice after the break must begin."""
    for rank, (before, summary) in enumerate(itertools.pairwise(ledger.summaries()), 1):
        if before.source != summary.source:
            continue
        if summary.source not in start and before.next_offset != summary.first_offset:
            wrong[rank] = start[summary.source] = before.next_offset
        elif before.end <= start.get(summary.source, 0) != summary.first_offset:
            wrong[rank] = start[summary.source]
    return wrong


def _run_ranks(
    ledger: Ledger, options: RunOptions, progress: Progress, ranks: Sequence[int], exact_starts: dict[int, int]
) -> None:
    if not ranks:
        return
    done = ledger.summaries()
    progress.begin(ledger, done, options.workers)
    queue = queue_of(blocks_of(ledger, ranks, options.workers))
    judge_slices(ledger, options, progress, queue, FailureWatch(ledger, done), exact_starts)
    progress.end()


def blocks_of(ledger: Ledger, ranks: Sequence[int], workers: int) -> list[range]:
    """Return the blocks in which that many workers judge the slices `ranks`."""
    return cut(ranks, lambda rank: ledger.plan.slices[rank].source_index, workers)


def judge_slices(
    ledger: Ledger, options: RunOptions, progress: Progress, queue: Queue, watch: FailureWatch,
    exact_starts: dict[int, int], logs: Path | None = None,
) -> None:  # fmt: skip
    """Judge the slices of the queue in forked workers; `watch` hears of each slice, and may end this by an error."""
    session = Session(ledger, exact_starts, ledger.pauses(options.max_pause_s), queue.last)
    verdict_batch([])  # makes pyarrow import pandas (if installed) once here, not in every worker

    def on_done(rank: int) -> None:
        summary = ledger.summary(ledger.plan.slices[rank])
        watch.done(rank, summary)
        progress.finished(summary)

    def on_death(rank: int, exit_code: int) -> None:
        watch.killed(exit_code)
        slice_ = ledger.plan.slices[rank]
        source = ledger.plan.sources[slice_.source_index].name
        at_limit = exit_code == -CPU_SIGNAL
        if ledger.note_death(slice_, at_limit=at_limit) > MAX_DEATHS_PER_SLICE:
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
    """Stops a run with too large a share of failed pages (a broken machine must not look like bad pages), or an error.

    A task of a cluster, which is one of many, goes on after an error: `finest.pipeline.failures.TaskWatch`.
    """

    def __init__(self, ledger: Ledger, done: Sequence[SliceSummary] = ()) -> None:
        self._ledger = ledger
        self._pages = sum(s.pages for s in done)
        self._failures = sum(_failures(s.reasons) for s in done)

    def killed(self, exit_code: int) -> None:
        """Hear that a worker died; unless this raises, its slice is read again."""

    def failed(self, rank: int, error: Exception) -> None:  # noqa: ARG002
        """Hear that a slice could not be judged; unless this raises, it is left out."""
        raise error

    def done(self, rank: int, summary: SliceSummary) -> None:  # noqa: ARG002
        """Hear that a slice is finished."""
        self.look(summary)

    def look(self, summary: SliceSummary) -> None:
        self._pages += summary.pages
        self._failures += _failures(summary.reasons)
        if self._failures >= MIN_FAILURES and self._failures > MAX_FAILURE_SHARE * self._pages:
            reasons = {reason: n for reason, n in summary.reasons.items() if reason in FAILURES}
            raise RunError(
                f"{self._failures} of {self._pages} pages failed (more than {MAX_FAILURE_SHARE:.0%}), "
                f"last {reasons or 'in other slices'}; see: finest status {self._ledger.out}, "
                f"logs are in {self._ledger.folder / 'logs'}"
            )


def take_in(ledger: Ledger, missing: set[int], watch: FailureWatch, progress: Progress) -> set[int]:
    """Report and check the slices of `missing` that other processes have finished; return those still missing."""
    left = missing.intersection(ledger.pending())
    for rank in sorted(missing - left):
        summary = ledger.summary(ledger.plan.slices[rank])
        watch.look(summary)
        progress.finished(summary)
    return left


def _failures(reasons: dict[str, int]) -> int:
    return sum(count for reason, count in reasons.items() if reason in FAILURES)
