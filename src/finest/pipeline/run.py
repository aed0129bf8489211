"""One run: sources in, a proven dataset out. Whatever stops it, the same command goes on where it stopped.

    plan -> preflight -> slices (in parallel, into the ledger) -> chain check -> MinHash over the run -> shards,
    verdicts, manifest, card, report

The manifest is written last: a folder with a manifest holds a finished dataset.
"""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from finest.dataset.manifest import read_manifest
from finest.dataset.rows import verdict_batch
from finest.errors import RunError, UsageError
from finest.executors.local import ForkedExecutor
from finest.pipeline.assemble import assemble
from finest.pipeline.guard import CPU_SIGNAL
from finest.pipeline.ledger import Ledger, RunPlan, slice_name
from finest.pipeline.preflight import preflight
from finest.pipeline.steps import JudgePages, ReadSlice, Session, WriteSlice
from finest.recipe.reasons import FAILURES
from finest.warc.slices import Slice, plan_slices
from finest.warc.source import inspect, name_sources, resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from datatrove.pipeline.base import PipelineStep

    from finest.dataset.manifest import Manifest
    from finest.executors.slurm.request import SlurmRequest
    from finest.pipeline.progress import Progress
    from finest.pipeline.ray import RayRequest
    from finest.pipeline.slurm.follow import Ask
    from finest.pipeline.summary import SliceSummary
    from finest.recipe.recipe import Recipe
    from finest.warc.source import CommonCrawl, Source

LOCAL_SLICE_BYTES = 2 << 20
"""Slices of local files: small, so that one WARC of 50 MB fills two dozen cores and little is lost to a kill."""
REMOTE_SLICE_BYTES = 32 << 20
"""Slices of remote files: each costs a request, and Common Crawl asks for few and long ones."""
MAX_FAILURE_SHARE = 0.01
"""Failures (not drops) past this share of pages stop the run: something is wrong that no rerun mends."""
MIN_FAILURES = 10
"""Below this many failures no share is worth stopping for."""
MAX_DEATHS_PER_SLICE = 8
"""A slice that takes more workers with it than this stops the run."""
GO_ON = "finished slices are kept; run the same command again to do the rest"
"""What mends a run whose slices others judge."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What a person asked for."""

    specs: tuple[str, ...]
    out: Path
    recipe: Recipe
    cache: Path
    common_crawl: CommonCrawl
    workers: int = 1
    limit: int | None = None
    engine: str = "finest"
    restart: bool = False
    slurm: SlurmRequest | None = None
    """Run the slices on Slurm."""
    ray: RayRequest | None = None
    """Run the slices on Ray; neither: on this machine."""


def refine(options: RunOptions, progress: Progress, ask: Ask | None = None) -> Manifest:
    """Refine the sources into `options.out` and return the dataset's manifest.

    Raises SourceError, RecipeError, LedgerError, RunError, and ClusterError where Slurm runs it; whatever is finished
    by then stays in the ledger, and the same call goes on from there. A run that is already finished is only read.
    `ask` answers Ctrl-C while Slurm runs it; Detached where it says so.
    """
    if options.slurm is not None:
        from finest.pipeline.slurm.run import refine_on_slurm

        return refine_on_slurm(options, progress, ask)
    if (options.out / "ledger" / "slurm").exists():
        from finest.pipeline.slurm.submission import forget_addresses, leave_to_slurm

        leave_to_slurm(options.out, progress, restart=options.restart)
        forget_addresses(options.out)
    ledger = begin(options, progress)
    with ledger.lock():
        ledger.sweep()
        if manifest := finished(ledger, progress):
            return manifest
        progress.say("Checking the installation on a known page")
        preflight(options.recipe, options.cache)
        if options.ray is not None:
            from finest.pipeline.ray import judge_on_ray

            judge_on_ray(ledger, options, options.ray, progress)
        return finish(ledger, options, progress)


def begin(options: RunOptions, progress: Progress) -> Ledger:
    """Look at the sources and open the run in `options.out`, or begin it."""
    if options.workers < 1:
        raise UsageError("--workers must be a whole number of at least 1")
    try:
        str(options.out).encode()
    except UnicodeEncodeError:
        raise UsageError(
            f"--out {str(options.out)!r}: the name is not valid UTF-8, which Parquet needs; choose another"
        ) from None
    options.out.parent.mkdir(parents=True, exist_ok=True)
    progress.say("Looking at the sources")
    return Ledger.begin(options.out, make_plan(options), restart=options.restart)


def finished(ledger: Ledger, progress: Progress) -> Manifest | None:
    """The manifest of a run that has nothing left to do."""
    if ledger.pending() or not (ledger.out / "manifest.json").exists():
        return None
    progress.say(f"{ledger.out} is already finished")
    return read_manifest(ledger.out)


