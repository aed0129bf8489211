"""Datasets from Python: `finest.refine`, `finest.select`, `finest.open_dataset` and `finest.verify`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from finest.errors import UsageError
from finest.recipe.recipe import Recipe, load_recipe
from finest.settings import load_settings

if TYPE_CHECKING:
    from finest.dataset.manifest import Manifest
    from finest.dataset.open import Dataset
    from finest.pipeline.verify import Verification
    from finest.settings import Settings
    from finest.warc.source import CommonCrawl, Shard

Place = str | os.PathLike[str]
"""A path, or an address."""


@dataclass(frozen=True, slots=True)
class Refined:
    """A finished dataset, as returned by `finest.refine`."""

    path: str
    """Location of the dataset: a folder, or the requested address."""
    ledger: Path
    """Local folder of the run, for `finest status`, `why` and `report`."""
    counts: Mapping[str, int]
    """Number of pages by the reason of their verdict; `kept` counts the dataset's rows."""
    root: str
    """Merkle root over the rows, 64 hex digits."""
    manifest: Manifest = field(repr=False)
    """The dataset's manifest, with all its metadata."""

    @property
    def rows(self) -> int:
        """Number of kept pages."""
        return self.manifest.rows

    @property
    def pages(self) -> int:
        """Number of judged pages."""
        return self.manifest.pages

    @property
    def tokens(self) -> int:
        """Number of GPT-2 tokens of the rows."""
        return self.manifest.token_count


def refine(
    sources: Place | Sequence[Place],
    out: Place,
    *,
    recipe: str | Recipe = "fineweb",
    language: str | None = None,
    workers: int | None = None,
    limit: int | None = None,
    shard: str | None = None,
    engine: Literal["finest", "datatrove"] = "finest",
    restart: bool = False,
    where: str | None = None,
    pages_where: str | None = None,
    progress: bool = False,
    work: Place | None = None,
    cache: Place | None = None,
) -> Refined:
    """Refine WARC files into a dataset at `out`, as `finest refine` does; resume a run that was stopped.

    `sources` are WARC files, folders, globs, addresses (`https://`, `s3://`, `hf://datasets/...`, `hf://buckets/...`
    and others that fsspec knows), crawls (`CC-MAIN-2026-30`, `CC-NEWS-2026-05`), Common Crawl paths (`crawl-data/...`)
    or `@list.txt`. `shard`, such as `"3/90"`, takes only that part of them: the files 3, 93, 183 and so on.

    `out` is a folder, or an fsspec address (`s3://bucket/folder`, `hf://datasets/...`): then the run works in
    the local folder `work` (by default one in the cache, named after the address), and copies the finished dataset to
    `out`, where it checks each file's sha256 and writes the manifest last.

    `recipe` is the name of a shipped recipe (`fineweb`, `finest`), the path of a TOML file, or a `Recipe`.
    `language` names the languages to keep (`"deu_Latn,fra_Latn"` or `"all"`), each with the rules of FineWeb-2: the
    recipe is then `fineweb-2`, if its language model was fetched, or `fineweb-2-lid176`, unless you name another one.
    `workers` is the number of processes, by default one per CPU that this process may use. `limit` takes only the
    first pages of each WARC. `where` is an expression (docs/reference/where.md): only rows for which it is true enter
    the dataset. `pages_where` chooses, by the index of a crawl, which pages are read at all. `restart` deletes what an
    earlier run wrote. `progress` shows a bar on standard error. `cache` is the folder for lists that are built once per
    machine.

    Raises SourceError, RecipeError, WhereError, LedgerError (the folder belongs to another run) or RunError. Finished
    slices are kept, and the same call resumes from there. The workers are forked: on macOS, call it from a program's
    main part.
    """
    from finest.pipeline.destination import destination
    from finest.pipeline.options import RunOptions
    from finest.pipeline.progress import Progress
    from finest.pipeline.run import default_workers
    from finest.pipeline.run import refine as run

    settings = load_settings()
    folder = Path(cache) if cache else settings.cache
    loaded = _recipe(recipe, language, folder)
    goal = destination(os.fspath(out), Path(work) if work else None, folder)
    goal.check(restart=restart)
    options = RunOptions(
        specs=_specs(sources), out=goal.work, recipe=loaded.without_gate() if engine == "datatrove" else loaded,
        cache=folder, common_crawl=_common_crawl(settings), workers=default_workers() if workers is None else workers,
        limit=limit, shard=_shard(shard), engine=engine, restart=restart, where=where, pages_where=pages_where,
    )  # fmt: skip
    shown = Progress(quiet=not progress)
    try:
        manifest = run(options, shown)
        goal.deliver(shown.say)
    finally:
        shown.close()
    return Refined(str(goal), goal.work, manifest.reasons, manifest.root, manifest)


