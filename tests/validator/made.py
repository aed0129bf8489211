"""Honest datasets of the devnet's crawl, and what becomes of them in other hands: all by the product's own writers."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from finest.chain.payload import encode
from finest.dataset.manifest import Manifest, read_manifest, root_of, write_manifest
from finest.dataset.open import open_dataset
from finest.dataset.rows import VERDICT_SCHEMA, Row, VerdictRow, batch_of, rows_of, schema_with, verdict_batch
from finest.dataset.selection import Selection
from finest.dataset.shards import ShardWriter
from finest.dataset.sources import sum_counts
from finest.devnet.crawl import sample_crawl
from finest.pipeline.options import RunOptions
from finest.pipeline.plan import begin, finish, local_tasks
from finest.pipeline.progress import Progress
from finest.pipeline.run import refine
from finest.recipe.recipe import Recipe, load_recipe, recipe_hash
from finest.recipe.stage import Column
from finest.settings import default_cache
from finest.validator.context import AuditContext, Warcs
from finest.validator.models import Assignment, Plan, Subject, Submission
from finest.validator.seed import make_seed
from finest.warc.source import CommonCrawl

ALICE, BOB, VALIDATOR = "5" + "A" * 47, "5" + "B" * 47, "5" + "V" * 47
SHA = "0123456789abcdef0123456789abcdef01234567"
PLAN = Plan()
NOWHERE = CommonCrawl("https://127.0.0.1:1", "commoncrawl")


def write_crawl(folder: Path) -> list[Path]:
    """The devnet's WARCs as files, in order."""
    paths = []
    for key, data in sample_crawl().items():
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        paths += [path] if key.endswith(".warc.gz") else []
    return paths


@dataclass(frozen=True)
class Published:
    """A dataset in a folder, of some WARCs."""

    folder: Path
    warcs: tuple[Path, ...]

    @property
    def manifest(self) -> Manifest:
        return read_manifest(self.folder)

    @property
    def line(self) -> str:
        return encode("alice/web", SHA, self.manifest.root)

    def rows(self) -> list[Row]:
        return list(_rows(self.folder))

    def verdicts(self) -> list[VerdictRow]:
        return list(_verdicts(self.folder))

    def context(self, **changes: Any) -> AuditContext:
        warcs = Warcs.of([str(path) for path in changes.pop("warcs", self.warcs)], NOWHERE)
        return AuditContext(cache=default_cache(), warcs=warcs, place=str(self.folder), **changes)

    def subject(self, seed: int = 0, **changes: Any) -> Subject:
        """Alice's submission of it: committed in block 150 of a lease from 100 to 200."""
        parts = {key: changes.pop(key) for key in ("line", "committed_block", "hotkey") if key in changes}
        line = str(parts["line"]) if "line" in parts else self.line
        told = {"repo": "alice/web", "revision": SHA, "hotkey": ALICE, "uid": 7, "committed_block": 150}
        task = {
            "warcs": self.context().warcs.names, "id": "t1", "hotkey": ALICE, "state": "finished", "leased_block": 100,
            "commitment": line, "expires_block": 200, "closed_block": 152,
        }  # fmt: skip
        return Subject(
            submission=Submission(**(told | {"line": line} | parts)), task=Assignment(**(task | changes)),
            seed=make_seed("0x" + f"{seed:064x}", line, VALIDATOR), validator=VALIDATOR,
        )  # fmt: skip


@lru_cache(maxsize=4)
def _rows(folder: Path) -> tuple[Row, ...]:
    """Remembered: one honest dataset is what many are forged from."""
    with open_dataset(str(folder)) as dataset:
        batches = dataset.read_rows(range(dataset.manifest.rows)).to_batches()
    return tuple(row for batch in batches for row in rows_of(batch))


@lru_cache(maxsize=4)
def _verdicts(folder: Path) -> tuple[VerdictRow, ...]:
    with open_dataset(str(folder)) as dataset:
        table = dataset.read_verdicts(range(dataset.manifest.pages))
    return tuple(VerdictRow(**values) for values in table.to_pylist())


