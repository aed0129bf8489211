"""Check of Slurm, by the checks of `finest cluster check`."""

from __future__ import annotations

from finest.doctor.subject import Subject
from finest.findings import Finding, State, failure, ok, skipped, warning


def slurm(subject: Subject) -> Finding:
    """With `--executor slurm`, check that the cluster accepts and runs jobs."""
    if subject.executor != "slurm":
        return skipped(f"not needed with --executor {subject.executor}")
    from finest.cluster.check_health import check_health

    found = check_health()
    for name, one in found.items():
        if one.state is State.FAILURE:
            return failure(f"{name}: {one.line}", one.mend or "finest cluster check")
    warned = [f"{name}: {one.line}" for name, one in found.items() if one.state is State.WARNING]
    if warned:
        return warning(warned[0], "finest cluster check")
    return ok(f"{len(found)} checks of `finest cluster check` passed")