def _shard(text: str | None) -> Shard | None:
    from finest.warc.source import Shard

    try:
        return None if text is None else Shard.parse(text)
    except ValueError as error:
        raise UsageError(f"shard: {error}") from None


def _recipe(recipe: str | Recipe, language: str | None, cache: Path) -> Recipe:
    if language is None:
        return recipe if isinstance(recipe, Recipe) else load_recipe(recipe)
    if isinstance(recipe, Recipe):
        raise UsageError("name the languages in the recipe itself, or pass the recipe's name beside language=...")
    from finest.pipeline.languages import recipe_in_languages

    return recipe_in_languages(language, None if recipe == "fineweb" else recipe, cache)


def select(place: Place, where: str, out: Place) -> Manifest:
    """Write the rows of a dataset for which the expression `where` is true into the new folder `out`.

        finest.select("my-dataset", "language = 'en' AND token_count >= 200", "long")

    `place` is a location that `open_dataset` accepts. Rows keep their hashes, and no WARC is read. Returns the
    selection's manifest, which names the expression and the root of the dataset at `place`. Raises WhereError if the
    expression is not of the language (docs/reference/where.md) or names a column that the dataset lacks, UsageError if
    `out` holds something else, and as `open_dataset`.
    """
    from finest.pipeline.select import select as write

    load_settings()
    return write(os.fspath(place), where, Path(out))


def open_dataset(place: Place, *, token: str | None = None, latest: bool = False) -> Dataset:
    """Open a dataset without downloading it: a folder, `OWNER/NAME@REVISION` on the Hub, or an fsspec address.

        with finest.open_dataset("my-dataset") as dataset:
            table = dataset.sample(100, seed=7)  # a pyarrow Table

    It reads only the manifest and the list of files at first, and decodes files in a sandboxed process. On the Hub,
    `latest` selects the newest revision of `OWNER/NAME`, and `token` gives access to private repositories.

    Raises VerifyError if it is not a dataset or does not match its manifest, HubError or SourceError if the Hub or
    another store refuses, UsageError for a repository without a revision.
    """
    from finest.dataset.location import open_anywhere

    return open_anywhere(os.fspath(place), token=token, latest=latest)


def verify(
    place: Place,
    *,
    sample: int = 64,
    seed: int | None = None,
    sources: Sequence[Place] = (),
    full: bool = False,
    parent: Place | None = None,
    indexes: Sequence[Place] = (),
    progress: bool = False,
    cache: Place | None = None,
) -> Verification:
    """Check a dataset: compare its files with the manifest, and judge `sample` pages again from their WARC records.

    `place` is a location that `open_dataset` accepts. The same `seed` draws the same sample; `sources` names the WARCs
    if the folder has no ledger. For a dataset on the Hub it reads only the sampled rows, or with `full` all rows; a
    dataset at another address is always read completely.

    `parent` is the dataset that this one was selected from: then it must hold exactly the parent's rows that satisfy
    its selection. `indexes` are files of the evaluation indexes by which `finest decontaminate` left rows out, if the
    cache does not have them.

    The result's `is_verified` says whether enough pages could be judged again. Raises VerifyError, with the file or
    page and the reason, if the dataset does not match its manifest or its sources.
    """
    from finest.pipeline.progress import Progress
    from finest.pipeline.verify import verify_place

    settings = load_settings()
    return verify_place(
        os.fspath(place), Path(cache) if cache else settings.cache, _common_crawl(settings), sample=sample, seed=seed,
        sources=_specs(sources), full=full, parent=None if parent is None else os.fspath(parent),
        indexes=[Path(one) for one in indexes], say=Progress(quiet=not progress).say,
    )  # fmt: skip


def _specs(sources: Place | Sequence[Place]) -> tuple[str, ...]:
    """Return one or several sources as the strings that the command line takes."""
    several = [sources] if isinstance(sources, str | os.PathLike) else sources
    return tuple(os.fspath(one) for one in several)


def _common_crawl(settings: Settings) -> CommonCrawl:
    from finest.warc.source import CommonCrawl

    return CommonCrawl.of(settings)
