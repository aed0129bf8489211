"""What was handed in to Slurm or Ray for a run, written down so that anybody can pick it up again.

    OUT/ledger/slurm/RUN/submission.json   the slices, the tasks, the jobs' ids
    OUT/ledger/slurm/RUN/addresses.json    addresses with secrets, for the jobs alone (0600); removed at the end
    OUT/ledger/slurm/RUN/slices/           DataTrove's files of the array that judges slices; task-N.log
    OUT/ledger/slurm/RUN/dataset/          the same of the job that makes the dataset
    OUT/ledger/slurm/RUN/workers/N/        what the workers of task N said

RUN stands in the comment and in the name of every job, so that jobs are found even if their submitter died before it
wrote their ids.
"""

from __future__ import annotations

import getpass
import json
import re
import secrets
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from finest.atomic_files import write_whole
from finest.errors import LedgerError
from finest.executors.request import Allotment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from finest.pipeline.ledger import Ledger, RunPlan
    from finest.pipeline.options import RunOptions

FORMAT = "finest-slurm/1"
ADDRESSES = "addresses.json"
STAGES = ("slices", "dataset")
"""In the order in which they run; a run whose slices are all there has only the second."""
NAME_CHARS = 24
"""Of the out folder's name in the run's id."""

Stage = Literal["slices", "dataset"]


@dataclass(frozen=True, slots=True)
class Submission:
    """One run's jobs."""

    run: str
    user: str
    allotment: Allotment
    """Task r of its tasks judges ranks[r::tasks]."""
    ranks: tuple[int, ...]
    """The slices that were missing."""
    cache: str
    model: str
    """The language model's file, which the ledger's recipe names without its folder."""
    submitted_s: float
    """Seconds since 1970."""
    jobs: dict[str, int] = field(default_factory=dict)
    """Ids by stage, as far as they are known."""
    ended: str | None = None
    """How it ended, in words; None: nobody has seen its end."""

    @property
    def tasks(self) -> int:
        return self.allotment.tasks

    @property
    def cpus_per_task(self) -> int:
        return self.allotment.cpus_per_task

    def tasks_of(self, stage: str) -> int:
        return self.tasks if stage == "slices" else 1

    def tasks_by_job(self) -> dict[int, int]:
        """How many tasks each job has, in the order in which they run."""
        return {self.jobs[stage]: self.tasks_of(stage) for stage in STAGES if stage in self.jobs}

    def stage_of(self, job: int) -> str:
        return next(stage for stage, known in self.jobs.items() if known == job)


def new(
    ledger: Ledger, allotment: Allotment, ranks: Sequence[int], options: RunOptions, *, kind: str = "slurm"
) -> Submission:
    """Write down what is about to be handed in."""
    made = Submission(
        run=_run_id(ledger.out), user=getpass.getuser(), allotment=allotment, ranks=tuple(ranks),
        cache=str(options.cache.absolute()), model=options.recipe.language.model, submitted_s=time.time(),
    )  # fmt: skip
    write(ledger, made, kind)
    hand_over(ledger, folder_of(ledger, made.run, kind))
    return made


def _run_id(out: Path) -> str:
    """`finest-web-4c1f9a0e9a0e`: names of jobs begin with it, so that a person knows them in the queue."""
    plain = re.sub(r"[^A-Za-z0-9_.]+", "-", out.name)[:NAME_CHARS].strip("-") or "out"
    return f"finest-{plain}-{secrets.token_hex(6)}"


def hand_over(ledger: Ledger, folder: Path) -> None:
    """Leave the addresses that the ledger does not keep whole to the jobs, in a file that only this user may read."""
    forget_addresses(ledger.out)  # of earlier runs
    whole = {source.name: source.location for source in ledger.plan.sources if source.location != source.address}
    if whole:
        write_whole(folder / ADDRESSES, json.dumps(whole).encode(), mode=0o600)


def with_addresses(plan: RunPlan, folder: Path) -> RunPlan:
    """The plan with the addresses that were left to the jobs in their folder."""
    try:
        whole: dict[str, str] = json.loads((folder / ADDRESSES).read_bytes())
    except FileNotFoundError:
        return plan
    sources = tuple(
        replace(source, location=whole[source.name], is_stripped=False) if source.name in whole else source
        for source in plan.sources
    )
    return replace(plan, sources=sources)


def forget_addresses(out: Path) -> None:
    """Remove every address that was left to jobs of the run in `out`. Call when none of them is at work."""
    for kind in ("slurm", "ray"):
        for path in (out / "ledger" / kind).glob(f"*/{ADDRESSES}"):
            path.unlink(missing_ok=True)


def write(ledger: Ledger, submission: Submission, kind: str = "slurm") -> None:
    folder = folder_of(ledger, submission.run, kind)
    folder.mkdir(parents=True, exist_ok=True)
    data = {"format": FORMAT, **asdict(submission)}
    write_whole(folder / "submission.json", json.dumps(data, indent=1).encode())


def folder_of(ledger: Ledger, run: str, kind: str = "slurm") -> Path:
    return ledger.folder.absolute() / kind / run


def read(path: Path) -> Submission:
    """One submission.json; raises LedgerError where it cannot be read."""
    try:
        data: dict[str, Any] = json.loads(path.read_bytes())
        if data.pop("format") != FORMAT:
            raise LedgerError(f"{path} was written by another version of finest")
        asked = data["allotment"]
        allotment = Allotment(**{**asked, "sbatch": tuple((name, value) for name, value in asked["sbatch"])})
        return Submission(**{**data, "ranks": tuple(data["ranks"]), "allotment": allotment})
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise LedgerError(
            f"{path} cannot be read ({error}); if this run has no jobs left, remove its folder"
        ) from error
