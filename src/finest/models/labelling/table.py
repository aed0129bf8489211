"""The labels as Parquet, which `finest model train --labels` reads: one row per label, with its provenance."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from finest.atomic_files import write_whole
from finest.models.labelling.journal import FORMAT, OUTCOMES, Journal
from finest.models.labelling.pages import Page
from finest.models.labelling.scale import Scale

METADATA_KEY = b"finest_labels"
"""Key of the file's metadata: JSON with the sources, the labels and the counts."""
_GROUP_ROWS = 1_000


def write_labels(
    path: Path, pages: Sequence[Page], journal: Journal, scale: Scale, provenance: Mapping[str, Any]
) -> int:
    """Write the labelled pages atomically, and return how many they are; without any, nothing is written."""
    labelled = [page for page in pages if (entry := journal.of(page.sha256)) and entry.what == "label"]
    if not labelled:
        return 0
    counts = {what: journal.count(what) for what in OUTCOMES}
    told = {"format": FORMAT, **provenance, "counts": counts}
    schema = _schema(scale).with_metadata({METADATA_KEY: json.dumps(told, ensure_ascii=False).encode()})
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, schema, compression="zstd") as writer:
        for start in range(0, len(labelled), _GROUP_ROWS):
            rows = [_row(page, journal, told) for page in labelled[start : start + _GROUP_ROWS]]
            writer.write_table(pa.Table.from_pylist(rows, schema))
    write_whole(path, sink.getvalue())
    return len(labelled)


def _schema(scale: Scale) -> pa.Schema:
    names = ("url", "group", "id", "source")
    told = ("labelled_by", "labelled_at", "model", "prompt_sha256", "text_sha256")
    return pa.schema(
        [("text", pa.string()), ("label", scale.arrow), *((name, pa.string()) for name in names), ("row", pa.int64()),
         *((name, pa.string()) for name in told)]
    )  # fmt: skip


def _row(page: Page, journal: Journal, told: Mapping[str, Any]) -> dict[str, Any]:
    entry = journal.of(page.sha256)
    assert entry is not None
    return {
        "text": page.text, "label": entry.label, "url": page.url, "group": page.group, "id": page.id,
        "source": page.source, "row": page.row, "labelled_by": entry.by, "labelled_at": entry.at, "model": entry.model,
        "prompt_sha256": told.get("prompt_sha256", ""), "text_sha256": page.sha256,
    }  # fmt: skip
