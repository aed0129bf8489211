"""Assemble the dataset from the finished slices: MinHash over the run, shards, verdicts, manifest and card.

The assembly streams the slices in the order of the sources, writes into `ledger/assembly` and renames the results into
place, the manifest last. It depends on the ledger alone, so a killed assembly simply starts over.

If the run has a selection (`--where`), it applies to the rows that deduplication leaves, and the manifest names the
root over all of these as the parent's: the result is that of `finest select` of the run's full dataset.
"""

from __future__ import annotations

import platform
import shutil
from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import finest
from finest.dataset import manifest as manifests
from finest.dataset.card import write_card
from finest.dataset.manifest import Manifest, write_manifest
from finest.dataset.merkle import Leaves
from finest.dataset.rows import VERDICT_SCHEMA, schema_with
from finest.dataset.selection import Rule, Selection
from finest.dataset.shards import Shard, ShardWriter
from finest.pipeline.damage import readable
from finest.pipeline.dedup import SignatureFile, cluster, plan
from finest.pipeline.summary import SliceSummary, merge
from finest.recipe.reasons import DUPLICATE, KEPT, NOT_SELECTED
from finest.warc.source import dump_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from finest.pipeline.ledger import Ledger
    from finest.pipeline.progress import Progress
    from finest.recipe.recipe import Recipe
    from finest.warc.source import Source

DEDUP_MEMORY_BYTES = 1 << 30
"""Memory limit for clustering the signatures; more rows take more passes."""


class Survivors:
    """For each page that passed the filters, by number in the run: the page kept from its duplicate cluster."""

    def __init__(self, survivor: NDArray[np.int64]) -> None:
        self._survivor = survivor
        own = np.arange(len(survivor))
        self._named: dict[int, str | None] = dict.fromkeys(np.unique(survivor[survivor != own]).tolist())
        self._place: tuple[str, int] | None = None
        self._at_place: dict[str, int] = {}

    def keep(self, start: int, count: int) -> NDArray[np.bool_]:
        part = self._survivor[start : start + count]
        return np.asarray(part == np.arange(start, start + count))

    def drop_repeats(self, start: int, batch: pa.RecordBatch) -> None:
        """Mark each row that repeats an earlier one as its duplicate; `batch` holds the rows from number `start` on.

        Two rows are identical only if one gzip member contains the same record twice. MinHash has already found such
        a pair, unless the recipe disables deduplication or the text is too short for a signature.
        """
        columns = (batch.column(name).to_pylist() for name in ("file_path", "warc_offset", "row_hash", "id"))
        for number, (path, offset, digest, id) in enumerate(zip(*columns, strict=True), start):
            if self._place != (path, offset):
                self._place, self._at_place = (path, offset), {}
            first = self._at_place.setdefault(digest, number)
            if first != number and self._survivor[first] == first and self._survivor[number] == number:
                self._survivor[number], self._named[first] = first, id

    def learn(self, start: int, ids: list[str]) -> None:
        """Remember the ids of pages kept instead of duplicates; `ids` are those of the pages from `start` on."""
        for number in [n for n in range(start, start + len(ids)) if n in self._named]:
            self._named[number] = ids[number - start]

    def winner(self, number: int) -> str | None:
        return self._named[int(self._survivor[number])]


