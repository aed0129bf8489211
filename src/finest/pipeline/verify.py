"""`finest verify`: check that a dataset matches its manifest, and that its recipe really gives its rows.

It first compares the files with the manifest (hashes, rows, Merkle root). Then it judges a random sample of pages again
from their WARC records: a kept page must give the same row, a dropped page the same reason. For a dataset on the Hub it
reads only the sampled rows and the two columns that the root covers, unless a full check is requested.

Matching files prove nothing about the rows: anyone who invents rows can write hashes that match. So a dataset counts as
verified only if enough of the sample could be judged again (`Verification.is_verified`).

A dataset that is a selection (finest.dataset.selection) must also satisfy its rules with every row. The rows that they
left out are sampled too: a page that was left out must be kept by the recipe, and its row must not satisfy the rule.
Given the parent, the check is complete: the rows must be exactly those of the parent that satisfy the rule.
"""

from __future__ import annotations

import random
import tempfile
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from finest.dataset.chosen import check_chosen
from finest.dataset.clusters import with_size
from finest.dataset.rows import batch_of, row_hash, schema_with
from finest.dataset.selection import unsatisfied
from finest.errors import LedgerError, SourceError, VerifyError
from finest.formatting import byte_size
from finest.pipeline.decontaminate.indexes import provide_index, provide_rule_indexes
from finest.pipeline.drawn import draw_published
from finest.pipeline.guarded import GuardedJudge
from finest.pipeline.ledger import Ledger
from finest.pipeline.quality_models import provide_models
from finest.pipeline.record import find_records, max_record_bytes, row_of
from finest.pipeline.witnesses import check_earlier, check_witness
from finest.recipe.reasons import DUPLICATE, KEPT
from finest.recipe.recipe import parse_recipe
from finest.warc.loss import SOURCE_UNREADABLE
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
"""Verdicts that depend on the machine: a page may exceed its CPU limit on one machine but not on another."""


LEAST_JUDGED = 0.5
"""Minimum share of the sampled pages, and of the kept pages among them, that must have been judged again; audits
require the same share (finest.validator.evidence)."""


@dataclass(slots=True)
class Verification:
    """The result of a verification that found nothing wrong."""

    manifest: Manifest
    sample: int = 0
    """Requested number of sampled pages; 0 if only the files were to be checked."""
    drawn: int = 0
    """Number of sampled pages: fewer than `sample` if the dataset has fewer."""
    drawn_kept: int = 0
    """Number of sampled pages that the dataset keeps."""
    judged: dict[str, int] = field(default_factory=dict)
    """Pages judged again with the stored result, by reason."""
    not_repeatable: int = 0
    """Pages whose stored or new verdict depends on the machine (NOT_REPEATABLE)."""
    no_evidence: list[str] = field(default_factory=list)
    """Why the other pages could not be judged again, one message per page: their sources could not be read."""
    elsewhere: int = 0
    """Pages that were not judged again because they are dropped for rows of an earlier dataset that was not named."""
    readable_again: list[str] = field(default_factory=list)
    """Sources that the manifest calls unreadable and that can be read now. Their pages are missing, which does not
    make the rows false; an audit of paid work judges it, and fails a dataset without them."""
    seed: int = 0
    parent: str = ""
    """The parent with which the dataset's last selection was compared; empty if it was not."""

    @property
    def is_verified(self) -> bool:
        """Whether enough of the sample was judged again to vouch for the rows.

        Kept pages must reach the share on their own: otherwise invented rows could hide behind genuine drops. A
        dataset without pages has nothing to judge and counts as verified. Pages that are dropped for rows of an earlier
        dataset need that dataset: otherwise whoever writes a dataset could drop any page.
        """
        if not self.sample or self.elsewhere:
            return False
        judged, kept = sum(self.judged.values()), self.judged.get(KEPT, 0)
        return judged >= LEAST_JUDGED * self.drawn and kept >= LEAST_JUDGED * self.drawn_kept

    @property
    def lacks_evidence(self) -> bool:
        """Whether a sample was requested, but too few of its pages could be judged again."""
        return bool(self.sample) and not self.is_verified


