"""Assemble the dataset from the packs of the sources: MinHash over the run, shards, verdicts, manifest and card.

The assembly streams the packs in the order of the sources, writes into `ledger/assembly` and renames the results into
place, the manifest last. It depends on the ledger alone, so a killed assembly simply starts over.

If the run has a selection (`--where`), it applies to the rows that deduplication leaves, and the manifest names the
root over all of these as the parent's: the result is that of `finest select` of the run's full dataset.
"""

from __future__ import annotations

import platform
import shutil
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import finest
from finest.dataset import sources as stated
from finest.dataset.card import write_card
from finest.dataset.chosen import PageChoice
from finest.dataset.manifest import Manifest, root_of, write_manifest
from finest.dataset.merkle import SeriesTrees
from finest.dataset.rows import VERDICT_SCHEMA, schema_with, with_row_hashes
from finest.dataset.selection import Rule, Selection
from finest.dataset.shards import Shard, ShardWriter
from finest.pipeline.dedup.signatures import Signatures, WithinGroup
from finest.pipeline.dedup.survivors import Survivors, find_survivors
from finest.recipe.reasons import DUPLICATE, KEPT
from finest.recipe.stages import ORDERS
from finest.recipe.stages.dedup import CLUSTER_SIZE
from finest.warc.source import dump_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from finest.pipeline.ledger import Ledger
    from finest.pipeline.options import RunOptions
    from finest.pipeline.pack import Pack
    from finest.pipeline.progress import Progress
    from finest.recipe.recipe import Recipe
    from finest.warc.source import Source


