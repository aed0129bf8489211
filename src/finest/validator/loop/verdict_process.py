"""One verdict in a process of its own: it reads untrusted data, has limits, and knows no key.

    python -m finest.validator.loop.verdict_process EVIDENCE < JOB

Or one spot check of another validator's published evidence, whose result is written instead.

After reading the job, it first gives up access to every file that the verdict does not need and to every port except
those of the Hub and of Common Crawl (`finest.sandbox`). It keeps these ports because it fetches the dataset's ranges
and the WARC records itself. Its standard error goes to the log. It exits with 0 when the evidence is written; any other
end means no evidence.
"""

from __future__ import annotations

import os
import resource
import sys
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from finest.errors import FinestError, SourceError
from finest.process import end_with_parent, hide_memory, leave_pandas_out
from finest.sandbox import Bounds, confine
from finest.sandbox.paths import NULL, graphics, network, ports, runtime
from finest.validator.budget import CPU_S, MEMORY_BYTES, Budget
from finest.validator.models import Evidence, Plan, Subject
from finest.validator.published.spot_check import Checked, Reported
from finest.warc.source import CommonCrawl

if TYPE_CHECKING:
    from finest.validator.context import AuditContext

HARD = 2
"""The kernel's limit on CPU seconds, as a multiple of the budget. The budget ends a verdict cleanly; this limit ends
work that the budget cannot interrupt."""
ADDRESS_BYTES = 16 * 2**30
"""Limit of the address space, of which Arrow and NumPy reserve far more than they use; the budget limits the memory
itself. A GPU's driver maps all memory that it may ever need, so this limit does not apply to tier 2."""
FILE_BYTES = 64 * 2**30
_AWS = (("AWS_SHARED_CREDENTIALS_FILE", "credentials"), ("AWS_CONFIG_FILE", "config"))
_ADDRESSES = ("HF_ENDPOINT", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3")
TIER_2_CPU_S, TIER_2_MEMORY_BYTES = 3600.0, 8 * 2**30
"""Budget of tier 2. PyTorch with a GPU's libraries holds 3 GB before any work; without a GPU it takes far longer."""

MERGED_ROW_CPU_S, MERGED_ROW_BYTES = 100e-6, 30
"""What a verdict on a merge may take more for each row of its datasets; `bench.merges` measures less than half."""


class Job(BaseModel):
    """The input of a verdict: the subject to judge, and the settings and files for it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    subject: Subject
    plan: Plan
    place: str
    warcs: tuple[str, ...]
    """Paths under data.commoncrawl.org."""
    heldout: tuple[str, ...]
    tier: int
    device: str | None
    """For tier 2: cpu or cuda; None uses a GPU if there is one."""
    tokens: int
    index: Path
    """Fingerprints of earlier submissions. The child may write in this file's folder, so it holds nothing else."""
    cache: Path
    cc_https: str
    cc_bucket: str
    reported: Reported | None = None
    """Evidence of another validator to check instead; None to judge the subject."""

    @property
    def merged_rows(self) -> int:
        """Rows of the datasets that the task is to merge; 0 for any other task."""
        return self.subject.task.merge.rows if self.subject.task.merge else 0


def spot_check(job: Job) -> Checked:
    """Return what the check of another validator's published evidence found."""
    from finest.validator.context import AuditContext, Warcs
    from finest.validator.published.check import check

    assert job.reported is not None
    common_crawl = CommonCrawl(https_base=job.cc_https, bucket=job.cc_bucket)
    try:
        warcs = Warcs.of(job.warcs, common_crawl)
    except SourceError as error:
        return Checked(unknown=str(error))
    context = AuditContext(cache=job.cache, warcs=warcs, place=job.place, budget=budget_of(job), say=_say)
    return check(job.reported, job.subject, job.plan, context)


def judge(job: Job) -> Evidence:
    """Return the unsigned evidence, with quality and score if the audit passes."""
    from finest.validator.audit import audit
    from finest.validator.context import AuditContext, Warcs
    from finest.validator.fingerprints import SqliteFingerprints

    common_crawl = CommonCrawl(https_base=job.cc_https, bucket=job.cc_bucket)
    with ExitStack() as stack:
        index = SqliteFingerprints(job.index)
        stack.callback(index.close)
        warcs = Warcs.of(job.warcs, common_crawl)
        context = AuditContext(
            cache=job.cache, warcs=warcs, place=job.place, index=index, budget=budget_of(job), say=_say
        )
        evidence = audit(job.subject, job.plan, context)
        return _measured(evidence, job, context, common_crawl) if evidence.verdict == "pass" else evidence


def _measured(evidence: Evidence, job: Job, context: AuditContext, common_crawl: CommonCrawl) -> Evidence:
    from finest.dataset.open import open_dataset
    from finest.validator.quality.assess import named
    from finest.validator.quality.tier import tier_of
    from finest.validator.verdict_quality import measure_quality

    try:
        heldout = named(job.heldout, common_crawl) if job.heldout else []
    except SourceError as error:
        _say(f"no held-out text: {error}")
        heldout = []
    with open_dataset(job.place, say=_say) as dataset:
        return measure_quality(evidence, dataset, heldout, context, tier_of(job.tier, job.device), job.tokens)


def budget_of(job: Job) -> Budget:
    """Return the budget of a verdict: by its tier, and for a merge by its rows."""
    cpu_s, memory_bytes = (CPU_S, MEMORY_BYTES) if job.tier == 1 else (TIER_2_CPU_S, TIER_2_MEMORY_BYTES)
    return Budget(cpu_s + MERGED_ROW_CPU_S * job.merged_rows, memory_bytes + MERGED_ROW_BYTES * job.merged_rows)


def _limit(job: Job) -> None:
    limits = {resource.RLIMIT_CPU: HARD * int(budget_of(job).cpu_s), resource.RLIMIT_FSIZE: FILE_BYTES}
    limits |= {resource.RLIMIT_CORE: 0} | ({resource.RLIMIT_AS: ADDRESS_BYTES} if job.tier == 1 else {})
    for kind, most in limits.items():
        _, hard = resource.getrlimit(kind)
        resource.setrlimit(kind, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
    os.nice(5)


def confinement(job: Job, evidence: Path) -> Bounds:
    """Return what a verdict may access: its own code, its folder, the cache, the index, and the ports it needs.

    The ports are those of the Hub and Common Crawl. WARCs and a dataset given as local paths are readable. AWS
    credentials are the only secret, because Common Crawl's bucket asks for them.
    """
    named = [Path(one) for one in (job.place, *job.warcs, *job.heldout)]
    aws = [Path(os.environ.get(name) or Path.home() / ".aws" / file) for name, file in _AWS]
    devices, about_them = graphics() if job.tier == 2 else ((), ())
    addresses = [job.cc_https, *(os.environ.get(name, "") for name in _ADDRESSES)]
    return Bounds(
        read=(*runtime(), *network(), *about_them, *aws, *(path.absolute() for path in named if path.exists())),
        write=(evidence.parent, job.cache, job.index.parent),
        devices=(NULL, *devices),
        ports=ports(addresses),
        programs=True,  # for the process that decodes the dataset's files
    )


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def main() -> None:
    """Read the job, give up access, and write the evidence."""
    end_with_parent()
    hide_memory()
    leave_pandas_out()
    job, evidence = Job.model_validate_json(sys.stdin.read()), Path(sys.argv[1])
    with suppress(OSError):  # the error is reported where the folder is needed
        job.cache.mkdir(parents=True, exist_ok=True)
    confine(confinement(job, evidence))
    _limit(job)
    from finest.atomic_files import write_whole
    from finest.dataset.hub_client import quiet_client
    from finest.validator.evidence import to_json

    quiet_client()
    try:
        found = to_json(judge(job)) if job.reported is None else spot_check(job).model_dump_json().encode()
    except FinestError as error:
        sys.exit(f"{type(error).__name__}: {error}")
    write_whole(evidence, found)


if __name__ == "__main__":
    main()
