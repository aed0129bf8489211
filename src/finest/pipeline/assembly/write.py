"""Write one shard: the rows, the verdicts and the sources of its range, and what the last step must know of them.

DUMP-NNNNN/shard.json          the note on the shard
DUMP-NNNNN/numbers/SERIES      for each row of a series of files, in order, the page's number in the run (int64)
"""

from __future__ import annotations

import shutil
from collections import Counter
from typing import TYPE_CHECKING, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, ValidationError

import finest
from finest.atomic_files import sync, temporary_name, write_whole
from finest.dataset import sources as stated
from finest.dataset.merkle import SeriesTrees, rows_series
from finest.dataset.rows import VERDICT_SCHEMA, schema_with, with_row_hashes
from finest.dataset.selection import Rule
from finest.dataset.shards import Shard as DataFile
from finest.dataset.shards import ShardWriter
from finest.pipeline.assembly.pages import dedup_first
from finest.recipe.reasons import DUPLICATE, KEPT
from finest.recipe.stages.dedup import CLUSTER_SIZE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from finest.pipeline.assembly.pages import Pages
    from finest.pipeline.assembly.shards import Shard
    from finest.pipeline.assembly.winners import Winners
    from finest.pipeline.pack import Pack
    from finest.warc.source import Source

NOTE_NAME = "shard.json"
_BATCH_ROWS = 5_000


class Note(BaseModel):
    """The note on a shard that a task has written; the task writes it last."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    version: str
    """Version of finest, which alone continues with this shard."""
    rows: list[DataFile]
    roots: dict[str, str]
    verdicts: list[DataFile]
    sources: stated.SourceFile
    slices: int
    tokens: int
    reasons: dict[str, int]
    languages: dict[str, int]
    before_selection: dict[str, tuple[str, int]]
    """Root and rows of each series before the run's selection; empty without one."""


def read_note(folder: Path) -> Note | None:
    """Return the note of a shard that this version has written into `folder`; None if there is none."""
    try:
        note = Note.model_validate_json((folder / NOTE_NAME).read_bytes())
    except (FileNotFoundError, ValidationError):
        return None
    return note if note.version == finest.__version__ else None


def write_shard(pages: Pages, winners: Winners, shard: Shard, where: str | None, folder: Path) -> Note:
    """Write a shard into the new folder `folder`, which appears when all is written, and return its note."""
    scratch = temporary_name(folder)
    scratch.mkdir(parents=True)
    note = _ShardFiles(pages, winners, shard, where, scratch).write()
    write_whole(scratch / NOTE_NAME, note.model_dump_json(indent=1).encode())
    if read_note(folder) is None:
        shutil.rmtree(folder, ignore_errors=True)
        scratch.rename(folder)
    else:  # another process was faster
        shutil.rmtree(scratch)
    sync(folder.parent)
    return note