def finish(ledger: Ledger, options: RunOptions, progress: Progress) -> Manifest:
    """Run the slices that are missing, then make the dataset of all. Call with the lock held."""
    run_slices(ledger, options, progress)
    return assemble(ledger, options.recipe, progress)


def make_plan(options: RunOptions) -> RunPlan:
    """Find the sources, look at the head of each and cut them in slices."""
    locations = resolve(options.specs, options.common_crawl)
    names = name_sources(locations)
    sources = tuple(inspect(location, name) for location, name in zip(locations, names, strict=True))
    return RunPlan(
        recipe=options.recipe.resolved(),
        recipe_hash=options.recipe.hash,
        engine=options.engine,
        limit=options.limit,
        sources=sources,
        slices=tuple(s for i, source in enumerate(sources) for s in _slices(i, source, options.limit)),
    )


def _slices(index: int, source: Source, limit: int | None) -> list[Slice]:
    """A limit counts pages from the head of a source, which only a single slice can."""
    if limit is not None:
        return [Slice(index, 0, 0, source.size_bytes)]
    remote = "://" in source.location
    return plan_slices(source, index, REMOTE_SLICE_BYTES if remote else LOCAL_SLICE_BYTES)


def run_slices(ledger: Ledger, options: RunOptions, progress: Progress) -> None:
    """Run what is missing, then re-read the slices that do not begin where the one before them ended."""
    _run_ranks(ledger, options, progress, ledger.pending(), {})
    while unchained := find_unchained(ledger):
        progress.say(f"Reading {len(unchained)} slices again from where the slice before them ended")
        for rank in unchained:
            ledger.discard(ledger.plan.slices[rank])
        _run_ranks(ledger, options, progress, sorted(unchained), unchained)


def find_unchained(ledger: Ledger) -> dict[int, int]:
    """Slices whose first record is not where the slice before them ended: {rank: where it must begin}.

    Of each source the first one is named, and those after it that end before that place, so that they hold nothing:
    what follows is judged when these have been read again.
    """
    wrong: dict[int, int] = {}
    start: dict[int, int] = {}
    """Of a source with a break: where the slice after it must begin."""
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
    run_ranks(ledger, options, progress, ranks, exact_starts, FailureWatch(ledger, done), ledger.folder / "logs")
    progress.end()


def run_ranks(
    ledger: Ledger, options: RunOptions, progress: Progress, ranks: Sequence[int], exact_starts: dict[int, int],
    watch: FailureWatch, logs: Path, *, on_kill: Callable[[int], None] = lambda _: None,
) -> None:  # fmt: skip
    """Run slices in forked workers of this machine; `on_kill(exit_code)` may end it when a worker has died."""
    session = Session(ledger, exact_starts)
    verdict_batch([])  # pyarrow imports pandas for it, where there is one: once, not in every worker

    def on_done(rank: int) -> None:
        summary = ledger.summary(ledger.plan.slices[rank])
        watch.look(summary)
        progress.finished(summary)

    def on_death(rank: int, exit_code: int) -> None:
        on_kill(exit_code)
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
        _pipeline(options, session), ranks, world_size=len(ledger.plan.slices), workers=options.workers,
        logging_dir=logs, on_done=on_done, on_tick=progress.tick, on_death=on_death,
    )  # fmt: skip
    executor.run()


def _pipeline(options: RunOptions, session: Session) -> list[PipelineStep]:
    middle: list[PipelineStep] = [JudgePages(session, options.recipe, options.cache)]
    if options.engine == "datatrove":
        from finest.pipeline.datatrove_engine import datatrove_steps  # its imports cost a third of a second

        middle = datatrove_steps(session, options.recipe, options.cache)
    return [ReadSlice(session, options.recipe), *middle, WriteSlice(session, options.recipe)]


class FailureWatch:
    """Stops a run whose failures pass a share of its pages: a broken machine must not pass for bad pages."""

    def __init__(self, ledger: Ledger, done: Sequence[SliceSummary] = ()) -> None:
        self._ledger = ledger
        self._pages = sum(s.pages for s in done)
        self._failures = sum(_failures(s.reasons) for s in done)

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
    """What others have finished of `missing` goes to the bar, and is watched for failures; gives what is left of it."""
    left = missing.intersection(ledger.pending())
    for rank in sorted(missing - left):
        summary = ledger.summary(ledger.plan.slices[rank])
        watch.look(summary)
        progress.finished(summary)
    return left


def _failures(reasons: dict[str, int]) -> int:
    return sum(count for reason, count in reasons.items() if reason in FAILURES)


def default_workers() -> int:
    """The CPUs that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
