"""Read the data of a report from a run's folder: from the ledger, and from the dataset once it exists."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from finest.dataset.manifest import MANIFEST_NAME, read_manifest
from finest.dataset.rows import added_columns
from finest.pipeline.damage import ParquetPart
from finest.pipeline.ledger import Ledger
from finest.pipeline.outcome import EXCERPT_CHARS
from finest.pipeline.report.data import MAX_SOURCES, ReportData, ReportSource
from finest.pipeline.report.scores import Scores, scores_of
from finest.pipeline.summary import SAMPLES_PER_REASON
from finest.recipe.reasons import DUPLICATE, NOT_SELECTED
from finest.recipe.stage import Column

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from finest.dataset.manifest import Manifest


def report_of(out: Path) -> ReportData:
    """Read the report data of the run in that folder, finished or not; raises LedgerError if there is no run."""
    ledger = Ledger.read(out)
    plan, totals = ledger.plan, ledger.totals()
    manifest = read_manifest(out) if (out / MANIFEST_NAME).exists() else None
    return ReportData(
        recipe_name=str(plan.recipe["name"]),
        recipe_hash=plan.recipe_hash,
        recipe=plan.recipe,
        engine=plan.engine,
        created=_created(out),
        sources=tuple(_source(ledger, number) for number in range(min(len(plan.sources), MAX_SOURCES))),
        sources_count=len(plan.sources),
        sources_bytes=plan.planned_bytes,
        totals=replace(totals, losses=[{**one, "source": plan.sources.name(one["source"])} for one in totals.losses]),
        rows=manifest.rows if manifest else totals.kept,
        tokens=manifest.token_count if manifest else totals.tokens,
        duplicates=manifest.reasons.get(DUPLICATE, 0) if manifest else 0,
        root=manifest.root if manifest else None,
        slices_planned=len(plan.slices),
        duplicate_samples=tuple(_duplicates(ledger, manifest)) if manifest else (),
        not_selected=manifest.reasons.get(NOT_SELECTED, 0) if manifest else 0,
        reasons=dict(manifest.reasons) if manifest else {},
        where=plan.where or "",
        scores=tuple(_scores(ledger, manifest)),
        folder=str(out),
    )


def _source(ledger: Ledger, number: int) -> ReportSource:
    source = ledger.plan.sources[number]
    speeds = [(part.pages, part.wall_s) for part in ledger.parts(number)]
    rates = tuple(pages / wall_s for pages, wall_s in speeds if wall_s > 0)
    return ReportSource(source.name, source.size_bytes, ledger.source_totals(number), rates)


def _scores(ledger: Ledger, manifest: Manifest | None) -> list[Scores]:
    """Read the added columns of the dataset, or of the finished slices while there is no dataset."""
    if manifest is not None:
        return scores_of([ParquetPart(ledger.out / shard.path) for shard in manifest.shards], manifest.columns)
    files = list(ledger.parquet("rows"))
    return scores_of(files, _columns(files))


def _columns(files: list[ParquetPart]) -> list[Column]:
    """Return the added columns of rows in the ledger; what they mean is in the manifest, which is not written yet."""
    if not files:
        return []
    with files[0].open() as file:
        schema = file.schema_arrow
    types: dict[str, Literal["string", "int64", "float64"]] = {
        "string": "string",
        "int64": "int64",
        "double": "float64",
    }
    return [Column(name, types[str(schema.field(name).type)], "") for name in added_columns(schema)]


def _created(out: Path) -> str:
    path = out / MANIFEST_NAME
    moment = (path if path.exists() else out / "ledger" / "run.json").stat().st_mtime
    return datetime.fromtimestamp(moment, timezone.utc).strftime("%Y-%m-%d %H:%M UTC")


def _duplicates(ledger: Ledger, manifest: Manifest) -> list[dict[str, Any]]:
    """Return a few duplicates with the beginning of their text."""
    found = list(islice(_duplicate_rows(ledger, manifest), SAMPLES_PER_REASON))
    texts = _texts(ledger, found)
    return [
        {key: row[key] for key in ("id", "url", "language", "duplicate_of")} | {"excerpt": texts.get(row["id"], "")}
        for row in found
    ]


def _duplicate_rows(ledger: Ledger, manifest: Manifest) -> Iterator[dict[str, Any]]:
    """Yield the verdicts of duplicates, from one row group after the other."""
    for shard in manifest.verdicts:
        with ParquetPart(ledger.out / shard.path).open() as file:
            for number in range(file.num_row_groups):
                reasons = file.read_row_group(number, columns=["reason"], use_threads=False)["reason"]
                if pc.index(reasons, DUPLICATE).as_py() >= 0:
                    group = file.read_row_group(number, use_threads=False)
                    yield from group.filter(pc.equal(group["reason"], DUPLICATE)).to_pylist()


def _texts(ledger: Ledger, found: list[dict[str, Any]]) -> dict[str, str]:
    """Return the beginning of the text of each given page, by id, from the rows of its source."""
    ids, names = {row["id"] for row in found}, {row["file_path"] for row in found}
    texts: dict[str, str] = {}
    for number in (number for number in range(len(ledger.plan.sources)) if ledger.plan.sources.name(number) in names):
        for batch in ledger.pack(number).batches("rows"):
            wanted = batch.filter(pc.is_in(batch.column("id"), value_set=pa.array(sorted(ids))))
            texts |= {row["id"]: row["text"][:EXCERPT_CHARS] for row in wanted.select(["id", "text"]).to_pylist()}
    return texts
