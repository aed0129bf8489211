"""The rows or the verdicts of an open dataset, numbered across all of their files."""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

import pyarrow as pa

from finest.dataset.merkle import series_of
from finest.dataset.rows import columns_schema

if TYPE_CHECKING:
    from finest.dataset.confined_reader import Confined
    from finest.dataset.shards import Shard


@dataclass(frozen=True, slots=True)
class RowGroup:
    """One Parquet row group: its file, its number in that file, and the dataset rows that it holds."""

    path: str
    number: int
    first_row: int
    rows: int


class Part:
    """Either the rows or the verdicts, numbered across all of their files."""

    def __init__(self, reader: Confined, files: Sequence[Shard], schema: pa.Schema) -> None:
        self._reader, self._files, self._schema = reader, files, schema
        self._firsts = [0, *accumulate(file.rows for file in files)]
        self._group_rows: dict[str, list[int]] = {}

    def groups(self, series: str | None = None) -> list[RowGroup]:
        """Return the row groups of all files, or of those of a series."""
        numbers = [n for n, file in enumerate(self._files) if series in (None, series_of(file.path))]
        return [group for number in numbers for group in self._groups(number)]

    def between(self, first: int, end: int) -> list[RowGroup]:
        """Return the row groups whose first row is one from `first` to `end` (exclusive)."""
        numbers = [n for n in range(len(self._files)) if self._firsts[n] < end and self._firsts[n + 1] > first]
        return [group for number in numbers for group in self._groups(number) if first <= group.first_row < end]

    def _groups(self, number: int) -> list[RowGroup]:
        file = self._files[number]
        if file.path not in self._group_rows:
            self._group_rows[file.path] = self._reader.ask("groups", file=file)
        rows = self._group_rows[file.path]
        firsts = accumulate(rows, initial=self._firsts[number])
        return [RowGroup(file.path, at, first, count) for at, (first, count) in enumerate(zip(firsts, rows))]  # noqa: B905

    def read(self, indices: Sequence[int]) -> pa.Table:
        if indices and not 0 <= min(indices) <= max(indices) < self._firsts[-1]:
            raise IndexError(f"rows are numbered 0 to {self._firsts[-1] - 1}")
        wanted = sorted(set(indices))
        tables = [self._schema.empty_table()]
        for number, file in enumerate(self._files):
            for group in self._groups(number) if self._any(wanted, number) else ():
                here = _between(wanted, group.first_row, group.first_row + group.rows)
                rows = [index - group.first_row for index in here]
                if rows:
                    tables.append(self._reader.ask_table("rows", file=file, group=group.number, rows=rows))
        ascending = pa.concat_tables(tables)
        return ascending.take(pa.array([bisect.bisect_left(wanted, index) for index in indices], pa.int64()))

    def _any(self, wanted: list[int], number: int) -> bool:
        return bool(_between(wanted, self._firsts[number], self._firsts[number + 1]))

    def group_columns(self, group: RowGroup, names: Sequence[str]) -> pa.Table:
        file = next(file for file in self._files if file.path == group.path)
        return self._reader.ask_table("columns", file=file, columns=list(names), group=group.number)

    def before(self, index: int, names: Sequence[str]) -> Iterator[pa.Table]:
        """Yield some columns of the entries before `index` in its series of files, the nearest row group first."""
        number = bisect.bisect_right(self._firsts, index) - 1
        series, end = series_of(self._files[number].path), index
        while number >= 0 and series_of(self._files[number].path) == series:
            for group in reversed(self._groups(number)):
                if group.first_row < end:
                    yield self.group_columns(group, names).slice(0, end - group.first_row)
            number -= 1

    def columns(self, names: Sequence[str], files: Sequence[Shard] | None = None) -> pa.Table:
        """Return some columns of all files, or of these."""
        schema = columns_schema(self._schema, names)
        wanted = self._files if files is None else files
        tables = [self._reader.ask_table("columns", file=file, columns=list(names)) for file in wanted]
        return pa.concat_tables([schema.empty_table(), *tables]).unify_dictionaries()


def _between(ascending: list[int], first: int, end: int) -> list[int]:
    return ascending[bisect.bisect_left(ascending, first) : bisect.bisect_left(ascending, end)]
