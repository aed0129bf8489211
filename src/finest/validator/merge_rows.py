"""Compare the rows of a merged dataset with those of its inputs, series by series, in bounded memory.

`finest merge` puts each series of an input into one series of the result (`plan_parts`), so the hashes of one series
decide which of its rows are there. What is kept for the whole dataset are 8 bytes a row, a keyed hash of its id, and 18
bytes for each row that was dropped: a crawl of 200 million rows of which a tenth is dropped takes 2 GB.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from finest.dataset.merkle import series_of
from finest.errors import SourceError, VerifyError
from finest.pipeline.merging.parts import KEY, plan_parts
from finest.recipe.reasons import DUPLICATE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from finest.dataset.open import Dataset
    from finest.dataset.shards import Shard
    from finest.pipeline.merging.parts import Part

CHUNK_ROWS = 4 << 20
"""Rows whose ids are compared at once with those of kept rows."""
Place = tuple[str, int, str]


@dataclass(frozen=True, slots=True)
class ComparedRows:
    """Which rows of the inputs are no rows of the merged dataset, and what is kept instead of each."""

    ids: NDArray[np.int64]
    """The hash (`id_hashes`) of each row's id, in the order of the merged dataset."""
    inputs: NDArray[np.uint16]
    """The input of each dropped row, in the order of inputs and rows."""
    numbers: NDArray[np.int64]
    """Its number there."""
    winners: NDArray[np.int64]
    """The hash of the id that its verdict names."""
    foreign: str | None
    """Why a row of the merged dataset is none of the inputs; None if each is."""
    unexplained: Place | None
    """A row that is missing without a verdict `duplicate`; None if there is none."""
    unexplained_count: int

    def without_winner(self) -> NDArray[np.int64]:
        """Return the dropped rows, by their place in `numbers`, whose kept row is no row of the merged dataset."""
        wanted = np.unique(self.winners)
        found = np.zeros(len(wanted), np.bool_)
        for start in range(0, len(self.ids) if len(wanted) else 0, CHUNK_ROWS):
            ids = self.ids[start : start + CHUNK_ROWS]
            at = np.minimum(np.searchsorted(wanted, ids), len(wanted) - 1)
            found[at[wanted[at] == ids]] = True
        return np.flatnonzero(np.isin(self.winners, wanted[~found]))


_KEYED = hashlib.blake2b(digest_size=8, key=secrets.token_bytes(16))


def id_hashes(ids: Iterable[str]) -> NDArray[np.int64]:
    """Return 64 bits of each id's BLAKE2b, with a key that is drawn for each process.

    Nobody can make two ids that agree, also where PYTHONHASHSEED is set. It takes 0.6 us of CPU for an id.
    """
    found = bytearray()
    for id in ids:
        hashed = _KEYED.copy()
        hashed.update(id.encode())
        found += hashed.digest()
    return np.frombuffer(found, np.int64)


def compare(dataset: Dataset, inputs: Sequence[Dataset], check: Callable[[], None]) -> ComparedRows:
    """Compare all rows by their hashes, which the roots commit to; calls `check()` before each series.

    Raises SourceError if an input has rows without verdicts.
    """
    try:
        parts = plan_parts([(str(number), one.manifest) for number, one in enumerate(inputs)])
    except VerifyError as error:
        raise SourceError(f"a dataset to merge cannot be read: {error}") from error
    groups: dict[tuple[str, int], list[Part]] = {}
    for part in parts:
        groups.setdefault((part.dump, part.number), []).append(part)
    made = _Comparison(dataset, inputs)
    for parts_of_group in groups.values():
        check()
        made.add(parts_of_group)
    return made.finished()


