"""Assemble the dataset of a run whose sources are all packed: MinHash, shards by all cores, manifest and card.

    OUT/ledger/assembly/winners/       ids of pages that are kept instead of others (finest.pipeline.assembly.winners)
    OUT/ledger/assembly/DUMP-NNNNN/    a finished shard: its files and a note (finest.pipeline.assembly.write)
    OUT/ledger/assembly/row-numbers.npy   for each compared page, the number of its row in the dataset, for the index
    OUT/ledger/assembly/index/         the index (finest.pipeline.dedup.index), and index.json: what the manifest states

A killed assembly continues with the shards that are missing. The last step moves the files into place, the manifest
last. It depends on the ledger alone.

If the run has a selection (`--where`), it applies to the rows that deduplication leaves, and the manifest names the
root over all of these as the parent's: the result is that of `finest select` of the run's full dataset.
"""

from __future__ import annotations

import platform
import shutil
from typing import TYPE_CHECKING

import numpy as np

import finest
from finest.dataset.card import write_card
from finest.dataset.manifest import MANIFEST_NAME, Manifest, read_manifest, root_of, write_manifest
from finest.dataset.merkle import series_of, top_root
from finest.dataset.selection import Rule, Selection
from finest.dataset.signature_index import FOLDER as INDEX
from finest.dataset.sources import are_few, parse_sources, sum_counts
from finest.errors import RunError
from finest.formatting import counted
from finest.pipeline.assembly.pages import Pages
from finest.pipeline.assembly.shards import plan_shards
from finest.pipeline.assembly.winners import Winners
from finest.pipeline.assembly.write import numbers_path, read_note, write_shard
from finest.pipeline.dedup.files import whole_file
from finest.pipeline.dedup.index import NONE, place_index
from finest.pipeline.dedup.of_run import compared_pages, index_signatures
from finest.recipe.reasons import KEPT
from finest.warc.loss import SOURCE_UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from finest.dataset.page_choice import PageChoice
    from finest.dataset.signature_index import SignatureIndex
    from finest.dataset.sources import Source, SourceFile
    from finest.pipeline.assembly.shards import Shard
    from finest.pipeline.assembly.write import Note
    from finest.pipeline.ledger import Ledger
    from finest.pipeline.options import RunOptions
    from finest.pipeline.tasks import Tasks
    from finest.recipe.recipe import Recipe


def assemble(ledger: Ledger, options: RunOptions, tasks: Tasks) -> Manifest:
    """Write the dataset of a run whose sources are all packed, and return its manifest.

    Raises RunError if a process dies or a disk refuses; LedgerError if a pack is damaged.
    """
    recipe, folder = options.recipe, ledger.folder / "assembly"
    pages = compared_pages(ledger, options, tasks)
    shards = run_shards(ledger, recipe)
    _write_shards(pages, shards, folder, tasks)
    if options.keep_index:
        _write_index(pages, shards, folder, options.dedup_memory, tasks)

    def put_together() -> None:
        index = place_index(folder, ledger.out, tasks.progress) if options.keep_index else None
        manifest = _put_together(ledger, recipe, shards, folder, index)
        write_card(ledger.out, manifest)
        write_manifest(ledger.out, manifest)
        for path in (folder, ledger.folder / "dedup"):
            shutil.rmtree(path, ignore_errors=True)

    tasks.once("Writing the manifest", put_together, (ledger.out / MANIFEST_NAME).exists)
    return read_manifest(ledger.out)


def run_shards(ledger: Ledger, recipe: Recipe) -> list[Shard]:
    """Return the shards of the run's dataset."""
    return plan_shards(ledger, by_language=bool(recipe.language.table))


def _write_shards(pages: Pages, shards: Sequence[Shard], folder: Path, tasks: Tasks) -> None:
    """Write the shards that are missing."""
    winners, where = Winners(pages, folder), pages.ledger.plan.where

    def is_written(number: int) -> bool:
        return read_note(folder / shards[number].folder) is not None

    def write(number: int) -> None:
        write_shard(pages, winners, shards[number], where, folder / shards[number].folder)

    tasks.once("Marking the pages kept instead of duplicates", winners.mark, winners.is_marked)
    tasks.run("Naming duplicates", winners.ranges, winners.write, lambda number: winners.path(number).exists())
    tasks.progress.say(f"Writing {counted(len(shards), 'shard')}")
    tasks.run("Writing shards", range(len(shards)), write, is_written)


def _write_index(pages: Pages, shards: Sequence[Shard], folder: Path, memory_bytes: int, tasks: Tasks) -> None:
    """Write the signatures of the run's index; the shards are written."""
    path = folder / "row-numbers.npy"

    def number() -> None:
        folders, notes = _written(shards, folder)
        place = {series: at for at, note in zip(folders, notes, strict=True) for series in note.roots}
        series = _series_order(notes, by_language=bool(pages.recipe.language.table))
        rows = np.full(int(pages.first_compared[-1]), NONE, np.uint32)
        first = 0
        for name in series:
            numbers = np.fromfile(numbers_path(place[name], name), np.int64)
            rows[numbers] = np.arange(first, first + len(numbers), dtype=np.uint32)
            first += len(numbers)
        with whole_file(path) as file:
            np.save(file, rows)

    is_placed = (folder / "index.json").exists
    tasks.once("Numbering rows", number, path.exists)
    index_signatures(pages, np.load(path, mmap_mode="r"), folder, memory_bytes, tasks, is_placed)


