"""Merge datasets of one recipe and different WARC files into one.

Files of which no row is lost are linked or copied as they are, under another name, so their rows are still proven by
the same root of their series. If the recipe deduplicates, rows are compared across the datasets, by signatures computed
from their texts: of rows that are nearly the same, that of the dataset named first stays, and the verdict of the
other names it.
"""

from __future__ import annotations

import hashlib
import json
import platform
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

import finest
from finest.atomic_files import temporary_name, write_whole
from finest.dataset.card import write_card
from finest.dataset.limits import SERIES_SOURCES
from finest.dataset.location import open_anywhere
from finest.dataset.manifest import Manifest, root_of, write_manifest
from finest.dataset.merkle import series_of
from finest.dataset.sources import are_few, source_file_path, sum_counts, write_source_file
from finest.dataset.subset import UNFINISHED, new_folder
from finest.errors import UsageError
from finest.pipeline.assembly.pages import dedup_first
from finest.pipeline.dedup.signatures import SignatureFile, WithinGroup, with_language, write_signatures
from finest.pipeline.dedup.survivors import find_survivors
from finest.pipeline.merging.parts import Ids, PartTexts, check_mergeable, plan_parts, rows_of_part
from finest.pipeline.merging.room import check_room
from finest.pipeline.merging.write import Lost, Note, write_series
from finest.pipeline.tasks import Tasks
from finest.recipe.reasons import DUPLICATE, KEPT
from finest.recipe.recipe import parse_recipe
from finest.recipe.toolbox import toolbox
from finest.warc.source import dump_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from finest.dataset.sources import Source, SourceFile
    from finest.pipeline.dedup.signatures import Signatures
    from finest.pipeline.merging.parts import Part
    from finest.pipeline.progress import Progress
    from finest.recipe.recipe import Recipe


@dataclass(frozen=True, slots=True)
class MergeOptions:
    """How to merge. `dedup_memory` is in bytes, for each process."""

    cache: Path
    workers: int
    dedup_memory: int
    compare: bool = True
    """Whether rows are compared across the datasets."""
    flags: tuple[str, str] = ("--out", "--workers")
    """Names of the flags for folder and number of processes, for messages."""


def merge(places: Sequence[str], out: Path, options: MergeOptions, progress: Progress) -> Manifest:
    """Write the datasets at `places` (folders, OWNER/NAME@REVISION or addresses) as one into the new folder `out`.

    The folder appears when everything is written. A merge that was stopped is continued by the same call, with the
    signatures, ranges of the deduplication and series of files that are missing.

    Raises UsageError if the datasets cannot be merged: other recipes, selections, or a WARC file in two of them;
    VerifyError if one is not that of its manifest; NoRoom, before the work, if disk or memory are too small for it;
    RunError if a process dies or a disk refuses.
    """
    datasets = [(place, _manifest(place)) for place in places]
    check_mergeable(datasets)
    recipe = parse_recipe(datasets[0][1].recipe)
    if options.compare and recipe.dedup.cluster_size:
        raise UsageError(
            f"rows of the recipe {recipe.name} state the sizes of their clusters of duplicates, which a comparison "
            "across datasets would change; add --no-dedup to merge them as they are"
        )
    parts = plan_parts(datasets)
    with new_folder(out, _identity(datasets, options)) as folder:
        for warning in check_room(datasets, parts, recipe, folder, options):
            progress.say(warning)
        sources, files = _write_sources(places, folder)
        notes = _write_parts(parts, recipe, folder, options, progress)
        manifest = _merged(datasets, notes, sources, files)
        write_card(folder, manifest)
        write_manifest(folder, manifest)
    return manifest


def _identity(datasets: Sequence[tuple[str, Manifest]], options: MergeOptions) -> str:
    """Return what is equal in two merges that write the same files."""
    stated = [[place, manifest.root, manifest.model_dump_json()] for place, manifest in datasets]
    return hashlib.sha256(json.dumps([finest.__version__, options.compare, stated]).encode()).hexdigest()


def _manifest(place: str) -> Manifest:
    with open_anywhere(place) as dataset:
        return dataset.manifest


def _write_parts(
    parts: Sequence[Part], recipe: Recipe, folder: Path, options: MergeOptions, progress: Progress
) -> list[Note]:  # fmt: skip
    scratch = folder / UNFINISHED
    tasks = Tasks(options.workers, scratch / "logs", progress)
    lost = Lost(None, None, recipe.dedup.min_jaccard, None)
    if options.compare and recipe.dedup.enabled:
        tasks.run(
            "Computing signatures", range(len(parts)),
            lambda n: _sign(parts[n], recipe, scratch / f"{n}.npy", options.cache),
            lambda n: (scratch / f"{n}.npy").exists(),
        )  # fmt: skip
        found = find_survivors(
            _signatures(parts, recipe, scratch), recipe.dedup, scratch / "dedup", tasks,
            memory_bytes=options.dedup_memory,
            texts=(PartTexts(parts), toolbox(recipe, options.cache)),
        )  # fmt: skip
        instead = found.kept[found.kept != np.arange(len(found.kept), dtype=found.kept.dtype)]
        lost = Lost(found.kept, found.jaccard, recipe.dedup.min_jaccard, Ids(parts, np.unique(instead)))
    series = _series(parts)

    def write(number: int) -> None:
        write_whole(scratch / f"{number}.json", write_series(series[number], lost, folder).model_dump_json().encode())

    progress.say(f"Writing {len(series):,} series of files")
    tasks.run("Writing series", range(len(series)), write, lambda n: (scratch / f"{n}.json").exists())
    return [Note.model_validate_json((scratch / f"{number}.json").read_bytes()) for number in range(len(series))]


