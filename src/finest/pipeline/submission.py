"""Record what was submitted to Slurm or Ray for a run, so that any later process can continue it.

    OUT/ledger/slurm/RUN/submission.json   the slices, the tasks, the job ids
    OUT/ledger/slurm/RUN/addresses.json    addresses with secrets, for the jobs only (mode 0600); removed at the end
    OUT/ledger/slurm/RUN/slices/           DataTrove's files of the array that judges slices, and task-N.log
    OUT/ledger/slurm/RUN/dataset/          the same of the array that makes the dataset
    OUT/ledger/slurm/RUN/workers/N/        logs of the workers of task N
    OUT/ledger/slurm/RUN/claims/           which task has taken what; removed at the end
    OUT/ledger/slurm/RUN/tasks/N.error     why task N failed that judged slices
    OUT/ledger/slurm/RUN/dataset/tasks/N.error, workers/N/   the same of the tasks that make the dataset

The comment and the name of every job contain RUN, so jobs can be found even if the submitting process died before it
recorded their ids.
"""

from __future__ import annotations

import getpass
import json
import re
import secrets
import shutil
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from finest.atomic_files import write_whole
from finest.errors import LedgerError
from finest.executors.request import Allotment
from finest.pipeline.queue import spans_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from finest.pipeline.ledger import Ledger
    from finest.pipeline.options import RunOptions
    from finest.pipeline.run_plan import RunPlan

FORMAT = "finest-slurm/3"
ADDRESSES = "addresses.json"
CLAIMS = "claims"
Stage = Literal["slices", "dataset"]
STAGES: tuple[Stage, ...] = ("slices", "dataset")
"""The stages in the order in which they run; a run whose slices are all finished has only the second."""
NAME_CHARS = 24
"""Maximum number of characters of the output folder's name in the run id."""


@dataclass(frozen=True, slots=True)
class Submission:
    """The jobs submitted for one run."""

    run: str
    user: str
    allotment: Allotment
    """The resources to allocate to the tasks that judge slices."""
    missing: tuple[tuple[int, int], ...]
    """The slices that were missing at submission, as ranges [first, end) of their numbers in the plan."""
    cache: str
    model: str
    """Path of the language model's file; the recipe in the ledger names it without its folder."""
    dedup_memory: int
    """Memory in bytes of each process of the deduplication."""
    against: tuple[str, ...]
    """The finished datasets whose pages are duplicates, folders or places on the Hub."""
    keep_index: bool
    """Whether the run writes the index of its dataset."""
    max_pause_s: float
    """How long a server may refuse every request before a task ends."""
    allow_missing: float
    """As in RunOptions."""
    requests_per_s: float
    """Most requests per second and host of a task over HTTPS, if an index chose the pages."""
    submitted_s: float
    """Time of submission, in seconds since 1970 (UTC)."""
    dataset: Allotment | None = None
    """The resources to allocate to the tasks that make the dataset; None if the command makes it."""
    jobs: dict[str, int] = field(default_factory=dict)
    """Job ids by stage, as far as they are known."""
    ended: str | None = None
    """How the submission ended, in words; None while no process has seen its end."""

    def spans(self) -> list[range]:
        """Return the ranges of slices that were missing at submission."""
        return [range(first, end) for first, end in self.missing]

    @property
    def slices(self) -> int:
        """The number of slices that were missing at submission."""
        return sum(len(span) for span in self.spans())

    @property
    def tasks(self) -> int:
        return self.allotment.tasks

    @property
    def cpus_per_task(self) -> int:
        return self.allotment.cpus_per_task

    def allotment_of(self, stage: Stage) -> Allotment:
        return self.dataset if stage == "dataset" and self.dataset is not None else self.allotment

    def tasks_of(self, stage: Stage) -> int:
        return self.allotment_of(stage).tasks

    def tasks_by_job(self) -> dict[int, int]:
        """Return the number of tasks by job id, in the order in which the jobs run."""
        return {self.jobs[stage]: self.tasks_of(stage) for stage in STAGES if stage in self.jobs}

    def stage_of(self, job: int) -> str:
        return next(stage for stage, known in self.jobs.items() if known == job)