class Chosen:
    """The run's selection, and for each page that passed the filters, by number, whether the selection keeps its row.

    Without an expression every row stays. Memory is one byte per page.
    """

    def __init__(self, where: str | None, schema: pa.Schema, pages: int, *, by_language: bool) -> None:
        self.rule = None if where is None else Rule(where=where)
        self._keep = None if self.rule is None else self.rule.keep(schema)
        self._stays = np.ones(pages, np.bool_)
        self._by_language = by_language
        self._all = SeriesTrees()

    def choose(self, start: int, survived: NDArray[np.bool_], batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return the rows that stay of a batch of survivors; `survived` says which pages from `start` on these are."""
        if self._keep is None:
            return batch
        for series, rows in by_series(batch, by_language=self._by_language):
            self._all.add(series, map(bytes.fromhex, rows.column("row_hash").to_pylist()))
        stays = self._keep(batch)
        self._stays[start : start + len(survived)][survived] = stays.to_numpy(zero_copy_only=False)
        return batch.filter(stays)

    def stays(self, number: int) -> bool:
        return bool(self._stays[number])

    def selections(self) -> tuple[Selection, ...]:
        """Return the manifest's entry, once all rows have been seen."""
        if self.rule is None:
            return ()
        return (
            Selection(
                rule=self.rule, parent_root=self._all.root(sorted(self._all.roots())), parent_rows=len(self._all)
            ),
        )


def assemble(ledger: Ledger, options: RunOptions, progress: Progress) -> Manifest:
    """Write the dataset of a run whose slices are all finished, and return its manifest."""
    recipe, totals = options.recipe, ledger.so_far()
    survivors = deduplicate(ledger, options, totals.pages if dedup_first(recipe) else totals.kept, progress)
    scratch = ledger.folder / "assembly"
    shutil.rmtree(scratch, ignore_errors=True)
    chosen = Chosen(
        ledger.plan.where, schema_with(recipe.columns()), totals.kept, by_language=bool(recipe.language.table)
    )
    rows = write_rows(ledger, recipe, scratch, survivors, chosen, progress)
    verdicts = write_verdicts(ledger, recipe, scratch, survivors, chosen)
    manifest = make_manifest(ledger, recipe, scratch, rows, verdicts, chosen.selections())
    for name in ("data", "verdicts", "sources"):
        shutil.rmtree(ledger.out / name, ignore_errors=True)
        if (scratch / name).exists():
            (scratch / name).rename(ledger.out / name)
    write_card(ledger.out, manifest)
    write_manifest(ledger.out, manifest)
    for folder in (scratch, ledger.folder / "dedup"):
        shutil.rmtree(folder, ignore_errors=True)
    return manifest


def deduplicate(ledger: Ledger, options: RunOptions, count: int, progress: Progress) -> Survivors:
    """Find the survivors of the run's `count` pages; what a killed process has found of them is in the ledger."""
    recipe = options.recipe
    if not recipe.dedup.enabled:
        return Survivors.everyone(count)
    parts: list[Signatures] = [pack.signatures() for pack in ledger.packs()]
    if recipe.dedup.scope == "dump":
        dumps = [dump_of(ledger.plan.sources.name(number)) for number in range(len(parts))]
        numbers = {dump: number for number, dump in enumerate(sorted(set(dumps)))}
        parts = [WithinGroup(part, numbers[dump]) for part, dump in zip(parts, dumps, strict=True)]
    return find_survivors(
        parts, recipe.dedup, ledger.folder / "dedup", progress,
        memory_bytes=options.dedup_memory, workers=options.workers,
    )  # fmt: skip


def dedup_first(recipe: Recipe) -> bool:
    """Return whether the recipe deduplicates before its filters, so that pages are numbered by their verdicts."""
    return ORDERS[recipe.order].dedup_first


def numbered_packs(ledger: Ledger, recipe: Recipe) -> Iterator[tuple[Pack, NDArray[np.int64]]]:
    """Yield the packs in the order of the sources, each with the numbers in `Survivors` of its rows."""
    start = 0
    for pack in ledger.packs():
        if dedup_first(recipe):
            with pack.parquet("verdicts").open() as file:
                reasons = file.read(columns=["reason"], use_threads=False)["reason"].to_numpy()
            yield pack, np.flatnonzero(reasons == KEPT).astype(np.int64) + start
            start += pack.totals.pages
        else:
            yield pack, np.arange(start, start + pack.totals.kept, dtype=np.int64)
            start += pack.totals.kept


class RowFiles:
    """The shards of a dataset, and the totals over their rows for the manifest."""

    def __init__(self) -> None:
        self.shards: list[Shard] = []
        self.roots: dict[str, str] = {}
        self.tokens = 0
        self.languages: dict[str, int] = defaultdict(int)


class VerdictFiles:
    """The verdict files of a dataset, and the number of pages by the reason of their verdict."""

    def __init__(self) -> None:
        self.shards: list[Shard] = []
        self.reasons: Counter[str] = Counter()


def write_rows(
    ledger: Ledger, recipe: Recipe, scratch: Path, survivors: Survivors, chosen: Chosen, progress: Progress
) -> RowFiles:  # fmt: skip
    """Stream the surviving and chosen rows into shards, one series per dump or per language and dump."""
    files = RowFiles()
    writers = Writers(scratch, schema_with(recipe.columns()), by_language=bool(recipe.language.table))
    progress.say("Writing shards")
    row = 0
    for pack, numbers in numbered_packs(ledger, recipe):
        at = 0
        for whole in pack.batches("rows"):
            here = numbers[at : at + whole.num_rows]
            left = _with_sizes(whole, survivors.sizes(here)) if recipe.dedup.cluster_size else whole
            survivors.drop_repeats(here, whole)
            survivors.learn(here, whole.column("id").to_pylist())
            survived = survivors.keep(here)
            batch = chosen.choose(row, survived, left.filter(pa.array(survived)))
            writers.write(batch)
            files.tokens += sum(batch.column("token_count").to_pylist())
            for language in batch.column("language").to_pylist():
                files.languages[language] += 1
            at, row = at + whole.num_rows, row + whole.num_rows
    files.shards, files.roots = writers.close()
    return files


def _with_sizes(batch: pa.RecordBatch, sizes: NDArray[np.int64]) -> pa.RecordBatch:
    """Return the rows with the sizes of their clusters, and the hashes of the rows that this changes."""
    if not (sizes > 1).any():
        return batch
    at = batch.schema.get_field_index(CLUSTER_SIZE.name)
    return with_row_hashes(batch.set_column(at, batch.schema.field(at), pa.array(sizes, pa.int64())))


class Writers:
    """The shards of a dataset: one series of files for each dump, or for each language and dump.

    With `by_language`, a file is `data/<language>/<dump>_00000.parquet`, and a language is a configuration.
    """

    def __init__(self, folder: Path, schema: pa.Schema, *, by_language: bool) -> None:
        self._folder, self._schema, self._by_language = folder, schema, by_language
        self._writers: dict[str, ShardWriter] = {}

    def write(self, batch: pa.RecordBatch) -> None:
        for series, rows in by_series(batch, by_language=self._by_language):
            if series not in self._writers:
                self._writers[series] = ShardWriter(self._folder, series, self._schema)
            self._writers[series].write(rows)

    def close(self) -> tuple[list[Shard], dict[str, str]]:
        """Finish all files, and return them and the roots of the series, sorted by series."""
        writers = [self._writers[series] for series in sorted(self._writers)]
        shards = [shard for writer in writers for shard in writer.close()]
        return shards, {series: root for writer in writers for series, root in writer.roots.items()}


def by_series(batch: pa.RecordBatch, *, by_language: bool) -> Iterator[tuple[str, pa.RecordBatch]]:
    """Yield the rows of a batch by the series of files that they belong to."""
    dumps = batch.column("dump").to_pylist()
    languages = batch.column("language").to_pylist() if by_language else [""] * len(dumps)
    series = [rows_prefix(*key) for key in zip(languages, dumps, strict=True)]
    for name in sorted(set(series)):
        yield name, batch.filter(pa.array([one == name for one in series]))


def rows_prefix(language: str, dump: str) -> str:
    """Return the start of the names of a dataset's data files."""
    return f"data/{language}/{dump}" if language else f"data/{dump}/000"


def write_verdicts(
    ledger: Ledger, recipe: Recipe, scratch: Path, survivors: Survivors, chosen: Chosen
) -> VerdictFiles:  # fmt: skip
    """Stream the verdicts of all sources into files.

    Each duplicate gets its reason and the page kept instead; each page that was not chosen gets the rule's reason.
    """
    first, left_out = dedup_first(recipe), chosen.rule.reason if chosen.rule else ""
    if first:
        for start, batch in _verdicts(ledger):
            survivors.learn(np.arange(start, start + batch.num_rows), batch.column("id").to_pylist())
    files = VerdictFiles()
    writers: dict[str, ShardWriter] = {}
    row = 0
    for start, batch in _verdicts(ledger):
        reasons, losers = batch.column("reason").to_pylist(), _nobody(batch.num_rows)
        for i, reason in enumerate(reasons):
            if reason == KEPT or first:
                number = start + i if first else row
                if not survivors.kept(number):
                    reasons[i], losers[i] = DUPLICATE, survivors.winner(number)
                elif reason == KEPT and not chosen.stays(row):
                    reasons[i] = left_out
            row += reason == KEPT
        files.reasons.update(reasons)
        columns = dict(zip(batch.schema.names, batch.columns, strict=True))
        columns["reason"], columns["duplicate_of"] = pa.array(reasons, pa.string()), pa.array(losers, pa.string())
        if first:  # what a filter found of a duplicate decided nothing
            lost = pa.array([loser is not None for loser in losers])
            for name in ("value", "limit", "error"):
                columns[name] = pc.if_else(lost, None, columns[name])
        if batch.num_rows:
            dump = dump_of(batch.column("file_path")[0].as_py())
            writer = writers.setdefault(dump, ShardWriter(scratch, f"verdicts/{dump}/000", VERDICT_SCHEMA))
            writer.write(pa.record_batch(list(columns.values()), schema=VERDICT_SCHEMA))
    files.shards = [shard for dump in sorted(writers) for shard in writers[dump].close()]
    return files


def _nobody(count: int) -> list[str | None]:
    return [None] * count


def _verdicts(ledger: Ledger) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Yield the verdicts of every source, in order, each batch with the run number of its first page."""
    start = 0
    for pack in ledger.packs():
        for batch in pack.batches("verdicts"):
            yield start, batch
            start += batch.num_rows


def make_manifest(
    ledger: Ledger, recipe: Recipe, folder: Path, rows: RowFiles, verdicts: VerdictFiles,
    selections: tuple[Selection, ...] = (),
) -> Manifest:  # fmt: skip
    """Build the manifest of the dataset whose rows and verdicts have been written into `folder`."""
    sources = tuple(_source(source, pack) for source, pack in zip(ledger.plan.sources, ledger.packs(), strict=True))
    kept = sum(shard.rows for shard in rows.shards)
    few, chosen = stated.are_few(sources), ledger.plan.chosen
    return Manifest(
        created_by=f"finest-data {finest.__version__}",
        python=platform.python_version(),
        engine=ledger.plan.engine,
        libraries=recipe.libraries,
        recipe=ledger.plan.recipe,
        recipe_hash=ledger.plan.recipe_hash,
        dumps=tuple(sorted({dump_of(source.name) for source in sources})),
        sources=sources if few else (),
        source_files=() if few else write_source_files(folder, sources),
        shards=tuple(rows.shards),
        verdicts=tuple(verdicts.shards),
        columns=recipe.columns(),
        rows=kept,
        token_count=rows.tokens,
        roots=rows.roots,
        root=root_of(rows.roots, rows.shards),
        reasons=dict(sorted({KEPT: 0, **verdicts.reasons}.items())),
        losses=stated.sum_counts(source.losses for source in sources),
        languages=dict(sorted(rows.languages.items())),
        configurations=tuple(sorted(rows.languages)) if recipe.language.table else (),
        selections=selections,
        chosen=None if chosen is None else PageChoice(where=chosen.where, root=chosen.root, pages=len(chosen.table)),
    )


def write_source_files(folder: Path, sources: Sequence[stated.Source]) -> tuple[stated.SourceFile, ...]:
    """Write the sources of each dump into files of a bounded number of sources."""
    by_dump: dict[str, list[stated.Source]] = defaultdict(list)
    for source in sources:
        by_dump[dump_of(source.name)].append(source)
    return tuple(
        stated.write_source_file(folder, stated.source_file_path(dump, start // stated.SOURCES_A_FILE), part)
        for dump in sorted(by_dump)
        for start in range(0, len(by_dump[dump]), stated.SOURCES_A_FILE)
        if (part := by_dump[dump][start : start + stated.SOURCES_A_FILE])
    )


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
