"""`finest verify`: is a dataset what its manifest says, and does its recipe really give its rows?

First the files against the manifest (hashes, rows, Merkle root), then a random sample of pages judged again from their
WARC records: kept ones must give the same row, dropped ones the same reason. Of a dataset on the Hub only the sampled
rows are read, and the two columns that its root is over, unless it is to be checked in full.
"""

from __future__ import annotations

import random
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from finest.dataset.check import check_files
from finest.dataset.manifest import read_manifest
from finest.dataset.rows import row_hash
from finest.errors import LedgerError, SourceError, VerifyError
from finest.recipe.judge import judge
from finest.recipe.reasons import DUPLICATE, KEPT
from finest.recipe.recipe import parse_recipe
from finest.refine.ledger import Ledger
from finest.refine.record import max_record_bytes, read_record, row_of
from finest.warc.source import inspect, name_sources, resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from finest.dataset.manifest import Manifest
    from finest.dataset.open import Dataset
    from finest.recipe.recipe import Recipe
    from finest.warc.slices import Record
    from finest.warc.source import CommonCrawl, Source

T = TypeVar("T")

NOT_REPEATABLE = ("extraction_limit", "extraction_crash")
"""Verdicts that another machine may not share: a page past its CPU bound here may stay within it there."""


@dataclass(slots=True)
class Verification:
    """What was found. `judged` counts pages by reason; `no_evidence` those whose source could not be read."""

    manifest: Manifest
    judged: dict[str, int] = field(default_factory=dict)
    no_evidence: list[str] = field(default_factory=list)
    seed: int = 0


def verify(
    out: Path, cache: Path, common_crawl: CommonCrawl, *, sample: int, seed: int | None = None,
    sources: Sequence[str] = (), say: Callable[[str], None] = lambda _: None,
) -> Verification:  # fmt: skip
    """Check a dataset in a folder; raises VerifyError, with the file or page and the reason, where it is not true.

    `sample` pages are judged again, half of them kept ones; `seed` draws them (random by default, and said).
    `sources` says where the WARCs lie if the folder's ledger is gone; Common Crawl's own are found by their names.
    """
    manifest = read_manifest(out)
    say(f"Checking {len(manifest.shards) + len(manifest.verdicts)} files against the manifest")
    check_files(out, manifest)
    seed = random.SystemRandom().randrange(2**32) if seed is None else seed
    result = Verification(manifest, seed=seed)
    if not sample:
        return result
    chosen = draw(out, manifest, sample, random.Random(seed))
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
        say(f"{len(manifest.shards) + len(manifest.verdicts)} files on the Hub have the manifest's sha256s")
        if full:
            _check_in_full(dataset, say)
        else:
            dataset.check_root()
        seed = random.SystemRandom().randrange(2**32) if seed is None else seed
        result = Verification(manifest, seed=seed)
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
    result: Verification, chosen: list[dict[str, Any]], places: dict[str, Source], cache: Path,
    common_crawl: CommonCrawl, say: Callable[[str], None],
) -> None:  # fmt: skip
    recipe = parse_recipe(result.manifest.recipe)
    say(f"Judging {len(chosen)} pages again from their WARC records (seed {result.seed})")
    for row in chosen:
        try:
            source = _place(places, row["file_path"], common_crawl)
            record = read_record(source, row["offset"], row["id"], max_record_bytes(recipe))
        except SourceError as error:
            result.no_evidence.append(str(error))
            continue
        _recheck(record, row, recipe, cache)
        result.judged[row["reason"]] = result.judged.get(row["reason"], 0) + 1


def draw(out: Path, manifest: Manifest, sample: int, rng: random.Random) -> list[dict[str, Any]]:
    """Half of the sample from kept pages, half from dropped ones, each page as likely as any other of its half."""
    kept: list[tuple[int, int]] = []
    dropped: list[tuple[int, int]] = []
    for number, shard in enumerate(manifest.verdicts):
        reasons = pq.read_table(out / shard.path, columns=["reason"])["reason"]
        is_kept = pc.equal(reasons, KEPT).to_pylist()
        for row, flag in enumerate(is_kept):
            (kept if flag else dropped).append((number, row))
    chosen = _halves(kept, dropped, sample, rng)
    return [_row(out, manifest, number, row) for number, row in sorted(chosen)]