def make(out: Path, warcs: Sequence[Path], recipe: str | Recipe = "fineweb") -> Published:
    """What an honest miner makes of the WARCs."""
    chosen = load_recipe(recipe) if isinstance(recipe, str) else recipe
    options = RunOptions(
        specs=tuple(map(str, warcs)), out=out, recipe=chosen, cache=default_cache(), common_crawl=NOWHERE,
    )  # fmt: skip
    refine(options, Progress(quiet=True))
    return Published(out, tuple(warcs))


def without(out: Path, warcs: Sequence[Path], missing: int) -> Published:
    """What a miner makes of the WARCs if one of them is gone after the run was planned; it is back afterwards."""
    options = RunOptions(
        specs=tuple(map(str, warcs)), out=out, recipe=load_recipe("fineweb"), cache=default_cache(),
        common_crawl=NOWHERE, allow_missing=1,
    )  # fmt: skip
    ledger, gone = begin(options, Progress(quiet=True)), warcs[missing]
    hidden = gone.rename(gone.with_name("hidden"))
    try:
        finish(ledger, options, local_tasks(ledger, options, Progress(quiet=True)))
    finally:
        hidden.rename(gone)
    return Published(out, tuple(warcs))


def tampered(
    honest: Published, out: Path, rows: Sequence[Row], verdicts: Sequence[VerdictRow] | None = None,
    recipe: dict[str, Any] | None = None, selections: Sequence[Selection] = (),
    columns: tuple[Column, ...] | None = None,
) -> Published:  # fmt: skip
    """Those rows and verdicts, in the order of their places, under a manifest that agrees with itself."""
    order = {source.name: number for number, source in enumerate(honest.manifest.sources)}
    rows = sorted(rows, key=lambda row: (order.get(row.file_path, len(order)), row.warc_offset))
    kept = list(honest.verdicts() if verdicts is None else verdicts)
    shutil.copytree(honest.folder, out, ignore=shutil.ignore_patterns("ledger", "data", "verdicts"))
    old, dump = honest.manifest, rows[0].dump
    columns = honest.manifest.columns if columns is None else columns
    schema = schema_with(columns)
    with ShardWriter(out, f"data/{dump}/000", schema) as data:
        data.write(batch_of(rows, schema))
    with ShardWriter(out, f"verdicts/{dump}/000", VERDICT_SCHEMA) as judged:
        judged.write(verdict_batch(kept))
    pages = Counter(verdict.file_path for verdict in kept)
    sources = tuple(
        source.model_copy(update={"pages": pages[source.name], "records": source.records + pages[source.name]})
        for source in old.sources
    )
    changes: dict[str, Any] = {
        "shards": tuple(data.shards), "verdicts": tuple(judged.shards), "rows": len(rows), "sources": sources,
        "token_count": sum(row.token_count for row in rows), "roots": data.roots,
        "root": root_of(data.roots, data.shards),
        "reasons": dict(Counter(verdict.reason for verdict in kept)),
        "languages": sum_counts({row.language: 1} for row in rows), "columns": columns,
        "selections": tuple(selections), "configurations": (),
    }  # fmt: skip
    if recipe is not None:
        changes |= {"recipe": recipe, "recipe_hash": recipe_hash(recipe)}
    write_manifest(out, Manifest.model_validate_json(old.model_copy(update=changes).model_dump_json()))
    return Published(out, honest.warcs)


def forge(honest: Published, out: Path, share: float, change: Callable[[Row], Row]) -> Published:
    """A share of the rows (at least one) changed, evenly over the dataset."""
    rows = honest.rows()
    count = max(1, round(share * len(rows)))
    chosen = {round(i * len(rows) / count) for i in range(count)}
    return tampered(honest, out, [change(row) if n in chosen else row for n, row in enumerate(rows)])


def invented(row: Row) -> Row:
    """A row with a text of somebody's own."""
    return replace(row, text=f"Nobody ever wrote this on a page, least of all on {row.url}. It was made up.\n")
