"""The page that is kept of each cluster of duplicates, for the assembly of the dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from finest.pipeline.dedup.against import Earlier
from finest.pipeline.dedup.files import whole_file
from finest.pipeline.dedup.forest import CHUNK
from finest.pipeline.dedup.pairs import Pairs
from finest.pipeline.dedup.signatures import RunSignatures
from finest.pipeline.dedup.stages import Stages, plan

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from finest.pipeline.dedup.earlier_datasets import EarlierDatasets
    from finest.pipeline.dedup.earlier_ids import EarlierIds
    from finest.pipeline.dedup.pairs import Texts
    from finest.pipeline.dedup.signatures import Rows, Signatures
    from finest.pipeline.tasks import Tasks
    from finest.recipe.recipe import DedupRules
    from finest.recipe.toolbox import Toolbox

_IN_ONE_PROCESS = 100_000
"""Up to this many rows, whose signatures take a second, no worker is forked to compare them."""


class Survivors(NamedTuple):
    """The result of a deduplication for each compared page, by its number, in mapped files."""

    kept: Rows
    """The page that is kept of its cluster."""
    sizes: Rows | None = None
    """The size of its cluster, if the recipe wants it."""
    jaccard: NDArray[np.float64] | None = None
    """The similarity of a dropped page with the kept one, if the recipe compares texts."""
    earlier: NDArray[np.uint32] | None = None
    """The row of an earlier dataset that is kept instead (`finest.pipeline.dedup.index.NONE` without one)."""
    earlier_ids: EarlierIds | None = None
    """The ids of these rows."""


def find_survivors(
    parts: Sequence[Signatures], rules: DedupRules, folder: Path, tasks: Tasks, *, memory_bytes: int,
    texts: tuple[Texts, Toolbox] | None = None, against: EarlierDatasets | None = None,
) -> Survivors:  # fmt: skip
    """Deduplicate a run into `folder`; reports the expected cost before it starts.

    `parts` are the signatures of all its pages that are compared, in order; `texts` are the rows of the same parts and
    what finds their words, which a recipe with `min_jaccard` needs, and `against`. Pages that a dataset of `against`
    has, by its index, are dropped. Each process holds at most `memory_bytes`; raises RunError if that is too little, or
    if the signatures differ in shape.
    """
    run = RunSignatures(parts)
    cost = plan(run.total_rows, rules, memory_bytes)
    tasks.progress.say(f"Deduplicating {cost}")
    stages = Stages(run, cost, folder)
    stages.run(tasks if run.total_rows > _IN_ONE_PROCESS else tasks.alone())
    earlier = Earlier(folder, parts, against) if against else None
    if earlier is not None:
        earlier.look_up(tasks)
    kept, jaccard = stages.survivors_path, None
    if texts is not None and rules.min_jaccard:
        pairs = Pairs(folder, run.starts, *texts, rules.min_jaccard, memory_bytes, earlier)
        pairs.run(tasks)
        kept, jaccard = pairs.verified_path, np.load(pairs.jaccard_path, mmap_mode="r")
    elif earlier is not None and texts is not None:
        earlier.drop_clusters(np.load(kept, mmap_mode="r"), texts[1], tasks)
    survivor = np.load(kept, mmap_mode="r")
    rows, ids = earlier.kept(tasks) if earlier else (None, None)
    sizes = None
    if rules.cluster_size:
        path = folder / "sizes.npy"
        tasks.once("Counting duplicates", lambda: _write_sizes(survivor, path), path.exists)
        sizes = np.load(path, mmap_mode="r")
    return Survivors(survivor, sizes, jaccard, rows, ids)


def _write_sizes(survivor: Rows, path: Path) -> None:
    """Write the size of the cluster of each page."""
    counts = np.zeros(len(survivor), survivor.dtype)
    for part in _chunks(survivor):
        np.add.at(counts, part, 1)
    with whole_file(path) as file:
        header = {"descr": counts.dtype.str, "fortran_order": False, "shape": counts.shape}
        np.lib.format.write_array_header_1_0(file, header)
        for part in _chunks(survivor):
            counts[part].tofile(file)


def _chunks(survivor: Rows) -> Iterator[Rows]:
    for start in range(0, len(survivor), CHUNK):
        yield survivor[start : start + CHUNK]
