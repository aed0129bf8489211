"""`finest status`: how far a run is, as sums over its finished slices."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from finest.pipeline.forecast.beside import judging_cpu_s
from finest.pipeline.ledger import Ledger

if TYPE_CHECKING:
    from pathlib import Path

    from finest.pipeline.slurm.status import SlurmStatus


@dataclass(frozen=True, slots=True)
class Status:
    """The numbers of a run. Rates and estimates come from the finished slices, by their CPU and wall-clock time."""

    state: str
    """`running`, `stopped` (the same command resumes it) or `finished`."""
    slices_done: int
    slices: int
    bytes_done: int
    bytes: int
    pages: int
    kept: int
    reasons: dict[str, int]
    losses: list[dict[str, Any]]
    """The first records that could not be read, with the name of their source."""
    lost: int
    """Number of records that could not be read."""
    cpu_s: float
    pages_per_s: float
    """Pages per wall-clock second of one worker."""
    cpu_left_s: float | None
    """CPU seconds left at the pace so far; None before a slice is finished."""
    forecast_cpu_s: float | None
    """CPU seconds that judging all slices was expected to take; None if the run has no forecast."""
    recipe: dict[str, Any] = field(default_factory=dict)
    """The resolved recipe, with every value filled in."""
    missing: list[str] = field(default_factory=list)
    """Why sources could not be read, one line each; the next run of the same command tries them again."""
    waiting: str | None = None
    """What the workers wait for, if a server refuses their requests."""
    slurm: SlurmStatus | None = None
    """The run's jobs, if it was submitted to Slurm."""


def status(out: Path) -> Status:
    """Return the state of the run in an output folder; raises LedgerError if there is no run."""
    ledger = Ledger.read(out)
    totals = ledger.so_far()
    total_bytes, done_bytes = ledger.plan.planned_bytes, totals.planned_bytes
    finished = (out / "manifest.json").exists()
    slurm, pause = _slurm(out), ledger.pauses().running()
    at_work = ledger.locked() or (slurm is not None and slurm.at_work)
    return Status(
        state="finished" if finished else "running" if at_work else "stopped",
        slices_done=totals.slices, slices=len(ledger.plan.slices), bytes_done=done_bytes, bytes=total_bytes,
        pages=totals.pages, kept=totals.kept, reasons=dict(totals.reasons),
        losses=[{**loss, "source": ledger.plan.sources.name(loss["source"])} for loss in totals.losses],
        lost=sum(totals.loss_counts.values()), cpu_s=totals.cpu_s,
        pages_per_s=totals.pages / totals.wall_s if totals.wall_s else 0.0,
        cpu_left_s=totals.cpu_s * (total_bytes - done_bytes) / done_bytes if done_bytes else None,
        forecast_cpu_s=judging_cpu_s(out), missing=list(ledger.missing().found().values()),
        waiting=pause.words() if pause else None, slurm=slurm,
        recipe=ledger.plan.recipe,
    )  # fmt: skip


def _slurm(out: Path) -> SlurmStatus | None:
    if not (out / "ledger" / "slurm").exists():
        return None
    from finest.pipeline.slurm.status import slurm_status

    return slurm_status(out)
