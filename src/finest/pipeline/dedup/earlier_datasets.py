"""The earlier datasets of `--against`, whose rows are numbered one dataset after the other."""

from __future__ import annotations

import bisect
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import accumulate
from typing import TYPE_CHECKING

import pyarrow as pa
from pydantic import ValidationError

from finest.dataset.open import open_dataset
from finest.errors import UsageError
from finest.pipeline.dedup.index import NONE, check_indexable, rules_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from finest.dataset.open import Dataset
    from finest.dataset.parts import RowGroup
    from finest.dataset.shards import Shard
    from finest.recipe.recipe import Recipe


class EarlierDatasets:
    """Reads the rows of datasets that a run is made against; a page goes to the first dataset that has it."""

    def __init__(self, datasets: Sequence[Dataset]) -> None:
        self.datasets = tuple(datasets)
        self.firsts = list(accumulate((dataset.manifest.rows for dataset in datasets), initial=0))
        """The number of each dataset's first row, and the number of all rows."""

    @staticmethod
    def open(places: Sequence[str], recipe: Recipe) -> EarlierDatasets:
        """Open datasets in folders, or at OWNER/NAME@REVISION on the Hub.

        Raises UsageError if one has no index, or one that the recipe cannot use, or is named twice; VerifyError if one
        is not what its manifest says; HubError or a subclass if the Hub refuses.
        """
        check_indexable(recipe)
        found = EarlierDatasets([_opened(place, recipe) for place in places])
        if len(set(found.roots)) < len(places):
            raise UsageError("--against names a dataset twice")
        if found.rows >= NONE:
            raise UsageError(f"--against: {found.rows:,} rows in all, and {NONE - 1:,} are compared at the most")
        return found

    @property
    def rows(self) -> int:
        return self.firsts[-1]

    @property
    def roots(self) -> tuple[str, ...]:
        return tuple(dataset.manifest.root for dataset in self.datasets)

    @property
    def files(self) -> list[tuple[int, Shard]]:
        """All data files, in the order of their rows, each with the number of its dataset."""
        return [(n, shard) for n, dataset in enumerate(self.datasets) for shard in dataset.manifest.shards]

    @contextmanager
    def again(self) -> Iterator[EarlierDatasets]:
        """Give the same datasets with readers of their own, which a forked process needs."""
        with ExitStack() as stack:
            yield EarlierDatasets([stack.enter_context(dataset.again()) for dataset in self.datasets])

    def row_groups_between(self, first: int, end: int) -> list[RowGroup]:
        """Return the row groups whose first row is one from `first` to `end` (exclusive)."""
        return [
            replace(group, first_row=group.first_row + start)
            for dataset, start in zip(self.datasets, self.firsts, strict=False)
            if start < end and start + dataset.manifest.rows > first
            for group in dataset.row_groups_between(first - start, end - start)
        ]

    def read_rows(self, numbers: Sequence[int], columns: Sequence[str]) -> pa.Table:
        """Return some columns of these rows, whose numbers ascend, after their hashes are computed again."""
        tables = []
        for dataset, start, end in zip(self.datasets, self.firsts, self.firsts[1:], strict=False):
            here = numbers[bisect.bisect_left(numbers, start) : bisect.bisect_left(numbers, end)]
            if here:
                tables.append(dataset.read_rows([number - start for number in here]).select(columns))
        return pa.concat_tables(tables)


def _opened(place: str, recipe: Recipe) -> Dataset:
    dataset = open_dataset(place)
    if dataset.manifest.index is None:
        raise UsageError(f"{place} has no index; refine its sources with --keep-index")
    ours = rules_of(recipe.resolved())
    try:
        theirs = rules_of(dataset.manifest.recipe)
    except ValidationError as error:
        raise UsageError(f"{place}: its recipe deduplicates in a way that this version does not know") from error
    if theirs != ours:
        differing = sorted(key for key, value in ours.items() if theirs.get(key) != value)
        raise UsageError(f"{place}: the index is of a recipe with another {', '.join(differing)}")
    return dataset