def verify_place(
    where: str, cache: Path, common_crawl: CommonCrawl, *, sample: int, seed: int | None = None,
    sources: Sequence[str] = (), full: bool = False, parent: str | None = None, indexes: Sequence[Path] = (),
    against: Sequence[str] = (), say: Callable[[str], None] = lambda _: None,
) -> Verification:  # fmt: skip
    """Check the dataset in a folder (`verify`), on the Hub (`verify_published`) or at an address (`verify_stored`).

    `against` are the places of the earlier datasets that it was made against: folders or OWNER/NAME@REVISION.
    `parent` is the place of the dataset that it was selected from: a folder, OWNER/NAME@REVISION or an address.
    `indexes` are files of the evaluation indexes by which rows were left out, if the cache does not have them; raises
    UsageError if one is missing.
    """
    from finest.dataset.location import local_folder
    from finest.dataset.open import open_dataset

    folder = local_folder(where)
    with ExitStack() as stack:
        earlier = [stack.enter_context(open_dataset(place, say=say)) for place in against]
        if folder is None:
            return verify_stored(
                where, cache, common_crawl, sample=sample, seed=seed, sources=sources, parent=parent, indexes=indexes,
                earlier=earlier, say=say,
            )  # fmt: skip
        if "@" not in where or folder.exists():
            return verify(
                folder, cache, common_crawl, sample=sample, seed=seed, sources=sources, parent=parent, indexes=indexes,
                earlier=earlier, say=say,
            )  # fmt: skip
        return verify_published(
            where, cache, common_crawl, sample=sample, seed=seed, sources=sources, full=full, parent=parent,
            indexes=indexes, earlier=earlier, say=say,
        )  # fmt: skip


def verify(
    out: Path, cache: Path, common_crawl: CommonCrawl, *, sample: int, seed: int | None = None,
    sources: Sequence[str] = (), parent: str | None = None, indexes: Sequence[Path] = (),
    earlier: Sequence[Dataset] = (), say: Callable[[str], None] = lambda _: None,
) -> Verification:  # fmt: skip
    """Check a dataset in a folder; raises VerifyError, with the file or page and the reason, if a check fails.

    The folder may be untrusted: the same sandboxed process that reads datasets of the Hub decodes its files. `sample`
    pages, half of them kept ones, are judged again; `seed` selects them (by default it is random, and reported).
    `sources` names the WARC files if the folder has no ledger; Common Crawl's files are found by their names.
    """
    from finest.dataset.open import open_dataset

    with open_dataset(str(out), say=say) as dataset:
        manifest = dataset.manifest
        provide_rule_indexes(manifest, str(out), indexes, cache)
        say(f"Checking {len(manifest.files)} files against the manifest")
        dataset.check_all(out, cache)
        check_chosen(dataset)
        check_earlier(dataset, earlier)
        seed = random.SystemRandom().randrange(2**32) if seed is None else seed
        result = Verification(manifest, sample=sample, seed=seed, parent=_compared(dataset, parent, cache, say))
        if sample:
            chosen = draw_published(dataset, sample, random.Random(seed), earlier)
            _judge_again(
                dataset, result, chosen, _places((out, parent), common_crawl, sources), cache, common_crawl, say
            )
    return result


def verify_published(
    where: str, cache: Path, common_crawl: CommonCrawl, *, sample: int, seed: int | None = None,
    sources: Sequence[str] = (), full: bool = False, token: str | None = None, parent: str | None = None,
    indexes: Sequence[Path] = (), earlier: Sequence[Dataset] = (), say: Callable[[str], None] = lambda _: None,
) -> Verification:  # fmt: skip
    """Check a dataset on the Hub, `OWNER/NAME@REVISION`; raises as `verify`, and HubError or a subclass.

    It compares the manifest with the Hub's own sha256s and the root with the stored row hashes, and recomputes the hash
    of each sampled row. `full` downloads everything into a temporary folder and checks every byte there.
    """
    from finest.dataset.open import open_dataset

    with open_dataset(where, token=token, say=say) as dataset:
        manifest = dataset.manifest
        provide_rule_indexes(manifest, where, indexes, cache)
        if not full:
            dataset.bound_reading()
        say(f"{len(manifest.files)} files on the Hub have the sha256 that the manifest gives")
        if full:
            _check_in_full(dataset, cache, say)
        else:
            dataset.check_root()
            dataset.check_selections(cache)
        check_chosen(dataset)
        check_earlier(dataset, earlier)
        seed = random.SystemRandom().randrange(2**32) if seed is None else seed
        result = Verification(manifest, sample=sample, seed=seed, parent=_compared(dataset, parent, cache, say))
        if sample:
            chosen = draw_published(dataset, sample, random.Random(seed), earlier)
            _judge_again(dataset, result, chosen, _places((parent,), common_crawl, sources), cache, common_crawl, say)
    return result


