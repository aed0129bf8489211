"""The DataTrove step of a run's last Slurm job: make the dataset from all slices."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from datatrove.pipeline.base import PipelineStep

from finest.errors import RunError
from finest.formatting import counted
from finest.pipeline.failures import check_restarts, is_little
from finest.pipeline.missing import slices_left
from finest.pipeline.options import GO_ON
from finest.pipeline.plan import finish
from finest.pipeline.progress import Progress
from finest.pipeline.share import opened, plain_end
from finest.pipeline.submission import clean_up


class MakeDataset(PipelineStep):
    """Does the rest of the run: reads misaligned slices again, then MinHash, shards and manifest.

    It starts when all tasks that judge slices have ended, well or not, and judges the few slices that may be left.
    """

    type, name = "REFINE", "dataset"

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def run(self, data: Any = None, rank: int = 0, world_size: int = 1) -> Iterator[Any]:  # noqa: ARG002
        with plain_end():
            check_restarts()
            ledger, submission, options = opened(self.folder, "dataset")
            missing = slices_left(ledger)
            if not is_little(len(missing), submission.slices):
                raise RunError(
                    f"{counted(len(missing), 'slice')} of {submission.slices} is missing: tasks that judge slices "
                    f"have failed; {GO_ON}"
                )
            with ledger.lock():
                ledger.sweep()
                finish(ledger, options, Progress())
            clean_up(ledger.out)
        return iter(())
