"""A run's jobs, followed to their end. The first failure wins; success is what the ledger and Slurm both say."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from finest.dataset.manifest import read_manifest
from finest.errors import FinestError, JobFailed, RunError
from finest.executors.slurm.units import Unit, Watch, ending_of
from finest.executors.slurm.waiting import Waiting
from finest.executors.slurm.words import FORGOTTEN, never_starts
from finest.formatting import counted, showable
from finest.pipeline.options import GO_ON
from finest.pipeline.slices import FailureWatch, take_in
from finest.pipeline.slurm.jobs import cancel_all, cancel_now, with_end
from finest.pipeline.submission import folder_of

if TYPE_CHECKING:
    from finest.dataset.manifest import Manifest
    from finest.pipeline.ledger import Ledger
    from finest.pipeline.options import Ask
    from finest.pipeline.progress import Progress
    from finest.pipeline.submission import Submission

SHORTEST_S, LONGEST_S = 0.5, 5.0
"""Between two looks at the queue: short while somebody waits for a small run, long enough for a busy controller."""
PATIENCE = 60
"""A look is due after this part of the time that the run has been followed."""
TICK_S = 0.5
LEDGER_LAG_S = 60.0
"""How long a finished slice may stay unseen on a shared file system: NFS keeps what a folder lists for up to 60 s."""
TAIL_LINES = 12
TAIL_BYTES = 16 << 10
LINE_CHARS = 300


class Detached(FinestError):
    """The jobs go on without us."""

    exit_code = 0


class Follower:
    """Follows one submission. `ask` answers Ctrl-C; without it the jobs are cancelled."""

    def __init__(self, ledger: Ledger, submission: Submission, progress: Progress, ask: Ask | None = None) -> None:
        self._ledger, self._submission, self._progress, self._ask = ledger, submission, progress, ask
        self._watch = Watch(submission.tasks_by_job(), submission.run, progress.say)
        self._waiting = Waiting(progress.say)
        done = ledger.summaries()
        self._failures = FailureWatch(ledger, done)
        self._missing = set(ledger.pending())
        self._stuck: set[str] = set()
        self._units: list[Unit] = []
        self._began = time.monotonic()
        self._is_shown = False

    def follow(self) -> Manifest:
        """Wait for the end; raises RunError for a failure, with the run's other jobs cancelled."""
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
        """A look at ledger and queue and a pause; the dataset when every task is over, and well."""
        try:
            self._show()
            self._take_in()
            units = self._watch.patient_look()
            if units is not None:
                self._units = units
                self._raise_first(units)
                self._waiting.tell(units)
                if all(unit.is_over for unit in units):
                    return self._result()
            self._pause()
        except KeyboardInterrupt:
            self._interrupted()
        return None

    def _take_in(self) -> None:
        """What is new in the ledger goes to the bar, and is watched for failures."""
        self._missing = take_in(self._ledger, self._missing, self._failures, self._progress)
        if self._is_shown and not self._missing:
            self._is_shown = False
            self._progress.end()
            self._progress.say("Making the dataset")

    def _raise_first(self, units: list[Unit]) -> None:
        bad = [unit for unit in units if unit.is_bad]
        if bad:
            first = min(bad, key=lambda unit: (unit.state == "CANCELLED", units.index(unit)))
            raise JobFailed(self._failure(first, len(bad) - 1))
        stuck = {unit.id: unit for unit in units if never_starts(unit.state, unit.reason)}
        again = self._stuck & set(stuck)  # a reason may stand for a moment while Slurm thinks
        self._stuck = set(stuck)
        if again:
            unit = stuck[min(again)]
            why = never_starts(unit.state, unit.reason)
            raise RunError(f"Slurm can never start job {unit.id}: {why} ({unit.reason}); {GO_ON}")

    def _failure(self, unit: Unit, others: int) -> str:
        stage = self._submission.stage_of(unit.job)
        what = "judging slices" if stage == "slices" else "making the dataset"
        more = f"; so did {counted(others, 'other task')} of this run not end well" if others else ""
        path = folder_of(self._ledger, self._submission.run) / stage / f"task-{unit.task}.log"
        return f"Slurm job {unit.id} ({what}) {ending_of(unit).words()}{more}; {GO_ON}\n{tail(path)}"

    def _result(self) -> Manifest:
        """The dataset, once the ledger shows what Slurm says."""
        end = time.monotonic() + LEDGER_LAG_S
        path = self._ledger.out / "manifest.json"
        while self._ledger.pending() or not path.exists():
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
        return f"Slurm reports that all jobs succeeded, but {what} is missing; {GO_ON}"

    def _pause(self) -> None:
        passed = time.monotonic() - self._began
        end = time.monotonic() + min(LONGEST_S, max(SHORTEST_S, passed / PATIENCE))
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(left, TICK_S))
            self._progress.tick()

    def _interrupted(self) -> None:
        """Ctrl-C: go on, leave, or raise it again, which cancels."""
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
        """The bar of the slices, as long as some are missing."""
        if self._missing and not self._is_shown:
            self._is_shown = True
            done = [self._ledger.summary(s) for i, s in enumerate(self._ledger.plan.slices) if i not in self._missing]
            self._progress.begin(self._ledger, done, self._submission.tasks * self._submission.cpus_per_task)

    def _stop(self, why: str) -> None:
        """End what is left of the run, so that nothing of it works on unseen."""
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
    """The end of a job's log."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL_BYTES))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return f"It wrote no log at {path}"
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("+ ")][-TAIL_LINES:]
    shown = "\n".join(f"  | {showable(line, LINE_CHARS)}" for line in lines) or "  | (empty)"
    return f"The end of its log, {path}:\n{shown}"
