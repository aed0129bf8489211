"""Write one series of a merged dataset: its files as they are, or without the rows that another part has too."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict

from finest.dataset.location import open_anywhere
from finest.dataset.rows import VERDICT_SCHEMA, schema_with
from finest.dataset.shards import Shard, ShardWriter
from finest.errors import VerifyError
from finest.pipeline.merging.parts import KEY, rows_of_part
from finest.recipe.reasons import DUPLICATE, KEPT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from finest.dataset.open import Dataset
    from finest.pipeline.dedup.signatures import Rows
    from finest.pipeline.merging.parts import Ids, Part

_Winners = dict[tuple[str, int, str], list[int | None]]
"""For each place, the numbers of its rows that are lost; None for a row that stays."""


class Note(BaseModel):
    """The files of a written series, and what it has lost."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    rows: list[Shard]
    verdicts: list[Shard]
    roots: dict[str, str]
    lost: int = 0
    lost_tokens: int = 0
    lost_languages: dict[str, int] = {}


class Lost(NamedTuple):
    """Which rows of the merge are lost, by their numbers."""

    instead: Rows | None
    """The row that is kept instead of each row, or its own number; None if no row is lost."""
    jaccard: NDArray[np.float64] | None
    """The similarity of each lost row with the kept one, if the recipe compares texts."""
    min_jaccard: float
    names: Ids | None
    """The ids of the rows that are kept instead of others."""

    def of(self, numbers: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which of the rows with these numbers are lost."""
        return np.zeros(len(numbers), np.bool_) if self.instead is None else self.instead[numbers] != numbers


def write_series(parts: Sequence[Part], lost: Lost, folder: Path) -> Note:
    """Write the files of parts that share a series into `folder`, and return their note.

    Raises VerifyError if a dataset is not that of its manifest.
    """
    part, *others = parts
    own = np.arange(part.first, part.first + part.length)
    if not others and not lost.of(own).any():
        with open_anywhere(part.where) as dataset:
            return _copy(dataset, part, folder)
    series = _Series(lost, folder)
    for one in parts:
        with open_anywhere(one.where) as dataset:
            series.add(dataset, one)
    return series.note()


def _copy(dataset: Dataset, part: Part, folder: Path) -> Note:
    files = [file.model_copy(update={"path": part.renamed(file.path)}) for file in part.files(dataset.manifest)]
    for old, new in zip(part.files(dataset.manifest), files, strict=True):
        (folder / new.path).parent.mkdir(parents=True, exist_ok=True)
        (folder / new.path).unlink(missing_ok=True)  # a killed merge may have linked it to a file of the dataset
        if not isinstance(dataset.place, Path) or not _linked(dataset.place / old.path, folder / new.path):
            _download(dataset, old, folder / new.path)
    return Note(
        rows=[file for file in files if file.path.startswith("data/")],
        verdicts=[file for file in files if file.path.startswith("verdicts/")],
        roots={part.renamed(series): dataset.manifest.roots[series] for series in part.rows},
    )


def _linked(old: Path, new: Path) -> bool:
    """Give a file a second name instead of a copy; False where the file system has none for it."""
    try:
        os.link(old, new)
    except OSError:
        return False
    return True


def _download(dataset: Dataset, file: Shard, target: Path) -> None:
    sha = hashlib.sha256()
    with open(target, "wb") as opened:
        for piece in dataset.pieces(file):
            sha.update(piece)
            opened.write(piece)
    if sha.hexdigest() != file.sha256:
        raise VerifyError(f"{file.path}: its sha256 is not the manifest's")


class _Series:
    """A series whose files are written anew: without the rows that are lost, whose verdicts name those kept instead."""

    def __init__(self, lost: Lost, folder: Path) -> None:
        self._lost, self._folder = lost, folder
        self._rows: dict[str, ShardWriter] = {}
        self._verdicts: ShardWriter | None = None
        self._tokens = 0
        self._languages: Counter[str] = Counter()

    def add(self, dataset: Dataset, part: Part) -> None:
        """Write the rows and verdicts of a part after those of the parts before it."""
        winners = self._write_rows(dataset, part)
        if self._verdicts is None:
            self._verdicts = ShardWriter(self._folder, part.renamed(part.verdicts), VERDICT_SCHEMA)
        for group in dataset.verdict_groups_of(part.verdicts):
            found = dataset.read_verdicts(range(group.first_row, group.first_row + group.rows))
            for batch in found.combine_chunks().to_batches():
                self._verdicts.write(self._judged(batch, winners, part))

    def note(self) -> Note:
        writers = self._rows.values()
        return Note(
            rows=[file for writer in writers for file in writer.close()],
            verdicts=self._verdicts.close() if self._verdicts else [],
            roots={name: root for writer in writers for name, root in writer.roots.items()},
            lost=sum(self._languages.values()), lost_tokens=self._tokens, lost_languages=dict(self._languages),
        )  # fmt: skip

    def _write_rows(self, dataset: Dataset, part: Part) -> _Winners:
        """Write the rows of a part that stay, and return for all of its rows which are lost."""
        winners: _Winners = {}
        at = part.first
        for series, batch in rows_of_part(dataset, part):
            numbers = np.arange(at, at + batch.num_rows)
            lost = self._lost.of(numbers)
            at += batch.num_rows
            self._note_places(winners, batch, numbers, lost)
            gone = batch.filter(pa.array(lost))
            self._tokens += pc.sum(gone["token_count"]).as_py() or 0
            self._languages.update(gone["language"].to_pylist())
            name = part.renamed(series)
            if name not in self._rows:
                self._rows[name] = ShardWriter(self._folder, name, schema_with(dataset.manifest.columns))
            self._rows[name].write(batch.filter(pa.array(~lost)))
        return winners

    def _note_places(
        self, winners: _Winners, batch: pa.RecordBatch, numbers: NDArray[np.int64], lost: NDArray[np.bool_]
    ) -> None:  # fmt: skip
        """Remember for each row whether it is lost: rows of one place are in the order of their verdicts."""
        places = zip(*(batch[name].to_pylist() for name in KEY), strict=True)
        for place, number, is_lost in zip(places, numbers.tolist(), lost.tolist(), strict=True):
            winners.setdefault(place, []).append(number if is_lost else None)

    def _judged(self, batch: pa.RecordBatch, winners: _Winners, part: Part) -> pa.RecordBatch:
        """Return verdicts with those of the lost rows changed."""
        changed = batch.select(["reason", "value", "limit", "duplicate_of"]).to_pydict()
        places = zip(*(batch[name].to_pylist() for name in ("file_path", "offset", "id")), strict=True)
        for at, (reason, place) in enumerate(zip(list(changed["reason"]), places, strict=True)):
            if reason == KEPT:
                waiting = winners.get(place)
                if not waiting:
                    raise VerifyError(f"{part.where}: more pages are kept than there are rows")
                if (number := waiting.pop(0)) is not None:
                    assert self._lost.instead is not None and self._lost.names is not None
                    changed["reason"][at] = DUPLICATE
                    changed["duplicate_of"][at] = self._lost.names[int(self._lost.instead[number])]
                    if self._lost.jaccard is not None:
                        changed["value"][at] = float(self._lost.jaccard[number])
                        changed["limit"][at] = self._lost.min_jaccard
        columns = dict(zip(batch.schema.names, batch.columns, strict=True))
        for name, values in changed.items():
            columns[name] = pa.array(values, VERDICT_SCHEMA.field(name).type)
        return pa.record_batch([columns[name] for name in VERDICT_SCHEMA.names], schema=VERDICT_SCHEMA)
