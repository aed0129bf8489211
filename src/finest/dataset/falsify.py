"""Falsify a dataset: exchange the texts of some rows, under a manifest that agrees with itself.

The operator of a task server does this to its own datasets (finest.tasks.canaries), to see whether validators compare
rows with their pages. Every text is a real one of the same WARCs, so nothing but that comparison finds it: statistics,
the measured quality and the token count stay what they were.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from finest.dataset.card import write_card
from finest.dataset.manifest import Manifest, root_of, write_manifest
from finest.dataset.merkle import series_of
from finest.dataset.open import open_dataset
from finest.dataset.rows import Row, batch_of, rows_of, schema_with
from finest.dataset.shards import Shard, ShardWriter

if TYPE_CHECKING:
    from pathlib import Path

    from finest.dataset.open import Dataset


def falsify(folder: Path, out: Path, share: float, secret: str) -> Manifest:
    """Write the dataset of `folder` into `out` with the texts of a `share` of its rows exchanged; return its manifest.

    Which rows is drawn from `secret`. What is in `out` already is replaced. Memory is that of one row group.
    """
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    with open_dataset(str(folder)) as dataset:
        shards, roots = _write_rows(dataset, out, share, secret)
        for path in [file.path for file in dataset.manifest.files if not file.path.startswith("data/")]:
            (out / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / path, out / path)
        told = {"shards": tuple(shards), "roots": roots, "root": root_of(roots, shards)}
        changed = dataset.manifest.model_copy(update=told)
    manifest = Manifest.model_validate_json(changed.model_dump_json())
    write_card(out, manifest)
    write_manifest(out, manifest)
    return manifest


def _write_rows(dataset: Dataset, out: Path, share: float, secret: str) -> tuple[list[Shard], dict[str, str]]:
    schema, shards, roots = schema_with(dataset.manifest.columns), list[Shard](), dict[str, str]()
    for series in dataset.manifest.roots:
        with ShardWriter(out, series, schema) as writer:
            for group in dataset.row_groups():
                if not group.rows or series_of(group.path) != series:
                    continue
                for batch in dataset.read_rows(range(group.first_row, group.first_row + group.rows)).to_batches():
                    rows = exchanged(list(rows_of(batch)), share, secret)
                    writer.write(batch_of(rows, schema))
        shards += writer.shards
        roots |= writer.roots
    return shards, roots


def exchanged(rows: Sequence[Row], share: float, secret: str) -> list[Row]:
    """Return the rows; a `share` of them, at least two, has the text of another one of them."""
    order = sorted(range(len(rows)), key=lambda n: hashlib.sha256(f"{secret}\n{rows[n].id}".encode()).digest())
    chosen = order[: max(2, round(share * len(rows)))]
    found = list(rows)
    for place, other in zip(chosen, chosen[1:] + chosen[:1], strict=True):
        source = rows[other]
        found[place] = replace(
            rows[place], text=source.text, token_count=source.token_count, columns=source.columns,
        )  # fmt: skip
    return found
