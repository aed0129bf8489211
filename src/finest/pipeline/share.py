"""The DataTrove step of each cluster task: judge slices of the run that no other task has."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datatrove.pipeline.base import PipelineStep

from finest.errors import ClusterError, FinestError
from finest.executors.slurm.units import end_others
from finest.formatting import counted
from finest.pipeline.claims import Claims
from finest.pipeline.deaths import slice_name
from finest.pipeline.failures import TaskWatch, check_restarts, noting_error
from finest.pipeline.ledger import Ledger
from finest.pipeline.missing import SlicesLeft, is_missing
from finest.pipeline.options import RunOptions
from finest.pipeline.preflight import preflight
from finest.pipeline.progress import Progress
from finest.pipeline.queue import Queue, cut
from finest.pipeline.slices import judge_slices
from finest.pipeline.submission import CLAIMS, Stage, Submission, read, with_addresses
from finest.recipe.recipe import parse_recipe
from finest.warc.source import CommonCrawl

if TYPE_CHECKING:
    from finest.pipeline.done import SliceDone
    from finest.pipeline.summary import Totals
    from finest.warc.slices import Slice


PATIENCE_S = 20.0
"""How long other tasks may still run when all slices are finished: they look every 10 s."""


class RefineShare(PipelineStep):
    """Judges slices of the run as one of its tasks, and commits each to the ledger, until none is left to take."""

    type, name = "REFINE", "share"

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def run(self, data: Any = None, rank: int = 0, world_size: int = 1) -> Iterator[Any]:  # noqa: ARG002
        with plain_end():
            if self.judge(rank, world_size, Lines()):
                with suppress(ClusterError):  # the node may have no commands of Slurm
                    end_others(PATIENCE_S)
        return iter(())

    def judge(self, task: int, tasks: int, progress: Progress) -> bool:
        """Judge what task `task` can claim of the submission's slices; return True in the first that finds all done."""
        with noting_error(self.folder, task):
            check_restarts()
            ledger, submission, options = opened(self.folder)
            blocks = cut(submission.spans(), ledger.plan.slices.first, tasks * options.workers)
            claims = Claims(self.folder / CLAIMS, blocks, task, tasks, SlicesLeft(ledger).look)
            watch = TaskWatch(ledger, claims, progress.say)
            progress.say(
                f"Task {task} of {tasks} on {os.uname().nodename}; {counted(submission.slices, 'slice')} to share"
            )
            preflight(options.recipe, options.cache)
            logs = self.folder / "workers" / str(task)
            is_left = True
            while is_left:
                queue = Queue(
                    blocks, claims.take, lambda rank: is_missing(ledger, rank) or claims.is_taken(rank)
                )  # fmt: skip
                judge_slices(ledger, options, progress, queue, watch, {}, logs)
                is_left = claims.wait(progress.tick)
            watch.end()
            return claims.is_first_at_the_end()


def opened(folder: Path, stage: Stage = "slices") -> tuple[Ledger, Submission, RunOptions]:
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
        workers=submission.allotment_of(stage).cpus_per_task, engine=ledger.plan.engine,
        dedup_memory=submission.dedup_memory,
        against=submission.against, keep_index=submission.keep_index,
        requests_per_s=submission.requests_per_s,
        max_pause_s=submission.max_pause_s, allow_missing=submission.allow_missing,
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


class Lines(Progress):
    """Prints one line per slice into the job's log; the follower shows the progress of the whole run."""

    def __init__(self, *, quiet: bool = False) -> None:
        super().__init__(quiet=quiet)
        self._done = 0

    def finished(self, done: SliceDone, slice_: Slice) -> None:
        self._done += 1
        self.say(f"{self._done}: slice {slice_name(slice_)}, {done.pages} pages")

    def begin(self, ledger: Ledger, done: Totals, workers: int) -> None:
        pass
