"""The parts of a merged dataset: each is a series of verdicts of one dataset, with the rows of its kept pages."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from finest.dataset.location import open_anywhere
from finest.dataset.merkle import rows_series, series_of
from finest.errors import UsageError, VerifyError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from finest.dataset.manifest import Manifest
    from finest.dataset.open import Dataset
    from finest.dataset.shards import Shard

SMALL_BYTES, JOINED_BYTES = 32_000_000, 250_000_000
"""Parts with fewer bytes of rows than SMALL_BYTES are joined with those of the same crawl that follow them, up to
JOINED_BYTES: a crawl of 22,500 tasks of four WARCs each would have more files than a dataset may."""
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
    """Number of its series among those of its crawl in the merged dataset, which small parts share."""
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
    found: list[tuple[str, str, tuple[str, ...], int, int]] = []
    for where, manifest in datasets:
        left = set(manifest.roots)
        for verdicts in dict.fromkeys(series_of(file.path) for file in manifest.verdicts):
            names = {rows_series(verdicts, language) for language in manifest.configurations or (None,)}
            rows = tuple(series for series in manifest.roots if series in names)
            files = [shard for shard in manifest.shards if series_of(shard.path) in rows]
            sizes = sum(shard.rows for shard in files), sum(shard.size_bytes for shard in files)
            found.append((where, verdicts, rows, *sizes))
            left -= set(rows)
        if left:
            raise VerifyError(f"{where}: there are no verdicts of the rows in {min(left)}")
    firsts = accumulate((count for *_, count, _ in found), initial=0)
    numbers = _Numbers()
    return [
        Part(where, verdicts, rows, numbers.next(verdicts.split("/")[1], size), first, count)
        for (where, verdicts, rows, count, size), first in zip(found, firsts, strict=False)
    ]


class _Numbers:
    """The numbers of the series of each crawl, given to parts in their order."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[int, int]] = {}

    def next(self, dump: str, size: int) -> int:
        """Return the number of a part with so many bytes of rows: that of the small part before it, or a new one."""
        number, before = self._last.get(dump, (-1, JOINED_BYTES))
        if size < SMALL_BYTES and before + size <= JOINED_BYTES:
            self._last[dump] = number, before + size
        else:
            self._last[dump] = number + 1, size if size < SMALL_BYTES else JOINED_BYTES
        return self._last[dump][0]


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


class PartTexts:
    """The texts of the rows, by part."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = parts

    def of(self, part: int) -> Iterator[pa.RecordBatch]:
        """Yield the languages and texts of a part's rows."""
        with open_anywhere(self._parts[part].where) as dataset:
            for _, batch in rows_of_part(dataset, self._parts[part]):
                yield batch.select(["language", "text"])


class Ids:
    """The record ids of some rows of a merge."""

    def __init__(self, parts: Sequence[Part], numbers: NDArray[Any]) -> None:
        """`numbers` are those of the rows in the merge, ascending; their ids are read here."""
        self._numbers, found = numbers, list[pa.Array]()
        for part in parts:
            low, high = np.searchsorted(numbers, [part.first, part.first + part.length])
            if low < high:
                with open_anywhere(part.where) as dataset:
                    files = [file for file in part.files(dataset.manifest) if file.path.startswith("data/")]
                    ids = dataset.row_columns("id", files=files)["id"]
                found += pc.take(ids, pa.array(numbers[low:high].astype(np.int64) - part.first)).chunks
        self._ids = pa.chunked_array(found, pa.string())

    def __getitem__(self, number: int) -> str:
        return str(self._ids[int(np.searchsorted(self._numbers, number))])
