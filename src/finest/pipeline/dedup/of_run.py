"""Deduplicate a run from its ledger, and keep the index of its dataset."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import xxhash

from finest.pipeline.dedup.index import Index, Made, rules_of, write_index
from finest.pipeline.dedup.signatures import Signatures, WithinGroup
from finest.pipeline.dedup.survivors import Survivors, find_survivors
from finest.recipe.judge import toolbox
from finest.warc.source import dump_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from finest.pipeline.ledger import Ledger
    from finest.pipeline.options import RunOptions
    from finest.pipeline.progress import Progress
    from finest.recipe.recipe import Recipe


def deduplicate(ledger: Ledger, options: RunOptions, count: int, progress: Progress) -> Survivors:
    """Find the survivors of the run's `count` pages; what a killed process has found of them is in the ledger."""
    recipe = options.recipe
    if not recipe.dedup.enabled:
        return Survivors.everyone(count)
    return find_survivors(
        signatures_of(ledger, recipe), PackTexts(ledger), toolbox(recipe, options.cache), ledger.folder / "dedup",
        progress, memory_bytes=options.dedup_memory, workers=options.workers,
        against=Index.open(options.against) if options.against else None,
    )  # fmt: skip


def signatures_of(ledger: Ledger, recipe: Recipe) -> list[Signatures]:
    """Return the signatures of the pages that are compared, by source."""
    files = [pack.signatures() for pack in ledger.packs()]
    if recipe.dedup.scope == "run":
        return list(files)
    dumps = [dump_of(ledger.plan.sources.name(number)) for number in range(len(files))]
    return [WithinGroup(file, xxhash.xxh64_intdigest(dump)) for file, dump in zip(files, dumps, strict=True)]


class PackTexts:
    """The texts of the run's rows, by source."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def of(self, part: int) -> Iterator[pa.RecordBatch]:
        """Yield the languages and texts of a source's rows."""
        return self._ledger.pack(part).batches("rows", ["language", "text"])


def keep_index(
    ledger: Ledger, options: RunOptions, folder: Path, survivors: Survivors, stays: NDArray[np.bool_], root: str,
    progress: Progress,
) -> None:  # fmt: skip
    """Write the index of the dataset with that root; `stays` says for each page whether the selection keeps its row."""
    parts = signatures_of(ledger, options.recipe)
    starts = list(accumulate((part.total_rows for part in parts), initial=0))
    is_row = survivors.keep(np.arange(starts[-1])) & stays

    def ids() -> Iterator[pa.Array]:
        row = 0
        for pack in ledger.packs():
            for batch in pack.batches("rows", ["id"]):
                yield batch["id"].filter(pa.array(is_row[row : row + batch.num_rows]))
                row += batch.num_rows

    progress.say(f"Writing the index of {is_row.sum():,} rows")
    made = Made(parts, starts, survivors.survivor, is_row)
    about = {"root": root, "rules": rules_of(options.recipe)}
    write_index(folder, made, ids(), about, options.dedup_memory)
