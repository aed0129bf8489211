"""Write one part of a merged dataset: its files as they are, or without the rows that another part has too."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

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
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from finest.dataset.open import Dataset
    from finest.pipeline.merging.parts import Part

_Place = tuple[str, int, str]


class Note(BaseModel):
    """The files of a written part, and what it has lost."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    rows: list[Shard]
    verdicts: list[Shard]
    roots: dict[str, str]
    lost: int = 0
    lost_tokens: int = 0
    lost_languages: dict[str, int] = {}


def write_part(part: Part, instead: NDArray[np.int64], names: Mapping[int, str], folder: Path) -> Note:
    """Write the files of a part into `folder`, and return its note.

    `instead` has for each row the number of the row that is kept instead, or its own; `names` the ids of these.
    Raises VerifyError if the dataset is not that of its manifest.
    """
    with open_anywhere(part.where) as dataset:
        if (instead == np.arange(part.first, part.first + part.length)).all():
            return _copy(dataset, part, folder)
        return _Rewrite(dataset, part, instead, names, folder).note()


def _copy(dataset: Dataset, part: Part, folder: Path) -> Note:
    files = [file.model_copy(update={"path": part.renamed(file.path)}) for file in part.files(dataset.manifest)]
    for old, new in zip(part.files(dataset.manifest), files, strict=True):
        (folder / new.path).parent.mkdir(parents=True, exist_ok=True)
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


class _Rewrite:
    """A part that loses rows: its rows are filtered, and the verdicts of the lost ones name those kept instead."""

    def __init__(
        self, dataset: Dataset, part: Part, instead: NDArray[np.int64], names: Mapping[int, str], folder: Path
    ) -> None:  # fmt: skip
        self._dataset, self._part, self._instead, self._names, self._folder = dataset, part, instead, names, folder
        self._winners: dict[_Place, list[str | None]] = {}
        self._tokens = 0
        self._languages: Counter[str] = Counter()

    def note(self) -> Note:
        writers = self._write_rows()
        verdicts = self._write_verdicts()
        return Note(
            rows=[file for writer in writers.values() for file in writer.close()],
            verdicts=verdicts.close(),
            roots={name: root for writer in writers.values() for name, root in writer.roots.items()},
            lost=sum(self._languages.values()), lost_tokens=self._tokens, lost_languages=dict(self._languages),
        )  # fmt: skip

    def _write_rows(self) -> dict[str, ShardWriter]:
        schema, writers, at = schema_with(self._dataset.manifest.columns), dict[str, ShardWriter](), 0
        for series, batch in rows_of_part(self._dataset, self._part):
            numbers = np.arange(at, at + batch.num_rows)
            at += batch.num_rows
            lost = self._instead[numbers] != numbers + self._part.first
            self._note_places(batch, lost, self._instead[numbers])
            gone = batch.filter(pa.array(lost))
            self._tokens += pc.sum(gone["token_count"]).as_py() or 0
            self._languages.update(gone["language"].to_pylist())
            if series not in writers:
                writers[series] = ShardWriter(self._folder, self._part.renamed(series), schema)
            writers[series].write(batch.filter(pa.array(~lost)))
        return writers

    def _note_places(self, batch: pa.RecordBatch, lost: NDArray[np.bool_], instead: NDArray[np.int64]) -> None:
        """Remember for each row who is kept instead of it: rows of one place are in the order of their verdicts."""
        places = zip(*(batch[name].to_pylist() for name in KEY), strict=True)
        for place, is_lost, number in zip(places, lost.tolist(), instead.tolist(), strict=True):
            self._winners.setdefault(place, []).append(self._names[number] if is_lost else None)

    def _write_verdicts(self) -> ShardWriter:
        writer = ShardWriter(self._folder, self._part.renamed(self._part.verdicts), VERDICT_SCHEMA)
        for group in self._dataset.verdict_groups_of(self._part.verdicts):
            found = self._dataset.read_verdicts(range(group.first_row, group.first_row + group.rows))
            for batch in found.combine_chunks().to_batches():
                writer.write(self._judged(batch))
        return writer

    def _judged(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        columns = dict(zip(batch.schema.names, batch.columns, strict=True))
        reasons, losers = batch["reason"].to_pylist(), batch["duplicate_of"].to_pylist()
        places = zip(*(batch[name].to_pylist() for name in ("file_path", "offset", "id")), strict=True)
        for at, (reason, place) in enumerate(zip(reasons, places, strict=True)):
            if reason == KEPT:
                waiting = self._winners.get(place)
                if not waiting:
                    raise VerifyError(f"{self._part.where}: more pages are kept than there are rows")
                if (winner := waiting.pop(0)) is not None:
                    reasons[at], losers[at] = DUPLICATE, winner
        columns["reason"], columns["duplicate_of"] = pa.array(reasons, pa.string()), pa.array(losers, pa.string())
        return pa.record_batch([columns[name] for name in VERDICT_SCHEMA.names], schema=VERDICT_SCHEMA)