def _halves(kept: list[T], dropped: list[T], sample: int, rng: random.Random) -> list[T]:
    """Half of the sample from each list, or more of one where the other is too short."""
    chosen = rng.sample(kept, min(len(kept), sample - min(sample // 2, len(dropped))))
    return chosen + rng.sample(dropped, min(len(dropped), sample - len(chosen)))


def _row(out: Path, manifest: Manifest, number: int, row: int) -> dict[str, Any]:
    verdict = pq.read_table(out / manifest.verdicts[number].path).slice(row, 1).to_pylist()[0]
    if verdict["reason"] == KEPT:
        verdict["row"] = _kept_row(out, manifest, verdict)
    return dict(verdict)


def _kept_row(out: Path, manifest: Manifest, verdict: dict[str, Any]) -> dict[str, Any]:
    """The dataset's row of a kept page; raises VerifyError where there is none."""
    where = (pc.field("id") == verdict["id"]) & (pc.field("warc_offset") == verdict["offset"])
    for shard in manifest.shards:
        rows = pq.read_table(out / shard.path, filters=where & (pc.field("file_path") == verdict["file_path"]))
        if rows.num_rows:
            return dict(rows.to_pylist()[0])
    raise VerifyError(_no_row(verdict))


def draw_published(dataset: Dataset, sample: int, rng: random.Random) -> list[dict[str, Any]]:
    """The same of a dataset on the Hub; raises VerifyError where a kept page has no row."""
    is_kept = pc.equal(dataset.verdict_columns("reason")["reason"], KEPT)
    kept, dropped = (pc.indices_nonzero(mask).to_pylist() for mask in (is_kept, pc.invert(is_kept)))
    chosen = _halves(kept, dropped, sample, rng)
    verdicts: list[dict[str, Any]] = dataset.read_verdicts(sorted(chosen)).to_pylist()
    sources = {source.name for source in dataset.manifest.sources}
    for verdict in verdicts:
        if verdict["file_path"] not in sources:
            raise VerifyError(f"page {verdict['id'][:80]} is of {verdict['file_path'][:200]}, which is no source")
    _add_rows(dataset, [verdict for verdict in verdicts if verdict["reason"] == KEPT])
    return verdicts


def _add_rows(dataset: Dataset, kept: list[dict[str, Any]]) -> None:
    """Put the dataset's row beside each verdict."""
    ids = dataset.row_columns("id")["id"]
    at = pc.index_in(pa.array([verdict["id"] for verdict in kept], pa.string()), value_set=ids).to_pylist()
    for verdict, index in zip(kept, at, strict=True):
        if index is None:
            raise VerifyError(_no_row(verdict))
    for verdict, row in zip(kept, dataset.read_rows(at).to_pylist(), strict=True):
        if (row["warc_offset"], row["file_path"]) != (verdict["offset"], verdict["file_path"]):
            raise VerifyError(_no_row(verdict))
        verdict["row"] = row


def _no_row(verdict: dict[str, Any]) -> str:
    return f"page {verdict['id']} is kept by its verdict, but no shard holds its row"


def _recheck(record: Record, row: dict[str, Any], recipe: Recipe, cache: Path) -> None:
    if row["reason"] in NOT_REPEATABLE:
        return
    verdict = judge(record.page(), recipe, cache)
    expected = KEPT if row["reason"] == DUPLICATE else row["reason"]
    if (record.id, record.url) != (row["id"], row["url"]) or verdict.reason != expected:
        raise VerifyError(
            f"page {row['id']} ({row['url']}) is {row['reason']!r} in the dataset, "
            f"but judged again from {row['file_path']} at offset {row['offset']} it is {verdict.reason!r}"
        )
    if row["reason"] != KEPT:
        return
    if row_hash(row_of(record, verdict, row["file_path"])) != row["row"]["row_hash"]:
        raise VerifyError(f"the row of page {row['id']} ({row['url']}) is not what its WARC record gives")


def _places(out: Path | None, common_crawl: CommonCrawl, specs: Sequence[str]) -> dict[str, Source]:
    """Where each source lies: as told, else as the folder's ledger remembers it."""
    if specs:
        locations = resolve(specs, common_crawl)
        names = name_sources(locations)
        return {name: inspect(location, name) for location, name in zip(locations, names, strict=True)}
    if out is None:
        return {}
    try:
        # Of a mirror with a password the ledger keeps half an address: Common Crawl's files are found by their names.
        return {
            source.name: source
            for source in Ledger.read(out).plan.sources
            if not (source.is_stripped and source.name.startswith("s3://commoncrawl/"))
        }
    except LedgerError:
        return {}


def _place(places: dict[str, Source], name: str, common_crawl: CommonCrawl) -> Source:
    if name not in places:
        if not name.startswith("s3://commoncrawl/"):
            raise SourceError(f"{name} is not named; say where it lies with --source")
        location = resolve([name.removeprefix("s3://commoncrawl/")], common_crawl)[0]
        places[name] = inspect(location, name)
    return places[name]