class _ShardFiles:
    """The files of one shard while they are written."""

    def __init__(self, pages: Pages, winners: Winners, shard: Shard, where: str | None, folder: Path) -> None:
        self._pages, self._winners, self._shard, self._folder = pages, winners, shard, folder
        self._ledger, recipe = pages.ledger, pages.recipe
        self._schema = schema_with(recipe.columns())
        self._first, self._with_sizes = dedup_first(recipe), recipe.dedup.cluster_size
        self._by_language = bool(recipe.language.table)
        self._rule = None if where is None else Rule(where=where)
        self._keep = None if self._rule is None else self._rule.keep(self._schema)
        self._rows: dict[str, ShardWriter] = {}
        self._verdicts = ShardWriter(folder, shard.verdicts, VERDICT_SCHEMA)
        self._all = SeriesTrees()
        self._tokens = 0
        self._reasons: Counter[str] = Counter()
        self._languages: Counter[str] = Counter()

    def write(self) -> Note:
        self._wanted = self._named()
        self._names = self._winners.ids(self._wanted)
        sources = []
        for number in self._shard.sources:
            pack = self._ledger.pack(number)
            outcome = _Outcome(self._pages, number)
            self._write_rows(pack, outcome)
            self._write_verdicts(pack, outcome)
            sources.append(_source(self._ledger.plan.sources[number], pack))
        writers = [self._rows[series] for series in sorted(self._rows)]
        path = stated.source_file_path(self._shard.dump, self._shard.number)
        return Note(
            version=finest.__version__,
            rows=[file for writer in writers for file in writer.close()],
            roots={series: root for writer in writers for series, root in writer.roots.items()},
            verdicts=self._verdicts.close(),
            sources=stated.write_source_file(self._folder, path, sources),
            slices=sum(len(source.slices) for source in sources),
            tokens=self._tokens, reasons=dict(self._reasons), languages=dict(self._languages),
            before_selection=self._all.leaves(),
        )  # fmt: skip

    def _named(self) -> NDArray[np.int64]:
        """Return the numbers of the pages that the shard's duplicates lost to, ascending."""
        found = [np.empty(0, np.int64)]
        for number in self._shard.sources:
            instead = self._pages.kept_instead(number)
            first, end = self._pages.compared(number)
            found.append(np.unique(instead[instead != np.arange(first, end)]))
        return np.unique(np.concatenate(found))

    def _write_rows(self, pack: Pack, outcome: _Outcome) -> None:
        places, start = self._pages.of_rows(pack), 0
        for whole in _batches(pack, "rows"):
            here = places[start : start + whole.num_rows]
            start += whole.num_rows
            left = with_sizes(whole, outcome.sizes[here]) if self._with_sizes else whole
            outcome.drop_repeats(here, whole)
            survived = outcome.is_kept[here]
            rows = left.filter(pa.array(survived)) if not survived.all() else left
            places_left = here[survived]
            if self._keep is not None:
                stays = self._choose(rows, outcome, places_left)
                rows, places_left = rows.filter(pa.array(stays)), places_left[stays]
            self._add(rows, places_left + outcome.first)

    def _choose(self, rows: pa.RecordBatch, outcome: _Outcome, places: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which rows the run's selection keeps."""
        assert self._keep is not None
        for series, part, _ in self._by_series(rows):
            self._all.add(series, map(bytes.fromhex, part["row_hash"].to_pylist()))
        stays = self._keep(rows).to_numpy(zero_copy_only=False)
        outcome.is_left_out[places] = ~stays
        return np.asarray(stays)

    def _add(self, rows: pa.RecordBatch, numbers: NDArray[np.int64]) -> None:
        """Write rows, and the numbers of their pages."""
        self._tokens += pc.sum(rows["token_count"]).as_py() or 0
        _count(self._languages, rows["language"])
        for series, part, chosen in self._by_series(rows):
            if series not in self._rows:
                self._rows[series] = ShardWriter(self._folder, series, self._schema)
            self._rows[series].write(part)
            path = numbers_path(self._folder, series)
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab") as file:
                numbers[chosen].tofile(file)

    def _by_series(self, rows: pa.RecordBatch) -> Iterator[tuple[str, pa.RecordBatch, NDArray[np.bool_] | slice]]:
        """Yield the series of files that the rows belong to, each with its rows and which ones they are."""
        if not self._by_language:
            yield rows_series(self._shard.verdicts), rows, slice(None)
            return
        for language in sorted(set(rows["language"].to_pylist())):
            chosen = pc.equal(rows["language"], language)
            yield rows_series(self._shard.verdicts, language), rows.filter(chosen), np.asarray(chosen)

    def _write_verdicts(self, pack: Pack, outcome: _Outcome) -> None:
        """Write the verdicts; a duplicate gets its reason and the page kept instead, others those of the selection."""
        at = 0
        for batch in _batches(pack, "verdicts"):
            is_kept = np.asarray(pc.equal(batch["reason"], KEPT))
            count = batch.num_rows if self._first else int(is_kept.sum())
            places = np.arange(at, at + count)
            at += count
            lost, left_out = np.zeros(batch.num_rows, np.bool_), np.zeros(batch.num_rows, np.bool_)
            lost[slice(None) if self._first else is_kept] = ~outcome.is_kept[places]
            left_out[slice(None) if self._first else is_kept] = outcome.is_left_out[places]
            losers = places[~outcome.is_kept[places]]
            changed = self._changed(batch, lost, left_out, outcome.losers_to(losers), outcome.jaccard(losers))
            _count(self._reasons, changed["reason"])
            self._verdicts.write(changed)

    def _changed(
        self, batch: pa.RecordBatch, lost: NDArray[np.bool_], left_out: NDArray[np.bool_], winners: list[int | str],
        jaccard: list[float] | None,
    ) -> pa.RecordBatch:  # fmt: skip
        columns = dict(zip(batch.schema.names, batch.columns, strict=True))
        if left_out.any() and self._rule is not None:
            columns["reason"] = pc.if_else(pa.array(left_out), self._rule.reason, columns["reason"])
        if lost.any():
            is_lost = pa.array(lost)
            columns["reason"] = pc.if_else(is_lost, DUPLICATE, columns["reason"])
            nobody = pa.nulls(batch.num_rows, pa.string())
            columns["duplicate_of"] = pc.replace_with_mask(nobody, is_lost, self._ids(winners))
            if self._first:  # what a filter found of a duplicate decided nothing
                for name in ("value", "limit", "error"):
                    columns[name] = pc.if_else(is_lost, None, columns[name])
            if jaccard is not None:
                columns["value"] = pc.replace_with_mask(columns["value"], is_lost, pa.array(jaccard, pa.float64()))
                columns["limit"] = pc.if_else(is_lost, self._pages.recipe.dedup.min_jaccard, columns["limit"])
        return pa.record_batch([columns[name] for name in VERDICT_SCHEMA.names], schema=VERDICT_SCHEMA)

    def _ids(self, winners: list[int | str]) -> pa.Array:
        """Return the ids of winners, each named by its number or by its id."""
        numbers = np.array([one for one in winners if isinstance(one, int)], np.int64)
        found = iter(self._names.take(pa.array(np.searchsorted(self._wanted, numbers))).to_pylist())
        return pa.array([next(found) if isinstance(one, int) else one for one in winners], pa.string())


class _Outcome:
    """The result of deduplication for the compared pages of one source, by their places among them."""

    def __init__(self, pages: Pages, source: int) -> None:
        self.first, end = pages.compared(source)
        """The number of the first of them in the run."""
        self._instead = pages.kept_instead(source)
        self.is_kept = self._instead == np.arange(self.first, end)
        self._earlier = pages.kept_earlier(source)
        self.is_kept[list(self._earlier)] = False
        self._jaccard = pages.jaccard(source)
        self.is_left_out = np.zeros(end - self.first, np.bool_)
        """Whether the run's selection leaves the row out."""
        self.sizes = pages.sizes(source)
        self._repeats: dict[int, str] = {}
        self._offset = -1
        self._at_offset: dict[str, int] = {}

    def drop_repeats(self, places: NDArray[np.int64], batch: pa.RecordBatch) -> None:
        """Mark each row that repeats an earlier one as its duplicate; `batch` holds the rows of these pages.

        Two rows are identical only if one gzip member contains the same record twice. MinHash has already found such
        a pair, unless the recipe disables deduplication or the text is too short for a signature.
        """
        offsets = batch["warc_offset"].to_numpy()
        if not len(offsets):
            return
        if (offsets[1:] > offsets[:-1]).all() and offsets[0] > self._offset:
            self._offset, self._at_offset = int(offsets[-1]), {batch["row_hash"][-1].as_py(): int(places[-1])}
            return
        columns = (batch[name].to_pylist() for name in ("row_hash", "id"))
        for place, offset, digest, id in zip(places.tolist(), offsets.tolist(), *columns, strict=True):
            if self._offset != offset:
                self._offset, self._at_offset = offset, {}
            first = self._at_offset.setdefault(digest, place)
            if first != place and self.is_kept[first] and self.is_kept[place]:
                self.is_kept[place] = False
                self._repeats[place] = id

    def losers_to(self, places: NDArray[np.int64]) -> list[int | str]:
        """Return who is kept instead of each of these pages: its number, or the id of the row that a row repeats."""
        named = self._earlier | self._repeats
        return [named.get(place, int(self._instead[place])) for place in places.tolist()]

    def jaccard(self, places: NDArray[np.int64]) -> list[float] | None:
        """Return the similarity of each of these dropped pages with the kept one, if the recipe compares texts."""
        if self._jaccard is None:
            return None
        return [1.0 if place in self._repeats else float(self._jaccard[place]) for place in places.tolist()]


def numbers_path(folder: Path, series: str) -> Path:
    """Return the file in a shard's folder with the numbers of the pages of a series' rows."""
    return folder / "numbers" / series


def with_sizes(batch: pa.RecordBatch, sizes: NDArray[np.int64]) -> pa.RecordBatch:
    """Return the rows with the sizes of their clusters, and the hashes of the rows that this changes."""
    if not (sizes > 1).any():
        return batch
    at = batch.schema.get_field_index(CLUSTER_SIZE.name)
    return with_row_hashes(batch.set_column(at, batch.schema.field(at), pa.array(sizes, pa.int64())))


def _batches(pack: Pack, part: Literal["rows", "verdicts"]) -> Iterator[pa.RecordBatch]:
    with pack.parquet(part).open() as file:
        yield from file.iter_batches(batch_size=_BATCH_ROWS, use_threads=False)


def _count(counts: Counter[str], column: pa.Array) -> None:
    for one in pc.value_counts(column).to_pylist():
        counts[one["values"]] += one["counts"]


def _source(source: Source, pack: Pack) -> stated.Source:
    totals = pack.totals
    slices = tuple(stated.SourceSlice(offset=s.offset, length=s.length, sha256=s.sha256) for s in pack.slices)
    return stated.Source(
        name=source.name, size_bytes=source.size_bytes, etag=_public_etag(source), slices=slices,
        sha256=stated.source_digest(slices), records=sum(totals.records.values()), pages=totals.pages,
        losses=totals.loss_counts,
    )  # fmt: skip


def _public_etag(source: Source) -> str | None:
    """Return the ETag of a remote file; for a local file None, since its value is the modification time (private)."""
    return source.etag if "://" in source.location else None