class Chosen:
    """The run's selection, and for each page that passed the filters, by number, whether the selection keeps its row.

    Without an expression every row stays. Memory is one byte per page.
    """

    def __init__(self, where: str | None, schema: pa.Schema, pages: int) -> None:
        self.rule = None if where is None else Rule(where=where)
        self._keep = None if self.rule is None else self.rule.keep(schema)
        self._stays = np.ones(pages, np.bool_)
        self._all = Leaves()

    def choose(self, start: int, survived: NDArray[np.bool_], batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return the rows that stay of a batch of survivors; `survived` says which pages from `start` on these are."""
        if self._keep is None:
            return batch
        self._all.add(batch.column("id").to_pylist(), map(bytes.fromhex, batch.column("row_hash").to_pylist()))
        stays = self._keep(batch)
        self._stays[start : start + len(survived)][survived] = stays.to_numpy(zero_copy_only=False)
        return batch.filter(stays)

    def stays(self, number: int) -> bool:
        return bool(self._stays[number])

    def selections(self) -> tuple[Selection, ...]:
        """Return the manifest's entry, once all rows have been seen."""
        if self.rule is None:
            return ()
        root = self._all.sorted().root()
        return (Selection(rule=self.rule, parent_root=root, parent_rows=len(self._all)),)


def assemble(ledger: Ledger, recipe: Recipe, progress: Progress) -> Manifest:
    """Write the dataset of a run whose slices are all finished, and return its manifest."""
    summaries = ledger.summaries()
    survivors = find_survivors(ledger, recipe, summaries, progress)
    scratch = ledger.folder / "assembly"
    shutil.rmtree(scratch, ignore_errors=True)
    chosen = Chosen(ledger.plan.where, schema_with(recipe.columns()), sum(summary.kept for summary in summaries))
    rows = write_rows(ledger, recipe, scratch, survivors, chosen, progress)
    verdicts = write_verdicts(ledger, scratch, survivors, chosen)
    manifest = make_manifest(ledger, recipe, summaries, rows, verdicts, chosen.selections())
    for name in ("data", "verdicts"):
        shutil.rmtree(ledger.out / name, ignore_errors=True)
        if (scratch / name).exists():
            (scratch / name).rename(ledger.out / name)
    write_card(ledger.out, manifest)
    write_manifest(ledger.out, manifest)
    shutil.rmtree(scratch, ignore_errors=True)
    return manifest


def find_survivors(ledger: Ledger, recipe: Recipe, summaries: list[SliceSummary], progress: Progress) -> Survivors:
    """Deduplicate the whole run with MinHash; reports the expected cost before it starts."""
    kept = sum(summary.kept for summary in summaries)
    if not recipe.dedup.enabled:
        return Survivors(np.arange(kept, dtype=np.int64))
    cost = plan(kept, recipe.dedup, DEDUP_MEMORY_BYTES)
    progress.say(f"Deduplicating {kept:,} kept pages: {cost}")
    files = [SignatureFile.open(ledger.slice_folder(s) / "signatures.npy") for s in ledger.plan.slices]
    return Survivors(cluster(files, memory_bytes=DEDUP_MEMORY_BYTES))


class RowFiles:
    """The shards of a dataset, and the totals over their rows for the manifest."""

    def __init__(self) -> None:
        self.shards: list[Shard] = []
        self.root = ""
        self.tokens = 0
        self.languages: dict[str, int] = defaultdict(int)


def write_rows(
    ledger: Ledger, recipe: Recipe, scratch: Path, survivors: Survivors, chosen: Chosen, progress: Progress
) -> RowFiles:  # fmt: skip
    """Stream the surviving and chosen rows into shards, one series per dump, and build the Merkle tree over them."""
    files, leaves, schema = RowFiles(), Leaves(), schema_with(recipe.columns())
    writers: dict[str, ShardWriter] = {}
    progress.say("Writing shards")
    for start, whole in _batches(ledger, "rows.parquet"):
        survivors.drop_repeats(start, whole)
        survivors.learn(start, whole.column("id").to_pylist())
        survived = survivors.keep(start, whole.num_rows)
        batch = chosen.choose(start, survived, whole.filter(pa.array(survived)))
        for dump in sorted(set(batch.column("dump").to_pylist())):
            writer = writers.setdefault(dump, ShardWriter(scratch, f"data/{dump}/000", schema))
            writer.write(batch.filter(pa.array([value == dump for value in batch.column("dump").to_pylist()])))
        leaves.add(batch.column("id").to_pylist(), map(bytes.fromhex, batch.column("row_hash").to_pylist()))
        files.tokens += sum(batch.column("token_count").to_pylist())
        for language in batch.column("language").to_pylist():
            files.languages[language] += 1
    files.shards = [shard for dump in sorted(writers) for shard in writers[dump].close()]
    files.root = leaves.sorted().root()
    return files


def write_verdicts(ledger: Ledger, scratch: Path, survivors: Survivors, chosen: Chosen) -> list[Shard]:
    """Stream the verdicts of all slices into files.

    Each duplicate gets its reason and the page kept instead; each page that was not chosen gets the rule's reason.
    """
    left_out = chosen.rule.reason if chosen.rule else ""
    writers: dict[str, ShardWriter] = {}
    number = 0
    for _, batch in _batches(ledger, "verdicts.parquet"):
        reasons, losers = batch.column("reason").to_pylist(), _nobody(batch.num_rows)
        for i, reason in enumerate(reasons):
            if reason == KEPT:
                if not survivors.keep(number, 1)[0]:
                    reasons[i], losers[i] = DUPLICATE, survivors.winner(number)
                elif not chosen.stays(number):
                    reasons[i] = left_out
                number += 1
        columns = dict(zip(batch.schema.names, batch.columns, strict=True))
        columns["reason"], columns["duplicate_of"] = pa.array(reasons, pa.string()), pa.array(losers, pa.string())
        if batch.num_rows:
            dump = dump_of(batch.column("file_path")[0].as_py())
            writer = writers.setdefault(dump, ShardWriter(scratch, f"verdicts/{dump}/000", VERDICT_SCHEMA))
            writer.write(pa.record_batch(list(columns.values()), schema=VERDICT_SCHEMA))
    return [shard for dump in sorted(writers) for shard in writers[dump].close()]


def _nobody(count: int) -> list[str | None]:
    return [None] * count


def _batches(ledger: Ledger, name: str) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Yield the record batches of one file of every slice, in order, each with the run number of its first row.

    The files are small, so prefetching and decoding columns in parallel threads would cost more than they save.
    """
    start = 0
    for slice_ in ledger.plan.slices:
        for batch in _batches_of(ledger.slice_folder(slice_) / name):
            yield start, batch
            start += batch.num_rows


def _batches_of(path: Path) -> Iterator[pa.RecordBatch]:
    with readable(path), pq.ParquetFile(path, pre_buffer=False) as file:
        yield from file.iter_batches(batch_size=1000, use_threads=False)


def make_manifest(
    ledger: Ledger, recipe: Recipe, summaries: list[SliceSummary], rows: RowFiles, verdicts: list[Shard],
    selections: tuple[Selection, ...] = (),
) -> Manifest:  # fmt: skip
    """Build the manifest of the dataset that has been written."""
    sources = tuple(
        _source(source, [s for s in summaries if s.source == number])
        for number, source in enumerate(ledger.plan.sources)
    )
    reasons = dict(merge(summaries).reasons)
    kept = sum(shard.rows for shard in rows.shards)
    unique = selections[0].parent_rows if selections else kept
    duplicates = reasons.get(KEPT, 0) - unique
    reasons = {**reasons, KEPT: kept, DUPLICATE: duplicates, NOT_SELECTED: unique - kept}
    return Manifest(
        created_by=f"finest-data {finest.__version__}",
        python=platform.python_version(),
        engine=ledger.plan.engine,
        libraries=recipe.libraries,
        recipe=ledger.plan.recipe,
        recipe_hash=ledger.plan.recipe_hash,
        dumps=tuple(sorted({dump_of(source.name) for source in ledger.plan.sources})),
        sources=sources,
        shards=tuple(rows.shards),
        verdicts=tuple(verdicts),
        columns=recipe.columns(),
        rows=kept,
        token_count=rows.tokens,
        root=rows.root,
        reasons={reason: count for reason, count in sorted(reasons.items()) if count or reason == KEPT},
        losses=manifests.sum_counts(source.losses for source in sources),
        languages=dict(sorted(rows.languages.items())),
        selections=selections,
    )


def _source(source: Source, summaries: list[SliceSummary]) -> manifests.Source:
    totals = merge(summaries)
    slices = tuple(
        manifests.SourceSlice(offset=s.first_offset, length=s.next_offset - s.first_offset, sha256=s.sha256)
        for s in summaries
    )
    return manifests.Source(
        name=source.name, size_bytes=source.size_bytes, etag=_public_etag(source), slices=slices,
        sha256=manifests.source_digest(slices), records=sum(totals.records.values()), pages=totals.pages,
        losses=manifests.sum_counts({loss["reason"]: 1} for s in summaries for loss in s.losses),
    )  # fmt: skip


def _public_etag(source: Source) -> str | None:
    """Return the ETag of a remote file; for a local file None, since its value is the modification time (private)."""
    return source.etag if "://" in source.location else None
