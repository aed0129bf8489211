"""`finest verify`: is a dataset what its manifest says, and does its recipe really give its rows?

First the files against the manifest (hashes, rows, Merkle root), then a random sample of pages judged again from their
WARC records: kept ones must give the same row, dropped ones the same reason. Of a dataset on the Hub only the sampled
rows are read, and the two columns that its root is over, unless it is to be checked in full.

Files that agree prove nothing about the rows: whoever invents rows writes hashes that fit them. So a dataset is
verified only where enough of the sample could be judged again (`Verification.is_verified`).
"""

from __future__ import annotations

import random
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from finest.dataset.rows import row_hash
from finest.errors import LedgerError, SourceError, VerifyError
from finest.pipeline.drawn import draw_published
from finest.pipeline.ledger import Ledger
from finest.pipeline.record import find_records, max_record_bytes, row_of
from finest.recipe.judge import judge
from finest.recipe.reasons import DUPLICATE, KEPT
from finest.recipe.recipe import parse_recipe
from finest.warc.source import common_crawl_path, inspect, name_sources, resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from finest.dataset.manifest import Manifest
    from finest.dataset.open import Dataset
    from finest.pipeline.drawn import Drawn
    from finest.recipe.recipe import Recipe
    from finest.warc.slices import Record
    from finest.warc.source import CommonCrawl, Source

NOT_REPEATABLE = ("extraction_limit", "extraction_crash")
"""Verdicts that another machine may not share: a page past its CPU bound here may stay within it there."""


LEAST_JUDGED = 0.5
"""Of the pages that were drawn, and of the kept ones among them: as many must have been judged again. As in an audit
(finest.validator.evidence)."""


@dataclass(slots=True)
class Verification:
    """What was found, where nothing was found to be untrue."""

    manifest: Manifest
    sample: int = 0
    """Pages that were to be drawn; 0 where only the files were to be checked."""
    drawn: int = 0
    """Pages that were drawn: fewer than `sample` where the dataset has no more."""
    drawn_kept: int = 0
    """Of them, those that the dataset keeps."""
    judged: dict[str, int] = field(default_factory=dict)
    """Pages that were judged again and are as stored, by reason."""
    not_repeatable: int = 0
    """Pages with a verdict, stored or made anew, that machines may not share (NOT_REPEATABLE)."""
    no_evidence: list[str] = field(default_factory=list)
    """Why other pages could not be judged again: their sources could not be read."""
    seed: int = 0

    @property
    def is_verified(self) -> bool:
        """Whether enough of the sample was judged again to say something of the rows.

        Kept pages count for themselves: else invented rows could hide behind drops that anybody can judge. A dataset
        without pages has nothing to be judged.
        """
        if not self.sample:
            return False
        judged, kept = sum(self.judged.values()), self.judged.get(KEPT, 0)
        return judged >= LEAST_JUDGED * self.drawn and kept >= LEAST_JUDGED * self.drawn_kept

    @property
    def lacks_evidence(self) -> bool:
        """Whether pages were to be judged again, and too few could be."""
        return bool(self.sample) and not self.is_verified


def verify_place(
    where: str, cache: Path, common_crawl: CommonCrawl, *, sample: int, seed: int | None = None,
    sources: Sequence[str] = (), full: bool = False, say: Callable[[str], None] = lambda _: None,
) -> Verification:  # fmt: skip
    """Check the dataset in a folder (`verify`), on the Hub (`verify_published`) or at an address (`verify_stored`)."""
    from finest.dataset.location import local_folder

    folder = local_folder(where)
    if folder is None:
        return verify_stored(where, cache, common_crawl, sample=sample, seed=seed, sources=sources, say=say)
    if "@" not in where or folder.exists():
        return verify(folder, cache, common_crawl, sample=sample, seed=seed, sources=sources, say=say)
    return verify_published(where, cache, common_crawl, sample=sample, seed=seed, sources=sources, full=full, say=say)