def _series(parts: Sequence[Part]) -> list[list[Part]]:
    """Return the parts of each series, by crawl and number."""
    found: dict[tuple[str, int], list[Part]] = {}
    for part in parts:
        found.setdefault((part.dump, part.number), []).append(part)
    return [found[key] for key in sorted(found)]


def _sign(part: Part, recipe: Recipe, path: Path, cache: Path) -> None:
    """Write the signatures of a part's rows."""
    tools, first = toolbox(recipe, cache), dedup_first(recipe)
    signatures = []
    with open_anywhere(part.where) as dataset:
        for _, batch in rows_of_part(dataset, part):
            for text, language in zip(batch["text"].to_pylist(), batch["language"].to_pylist(), strict=True):
                signature = tools.signer.sign(text, tools.tokenizer_for(language))
                signatures.append(with_language(signature, language) if first else signature)
    temporary = temporary_name(path)
    write_signatures(temporary, signatures)
    temporary.replace(path)


def _signatures(parts: Sequence[Part], recipe: Recipe, folder: Path) -> list[Signatures]:
    files: list[Signatures] = [SignatureFile.open(folder / f"{number}.npy") for number in range(len(parts))]
    if recipe.dedup.scope == "run":
        return files
    dumps = sorted({part.dump for part in parts})
    return [WithinGroup(file, dumps.index(part.dump)) for file, part in zip(files, parts, strict=True)]


def _all_sources(places: Sequence[str]) -> Iterator[tuple[str, Source]]:
    for place in places:
        with open_anywhere(place) as dataset:
            for source in dataset.sources():
                yield place, source


def _write_sources(places: Sequence[str], folder: Path) -> tuple[list[Source], list[SourceFile]]:
    """Return all sources if they are few, else write them into files; raises UsageError if two datasets share one."""
    seen: dict[str, str] = {}
    slices = 0
    for place, source in _all_sources(places):
        if source.name in seen:
            raise UsageError(f"{seen[source.name]} and {place} have rows of the same WARC file: {source.name[:300]}")
        seen[source.name] = place
        slices += len(source.slices)
    if are_few(len(seen), slices):
        return [source for _, source in _all_sources(places)], []
    files: list[SourceFile] = []
    for dump in sorted({dump_of(name) for name in seen}):
        waiting: list[Source] = []
        for _, source in _all_sources(places):
            if dump_of(source.name) == dump:
                waiting.append(source)
            if len(waiting) == SERIES_SOURCES:
                files.append(write_source_file(folder, source_file_path(dump, len(files)), waiting))
                waiting = []
        if waiting:
            files.append(write_source_file(folder, source_file_path(dump, len(files)), waiting))
    return [], files


def _merged(
    datasets: Sequence[tuple[str, Manifest]], notes: Sequence[Note], sources: list[Source], files: list[SourceFile]
) -> Manifest:  # fmt: skip
    """Build the manifest: the sums over the datasets, less what the parts have lost."""
    manifests = [manifest for _, manifest in datasets]
    first, lost = manifests[0], sum(note.lost for note in notes)
    found = {series: root for note in notes for series, root in note.roots.items()}
    roots = {series: found[series] for series in (sorted(found) if first.configurations else found)}
    place = {series: number for number, series in enumerate(roots)}
    rows = sorted((file for note in notes for file in note.rows), key=lambda file: place[series_of(file.path)])
    reasons = sum_counts(manifest.reasons for manifest in manifests)
    reasons |= {KEPT: reasons.get(KEPT, 0) - lost, DUPLICATE: reasons.get(DUPLICATE, 0) + lost}
    languages = sum_counts(manifest.languages for manifest in manifests)
    gone = sum_counts(note.lost_languages for note in notes)
    languages = {name: count - gone.get(name, 0) for name, count in languages.items() if count > gone.get(name, 0)}
    return Manifest(
        created_by=f"finest-data {finest.__version__}", python=platform.python_version(),
        engine="-".join(sorted({manifest.engine for manifest in manifests})), libraries=first.libraries,
        recipe=first.recipe, recipe_hash=first.recipe_hash,
        dumps=tuple(sorted({dump for manifest in manifests for dump in manifest.dumps})), sources=tuple(sources),
        source_files=tuple(files), shards=tuple(rows),
        verdicts=tuple(file for note in notes for file in note.verdicts), columns=first.columns,
        rows=sum(file.rows for file in rows),
        token_count=sum(manifest.token_count for manifest in manifests) - sum(note.lost_tokens for note in notes),
        roots=roots, root=root_of(roots, rows), reasons=dict(sorted(reasons.items())),
        losses=sum_counts(manifest.losses for manifest in manifests), languages=languages,
        configurations=tuple(languages) if first.configurations else (),
        against=_earlier(manifests), merged=tuple(manifest.root for manifest in manifests),
    )  # fmt: skip


def _earlier(manifests: Sequence[Manifest]) -> tuple[str, ...]:
    """Return the roots of the earlier datasets whose rows are kept instead of pages, but for those merged here."""
    named = dict.fromkeys(root for manifest in manifests for root in manifest.against)
    return tuple(root for root in named if root not in {manifest.root for manifest in manifests})
