"""The parts of a merged dataset: each is a series of verdicts of one dataset, with the rows of its kept pages."""

from __future__ import annotations

from collections import defaultdict
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from finest.dataset.location import open_anywhere
from finest.dataset.merkle import rows_series, series_of
from finest.errors import UsageError, VerifyError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from finest.dataset.manifest import Manifest
    from finest.dataset.open import Dataset
    from finest.dataset.shards import Shard

KEY = ("file_path", "warc_offset", "id")


class Part(NamedTuple):
    """One series of verdicts of one dataset, and where it is in the merged one."""

    where: str
    """The dataset."""
    verdicts: str
    """Its series of verdicts, in that dataset."""
    rows: tuple[str, ...]
    """The series of its rows, in that dataset, in the order of the manifest."""
    number: int
    """Its number among the series of its crawl in the merged dataset."""
    first: int
    """Number of its first row in the merge."""
    length: int
    """Number of its rows."""

    @property
    def dump(self) -> str:
        return self.verdicts.split("/")[1]

    def renamed(self, path: str) -> str:
        """Return the name that a file or series of the part has in the merged dataset."""
        verdicts = f"verdicts/{self.dump}/{self.number:03d}"
        if path.startswith("verdicts/"):
            return path.replace(self.verdicts, verdicts, 1)
        series = series_of(path) if path.endswith(".parquet") else path
        is_by_dump = series == rows_series(self.verdicts)
        return path.replace(series, rows_series(verdicts, None if is_by_dump else series.split("/")[1]), 1)

    def files(self, manifest: Manifest) -> list[Shard]:
        """Return the part's files with rows and then those with verdicts."""
        named = [*self.rows, self.verdicts]
        files = [file for file in (*manifest.shards, *manifest.verdicts) if series_of(file.path) in named]
        return sorted(files, key=lambda file: named.index(series_of(file.path)))


def plan_parts(datasets: Sequence[tuple[str, Manifest]]) -> list[Part]:
    """Return the parts of datasets in their order; raises VerifyError if one has rows without verdicts."""
    found: list[tuple[str, str, tuple[str, ...], int]] = []
    for where, manifest in datasets:
        left = set(manifest.roots)
        for verdicts in dict.fromkeys(series_of(file.path) for file in manifest.verdicts):
            names = {rows_series(verdicts, language) for language in manifest.configurations or (None,)}
            rows = tuple(series for series in manifest.roots if series in names)
            count = sum(shard.rows for shard in manifest.shards if series_of(shard.path) in rows)
            found.append((where, verdicts, rows, count))
            left -= set(rows)
        if left:
            raise VerifyError(f"{where}: there are no verdicts of the rows in {min(left)}")
    firsts = accumulate((count for *_, count in found), initial=0)
    numbers: dict[str, int] = defaultdict(int)
    parts = []
    for (where, verdicts, rows, count), first in zip(found, firsts, strict=False):
        dump = verdicts.split("/")[1]
        parts.append(Part(where, verdicts, rows, numbers[dump], first, count))
        numbers[dump] += 1
    return parts


def check_mergeable(datasets: Sequence[tuple[str, Manifest]]) -> None:
    """Raise UsageError if the datasets have different recipes, or have only some of the pages of their sources."""
    (first, one), *others = datasets
    for where, manifest in datasets:
        if manifest.selections:
            raise UsageError(f"{where} is a selection: merge the whole datasets, and select from the result")
        if manifest.chosen is not None:
            raise UsageError(f"{where} was made of chosen pages (--pages-where): merge datasets of all pages")
    for where, manifest in others:
        same = {
            "recipe": manifest.recipe_hash == one.recipe_hash, "columns": manifest.columns == one.columns,
            "layout (a folder for each language)": bool(manifest.configurations) == bool(one.configurations),
        }  # fmt: skip
        for what, is_same in same.items():
            if not is_same:
                raise UsageError(f"{first} and {where} have not the same {what}; merge datasets of one recipe")


def rows_of_part(dataset: Dataset, part: Part) -> Iterator[tuple[str, pa.RecordBatch]]:
    """Yield the rows of a part by row group, each with its series; their hashes are recomputed."""
    for series in part.rows:
        for group in dataset.row_groups_of(series):
            found = dataset.read_rows(range(group.first_row, group.first_row + group.rows))
            for batch in found.combine_chunks().to_batches():
                yield series, batch


def ids_of(parts: Sequence[Part], numbers: list[int]) -> dict[int, str]:
    """Return the record ids of rows by their numbers in the merge."""
    found: dict[int, str] = {}
    for part in parts:
        here = [number for number in numbers if part.first <= number < part.first + part.length]
        if here:
            with open_anywhere(part.where) as dataset:
                files = [file for file in part.files(dataset.manifest) if file.path.startswith("data/")]
                ids = dataset.row_columns("id", files=files)["id"]
            taken = pc.take(ids, pa.array([number - part.first for number in here])).to_pylist()
            found |= dict(zip(here, taken, strict=True))
    return found