def new(
    ledger: Ledger, allotment: Allotment, ranks: Sequence[int], options: RunOptions, *,
    dataset: Allotment | None = None, kind: str = "slurm",
) -> Submission:  # fmt: skip
    """Create and save the record of a submission, before anything is submitted."""
    made = Submission(
        run=_run_id(ledger.out), user=getpass.getuser(), allotment=allotment,
        missing=tuple((span.start, span.stop) for span in spans_of(ranks)),
        cache=str(options.cache.absolute()), model=options.recipe.language.model, dedup_memory=options.dedup_memory,
        against=tuple(map(_absolute, options.against)),
        keep_index=options.keep_index,
        max_pause_s=options.max_pause_s, requests_per_s=options.requests_per_s / allotment.tasks,
        allow_missing=options.allow_missing, submitted_s=time.time(), dataset=dataset,
    )  # fmt: skip
    write(ledger, made, kind)
    hand_over(ledger, folder_of(ledger, made.run, kind))
    return made


def _absolute(place: str) -> str:
    """Return the place of a dataset for processes in other folders."""
    return str(Path(place).absolute()) if Path(place).is_dir() else place


def _run_id(out: Path) -> str:
    """Make a run id such as `finest-web-4c1f9a0e9a0e`; job names begin with it, so users can tell them in the queue."""
    plain = re.sub(r"[^A-Za-z0-9_.]+", "-", out.name)[:NAME_CHARS].strip("-") or "out"
    return f"finest-{plain}-{secrets.token_hex(6)}"


def hand_over(ledger: Ledger, folder: Path) -> None:
    """Pass the addresses that the ledger keeps without their secrets to the jobs, in a file only this user can read."""
    clean_up(ledger.out)
    now = ledger.plan.sources.now
    whole = {number: source.location for number, source in now.items() if source.location != source.address}
    if whole:
        write_whole(folder / ADDRESSES, json.dumps(whole).encode(), mode=0o600)


def with_addresses(plan: RunPlan, folder: Path) -> RunPlan:
    """Return the plan with the full addresses from the jobs' folder filled in."""
    try:
        whole: dict[str, str] = json.loads((folder / ADDRESSES).read_bytes())
    except FileNotFoundError:
        return plan
    return plan.read_at(
        {int(number): replace(plan.sources[int(number)], location=location, is_stripped=False)
         for number, location in whole.items()}
    )  # fmt: skip


def clean_up(out: Path) -> None:
    """Remove the addresses and claims of all jobs of the run in `out`. Call when none of the jobs is running."""
    for kind in ("slurm", "ray"):
        for path in (out / "ledger" / kind).glob(f"*/{ADDRESSES}"):
            path.unlink(missing_ok=True)
        for folder in (out / "ledger" / kind).glob(f"*/{CLAIMS}"):
            shutil.rmtree(folder, ignore_errors=True)


def write(ledger: Ledger, submission: Submission, kind: str = "slurm") -> None:
    folder = folder_of(ledger, submission.run, kind)
    folder.mkdir(parents=True, exist_ok=True)
    data = {"format": FORMAT, **asdict(submission)}
    write_whole(folder / "submission.json", json.dumps(data, indent=1).encode())


def folder_of(ledger: Ledger, run: str, kind: str = "slurm") -> Path:
    return ledger.folder.absolute() / kind / run


def read(path: Path) -> Submission:
    """Read one submission.json; raises LedgerError if it cannot be read."""
    try:
        data: dict[str, Any] = json.loads(path.read_bytes())
        if data.pop("format") != FORMAT:
            raise LedgerError(f"{path} was written by another version of finest")
        missing = tuple((first, end) for first, end in data["missing"])
        data["against"] = tuple(data["against"])
        dataset = data["dataset"] and _allotment(data["dataset"])
        return Submission(
            **{**data, "missing": missing, "allotment": _allotment(data["allotment"]), "dataset": dataset}
        )
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise LedgerError(
            f"{path} cannot be read ({error}); if this run has no jobs left, remove its folder"
        ) from error


def _allotment(data: dict[str, Any]) -> Allotment:
    return Allotment(**{**data, "sbatch": tuple((name, value) for name, value in data["sbatch"])})
