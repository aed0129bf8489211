"""`--executor slurm`: submit a run and follow it, attach to it again, or cancel it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from finest.dataset.manifest import read_manifest
from finest.errors import LedgerError
from finest.executors.slurm.request import fit, fit_dataset
from finest.executors.slurm.stage import SlurmStage
from finest.executors.slurm.units import stages
from finest.formatting import counted
from finest.pipeline.assemble import run_shards
from finest.pipeline.dataset_share import DatasetShare
from finest.pipeline.forecast.forecast import ASSEMBLY_MEMORY_BYTES, RUN_MEMORY_BYTES
from finest.pipeline.ledger import Ledger
from finest.pipeline.plan import begin, finished
from finest.pipeline.preflight import preflight
from finest.pipeline.share import RefineShare
from finest.pipeline.slurm import jobs
from finest.pipeline.slurm.follow import Follower
from finest.pipeline.submission import Stage, Submission, folder_of, new, write

if TYPE_CHECKING:
    from pathlib import Path

    from finest.dataset.manifest import Manifest
    from finest.pipeline.options import Ask, RunOptions
    from finest.pipeline.progress import Progress

ROWS_PER_BYTE = 1e-5
"""Rows per byte of WARC, to be prepared for: 10,000 a GB, four times as many as `fineweb` keeps of Common Crawl."""
DEDUP_FIXED_BYTES, DEDUP_BYTES_PER_ROW = 64 << 20, 100
"""Memory of a process that deduplicates, unless --dedup-memory allows less."""


def refine_on_slurm(options: RunOptions, progress: Progress, ask: Ask | None = None) -> Manifest:
    """Submit what is missing and follow it to its end; if jobs are running already, follow those instead.

    Raises what `refine` raises, and ClusterError; the answer `detach` of `ask` raises Detached.
    """
    out = options.out.absolute()
    try:
        handed = submit(options, progress)
        if handed is None:
            return read_manifest(out)
        ledger = Ledger.read(out)
        follower = Follower(ledger, _complete(ledger, handed), progress, ask)
    except KeyboardInterrupt:
        if going := jobs.at_work(out):
            jobs.cancel_now(Ledger.read(out), going, progress)
        raise
    return follower.follow()


def submit(options: RunOptions, progress: Progress) -> Submission | None:
    """Submit what is missing, unless jobs are already running; None if nothing is missing. Raises ClusterError."""
    assert options.slurm is not None
    options = replace(options, out=options.out.absolute())
    if options.restart:
        jobs.leave_to_slurm(options.out, progress, restart=True)
    ledger = begin(options, progress)
    with ledger.lock():
        going = jobs.at_work(options.out)
        if going is not None:
            progress.say(f"The jobs of this run are already running: {describe(going)}")
            return going
        ledger.sweep()
        if finished(ledger, progress, with_index=options.keep_index):
            return None
        progress.say("Checking the installation on a known page")
        preflight(options.recipe, options.cache)
        ledger.saved()
        return _hand_in(ledger, options, progress)


def attach(out: Path, progress: Progress, ask: Ask | None = None) -> Manifest:
    """Follow the jobs of the run in `out`; raises LedgerError if there are no jobs to follow, RunError if they failed.

    This works even if the submitting process has died or the jobs have already ended.
    """
    out = out.absolute()
    ledger, found = Ledger.read(out), _own(out)
    if found.ended is not None:
        if finished(ledger, progress):
            return read_manifest(out)
        raise LedgerError(f"no job of {out} is left on Slurm: {found.ended}; {_GO_ON}")
    found = _complete(ledger, jobs.with_queue(found))
    progress.say(f"Following {describe(found)}")
    return Follower(ledger, found, progress, ask).follow()


def cancel(out: Path) -> list[int]:
    """Cancel the jobs of the run in `out`, and no others; returns their ids. Raises LedgerError, ClusterError."""
    out = out.absolute()
    ledger, found = Ledger.read(out), _own(out)
    ids = jobs.cancel_all(found)
    if ids:
        jobs.with_end(ledger, found, "cancelled")
    return ids


def describe(submission: Submission) -> str:
    """Describe the submission's jobs in a few words."""
    tasks = f"{counted(submission.tasks, 'task')} of {counted(submission.cpus_per_task, 'CPU')}"
    makers = counted(submission.tasks_of("dataset"), "task")
    words = {"slices": f"({tasks})", "dataset": f"({makers} for the dataset)"}
    all_jobs = " and ".join(f"job {job} {words[stage]}" for stage, job in submission.jobs.items())
    return f"{all_jobs} in partition {submission.allotment.partition}"


def _hand_in(ledger: Ledger, options: RunOptions, progress: Progress) -> Submission:
    """Save the submission, then submit its jobs; if anything fails, cancel those already submitted."""
    assert options.slurm is not None
    ranks = ledger.pending()
    allotment = fit(options.slurm, max(len(ranks), 1))
    need = partial(dataset_memory_bytes, ledger.plan.planned_bytes, options.dedup_memory)
    dataset = fit_dataset(options.slurm, len(run_shards(ledger, options.recipe)), need)
    made = new(ledger, allotment, ranks, options, dataset=dataset)
    try:
        if ranks:
            made = _stage(ledger, made, "slices")
        made = _stage(ledger, made, "dataset", after=made.jobs.get("slices"))
        progress.say(f"Submitted to Slurm: {describe(made)}")
    except BaseException:
        jobs.with_end(ledger, made, "the submission was incomplete")
        jobs.cancel_all(made)
        raise
    return made


def dataset_memory_bytes(source_bytes: int, dedup_memory: int, workers: int) -> int:
    """Return the memory to request for a task that makes the dataset of so many bytes of WARC, in that many processes.

    Each deduplicates, which needs `dedup_memory` at most, or writes a shard.
    """
    compared = DEDUP_FIXED_BYTES + round(source_bytes * ROWS_PER_BYTE * DEDUP_BYTES_PER_ROW)
    return RUN_MEMORY_BYTES + workers * max(ASSEMBLY_MEMORY_BYTES, min(dedup_memory, compared))


def _stage(ledger: Ledger, made: Submission, stage: Stage, after: int | None = None) -> Submission:
    """Submit one stage and save its job id at once."""
    folder = folder_of(ledger, made.run)
    step = RefineShare(folder) if stage == "slices" else DatasetShare(folder)
    job = SlurmStage(
        step, made.tasks_of(stage), made.allotment_of(stage), run=made.run, stage=stage, folder=folder / stage
    )
    return jobs.with_job(ledger, made, stage, job.submit(after=after))


def _complete(ledger: Ledger, found: Submission) -> Submission:
    """Submit the second job if the submitter died before it did; raises LedgerError if there is no first job either."""
    if "dataset" in found.jobs:
        write(ledger, found)
        return found
    if ledger.locked():
        raise LedgerError(f"{ledger.out} is being submitted right now; try again later")
    if "slices" not in stages(found.run):
        jobs.with_end(ledger, found, "its submitter was killed")
        raise LedgerError(f"{ledger.out} has no job on Slurm: its submitter was killed; {_GO_ON}")
    return _stage(ledger, found, "dataset", after=found.jobs["slices"])


def _own(out: Path) -> Submission:
    found = jobs.latest(out)
    if found is None:
        raise LedgerError(f"{out} was never submitted to Slurm; submit it with: finest refine ... --executor slurm")
    if not jobs.is_own(found):
        raise LedgerError(f"the jobs of {out} belong to {found.user}; only {found.user} can follow or cancel them")
    return found


_GO_ON = "run the command that started it again to continue"
