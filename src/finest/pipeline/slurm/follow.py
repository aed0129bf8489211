"""Follow a run's jobs to their end, which a failed task is not; success needs both the ledger and Slurm.

The other tasks take over what a failed one leaves. The run fails if none is left for that, if the same error ended
tasks on several nodes, or if most of the tasks failed.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from finest.dataset.manifest import MANIFEST_NAME, read_manifest
from finest.errors import FinestError, RunError
from finest.executors.slurm.units import Unit, Watch, ending_of
from finest.executors.slurm.waiting import Waiting
from finest.executors.slurm.words import FORGOTTEN, never_starts
from finest.formatting import counted, showable
from finest.pipeline.assemble import run_shards
from finest.pipeline.assembly.write import NOTE_NAME
from finest.pipeline.failures import is_little, job_error, read_errors, reason_to_stop
from finest.pipeline.options import GO_ON
from finest.pipeline.progress import Pace
from finest.pipeline.slices import FailureWatch, take_in
from finest.pipeline.slurm.jobs import cancel_all, cancel_now, with_end
from finest.pipeline.submission import STAGES, folder_of
from finest.recipe.recipe import parse_recipe

if TYPE_CHECKING:
    from finest.dataset.manifest import Manifest
    from finest.pipeline.ledger import Ledger
    from finest.pipeline.options import Ask
    from finest.pipeline.progress import Progress
    from finest.pipeline.submission import Submission

SHORTEST_S, LONGEST_S = 0.5, 5.0
"""Seconds between two queries of the queue: short for a small run, long enough to spare a busy controller."""
PATIENCE = 60
"""The interval between two queries is the time followed so far, divided by this."""
TICK_S = 0.5
LEDGER_LAG_S = 60.0
"""How long a finished slice may stay invisible on a shared file system: NFS caches folder listings for up to 60 s."""
TOLD_AT_ONCE = 3
"""Number of failed tasks whose reasons are looked up and told at once: each takes up to 3 s."""
TAIL_LINES = 12
TAIL_BYTES = 16 << 10
LINE_CHARS = 300


class Detached(FinestError):
    """The user stopped following; the jobs keep running."""

    exit_code = 0


class Follower:
    """Follows one submission. `ask` answers Ctrl-C; without it, Ctrl-C cancels the jobs."""

    def __init__(self, ledger: Ledger, submission: Submission, progress: Progress, ask: Ask | None = None) -> None:
        self._ledger, self._submission, self._progress, self._ask = ledger, submission, progress, ask
        self._watch = Watch(submission.tasks_by_job(), submission.run, progress.say)
        self._waiting = Waiting(progress.say)
        self._failures = FailureWatch(ledger, progress.say)
        self._stuck: set[str] = set()
        self._told: set[str] = set()
        """Failed tasks that were reported."""
        self._nodes: dict[str, str] = {}
        """The nodes of the tasks that ran at the last look."""
        self._was_over = False
        """Whether all tasks that judge slices had ended at the last look."""
        self._units: list[Unit] = []
        self._began = time.monotonic()
        self._is_shown = False
        self._shards: Pace | None = None
        self._manifest = ledger.out / MANIFEST_NAME

    def follow(self) -> Manifest:
        """Wait for the end and return the manifest; if the run fails, cancel its other jobs and raise RunError."""
        try:
            while (manifest := self._step()) is None:
                pass
        except Detached:
            raise
        except KeyboardInterrupt:
            self._progress.close()
            cancel_now(self._ledger, self._submission, self._progress)
            raise
        except BaseException as error:
            self._stop(str(error))
            raise
        with_end(self._ledger, self._submission, "finished")
        return manifest

    def _step(self) -> Manifest | None:
        """Check the ledger and the queue, then pause; returns the manifest once every task has succeeded."""
        try:
            self._show()
            self._take_in()
            units = self._watch.patient_look()
            if units is not None:
                self._units = units
                self._check(units)
                self._waiting.tell(units)
                if all(unit.is_over for unit in units):
                    return self._result()
            self._pause()
        except KeyboardInterrupt:
            self._interrupted()
        return None

    def _take_in(self) -> None:
        """Report the slices that are new in the ledger, and check them for failures."""
        take_in(self._ledger, self._failures, self._progress)
        if self._is_shown and not self._failures.missing:
            self._is_shown = False
            self._progress.end()
            self._progress.say("Making the dataset")
        if not self._failures.missing:
            self._tell_shards()

    def _tell_shards(self) -> None:
        """Report how many shards are written."""
        written = sum(1 for _ in (self._ledger.folder / "assembly").glob(f"*/{NOTE_NAME}"))
        if written and self._shards is None:
            shards = run_shards(self._ledger, parse_recipe(self._ledger.plan.recipe))
            self._shards = Pace("Writing shards", len(shards), self._progress)
        if written and self._shards is not None:
            self._shards.reach(written)

    def _check(self, units: list[Unit]) -> None:
        """Report failed tasks; raise `job_error` if the run cannot finish, RunError if a job never starts."""
        slices, makers = (
            [unit for unit in units if self._submission.stage_of(unit.job) == stage] for stage in STAGES
        )  # fmt: skip
        failed = [unit for unit in slices if unit.is_bad]
        is_over = all(unit.is_over for unit in slices)
        missing = len(self._ledger.pending()) if failed and is_over else self._failures.missing
        folder = folder_of(self._ledger, self._submission.run)
        errors = read_errors(folder) if failed else []
        why = reason_to_stop(errors, len(failed), len(slices)) if failed and missing else None
        if why and not is_over:
            raise job_error(errors, f"{why}; {self._failure(failed)}")
        if failed and is_over and self._was_over and not is_little(missing, self._submission.slices):
            raise job_error(errors, self._failure(failed))
        self._check_makers(makers, failed if missing else [])
        for stage_units, what in ((slices, "slices"), (makers, "part of the dataset")):
            self._tell([unit for unit in stage_units if unit.is_bad and unit.state != "CANCELLED"], what)
        self._tell_restarts(units)
        self._was_over = is_over
        self._raise_stuck(units)

    def _check_makers(self, makers: list[Unit], earlier: list[Unit]) -> None:
        """Raise `job_error` if the tasks that make the dataset cannot; `earlier` are failed ones that left slices."""
        bad = [unit for unit in makers if unit.is_bad]
        if not bad or self._manifest.exists():
            return
        folder = folder_of(self._ledger, self._submission.run)
        errors = read_errors(folder / "dataset")
        if len(bad) == len(makers):
            raise job_error(read_errors(folder) if earlier else errors, self._failure(earlier or bad))
        if why := reason_to_stop(errors, len(bad), len(makers)):
            raise job_error(errors, f"{why}; {self._failure(bad)}")

    def _tell(self, failed: list[Unit], what: str) -> None:
        """Report the tasks that have failed since the last look, the first few of them with their reasons.

        `what` names the work that they leave.
        """
        new = [unit for unit in failed if unit.id not in self._told]
        self._told.update(unit.id for unit in new)
        for unit in new[:TOLD_AT_ONCE]:
            self._progress.say(f"Task {unit.id} {ending_of(unit).words()}; the other tasks take over its {what}")
        if len(new) > TOLD_AT_ONCE:
            self._progress.say(f"So did {counted(len(new) - TOLD_AT_ONCE, 'other task')} fail")

    def _tell_restarts(self, units: list[Unit]) -> None:
        """Report the tasks that ran at the last look and now wait again, or were cancelled, e.g. as late ones."""
        others = "; the other tasks take over its work" if not all(unit.is_over for unit in units) else ""
        for unit in units:
            if unit.id in self._nodes and unit.state in ("PENDING", "CANCELLED"):
                now = "Slurm starts it again" if unit.state == "PENDING" else "was cancelled"
                self._progress.say(f"Task {unit.id} on node {self._nodes[unit.id]} did not finish, and {now}{others}")
        self._nodes = {unit.id: unit.node for unit in units if unit.state == "RUNNING"}

    def _raise_stuck(self, units: list[Unit]) -> None:
        stuck = {unit.id: unit for unit in units if never_starts(unit.state, unit.reason)}
        again = self._stuck & set(stuck)  # Slurm may show a reason briefly, so it counts when seen twice in a row
        self._stuck = set(stuck)
        if again:
            unit = stuck[min(again)]
            why = never_starts(unit.state, unit.reason)
            raise RunError(f"Slurm can never start job {unit.id}: {why} ({unit.reason}); {GO_ON}")

    def _failure(self, bad: list[Unit]) -> str:
        """Describe the first failed task, with the end of its log."""
        unit = min(bad, key=lambda unit: (unit.state == "CANCELLED", unit.job, unit.task))
        stage = self._submission.stage_of(unit.job)
        what = "judging slices" if stage == "slices" else "making the dataset"
        more = f"; so did {counted(len(bad) - 1, 'other task')} of this run not end well" if len(bad) > 1 else ""
        path = folder_of(self._ledger, self._submission.run) / stage / f"task-{unit.task}.log"
        how = ending_of(unit).words()
        if stage == "dataset":
            how = how.replace("--mem-per-cpu", "--dataset-mem").replace("--time", "--dataset-time")
        return f"Slurm job {unit.id} ({what}) {how}{more}; {GO_ON}\n{tail(path)}"

    def _result(self) -> Manifest:
        """Return the manifest once the ledger shows that all slices and the dataset are finished."""
        end = time.monotonic() + LEDGER_LAG_S
        while not self._manifest.exists():
            if time.monotonic() > end:
                raise RunError(self._unfinished())
            self._pause()
        self._take_in()
        return read_manifest(self._ledger.out)

    def _unfinished(self) -> str:
        missing = len(self._ledger.pending())
        what = (
            f"{counted(missing, 'slice')} of {self._ledger.out}" if missing else f"the manifest of {self._ledger.out}"
        )
        if any(unit.state == FORGOTTEN for unit in self._units):
            return f"Slurm no longer knows how the run's jobs ended, and {what} is missing; {GO_ON}"
        return f"Slurm reports that all jobs have ended, but {what} is missing; {GO_ON}"

    def _pause(self) -> None:
        passed = time.monotonic() - self._began
        end = time.monotonic() + min(LONGEST_S, max(SHORTEST_S, passed / PATIENCE))
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(left, TICK_S))
            self._progress.tick()

    def _interrupted(self) -> None:
        """Handle Ctrl-C: continue, detach, or raise KeyboardInterrupt again, which cancels the jobs."""
        if self._ask is None:
            raise KeyboardInterrupt
        self._progress.close()
        self._is_shown = False
        answer = self._ask(len(self._submission.jobs))
        if answer == "cancel":
            raise KeyboardInterrupt
        if answer == "detach":
            raise Detached(f"The jobs keep running. Follow them again with: finest attach {self._ledger.out}")

    def _show(self) -> None:
        """Show the progress bar while slices are missing."""
        if self._failures.missing and not self._is_shown:
            self._is_shown = True
            workers = self._submission.tasks * self._submission.cpus_per_task
            self._progress.begin(self._ledger, self._failures.found, workers)

    def _stop(self, why: str) -> None:
        """Cancel the remaining jobs of the run, so that none keeps running unnoticed."""
        self._progress.close()
        try:
            ids = cancel_all(self._submission)
        except FinestError as error:
            self._progress.say(f"The run's jobs could not be cancelled ({error}); try: finest attach --cancel")
            return
        with_end(self._ledger, self._submission, why)
        if ids:
            self._progress.say(f"Cancelled jobs {', '.join(map(str, ids))}, the remaining jobs of this run")


def tail(path: Path) -> str:
    """Return the end of a job's log, with a heading."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL_BYTES))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return f"It wrote no log at {path}"
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("+ ")][-TAIL_LINES:]
    shown = "\n".join(f"  | {showable(line, LINE_CHARS)}" for line in lines) or "  | (empty)"
    return f"The end of its log, {path}:\n{shown}"
