"""The limits that a run would exceed, found before its work: memory, disk, and files of a dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING

from finest.capacity import free_disk_bytes, nearest
from finest.dataset.limits import MAX_FILES, SERIES_SOURCES
from finest.dataset.shards import MAX_SHARD_BYTES
from finest.dataset.sources import MAX_INLINE_SOURCES
from finest.errors import RunError
from finest.formatting import byte_size, counted
from finest.pipeline.dedup.stages import plan as plan_dedup

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from finest.pipeline.forecast.forecast import Forecast
    from finest.recipe.recipe import Recipe


def limits(found: Forecast, recipe: Recipe, dedup_memory: int, out: Path | None) -> list[str]:
    """Return a line for each limit that the run is expected to exceed, with what to do; none if it fits everywhere.

    `out` is the folder of the run, which need not exist; None to leave out its disk.
    """
    return [*_memory(found, recipe, dedup_memory), *_disk(found, out), *_files(found)]


def _memory(found: Forecast, recipe: Recipe, dedup_memory: int) -> Iterator[str]:
    try:
        plan_dedup(found.rows, recipe.dedup, dedup_memory)
    except RunError as error:
        yield f"about {found.rows:,} rows are expected: {error}"


def _disk(found: Forecast, out: Path | None) -> Iterator[str]:
    if out is None:
        return
    free = free_disk_bytes(out)
    if found.disk_bytes > free:
        yield (
            f"the run needs about {byte_size(found.disk_bytes)} of disk, and {nearest(out)} has {byte_size(free)} "
            "free; choose another --out, or refine a part of the sources with --shard K/N"
        )


def _files(found: Forecast) -> Iterator[str]:
    series = -(-found.sources // SERIES_SOURCES)
    listed = series if found.sources > MAX_INLINE_SOURCES else 0
    files = listed + 2 * series + found.dataset_bytes // MAX_SHARD_BYTES
    if files > MAX_FILES:
        parts = -(-files // MAX_FILES)
        yield (
            f"the dataset would have {counted(files, 'file')}, and a dataset has at most {MAX_FILES:,}: refine the "
            f"sources in {parts} parts with --shard K/{parts}"
        )
