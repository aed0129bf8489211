"""Checking a dataset's files: whatever was done to them is found, and named."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from finest.dataset.check_files import check_files
from finest.dataset.manifest import Manifest, root_of
from finest.dataset.rows import SCHEMA, Row, batch_of
from finest.dataset.shards import ShardWriter
from finest.dataset.sources import sum_counts
from finest.errors import VerifyError

from .made import DUMP, Made, make_dataset, manifest_of, row, verdict, write_shards


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """A dataset with nothing wrong."""
    return make_dataset(tmp_path)


def refused(made: Made, manifest: Manifest | None = None) -> str:
    """The reason for which a dataset is refused."""
    with pytest.raises(VerifyError) as caught:
        check_files(made.folder, manifest or made.manifest)
    return str(caught.value)


def reshard(made: Made, batch: pa.RecordBatch, *, rooted: bool = False, **changes: Any) -> Manifest:
    """The dataset with other rows in its shard, and a manifest that states the new file, and the roots, honestly."""
    with ShardWriter(made.folder, f"data/{DUMP}/000", batch.schema) as writer:
        writer.write(batch)
    if rooted:
        changes |= {"roots": writer.roots, "root": root_of(writer.roots, writer.shards)}
    return made.changed(shards=tuple(writer.shards), **changes)


def rows(count: int = 40) -> list[Row]:
    """The rows of the dataset."""
    return [row(n) for n in range(count)]


def test_a_good_dataset_passes(made: Made) -> None:
    """An untouched dataset passes, and every byte of its files is reported as done."""
    done: list[int] = []
    check_files(made.folder, made.manifest, done.append)
    assert sum(done) == sum(f.size_bytes for f in (*made.manifest.shards, *made.manifest.verdicts))


def test_an_empty_dataset_passes(tmp_path: Path) -> None:
    """A dataset without a row passes."""
    made = make_dataset(tmp_path, kept=0)
    check_files(made.folder, made.manifest)


def test_a_missing_file_is_found(made: Made) -> None:
    """A shard that is not there is named."""
    (made.folder / made.manifest.shards[0].path).unlink()
    assert refused(made) == f"data/{DUMP}/000_00000.parquet: No such file or directory"


def test_a_stray_file_is_found(made: Made) -> None:
    """A file under data/ that the manifest does not name would be loaded with the others."""
    (made.folder / "data" / DUMP / "extra.parquet").write_bytes(b"")
    assert refused(made) == f"data/{DUMP}/extra.parquet: not named in the manifest"


def test_an_altered_byte_is_found(made: Made) -> None:
    """One flipped bit, anywhere in any file, is found."""
    for file in (*made.manifest.shards, *made.manifest.verdicts):
        path = made.folder / file.path
        honest = path.read_bytes()
        path.write_bytes(honest[:50] + bytes([honest[50] ^ 1]) + honest[51:])
        assert refused(made) == f"{file.path}: its sha256 is not the manifest's"
        path.write_bytes(honest[:-1])
        assert "bytes, the manifest says" in refused(made)
        path.write_bytes(honest)


def test_an_altered_text_is_found(made: Made) -> None:
    """A row whose text was changed after it was hashed is named, though the file's sha256 is stated honestly."""
    honest = batch_of(rows())
    forged = honest.set_column(0, "text", pa.array(["Buy now!", *honest["text"].to_pylist()[1:]]))
    assert f"row {row(0).id} has been altered" in refused(made, reshard(made, forged))


def test_invented_rows_are_found(made: Made) -> None:
    """Rows with right hashes that the root does not cover are found."""
    invented = batch_of([replace(row(0), text="Invented."), *rows()[1:]])
    assert "the Merkle root over the rows is" in refused(made, reshard(made, invented))


def test_repeated_rows_are_found(made: Made) -> None:
    """A row that stands there twice is found, though root and counts are stated honestly."""
    twice = batch_of([row(1), *rows()[1:]])
    manifest = reshard(made, twice, rooted=True, token_count=sum(twice["token_count"].to_pylist()))
    assert refused(made, manifest) == f"data/{DUMP}/000_00000.parquet: row 1: the same row occurs twice"