def verify(
    out: Path, cache: Path, common_crawl: CommonCrawl, *, sample: int, seed: int | None = None,
    sources: Sequence[str] = (), say: Callable[[str], None] = lambda _: None,
) -> Verification:  # fmt: skip
    """Check a dataset in a folder; raises VerifyError, with the file or page and the reason, where it is not true.

    The folder may be a stranger's: its files are decoded by the confined process that reads datasets of the Hub too.
    `sample` pages are judged again, half of them kept ones; `seed` draws them (random by default, and said).
    `sources` says where the WARCs lie if the folder's ledger is gone; Common Crawl's own are found by their names.
    """
    from finest.dataset.open import open_dataset

    with open_dataset(str(out), say=say) as dataset:
        manifest = dataset.manifest
        say(f"Checking {len(manifest.shards) + len(manifest.verdicts)} files against the manifest")
        dataset.check_all(out)
        seed = random.SystemRandom().randrange(2**32) if seed is None else seed
        result = Verification(manifest, sample=sample, seed=seed)
        if sample:
            chosen = draw_published(dataset, sample, random.Random(seed))
            _judge_again(result, chosen, _places(out, common_crawl, sources), cache, common_crawl, say)
    return result


def verify_published(
    where: str, cache: Path, common_crawl: CommonCrawl, *, sample: int, seed: int | None = None,
    sources: Sequence[str] = (), full: bool = False, token: str | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Verification:  # fmt: skip
    """Check a dataset on the Hub, `OWNER/NAME@REVISION`; raises as `verify`, and HubError and its kinds.

    The manifest is held against the Hub's own sha256s, the root against the stored row hashes, and each sampled row's
    hash is computed anew. `full` downloads everything into a temporary folder and checks that, byte by byte.
    """
    from finest.dataset.open import open_dataset

    with open_dataset(where, token=token, say=say) as dataset:
        manifest = dataset.manifest
        if not full:
            dataset.bound_reading()
        say(f"{len(manifest.shards) + len(manifest.verdicts)} files on the Hub have the sha256 that the manifest gives")
        if full:
            _check_in_full(dataset, say)
        else:
            dataset.check_root()
        seed = random.SystemRandom().randrange(2**32) if seed is None else seed
        result = Verification(manifest, sample=sample, seed=seed)
        if sample:
            chosen = draw_published(dataset, sample, random.Random(seed))
            _judge_again(result, chosen, _places(None, common_crawl, sources), cache, common_crawl, say)
    return result


def verify_stored(
    where: str, cache: Path, common_crawl: CommonCrawl, *, sample: int, seed: int | None = None,
    sources: Sequence[str] = (), say: Callable[[str], None] = lambda _: None,
) -> Verification:  # fmt: skip
    """Check a dataset at an address that fsspec knows, such as s3://bucket/folder; raises as `verify`, and SourceError.

    Such a store states no sha256 of its files, so all of them are downloaded into a temporary folder and checked there.
    """
    from finest.dataset.location import open_location

    with open_location(where) as dataset:
        _check_in_full(dataset, say)
        seed = random.SystemRandom().randrange(2**32) if seed is None else seed
        result = Verification(dataset.manifest, sample=sample, seed=seed)
        if sample:
            chosen = draw_published(dataset, sample, random.Random(seed))
            _judge_again(result, chosen, _places(None, common_crawl, sources), cache, common_crawl, say)
    return result


def _check_in_full(dataset: Dataset, say: Callable[[str], None]) -> None:
    with tempfile.TemporaryDirectory(prefix="finest-verify-") as name:
        say(f"Downloading {dataset.manifest.size_bytes / 1e6:,.1f} MB to check every row")
        dataset.download(Path(name))
        dataset.check_all(Path(name))


def _judge_again(
    result: Verification, chosen: list[Drawn], places: dict[str, Source], cache: Path,
    common_crawl: CommonCrawl, say: Callable[[str], None],
) -> None:  # fmt: skip
    recipe = parse_recipe(result.manifest.recipe)
    say(f"Judging {len(chosen)} pages again from their WARC records (seed {result.seed})")
    sources = _Sources(places, common_crawl, {source.name: source.size_bytes for source in result.manifest.sources})
    result.drawn, result.drawn_kept = len(chosen), sum(page.row_hash is not None for page in chosen)
    for page in chosen:
        if page.reason in NOT_REPEATABLE:
            result.not_repeatable += 1
            continue
        try:
            record = sources.record(page, max_record_bytes(recipe))
        except SourceError as error:
            result.no_evidence.append(str(error))
            continue
        if _recheck(record, page, recipe, cache):
            result.judged[page.reason] = result.judged.get(page.reason, 0) + 1
        else:
            result.not_repeatable += 1


class _Sources:
    """The WARCs of a dataset, each looked at once; one that cannot be found is not looked for again."""

    def __init__(self, places: dict[str, Source], common_crawl: CommonCrawl, sizes: dict[str, int]) -> None:
        self._places, self._common_crawl, self._sizes = places, common_crawl, sizes
        self._missing: dict[str, SourceError] = {}

    def record(self, page: Drawn, limit: int) -> Record:
        """The page's record. Raises SourceError where its WARC cannot be read, VerifyError where it is not in there."""
        source = self._source(page.place.source)
        records = find_records(source, page.place.offset, page.place.id, limit)
        if page.ordinal < len(records):
            return records[page.ordinal]
        if source.size_bytes == self._sizes[page.place.source]:
            raise VerifyError(f"{page} is not in its WARC {page.place.source[:200]} at offset {page.place.offset}")
        raise SourceError(
            f"{page.place.source[:200]} has {source.size_bytes} bytes, so it is not the file that was refined"
        )

    def _source(self, name: str) -> Source:
        if name in self._missing:
            raise self._missing[name]
        try:
            return _place(self._places, name, self._common_crawl)
        except SourceError as error:
            self._missing[name] = error
            raise


def _recheck(record: Record, page: Drawn, recipe: Recipe, cache: Path) -> bool:
    """Whether the page could be judged here; raises VerifyError where it is not as stored."""
    verdict = judge(record.page(), recipe, cache)
    if verdict.reason in NOT_REPEATABLE:
        return False
    expected = KEPT if page.reason == DUPLICATE else page.reason
    if record.url != page.url or verdict.reason != expected:
        raise VerifyError(
            f"{page} is {page.reason!r} in the dataset, but judged again from {page.place.source} at offset "
            f"{page.place.offset} it is {verdict.reason!r}"
        )
    if page.row_hash is not None and row_hash(row_of(record, verdict, page.place.source)) != page.row_hash:
        raise VerifyError(f"the row of {page} differs from what its WARC record gives")
    return True


def _places(out: Path | None, common_crawl: CommonCrawl, specs: Sequence[str]) -> dict[str, Source]:
    """Where each source lies: as told with --source, else the local files that the folder's ledger names.

    A stranger may have written the ledger, so none of its addresses is asked: those of Common Crawl's files follow from
    their names (`_place`), any other has to be named with --source.
    """
    if specs:
        locations = resolve(specs, common_crawl)
        names = name_sources(locations)
        return {name: inspect(location, name) for location, name in zip(locations, names, strict=True)}
    if out is None:
        return {}
    try:
        sources = Ledger.read(out).plan.sources
        return {one.name: one for one in sources if isinstance(one.location, str) and Path(one.location).is_file()}
    except LedgerError:
        return {}


def _place(places: dict[str, Source], name: str, common_crawl: CommonCrawl) -> Source:
    if name not in places:
        path = common_crawl_path(name)
        if path is None:
            raise SourceError(
                f"{name}: finest looks up only Common Crawl's files by the name in a dataset; if you trust this one, "
                f"name its place: --source {name if '://' in name else 'FILE'}"
            )
        location = resolve([path], common_crawl)[0]
        places[name] = inspect(location, name)
    return places[name]