class _Comparison:
    def __init__(self, dataset: Dataset, inputs: Sequence[Dataset]) -> None:
        self._dataset, self._inputs = dataset, inputs
        self._first = {id(one): _first_rows(one) for one in (dataset, *inputs)}
        self._ids = np.zeros(dataset.manifest.rows, np.int64)
        self._dropped: list[tuple[NDArray[np.uint16], NDArray[np.int64], NDArray[np.int64]]] = []
        self._foreign: str | None = None
        self._unexplained: Place | None = None
        self._unexplained_count = 0
        self._left = set(dataset.manifest.roots)

    def add(self, parts: Sequence[Part]) -> None:
        """Compare the series that these parts share."""
        lost: list[tuple[int, int, Place]] = []
        names = dict.fromkeys(part.renamed(series) for part in parts for series in part.rows)
        for name in names:
            self._left.discard(name)
            own = self._own(name)
            known = np.zeros(len(own), np.bool_)
            for part in parts:
                for series in part.rows:
                    if part.renamed(series) == name:
                        lost += self._lost(int(part.where), series, own, known)
            if not known.all() and self._foreign is None:
                row = int(np.flatnonzero(~known)[0])
                self._foreign = f"row {row} of {name} is no row of the leased datasets"
        self._explain(lost, parts[0].renamed(parts[0].verdicts))

    def finished(self) -> ComparedRows:
        if self._left and self._foreign is None:
            self._foreign = f"{min(self._left)} is no series of the leased datasets"
        columns = list(zip(*self._dropped, strict=True)) or [(), (), ()]
        inputs, numbers, winners = (
            np.concatenate([np.zeros(0, kind), *column])
            for column, kind in zip(columns, (np.uint16, np.int64, np.int64), strict=True)
        )
        order = np.lexsort((numbers, inputs))
        return ComparedRows(
            self._ids, inputs[order], numbers[order], winners[order], self._foreign, self._unexplained,
            self._unexplained_count,
        )  # fmt: skip

    def _own(self, name: str) -> pa.ChunkedArray:
        """Return the row hashes of a series of the merged dataset, and keep the hashes of its ids."""
        hashes = []
        for file in _files_of(self._dataset.manifest.shards, name):
            table = self._dataset.row_columns("row_hash", "id", files=[file])
            first = self._first[id(self._dataset)][file.path]
            self._ids[first : first + len(table)] = id_hashes(table["id"].to_pylist())
            hashes += table["row_hash"].chunks
        return pa.chunked_array(hashes, pa.string())

    def _lost(
        self, number: int, series: str, own: pa.ChunkedArray, known: NDArray[np.bool_]
    ) -> Iterator[tuple[int, int, Place]]:  # fmt: skip
        """Yield the rows of an input's series that are not among `own`, and mark in `known` those of `own` that are."""
        dataset = self._inputs[number]
        for file in _files_of(dataset.manifest.shards, series):
            hashes = dataset.row_columns("row_hash", files=[file])["row_hash"]
            at = pc.index_in(hashes, value_set=own)
            known[at.drop_null().to_numpy()] = True
            gone = np.flatnonzero(at.is_null().to_numpy())
            if len(gone):
                table = dataset.row_columns(*KEY, files=[file]).take(pa.array(gone))
                places = zip(*(table[name].to_pylist() for name in KEY), strict=True)
                first = self._first[id(dataset)][file.path]
                yield from ((number, first + row, place) for row, place in zip(gone.tolist(), places, strict=True))

    def _explain(self, lost: Sequence[tuple[int, int, Place]], verdicts: str) -> None:
        """Note what is kept instead of the lost rows of a series, by its verdicts."""
        winners = self._winners({place for _, _, place in lost}, verdicts) if lost else {}
        silent = [place for _, _, place in lost if place not in winners]
        if silent:
            self._unexplained = self._unexplained or silent[0]
            self._unexplained_count += len(silent)
        told = [(number, row, winners[place]) for number, row, place in lost if place in winners]
        inputs, numbers, names = zip(*told, strict=True) if told else ((), (), ())
        self._dropped.append((np.array(inputs, np.uint16), np.array(numbers, np.int64), id_hashes(names)))

    def _winners(self, wanted: set[Place], series: str) -> dict[Place, str]:
        ids = pa.array(sorted({id for _, _, id in wanted}), pa.string())
        found: dict[Place, str] = {}
        for file in _files_of(self._dataset.manifest.verdicts, series):
            table = self._dataset.verdict_columns("file_path", "offset", "id", "reason", "duplicate_of", files=[file])
            table = table.filter(pc.and_(pc.equal(table["reason"], DUPLICATE), pc.is_in(table["id"], value_set=ids)))
            for row in table.to_pylist():
                place = (row["file_path"], row["offset"], row["id"])
                if place in wanted:
                    found[place] = row["duplicate_of"] or ""
        return found


def taken(dataset: Dataset, numbers: Sequence[int], *names: str) -> list[dict[str, Any]]:
    """Return some columns of rows, in the order of their ascending numbers; reads these columns of their files."""
    found: list[dict[str, Any]] = []
    wanted = np.asarray(numbers, np.int64)
    for file, first in zip(dataset.manifest.shards, _first_rows(dataset).values(), strict=True):
        low, high = np.searchsorted(wanted, [first, first + file.rows])
        if low < high:
            table = dataset.row_columns(*names, files=[file])
            found += table.take(pa.array(wanted[low:high] - first)).to_pylist()
    return found


def _files_of(files: Sequence[Shard], series: str) -> list[Shard]:
    return [file for file in files if series_of(file.path) == series]


def _first_rows(dataset: Dataset) -> dict[str, int]:
    """Return the number of each file's first row."""
    shards = dataset.manifest.shards
    firsts = accumulate((shard.rows for shard in shards), initial=0)
    return dict(zip((shard.path for shard in shards), firsts, strict=False))