def _written(shards: Sequence[Shard], folder: Path) -> tuple[list[Path], list[Note]]:
    """Return the folders of the shards, and their notes."""
    folders = [folder / shard.folder for shard in shards]
    notes = [note for path in folders if (note := read_note(path)) is not None]
    if len(notes) < len(shards):
        raise RunError(f"a shard is missing in {folder}; run the same command again")
    return folders, notes


def _put_together(
    ledger: Ledger, recipe: Recipe, shards: Sequence[Shard], folder: Path, index: SignatureIndex | None
) -> Manifest:  # fmt: skip
    """Move the files of the shards into place, and return the manifest over them."""
    folders, notes = _written(shards, folder)
    few = are_few(sum(note.sources.totals.sources for note in notes), sum(note.slices for note in notes))
    choice = _choice(ledger, folders, notes)
    manifest = _manifest(ledger, recipe, notes, _sources(folders, notes) if few else [], choice, index)
    for path, note in zip(folders, notes, strict=True):
        for file in (*note.rows, *note.verdicts, *(() if few else (note.sources,))):
            if (path / file.path).exists():  # else a killed process has moved it
                (ledger.out / file.path).parent.mkdir(parents=True, exist_ok=True)
                (path / file.path).replace(ledger.out / file.path)
    _remove_others(ledger.out, {file.path for file in manifest.files})
    return manifest


def _sources(folders: Sequence[Path], notes: Sequence[Note]) -> list[Source]:
    return [
        source
        for path, note in zip(folders, notes, strict=True)
        for source in parse_sources(note.sources, (path / note.sources.path).read_bytes())
    ]


def _choice(ledger: Ledger, folders: Sequence[Path], notes: Sequence[Note]) -> PageChoice | None:
    """Return the choice of the pages that the dataset answers: none of a source that could not be read."""
    chosen = ledger.plan.chosen
    if chosen is None:
        return None
    missing = {source.name for source in _sources(folders, notes) if SOURCE_UNREADABLE in source.losses}
    return chosen.without(missing, [ledger.plan.sources.name(number) for number in range(len(ledger.plan.sources))])


def _manifest(
    ledger: Ledger,
    recipe: Recipe,
    notes: Sequence[Note],
    sources: list[Source],
    choice: PageChoice | None,
    index: SignatureIndex | None,
) -> Manifest:
    """Build the manifest; without `sources`, they lie in the files of the shards."""
    by_language = bool(recipe.language.table)
    found = {series: root for note in notes for series, root in note.roots.items()}
    roots = {series: found[series] for series in _series_order(notes, by_language=by_language)}
    place = {series: number for number, series in enumerate(roots)}
    rows = sorted((file for note in notes for file in note.rows), key=lambda file: place[series_of(file.path)])
    languages = sum_counts(note.languages for note in notes)
    files: tuple[SourceFile, ...] = () if sources else tuple(note.sources for note in notes)
    return Manifest(
        created_by=f"finest-data {finest.__version__}",
        python=platform.python_version(),
        engine=ledger.plan.engine,
        libraries=recipe.libraries,
        recipe=ledger.plan.recipe,
        recipe_hash=ledger.plan.recipe_hash,
        dumps=tuple(dict.fromkeys(note.sources.path.split("/")[1] for note in notes)),
        sources=tuple(sources),
        source_files=files,
        shards=tuple(rows),
        verdicts=tuple(file for note in notes for file in note.verdicts),
        columns=recipe.columns(),
        rows=sum(file.rows for file in rows),
        token_count=sum(note.tokens for note in notes),
        roots=roots,
        root=root_of(roots, rows),
        reasons=dict(sorted({KEPT: 0, **sum_counts(note.reasons for note in notes)}.items())),
        losses=sum_counts(note.sources.totals.losses for note in notes),
        languages=languages,
        configurations=tuple(languages) if by_language else (),
        selections=_selections(ledger.plan.where, notes, by_language=by_language),
        against=ledger.plan.against,
        index=index,
        chosen=choice,
    )


def _series_order(notes: Sequence[Note], *, by_language: bool) -> list[str]:
    """Return the series of the rows' files in the order of the dataset."""
    found = [series for note in notes for series in note.roots]
    return sorted(found) if by_language else found


def _selections(where: str | None, notes: Sequence[Note], *, by_language: bool) -> tuple[Selection, ...]:
    """Return the entry of the run's selection, whose parent is the dataset of all rows."""
    if where is None:
        return ()
    series = {name: leaf for note in notes for name, leaf in note.before_selection.items()}
    leaves = [series[name] for name in (sorted(series) if by_language else series)]
    return (
        Selection(rule=Rule(where=where), parent_root=top_root(leaves), parent_rows=sum(rows for _, rows in leaves)),
    )


def _remove_others(out: Path, named: set[str]) -> None:
    """Remove what an earlier dataset left in the folders of this one."""
    for name in ("data", "verdicts", "sources", INDEX):
        for path in sorted((out / name).rglob("*"), reverse=True):
            if path.is_dir() and not any(path.iterdir()):
                path.rmdir()
            elif not path.is_dir() and path.relative_to(out).as_posix() not in named:
                path.unlink()
