"""The DataTrove step of a run's last Slurm job: make the dataset from all slices."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from datatrove.pipeline.base import PipelineStep

from finest.pipeline.plan import finish
from finest.pipeline.progress import Progress
from finest.pipeline.share import opened, plain_end
from finest.pipeline.submission import forget_addresses


class MakeDataset(PipelineStep):
    """Does the rest of the run: reads misaligned slices again, then MinHash, shards and manifest."""

    type, name = "REFINE", "dataset"

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def run(self, data: Any = None, rank: int = 0, world_size: int = 1) -> Iterator[Any]:  # noqa: ARG002
        with plain_end():
            ledger, _, options = opened(self.folder)
            with ledger.lock():
                ledger.sweep()
                finish(ledger, options, Progress())
            forget_addresses(ledger.out)
        return iter(())
