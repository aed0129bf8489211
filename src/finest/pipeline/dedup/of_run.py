"""Deduplicate a run from its ledger, and write the index of its dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING

import xxhash

from finest.pipeline.assembly.pages import Pages, first_numbers
from finest.pipeline.dedup.earlier_datasets import EarlierDatasets
from finest.pipeline.dedup.index import Made, write_buckets
from finest.pipeline.dedup.signatures import Signatures, WithinGroup
from finest.pipeline.dedup.survivors import find_survivors
from finest.recipe.judge import toolbox
from finest.warc.source import dump_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from finest.pipeline.ledger import Ledger
    from finest.pipeline.options import RunOptions
    from finest.pipeline.tasks import Tasks
    from finest.recipe.recipe import Recipe


def compared_pages(ledger: Ledger, options: RunOptions, tasks: Tasks) -> Pages:
    """Deduplicate the run; what a killed process has found of the survivors is in the ledger."""
    recipe, first = options.recipe, first_numbers(ledger, options.recipe)
    if not recipe.dedup.enabled:
        return Pages(ledger, recipe, first, None)
    against = EarlierDatasets.open(options.against, recipe) if options.against else None
    found = find_survivors(
        signatures_of(ledger, recipe), recipe.dedup, ledger.folder / "dedup", tasks, against=against,
        memory_bytes=options.dedup_memory,
        texts=(PackTexts(ledger), toolbox(recipe, options.cache)),
    )  # fmt: skip
    return Pages(ledger, recipe, first, found)


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


def index_signatures(
    pages: Pages, row: NDArray[np.uint32], folder: Path, memory_bytes: int, tasks: Tasks, is_over: Callable[[], bool]
) -> None:  # fmt: skip
    """Write the index of the run's dataset into a folder; `row` is the number of each page's row, NONE without one."""
    assert pages.survivors is not None
    parts = signatures_of(pages.ledger, pages.recipe)
    made = Made(parts, pages.first_compared.tolist(), pages.survivors, row)
    write_buckets(folder, made, memory_bytes, tasks, is_over)