def test_wrong_sums_are_found(made: Made) -> None:
    """Tokens and languages are counted, not believed."""
    assert "token_count is" in refused(made, made.changed(token_count=made.manifest.token_count + 1))
    assert "languages is {'en': 40}" in refused(made, made.changed(languages={"en": 39, "de": 1}))


def test_wrong_row_counts_are_found(made: Made) -> None:
    """A shard that holds other than its stated rows is found."""
    manifest = made.changed(
        shards=(made.manifest.shards[0].model_copy(update={"rows": 39}),), rows=39, languages={"en": 39},
        reasons=made.manifest.reasons | {"kept": 39, "language": 2},
    )  # fmt: skip
    assert refused(made, manifest) == f"data/{DUMP}/000_00000.parquet: rows is 40, the manifest says 39"


def test_wrong_reasons_are_found(made: Made) -> None:
    """Drops by reason are counted in the verdict files."""
    other = sum_counts([made.manifest.reasons, {"c4_lorem_ipsum": 1}]) | {"language": 0}
    assert refused(made, made.changed(reasons=other)).startswith("verdicts: reasons is")


def test_duplicates_name_their_winner(tmp_path: Path) -> None:
    """A duplicate without the page that it lost against is refused."""
    kept, loser = [row(0)], verdict(row(1), "duplicate")
    verdicts = [verdict(row(0)), loser]
    made = Made(tmp_path, manifest_of(kept, verdicts, *write_shards(tmp_path, kept, verdicts)))
    assert "duplicate_of must be there" in refused(made)
    assert Counter(v.reason for v in verdicts) == {"kept": 1, "duplicate": 1}


def test_another_schema_is_found(made: Made) -> None:
    """Other columns, or columns of another type, are refused."""
    batch = batch_of(rows())
    fewer = batch.select(SCHEMA.names[:-1])
    large = batch.cast(SCHEMA.set(0, pa.field("text", pa.large_string())))
    for other in (fewer, large):
        assert "its columns are not" in refused(made, reshard(made, other))


def test_empty_fields_are_found(made: Made) -> None:
    """A row without a value in a hashed column is refused."""
    batch = batch_of(rows())
    holed = batch.set_column(3, "url", pa.array([None, *batch["url"].to_pylist()[1:]], pa.string()))
    assert "column url has empty fields" in refused(made, reshard(made, holed))


def test_text_that_is_no_text_is_found(made: Made) -> None:
    """Bytes that are not UTF-8 in a string column are an error, not a traceback."""
    batch = batch_of(rows())
    raw = pa.array([b"\xff\xfe", *[t.encode() for t in batch["text"].to_pylist()[1:]]], pa.binary())
    forged = batch.set_column(0, "text", pa.StringArray.from_buffers(len(raw), *raw.buffers()[1:]))
    assert "cannot be read: 'utf-8' codec" in refused(made, reshard(made, forged))


def test_what_is_no_parquet_is_found(made: Made) -> None:
    """A shard that is no Parquet at all is an error that names it."""
    shard = made.manifest.shards[0]
    (made.folder / shard.path).write_bytes(b"x" * 100)
    sha = "09ecb6ebc8bcefc733f6f2ec44f791abeed6a99edf0cc31519637898aebd52d8"
    stated = shard.model_copy(update={"size_bytes": 100, "sha256": sha})
    assert f"{shard.path}: cannot be read: " in refused(made, made.changed(shards=(stated,)))


def test_huge_row_groups_are_refused(made: Made) -> None:
    """A file whose row groups could fill the checker's memory is refused before it is read."""
    path = made.folder / made.manifest.shards[0].path
    many = batch_of([row(n) for n in range(6_000)])
    pq.write_table(pa.Table.from_batches([many]), path)
    data = path.read_bytes()
    stated = {"rows": 6_000, "size_bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    reasons = {"kept": 6_000}
    source = made.manifest.sources[0].model_copy(update={"pages": 6_000, "records": 6_000})
    manifest = made.changed(
        shards=(made.manifest.shards[0].model_copy(update=stated),), rows=6_000, reasons=reasons, sources=(source,),
        languages={"en": 6_000}, verdicts=(made.manifest.verdicts[0].model_copy(update={"rows": 6_000}),),
    )  # fmt: skip
    assert "row group 0 is larger" in refused(made, manifest)
