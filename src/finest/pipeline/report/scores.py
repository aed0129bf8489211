"""Read the columns that a recipe's stages add to the rows: a histogram of each, with a few sample pages per bin.

A number has 20 bins: those of a quality model, whose score is the number of its bin, or else 20 of equal width between
the smallest and the largest value. A text has one bin per value, if it has few. Two passes read the added columns of
all rows, and then only the row groups of the samples are read for their texts.
"""

from __future__ import annotations

import hashlib
import heapq
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from finest.formatting import short

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from finest.pipeline.damage import ParquetPart
    from finest.recipe.stage import Column

BINS = 20
MAX_CLASSES = 20
"""Values of a text column with a bin of their own; a column with more than MAX_VALUES values is not shown."""
MAX_VALUES = 1_000
SAMPLES_PER_BIN = 3
EXCERPT_CHARS = 240
_SHOWN = ("id", "url", "language", "text")


@dataclass(slots=True)
class Bin:
    """The rows of one bin."""

    label: str
    """The bin's number, its lower bound, or the value of its rows."""
    span: str
    """What the bin holds, in words."""
    rows: int = 0
    samples: list[dict[str, Any]] = field(default_factory=list)
    """A few rows: id, url, excerpt and the column's value."""


@dataclass(slots=True)
class Scores:
    """One column of the rows."""

    column: str
    doc: str
    bins: list[Bin]
    is_class: bool = False
    more: int = 0
    """Values of a text column that have no bin of their own."""


@dataclass(order=True, slots=True)
class _Candidate:
    """A row that may become a sample; the row with the smaller key is taken, so that the choice is always the same."""

    key: str
    place: tuple[int, int, int] = field(compare=False)
    """Its file, its row group and its number in the group."""


class _Chosen(NamedTuple):
    """A row that is a sample of a bin of a column."""

    place: tuple[int, int, int]
    bin: Bin
    column: str


def scores_of(files: Sequence[ParquetPart], columns: Sequence[Column]) -> list[Scores]:
    """Return the histograms of these columns over all rows of the files; a column without a value has none.

    `NAME_raw`, the unbinned score of a column NAME, is left out.
    """
    names = {column.name for column in columns}
    chosen: list[_Chosen] = []
    found = [_scores(files, column, chosen) for column in columns if not _is_raw(column.name, names)]
    _read_samples(files, chosen, sorted(names))
    return [scores for scores in found if scores is not None]


def _is_raw(name: str, names: set[str]) -> bool:
    return name.endswith("_raw") and name.removesuffix("_raw") in names


def _scores(files: Sequence[ParquetPart], column: Column, chosen: list[_Chosen]) -> Scores | None:
    """Return a column's histogram without samples; the rows that will be its samples are added to `chosen`."""
    kind = _Classes.of(files, column) if column.type == "string" else _Numbers.of(files, column)
    if kind is None:
        return None
    bins = kind.bins
    candidates: list[list[_Candidate]] = [[] for _ in bins]
    for place, batch in _batches(files, ["id", column.name]):
        at = kind.place(batch.column(1))
        ids = batch.column(0)
        for number in np.unique(at[at >= 0]).tolist():
            rows = np.flatnonzero(at == number)
            bins[number].rows += len(rows)
            _offer(candidates[number], place, ids, rows)
    for bin_, best in zip(bins, candidates, strict=True):
        chosen += [_Chosen(one.place, bin_, column.name) for one in sorted(best)]
    return Scores(column.name, column.doc, bins, is_class=column.type == "string", more=kind.more)


def _offer(chosen: list[_Candidate], place: tuple[int, int, int], ids: pa.Array, rows: NDArray[np.int64]) -> None:
    """Keep the rows with the smallest keys; of a batch with many rows, only the first ones are looked at."""
    file, group, first = place
    for row in rows[: 10 * SAMPLES_PER_BIN].tolist():
        key = hashlib.sha256(ids[row].as_py().encode("utf-8", "replace")).hexdigest()
        chosen.append(_Candidate(key, (file, group, first + row)))
    chosen[:] = heapq.nsmallest(SAMPLES_PER_BIN, chosen)


class _Numbers:
    """The bins of a number."""

    more = 0

    def __init__(self, low: float, high: float, bins: list[Bin]) -> None:
        self.low, self.high, self.bins = low, high, bins

    @staticmethod
    def of(files: Sequence[ParquetPart], column: Column) -> _Numbers | None:
        low, high = np.inf, -np.inf
        for _, batch in _batches(files, [column.name]):
            found = pc.min_max(batch.column(0)).as_py()
            if found["min"] is not None:
                low, high = min(low, found["min"]), max(high, found["max"])
        if low > high or not np.isfinite([low, high]).all():
            return None
        if column.type == "int64" and low >= 0 and high < BINS:
            return _Numbers(0, BINS, [Bin(str(number), f"score {number}") for number in range(BINS)])
        edges = np.linspace(low, high, BINS + 1).tolist()
        return _Numbers(low, high, [Bin(short(a), f"{short(a)} to {short(b)}") for a, b in pairwise(edges)])

    def place(self, values: pa.Array) -> NDArray[np.int64]:
        numbers = values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        width = (self.high - self.low) or 1
        return np.minimum((numbers - self.low) / width * BINS, BINS - 1).astype(np.int64)


class _Classes:
    """The bins of a text: its most frequent values."""

    def __init__(self, values: list[str], more: int) -> None:
        self.bins = [Bin(value, value) for value in values]
        self.more = more
        self._values = pa.array(values, pa.string())

    @staticmethod
    def of(files: Sequence[ParquetPart], column: Column) -> _Classes | None:
        counts: dict[str, int] = {}
        for _, batch in _batches(files, [column.name]):
            for entry in pc.value_counts(batch.column(0)).to_pylist():
                counts[entry["values"]] = counts.get(entry["values"], 0) + entry["counts"]
            if len(counts) > MAX_VALUES:
                return None
        ranked = sorted(counts, key=lambda value: (-counts[value], value))
        return _Classes(ranked[:MAX_CLASSES], max(0, len(ranked) - MAX_CLASSES)) if ranked else None

    def place(self, values: pa.Array) -> NDArray[np.int64]:
        found = pc.fill_null(pc.index_in(values, value_set=self._values), -1)
        return np.asarray(found.to_numpy(zero_copy_only=False), np.int64)


def _read_samples(files: Sequence[ParquetPart], chosen: list[_Chosen], columns: list[str]) -> None:
    """Read the chosen rows, each row group once, and add them to their bins."""
    at: dict[tuple[int, int], list[_Chosen]] = {}
    for one in chosen:
        at.setdefault(one.place[:2], []).append(one)
    for (file, group), here in sorted(at.items()):
        with files[file].open() as parquet:
            table = parquet.read_row_group(group, columns=[*_SHOWN, *columns], use_threads=False)
        for one in here:
            row = table.slice(one.place[2], 1).to_pylist()[0]
            shown = {"value": row[one.column], "excerpt": row["text"][:EXCERPT_CHARS]}
            one.bin.samples.append({name: row[name] for name in _SHOWN if name != "text"} | shown)


def _batches(files: Sequence[ParquetPart], columns: list[str]) -> Iterator[tuple[tuple[int, int, int], pa.RecordBatch]]:
    """Yield columns of all rows, with the file, the row group and the number in the group of the first row."""
    for number, part in enumerate(files):
        with part.open() as file:
            for group in range(file.metadata.num_row_groups):
                first = 0
                for batch in file.iter_batches(1000, row_groups=[group], columns=columns, use_threads=False):
                    yield (number, group, first), batch.select(columns)
                    first += batch.num_rows
