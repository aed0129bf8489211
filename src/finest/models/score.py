"""Score the documents of sources with a model, and write the scores as Parquet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from finest.atomic_files import sync, temporary_name
from finest.models.texts import as_bytes, has_token
from finest.recipe.quality_model import QualityModel

if TYPE_CHECKING:
    from pathlib import Path

    from finest.models.documents import Source
    from finest.recipe.quality_model import Score

Progress = Callable[[str, float, str], None]
_BATCH_ROWS = 5_000
SAMPLE_CHARS = 200


@dataclass(slots=True)
class Scores:
    """The distribution of the scores of a source."""

    documents: int = 0
    empty: int = 0
    counts: Counter[int | str] = field(default_factory=Counter)
    """Number of documents by bin, or by class."""
    raw_sum: int = 0
    samples: dict[int | str, str] = field(default_factory=dict)
    """The beginning of the first document of each bin or class."""


def score(model: QualityModel, sources: Sequence[Source], out: Path | None, progress: Progress) -> Scores:
    """Score every document; write one row per document to `out`, in the order of the sources.

    The columns are `source`, `row` (its number in the source, from 0), `id`, `url` (empty where the source has none),
    and the model's: NAME and NAME_raw. The file appears when it is complete.
    """
    found = Scores()
    with _writing(out, schema_of(model)) as write:
        for number, source in enumerate(sources):

            def shown(share: float, number: int = number) -> None:
                progress("Scoring", (number + share) / len(sources), f"{found.documents:,} documents")

            for row, document in enumerate(source.documents(shown, labelled=False)):
                text = as_bytes(document.text)
                scored = model.score(text)
                _count(found, scored, text, document.text)
                write((source.name, row, document.id, document.url, scored.label or scored.bin, scored.raw))
    progress("Scoring", 1.0, f"{found.documents:,} documents")
    return found


def schema_of(model: QualityModel) -> pa.Schema:
    """Return the columns of a file of scores."""
    of_few = pa.dictionary(pa.int32(), pa.string())
    own = of_few if model.classes else pa.int64()
    return pa.schema([
        ("source", of_few), ("row", pa.int64()), ("id", pa.string()), ("url", pa.string()), (model.name, own),
        (f"{model.name}_raw", pa.int64()),
    ])  # fmt: skip


def _count(found: Scores, scored: Score, text: bytes, words: str) -> None:
    place = scored.label or scored.bin
    found.documents += 1
    found.empty += not has_token(text)
    found.counts[place] += 1
    found.raw_sum += scored.raw
    if place not in found.samples:
        found.samples[place] = words[:SAMPLE_CHARS]


Row = tuple[str, int, str, str, "int | str", int]


@contextmanager
def _writing(out: Path | None, schema: pa.Schema) -> Iterator[Callable[[Row], None]]:
    """Give a function that writes a row; the file gets its name once the block ends without an error."""
    if out is None:
        yield lambda _: None
        return
    temporary = temporary_name(out)
    rows: list[Row] = []
    try:
        with pq.ParquetWriter(temporary, schema, compression="zstd") as file:

            def flush() -> None:
                columns = zip(*rows, strict=True)
                arrays = [pa.array(column, kind.type) for column, kind in zip(columns, schema, strict=True)]
                file.write_batch(pa.record_batch(arrays, schema=schema))
                rows.clear()

            def write(row: Row) -> None:
                rows.append(row)
                if len(rows) == _BATCH_ROWS:
                    flush()

            yield write
            if rows:
                flush()
        sync(temporary)
        temporary.replace(out)
        sync(out.parent)
    finally:
        temporary.unlink(missing_ok=True)
