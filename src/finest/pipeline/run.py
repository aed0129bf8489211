"""Run the pipeline from the sources to a verifiable dataset. The same command resumes a run that was stopped.

    plan -> preflight -> slices (in parallel, into the ledger) -> check that each slice begins where the previous one
    ended -> MinHash over the run -> shards, verdicts, card, manifest

The run writes the manifest last, so a folder with a manifest contains a finished dataset.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from finest.pipeline.forecast.beside import forecast_run
from finest.pipeline.plan import begin, finish, finished, local_tasks
from finest.pipeline.preflight import preflight
from finest.pipeline.submission import clean_up

if TYPE_CHECKING:
    from finest.dataset.manifest import Manifest
    from finest.pipeline.options import Ask, RunOptions
    from finest.pipeline.progress import Progress


def refine(options: RunOptions, progress: Progress, ask: Ask | None = None) -> Manifest:
    """Refine the sources into `options.out` and return the dataset's manifest.

    Raises SourceError, RecipeError, LedgerError, RunError, and ClusterError on Slurm or Ray. Finished slices stay in
    the ledger, and the same call resumes from there. A run that is already finished only has its manifest read.
    `ask` answers Ctrl-C while the run is on Slurm; the answer `detach` raises Detached.
    """
    if options.slurm is not None:
        from finest.pipeline.slurm.run import refine_on_slurm

        return refine_on_slurm(options, progress, ask)
    if (options.out / "ledger" / "slurm").exists():
        from finest.pipeline.slurm.jobs import leave_to_slurm

        leave_to_slurm(options.out, progress, restart=options.restart)
        clean_up(options.out)
    ledger = begin(options, progress)
    with ledger.lock():
        ledger.sweep()
        if manifest := finished(ledger, progress, with_index=options.keep_index):
            return manifest
        progress.say("Checking the installation on a known page")
        preflight(options.recipe, options.cache)
        forecast_run(ledger.plan, options, progress)
        if options.ray is not None:
            from finest.pipeline.ray import refine_on_ray

            return refine_on_ray(ledger, options, options.ray, progress)
        return finish(ledger, options, local_tasks(ledger, options, progress))


def default_workers() -> int:
    """Return the number of CPUs that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
