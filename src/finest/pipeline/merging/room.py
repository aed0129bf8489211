"""Check before the work of a merge, from the manifests of its datasets, that disk and memory suffice for it."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from finest.capacity import available_memory_bytes, free_disk_bytes, nearest
from finest.dataset.merkle import series_of
from finest.errors import NoRoom
from finest.formatting import byte_size
from finest.pipeline.assembly.pages import dedup_first
from finest.pipeline.dedup.stages import COPIES
from finest.pipeline.dedup.stages import plan as plan_dedup

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from finest.dataset.manifest import Manifest
    from finest.pipeline.merging.merge import MergeOptions
    from finest.pipeline.merging.parts import Part
    from finest.recipe.recipe import Recipe

PROCESS_BYTES = 110_000_000
"""Memory of a process beside what it holds of rows, as in a run's forecast."""
ID_BYTES = 60
"""Memory of the id of a row that is kept instead of others (`python -m bench.merges`)."""
TEXT_BYTES_PER_BYTE = 2.5
"""Bytes of a row's text per byte of the row in its file: 5,700 characters in 2,450 bytes (average of two crawls)."""


@dataclass(frozen=True, slots=True)
class Room:
    """The room that a merge takes."""

    disk_bytes: int
    """Bytes that it writes in any case: signatures, files of the comparison, and files that it cannot link."""
    likely_bytes: int
    """The same if all series lose rows, so that their files are written anew, and COPIES of the rows are copies."""
    memory_bytes: int
    """Memory of all processes together."""
    process_bytes: int
    """That of one process, of which there are as many as workers."""


def check_room(
    datasets: Sequence[tuple[str, Manifest]], parts: Sequence[Part], recipe: Recipe, folder: Path, options: MergeOptions
) -> Iterator[str]:  # fmt: skip
    """Yield a warning if the disk is likely to be too small; `folder` is that of the unfinished merge.

    Raises NoRoom if the disk or the memory is too small in any case.
    """
    need, free = room(datasets, parts, recipe, folder, options), free_disk_bytes(folder)
    written = sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file() and path.stat().st_nlink == 1)
    mend = f"free some space and run the same command again, or name a folder on a larger disk with {options.flags[0]}"
    if need.disk_bytes > free + written:
        raise NoRoom(
            f"the merge needs {byte_size(need.disk_bytes - written)} of disk, and {folder.parent} has "
            f"{byte_size(free)} free; {mend}"
        )
    memory = available_memory_bytes()
    if need.memory_bytes > memory:
        fit = memory // need.process_bytes
        mend = f"use {options.flags[1]} {fit}" if 0 < fit < options.workers else "free some memory"
        raise NoRoom(
            f"the merge needs {byte_size(need.memory_bytes)} of memory for {options.workers} processes, and this "
            f"machine has {byte_size(memory)} free; {mend}"
        )
    if need.likely_bytes > free + written:
        yield (
            f"Warning: if most files lose rows, the merge needs {byte_size(need.likely_bytes - written)} of disk, and "
            f"{folder.parent} has {byte_size(free)} free; {mend}. If the disk is full, what is finished is kept"
        )


def room(
    datasets: Sequence[tuple[str, Manifest]], parts: Sequence[Part], recipe: Recipe, folder: Path, options: MergeOptions
) -> Room:  # fmt: skip
    """Return the room that a merge takes in a folder.

    Raises RunError if `options.dedup_memory` is too little for the comparison.
    """
    linked, written = _file_bytes(datasets, parts, folder)
    processes = max(min(options.workers, len(parts)), 1)
    if not (options.compare and recipe.dedup.enabled):
        return Room(written, written, processes * PROCESS_BYTES, PROCESS_BYTES)
    rules, rows = recipe.dedup, sum(part.length for part in parts)
    signature = rules.buckets * (rules.hashes_per_bucket + dedup_first(recipe)) * 8 + 8
    cost = plan_dedup(rows, rules, options.dedup_memory)
    least = written + rows * signature + cost.write_bytes
    texts = 2 * COPIES * TEXT_BYTES_PER_BYTE * sum(file.size_bytes for _, one in datasets for file in one.shards)
    # A process that signs holds a part's signatures twice: one by one and together.
    signing = 2 * signature * max((part.length for part in parts), default=0)
    process = PROCESS_BYTES + max(signing, cost.peak_bytes)
    memory = max(processes * process, cost.peak_bytes + round(rows * COPIES * ID_BYTES))
    likely = least + linked + (round(texts) if rules.min_jaccard else 0)
    return Room(least, likely, memory, process)


def _file_bytes(datasets: Sequence[tuple[str, Manifest]], parts: Sequence[Part], folder: Path) -> tuple[int, int]:
    """Return the bytes of the files that can be linked in `folder` if they lose no row, and those of all others."""
    sizes: dict[str, Counter[str]] = defaultdict(Counter)
    for where, manifest in datasets:
        for file in (*manifest.shards, *manifest.verdicts):
            sizes[where][series_of(file.path)] += file.size_bytes
    shared = Counter((part.dump, part.number) for part in parts)
    device = nearest(folder).stat().st_dev
    here = {where: Path(where).is_dir() and Path(where).stat().st_dev == device for where, _ in datasets}
    linked = written = 0
    for part in parts:
        size = sum(sizes[part.where][series] for series in (part.verdicts, *part.rows))
        if here[part.where] and shared[part.dump, part.number] == 1:
            linked += size
        else:
            written += size
    return linked, written
