"""Small datasets made for the tests of this folder."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finest.dataset.manifest import Manifest, recipe_hash, root_of, write_manifest
from finest.dataset.merkle import SeriesTrees, series_of
from finest.dataset.rows import SCHEMA, VERDICT_SCHEMA, Row, VerdictRow, batch_of, digests, verdict_batch
from finest.dataset.shards import Shard, ShardWriter
from finest.dataset.sources import Source, SourceSlice, source_digest

DUMP = "CC-MAIN-2025-26"
WARC = f"s3://commoncrawl/crawl-data/{DUMP}/segments/1/warc/a.warc.gz"


def row(number: int, **changes: Any) -> Row:
    """A row that is like no other."""
    values: dict[str, Any] = {
        "text": f"Page {number} says hello to the world.\n" * (1 + number % 7),
        "id": f"<urn:uuid:00000000-0000-4000-8000-{number:012d}>",
        "dump": DUMP,
        "url": f"https://example.org/{number}",
        "date": "2025-06-17T10:20:30Z",
        "file_path": WARC,
        "language": "en",
        "language_score": 0.65 + (number % 35) / 100,
        "token_count": 9 * (1 + number % 7),
        "warc_offset": 1000 * number,
        "warc_length": 900,
    }
    return Row(**(values | changes))


def verdict(page: Row, reason: str = "kept", **changes: Any) -> VerdictRow:
    """The verdict on a page."""
    return VerdictRow(page.id, page.url, page.file_path, page.warc_offset, page.warc_length, reason, **changes)


@dataclass(frozen=True)
class Made:
    """A dataset in a folder."""

    folder: Path
    manifest: Manifest

    def changed(self, **changes: Any) -> Manifest:
        """The manifest with other values in it, checked as any manifest is; its root fits stated files and roots."""
        if "shards" in changes and "root" not in changes:
            changes["root"] = root_of(changes.get("roots", self.manifest.roots), changes["shards"])
        return Manifest.model_validate_json(self.manifest.model_copy(update=changes).model_dump_json())


def write_shards(folder: Path, rows: list[Row], verdicts: list[VerdictRow]) -> tuple[list[Shard], list[Shard]]:
    """Write rows and verdicts as a run does."""
    with ShardWriter(folder, f"data/{DUMP}/000", SCHEMA) as data:
        data.write(batch_of(rows))
    with ShardWriter(folder, f"verdicts/{DUMP}/000", VERDICT_SCHEMA) as judged:
        judged.write(verdict_batch(verdicts))
    return data.shards, judged.shards


def make_dataset(folder: Path, kept: int = 40) -> Made:
    """A dataset of `kept` rows, three drops and a duplicate, and its manifest."""
    rows = [row(n) for n in range(kept)]
    drops = [verdict(row(kept + n), r) for n, r in enumerate(("language", "quality_short_doc", "extraction_empty"))]
    drops += [verdict(row(kept + 3), "duplicate", duplicate_of=row(0).id)] if kept else []
    verdicts = [verdict(r) for r in rows] + drops
    shards, judged = write_shards(folder, rows, verdicts)
    manifest = manifest_of(rows, verdicts, shards, judged)
    write_manifest(folder, manifest)
    return Made(folder, manifest)


def make_series(folder: Path, counts: Sequence[int], drops: int = 1) -> Made:
    """A dataset of several series: each has the rows and verdicts of a WARC of its own, which keeps so many pages."""
    shards, judged, rows, verdicts = list[Shard](), list[Shard](), list[Row](), list[VerdictRow]()
    for number, count in enumerate(counts):
        start, name = 1_000 * number, f"{number}.warc.gz"
        pages = [row(start + n, file_path=name) for n in range(count + drops)]
        found = [verdict(page, "kept" if n < count else "language") for n, page in enumerate(pages)]
        with ShardWriter(folder, f"data/{DUMP}/{number:03d}", SCHEMA) as data:
            data.write(batch_of(pages[:count]))
        with ShardWriter(folder, f"verdicts/{DUMP}/{number:03d}", VERDICT_SCHEMA) as writer:
            writer.write(verdict_batch(found))
        shards, judged = [*shards, *data.shards], [*judged, *writer.shards]
        rows, verdicts = [*rows, *pages[:count]], [*verdicts, *found]
    manifest = manifest_of(rows, verdicts, shards, judged)
    one = manifest.sources[0]
    sources = tuple(
        one.model_copy(update={
            "name": f"{number}.warc.gz", "pages": count + drops, "records": count + drops,
            "losses": one.losses if number == 0 else {},
        })
        for number, count in enumerate(counts)
    )  # fmt: skip
    made = Made(folder, Made(folder, manifest).changed(sources=sources))
    write_manifest(folder, made.manifest)
    return made


def roots_of(rows: list[Row], shards: list[Shard]) -> dict[str, str]:
    """The roots of the series of those files, which hold those rows."""
    trees, left = SeriesTrees(), digests(batch_of(rows)) if rows else []
    for shard in shards:
        trees.add(series_of(shard.path), left[: shard.rows])
        left = left[shard.rows :]
    return trees.roots()


def manifest_of(rows: list[Row], verdicts: list[VerdictRow], shards: list[Shard], judged: list[Shard]) -> Manifest:
    """An honest manifest for those rows and files."""
    roots = roots_of(rows, shards)
    parts = (SourceSlice(offset=0, length=700, sha256=hashlib.sha256(b"a").hexdigest()),)
    recipe = {"schema": "finest-recipe/1", "name": "fineweb", "description": "", "pii": {"emails": True, "ips": True}}
    return Manifest(
        created_by="finest-data 0.1.0", python="3.11.7", engine="finest", libraries={"trafilatura": "1.11.0"},
        recipe=recipe, recipe_hash=recipe_hash(recipe), dumps=(DUMP,),
        sources=(
            Source(
                name=WARC, size_bytes=1000, etag='"abc"', sha256=source_digest(parts), slices=parts,
                records=len(verdicts) + 2, pages=len(verdicts), losses={"truncated": 1},
            ),
        ),
        shards=tuple(shards), verdicts=tuple(judged), rows=len(rows),
        token_count=sum(r.token_count for r in rows), roots=roots, root=root_of(roots, shards),
        reasons=dict(Counter(v.reason for v in verdicts)), losses={"truncated": 1},
        languages=dict(Counter(r.language for r in rows)),
    )  # fmt: skip