def verify_stored(
    where: str, cache: Path, common_crawl: CommonCrawl, *, sample: int, seed: int | None = None,
    sources: Sequence[str] = (), parent: str | None = None, indexes: Sequence[Path] = (),
    earlier: Sequence[Dataset] = (), say: Callable[[str], None] = lambda _: None,
) -> Verification:  # fmt: skip
    """Check a dataset at an fsspec address such as s3://bucket/folder; raises as `verify`, and SourceError.

    Such a store does not state a sha256 for its files, so this downloads all of them into a temporary folder and checks
    them there.
    """
    from finest.dataset.location import open_location

    with open_location(where) as dataset:
        provide_rule_indexes(dataset.manifest, where, indexes, cache)
        _check_in_full(dataset, cache, say)
        check_chosen(dataset)
        check_earlier(dataset, earlier)
        seed = random.SystemRandom().randrange(2**32) if seed is None else seed
        result = Verification(dataset.manifest, sample=sample, seed=seed, parent=_compared(dataset, parent, cache, say))
        if sample:
            chosen = draw_published(dataset, sample, random.Random(seed), earlier)
            _judge_again(dataset, result, chosen, _places((parent,), common_crawl, sources), cache, common_crawl, say)
    return result


def _compared(dataset: Dataset, parent: str | None, cache: Path, say: Callable[[str], None]) -> str:
    """Compare the dataset with its parent, if one is given, and return the parent's place."""
    if parent is None:
        return ""
    from finest.dataset.location import open_anywhere
    from finest.dataset.parent import check_parent

    with open_anywhere(parent, say=say) as whole:
        say(f"Comparing with the parent: {whole.manifest.rows:,} rows, {byte_size(whole.manifest.size_bytes)}")
        check_parent(dataset, whole, cache)
        return str(whole.place)


def _check_in_full(dataset: Dataset, cache: Path, say: Callable[[str], None]) -> None:
    with tempfile.TemporaryDirectory(prefix="finest-verify-") as name:
        say(f"Downloading {dataset.manifest.size_bytes / 1e6:,.1f} MB to check every row")
        dataset.download(Path(name))
        dataset.check_all(Path(name), cache)


def _judge_again(
    dataset: Dataset, result: Verification, chosen: list[Drawn], places: dict[str, Source], cache: Path,
    common_crawl: CommonCrawl, say: Callable[[str], None],
) -> None:  # fmt: skip
    recipe = parse_recipe(result.manifest.recipe)
    provide_models(recipe.quality_model, cache, say=say)
    provide_index(recipe, cache, say=say)
    say(f"Judging {len(chosen)} pages again from their WARC records (seed {result.seed})")
    sources = _Sources(places, common_crawl)
    result.drawn, result.drawn_kept = len(chosen), sum(page.row_hash is not None for page in chosen)
    with GuardedJudge(recipe, cache) as guarded:
        for page in chosen:
            if page.reason in NOT_REPEATABLE:
                result.not_repeatable += 1
                continue
            if page.is_elsewhere:
                result.elsewhere += 1
                continue
            try:
                record = sources.record(page, max_record_bytes(recipe))
            except SourceError as error:
                result.no_evidence.append(str(error))
                continue
            if _recheck(record, page, guarded, recipe, result.manifest, cache):
                result.judged[page.reason] = result.judged.get(page.reason, 0) + 1
            else:
                result.not_repeatable += 1
    _look_at_unread(dataset, sources, result)


