"""One verdict, in a process of its own: it reads what strangers published, has limits, and knows no key.

    python -m finest.validator.loop.verdict_process EVIDENCE < JOB

Its first step, once it has read the job, is to give up every file that the verdict does not need and every port but
those of the Hub and of Common Crawl (`finest.sandbox`). It needs these: it fetches the dataset's ranges and the WARC
records itself.
What it says on standard error is for the log. Ends with 0 when the evidence is written; whatever else happens to it is
no evidence.
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
from finest.process import end_with_parent, hide_memory
from finest.sandbox import Bounds, confine
from finest.sandbox.paths import NULL, graphics, network, ports, runtime
from finest.validator.budget import Budget
from finest.validator.models import Evidence, Plan, Subject
from finest.warc.source import CommonCrawl

if TYPE_CHECKING:
    from finest.validator.context import AuditContext

HARD = 2
"""The kernel's limit on CPU seconds, in budgets: the budget ends a verdict in good order, this one what it cannot."""
ADDRESS_BYTES = 16 * 2**30
"""Address space, of which Arrow and NumPy reserve far more than they use; memory is the budget's. A GPU's driver maps
all that it may ever need, so there is no such limit with tier 2."""
FILE_BYTES = 64 * 2**30
_AWS = (("AWS_SHARED_CREDENTIALS_FILE", "credentials"), ("AWS_CONFIG_FILE", "config"))
_ADDRESSES = ("HF_ENDPOINT", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3")
TIER_2_CPU_S, TIER_2_MEMORY_BYTES = 3600.0, 8 * 2**30
"""PyTorch with a GPU's libraries holds 3 GB before it has done anything; without a GPU it takes far longer."""


class Job(BaseModel):
    """What is to be judged, and with which means."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    subject: Subject
    plan: Plan
    place: str
    warcs: tuple[str, ...]
    """Paths under data.commoncrawl.org."""
    heldout: tuple[str, ...]
    tier: int
    device: str | None
    """Of tier 2: cpu or cuda; None is a GPU if there is one."""
    tokens: int
    index: Path
    """The fingerprints of earlier submissions. The child may write in this file's folder, so it holds nothing else."""
    cache: Path
    cc_https: str
    cc_bucket: str


def judge(job: Job) -> Evidence:
    """The evidence, with quality and score where the audit passes; not signed."""
    from finest.validator.audit import audit
    from finest.validator.context import AuditContext, Warcs
    from finest.validator.fingerprints import SqliteFingerprints

    common_crawl = CommonCrawl(https_base=job.cc_https, bucket=job.cc_bucket)
    with ExitStack() as stack:
        index = SqliteFingerprints(job.index)
        stack.callback(index.close)
        warcs = Warcs.of(job.warcs, common_crawl)
        context = AuditContext(
            cache=job.cache, warcs=warcs, place=job.place, index=index, budget=_budget(job), say=_say
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


def _budget(job: Job) -> Budget:
    return Budget() if job.tier == 1 else Budget(TIER_2_CPU_S, TIER_2_MEMORY_BYTES)


def _limit(job: Job) -> None:
    limits = {resource.RLIMIT_CPU: HARD * int(_budget(job).cpu_s), resource.RLIMIT_FSIZE: FILE_BYTES}
    limits |= {resource.RLIMIT_CORE: 0} | ({resource.RLIMIT_AS: ADDRESS_BYTES} if job.tier == 1 else {})
    for kind, most in limits.items():
        _, hard = resource.getrlimit(kind)
        resource.setrlimit(kind, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
    os.nice(5)


def confinement(job: Job, evidence: Path) -> Bounds:
    """What a verdict may reach: itself, its folder, the cache, the index; the Hub and Common Crawl by their ports.

    WARCs and a dataset that are named as local paths are read where they lie. AWS credentials are the one secret: they
    are asked for by Common Crawl's bucket.
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
        programs=True,  # the process that decodes the dataset's files
    )


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def main() -> None:
    """See above."""
    end_with_parent()
    hide_memory()
    job, evidence = Job.model_validate_json(sys.stdin.read()), Path(sys.argv[1])
    with suppress(OSError):  # said where it is missed
        job.cache.mkdir(parents=True, exist_ok=True)
    confine(confinement(job, evidence))
    _limit(job)
    from finest.dataset.hub_client import quiet_client
    from finest.validator.evidence import write_evidence

    quiet_client()
    try:
        found = judge(job)
    except FinestError as error:
        sys.exit(f"{type(error).__name__}: {error}")
    write_evidence(evidence, found)


if __name__ == "__main__":
    main()
