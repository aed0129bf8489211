"""The DataTrove step of each cluster task that makes the dataset, together with the others, from all slices."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datatrove.pipeline.base import PipelineStep

from finest.dataset.manifest import MANIFEST_NAME
from finest.errors import ClusterError, FinestError, RunError
from finest.executors.slurm.units import end_others
from finest.formatting import counted
from finest.pipeline.failures import check_restarts, is_little, noting_error
from finest.pipeline.missing import slices_left
from finest.pipeline.options import GO_ON
from finest.pipeline.plan import finish
from finest.pipeline.progress import Progress
from finest.pipeline.share import PATIENCE_S, opened, plain_end
from finest.pipeline.shared_tasks import SharedTasks
from finest.pipeline.submission import CLAIMS, clean_up

if TYPE_CHECKING:
    from finest.pipeline.ledger import Ledger
    from finest.pipeline.submission import Submission


class DatasetShare(PipelineStep):
    """Does what it can claim of the rest of the run: misaligned slices, deduplication, shards, manifest.

    It starts when all tasks that judge slices have ended, well or not, and judges the few slices that may be left.
    """

    type, name = "REFINE", "dataset"

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def run(self, data: Any = None, rank: int = 0, world_size: int = 1) -> Iterator[Any]:  # noqa: ARG002
        with plain_end():
            self.make(rank, world_size, Progress())
            with suppress(ClusterError):  # the node may have no commands of Slurm
                end_others(PATIENCE_S)
        return iter(())

    def make(self, task: int, tasks: int, progress: Progress) -> None:
        """Return when the dataset is made, by whichever tasks."""
        manifest = self.folder.parents[2] / MANIFEST_NAME
        if manifest.exists():  # this task was started again, and the others are done
            return
        folder = self.folder / "dataset"
        with noting_error(folder, task):
            check_restarts()
            ledger, submission, options = opened(self.folder, "dataset")
            progress.say(f"Task {task} of {tasks} on {os.uname().nodename}")
            shared = SharedTasks(
                options.workers, folder / "workers" / str(task), progress, self.folder / CLAIMS / "dataset",
                manifest.exists,
            )  # fmt: skip
            try:
                finish(ledger, options, shared, lambda: _check(ledger, submission))
            except (FinestError, OSError):
                if not manifest.exists():  # else it is about files that others have removed at the end
                    raise
            clean_up(ledger.out)


def _check(ledger: Ledger, submission: Submission) -> None:
    """Raise RunError if more slices are missing than one task should judge."""
    missing = slices_left(ledger)
    if not is_little(len(missing), submission.slices):
        raise RunError(
            f"{counted(len(missing), 'slice')} of {submission.slices} is missing: tasks that judge slices "
            f"have failed; {GO_ON}"
        )
