"""The DataTrove step of each cluster task: judge a share of the run's slices."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datatrove.pipeline.base import PipelineStep

from finest.errors import FinestError, RunError
from finest.executors.slurm.memory import memory_kills
from finest.pipeline.ledger import Ledger
from finest.pipeline.options import RunOptions
from finest.pipeline.preflight import preflight
from finest.pipeline.progress import Progress
from finest.pipeline.slices import FailureWatch, run_ranks
from finest.pipeline.submission import Submission, read, with_addresses
from finest.recipe.recipe import parse_recipe
from finest.warc.source import CommonCrawl

if TYPE_CHECKING:
    from collections.abc import Sequence

    from finest.pipeline.summary import SliceSummary


class RefineShare(PipelineStep):
    """Judges every N-th of the run's slices, starting with the r-th, as task r of N, and commits each to the ledger."""

    type, name = "REFINE", "share"

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def run(self, data: Any = None, rank: int = 0, world_size: int = 1) -> Iterator[Any]:  # noqa: ARG002
        with plain_end():
            self.judge(rank, world_size, Lines())
        return iter(())

    def judge(self, rank: int, world_size: int, progress: Lines) -> None:
        """Judge the slices of task `rank` that are still missing."""
        ledger, submission, options = opened(self.folder)
        missing = set(ledger.pending())
        share = [index for index in submission.ranks[rank::world_size] if index in missing]
        progress.expect(len(share))
        preflight(options.recipe, options.cache)
        logs = self.folder / "workers" / str(rank)
        run_ranks(ledger, options, progress, share, {}, FailureWatch(ledger), logs, on_kill=MemoryGuard())


def opened(folder: Path) -> tuple[Ledger, Submission, RunOptions]:
    """Open the run of the submission in OUT/ledger/slurm/RUN; raises RecipeError on a node with other libraries."""
    out = folder.parents[2]
    ledger = Ledger.read(out)
    ledger.plan = with_addresses(ledger.plan, folder)
    submission = read(folder / "submission.json")
    recipe = parse_recipe(ledger.plan.recipe)
    language = recipe.language.model_copy(update={"model": submission.model})
    recipe = recipe.model_copy(update={"language": language})
    options = RunOptions(
        specs=(), out=out, recipe=recipe, cache=Path(submission.cache), common_crawl=CommonCrawl(),
        workers=submission.cpus_per_task, engine=ledger.plan.engine, dedup_memory=submission.dedup_memory,
        max_pause_s=submission.max_pause_s,
    )  # fmt: skip
    return ledger, submission, options


@contextmanager
def plain_end() -> Iterator[None]:
    """Print the error that ends a job as one line at the end of its log, and exit with that error's exit code."""
    try:
        yield
    except FinestError as error:
        print(f"finest: {error}", file=sys.stderr, flush=True)  # noqa: T201 - the job's log
        sys.exit(error.exit_code)


class MemoryGuard:
    """Distinguishes a worker that the kernel killed because the job ran out of memory from one that a page killed.

    Only the latter may be retried and blamed on the page: Slurm reports the job as OUT_OF_MEMORY in both cases.
    """

    def __init__(self) -> None:
        self._before = memory_kills()

    def __call__(self, exit_code: int) -> None:
        if exit_code == -signal.SIGKILL and memory_kills() > self._before:
            raise RunError("the job ran out of memory, and the kernel killed a worker; request more with --mem-per-cpu")


class Lines(Progress):
    """Prints one line per slice into the job's log; the follower shows the progress of the whole run."""

    def expect(self, slices: int) -> None:
        """Set the number of slices that this task will judge."""
        self._slices, self._done = slices, 0
        self.say(f"{slices} slices on {os.uname().nodename}")

    def finished(self, summary: SliceSummary) -> None:
        self._done += 1
        self.say(
            f"{self._done} of {self._slices}: slice {summary.source:05d}-{summary.index:05d}, {summary.pages} pages"
        )

    def begin(self, ledger: Ledger, done: Sequence[SliceSummary], workers: int) -> None:
        pass
