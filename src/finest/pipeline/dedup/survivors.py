"""The page that is kept of each cluster of duplicates, for the assembly of the dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from finest.pipeline.dedup.signatures import RunSignatures
from finest.pipeline.dedup.stages import Stages, plan

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from finest.pipeline.dedup.signatures import Rows, Signatures
    from finest.pipeline.progress import Progress
    from finest.recipe.recipe import DedupRules


def find_survivors(
    parts: Sequence[Signatures], rules: DedupRules, folder: Path, progress: Progress, *, memory_bytes: int, workers: int
) -> tuple[Rows, Rows | None]:  # fmt: skip
    """Deduplicate a run with MinHash, into `folder`; reports the expected cost before it starts.

    `parts` are the signatures of all its pages that are compared, in order. Returns for each of them, by number, the
    page that is kept of its cluster, and the size of the cluster if the recipe wants it; both are mapped files. Each
    process holds at most `memory_bytes`; raises RunError if that is too little, or if the signatures differ in shape.
    """
    run = RunSignatures(parts)
    cost = plan(run.total_rows, rules, memory_bytes)
    progress.say(f"Deduplicating {cost}")
    stages = Stages(run, cost, folder, with_sizes=rules.cluster_size)
    stages.run(workers, progress)
    sizes = np.load(stages.sizes_path, mmap_mode="r") if rules.cluster_size else None
    return np.load(stages.survivors_path, mmap_mode="r"), sizes