def _look_at_unread(dataset: Dataset, sources: _Sources, result: Verification) -> None:
    """Note the sources that can be read now and of which the dataset has nothing.

    Looks at up to `result.sample` of them, drawn by its seed. Raises VerifyError for one that can be read and that the
    manifest does not call unreadable.
    """
    unread = [one for one in dataset.sources() if not any(part.length for part in one.slices)]
    for source in random.Random(result.seed).sample(unread, min(result.sample, len(unread))):
        try:
            sources.look(source.name)
        except SourceError:
            continue
        if SOURCE_UNREADABLE not in source.losses:
            raise VerifyError(
                f"{source.name[:200]} can be read; the manifest states that nothing of it was read, and no reason"
            )
        result.readable_again.append(source.name)


class _Sources:
    """The WARC files of a dataset. Each is inspected once; a missing one is not looked up again."""

    def __init__(self, places: dict[str, Source], common_crawl: CommonCrawl) -> None:
        self._places, self._common_crawl = places, common_crawl
        self._missing: dict[str, SourceError] = {}

    def record(self, page: Drawn, limit: int) -> Record:
        """Return the page's record; raises SourceError if its WARC is unreadable, VerifyError if it has no record."""
        source = self._source(page.place.source)
        records = find_records(source, page.place.offset, page.place.id, limit)
        if page.ordinal < len(records):
            return records[page.ordinal]
        if source.size_bytes == page.source_bytes:
            raise VerifyError(f"{page} is not in its WARC {page.place.source[:200]} at offset {page.place.offset}")
        raise SourceError(
            f"{page.place.source[:200]} has {source.size_bytes} bytes, so it is not the file that was refined"
        )

    def look(self, name: str) -> Source:
        """Return a source as it is now; raises SourceError if it cannot be read."""
        return inspect(self._source(name).location, name)

    def _source(self, name: str) -> Source:
        if name in self._missing:
            raise self._missing[name]
        try:
            return _place(self._places, name, self._common_crawl)
        except SourceError as error:
            self._missing[name] = error
            raise


def _recheck(
    record: Record, page: Drawn, guarded: GuardedJudge, recipe: Recipe, manifest: Manifest, cache: Path
) -> bool:
    """Judge the page again: True if it matches, False if its verdict is not repeatable; else raises VerifyError."""
    verdict = guarded.judge(record.page())
    if verdict.reason in NOT_REPEATABLE:
        return False
    rules = [rule for rule in manifest.rules if rule.reason == page.reason and verdict.kept]
    same = verdict.may_be_duplicate if page.reason == DUPLICATE else verdict.reason == (KEPT if rules else page.reason)
    if record.url != page.url or not same:
        raise VerifyError(
            f"{page} is {page.reason!r} in the dataset, but judged again from {page.place.source} at offset "
            f"{page.place.offset} it is {verdict.reason!r}"
        )
    if not verdict.kept:
        return True
    row = with_size(row_of(record, verdict, page.place.source), page.cluster_size)
    check_witness(page, row, recipe, cache)
    if page.row_hash is not None and row_hash(row) != page.row_hash:
        raise VerifyError(f"the row of {page} differs from what its WARC record gives")
    if rules and unsatisfied(batch_of([row], schema_with(manifest.columns)), rules, cache) is None:
        raise VerifyError(f"{page} was left out, and its row satisfies the selection: {rules[0]}")
    return True


def _places(
    folders: Sequence[Path | str | None], common_crawl: CommonCrawl, specs: Sequence[str]
) -> dict[str, Source]:  # fmt: skip
    """Return the known sources by name: those given with --source, else the local files that a ledger names.

    A selection has no ledger of its own; `folders` are the dataset's and that of its parent, as far as they are local.

    The ledger may be untrusted, so its remote addresses are never used: the addresses of Common Crawl's files follow
    from their names (`_place`), and any other must be given with --source.
    """
    if specs:
        locations = resolve(specs, common_crawl)
        names = name_sources(locations)
        return {name: inspect(location, name) for location, name in zip(locations, names, strict=True)}
    for folder in folders:
        if folder is None or not (Path(folder) / "ledger").is_dir():
            continue
        with suppress(LedgerError):
            found = Ledger.read(Path(folder)).plan.sources
            return {one.name: one for one in found if isinstance(one.location, str) and Path(one.location).is_file()}
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
