"""Check that a dataset's files match its manifest, byte by byte and row by row, without access to the sources."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from finest.atomic_files import size_and_sha256
from finest.dataset.limits import most_groups
from finest.dataset.manifest import Manifest, NamedFile
from finest.dataset.row_order import RowOrder, check_roots
from finest.dataset.rows import (
    HASHED_COLUMNS,
    MAX_GROUP_ROWS,
    VERDICT_SCHEMA,
    added_columns,
    digests,
    schema_with,
)
from finest.dataset.selection import AnyRule, unsatisfied
from finest.dataset.shards import Shard
from finest.dataset.sources import sources_in
from finest.errors import VerifyError
from finest.recipe.reasons import DUPLICATE

Progress = Callable[[int], None]
"""Callback that receives the bytes of files checked since the last call."""

_BATCH_ROWS = 1_000
_MAX_GROUP_BYTES = 256 * 1024 * 1024
"""Limit of a row group's uncompressed bytes, beyond which a file is refused: far above what ShardWriter makes (a single
page may be large), and low enough that a hostile file cannot fill the checker's memory."""
_MAY_BE_NULL = frozenset(VERDICT_SCHEMA.names) - {"id", "url", "file_path", "offset", "length", "reason"}


def check_files(folder: Path, manifest: Manifest, progress: Progress = lambda _: None) -> None:
    """Check every file of the dataset in `folder` against its manifest.

    The check covers: no other file under `data/`; each file's existence, size, sha256, schema and rows; each row's
    recomputed hash; that it satisfies the selections that need no index; that no row occurs twice; the Merkle roots;
    the sources; the counts of tokens, languages and reasons. Memory does not grow with the rows. Raises VerifyError
    with the file and the reason at the first mismatch.
    """
    _check_strays(folder, manifest)
    for file in manifest.files:
        _check_bytes(folder, file, progress)
    for _ in sources_in(folder, manifest):
        pass
    _check_rows(folder, manifest)
    _check_verdicts(folder, manifest)


def _check_strays(folder: Path, manifest: Manifest) -> None:
    named = {shard.path for shard in manifest.shards}
    for path in sorted((folder / "data").rglob("*")):
        name = path.relative_to(folder).as_posix()
        if not path.is_dir() and name not in named:
            raise VerifyError(f"{name}: not named in the manifest")


def _check_bytes(folder: Path, file: NamedFile, progress: Progress) -> None:
    try:
        size, sha256 = size_and_sha256(folder / file.path, progress)
    except OSError as error:
        raise VerifyError(f"{file.path}: {error.strerror}") from error
    if size != file.size_bytes:
        raise VerifyError(f"{file.path}: {size} bytes, the manifest says {file.size_bytes}")
    if sha256 != file.sha256:
        raise VerifyError(f"{file.path}: its sha256 is not the manifest's")


def _check_rows(folder: Path, manifest: Manifest) -> None:
    order = RowOrder(manifest.source_totals.sources, by_language=bool(manifest.configurations))
    tokens = 0
    languages: Counter[str] = Counter()
    for shard in manifest.shards:
        with _readable(shard):
            for batch in _batches(folder, shard, schema_with(manifest.columns)):
                order.add(shard.path, batch, _checked_hashes(shard, batch))
                _check_selected(shard, batch, manifest.rules)
                tokens += pc.sum(batch["token_count"]).as_py() or 0
                languages.update(batch["language"].to_pylist())
    check_roots(order.roots(), manifest)
    _check_equal("data", "token_count", tokens, manifest.token_count)
    _check_equal("data", "languages", dict(languages), _nonzero(manifest.languages))


def _checked_hashes(shard: Shard, batch: pa.RecordBatch) -> list[bytes]:
    for name in (*HASHED_COLUMNS, *added_columns(batch.schema)):
        if batch[name].null_count:
            raise VerifyError(f"{shard.path}: column {name} has empty fields")
    hashes = digests(batch)
    for digest, stated, id in zip(hashes, batch["row_hash"].to_pylist(), batch["id"].to_pylist(), strict=True):
        if digest.hex() != stated:
            raise VerifyError(f"{shard.path}: row {id} has been altered: its row_hash is not that of its columns")
    return hashes


def _check_selected(shard: Shard, batch: pa.RecordBatch, rules: Sequence[AnyRule]) -> None:
    found = unsatisfied(batch, [rule for rule in rules if not rule.needs_index])
    if found is not None:
        raise VerifyError(f"{shard.path}: row {found[0]} does not satisfy the selection: {found[1]}")


def _check_verdicts(folder: Path, manifest: Manifest) -> None:
    reasons: Counter[str] = Counter()
    for file in manifest.verdicts:
        with _readable(file):
            for batch in _batches(folder, file, VERDICT_SCHEMA):
                reasons.update(_checked_reasons(file, batch))
    _check_equal("verdicts", "reasons", dict(reasons), _nonzero(manifest.reasons))


def _checked_reasons(file: Shard, batch: pa.RecordBatch) -> list[str]:
    for name in VERDICT_SCHEMA.names:
        if batch[name].null_count and name not in _MAY_BE_NULL:
            raise VerifyError(f"{file.path}: column {name} has empty fields")
    reasons: list[str] = batch["reason"].to_pylist()
    for reason, winner in zip(reasons, batch["duplicate_of"].to_pylist(), strict=True):
        if (reason == DUPLICATE) != (winner is not None):
            raise VerifyError(f"{file.path}: duplicate_of must be there for duplicates, and for them alone")
    return reasons


def _batches(folder: Path, file: Shard, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    # pre_buffer would hold the compressed columns of a whole file at once.
    with pq.ParquetFile(folder / file.path, pre_buffer=False) as parquet:
        if not parquet.schema_arrow.equals(schema):
            raise VerifyError(f"{file.path}: its columns are not {', '.join(schema.names)} of the types they must have")
        _check_equal(file.path, "rows", parquet.metadata.num_rows, file.rows)
        groups, most = parquet.metadata.num_row_groups, most_groups(file.rows, file.size_bytes)
        if groups > most:
            raise VerifyError(f"{file.path}: {groups} row groups of {file.rows} rows, at most {most} are read")
        for number in range(groups):
            group = parquet.metadata.row_group(number)
            if group.num_rows > MAX_GROUP_ROWS or group.total_byte_size > _MAX_GROUP_BYTES:
                raise VerifyError(f"{file.path}: row group {number} is larger than a dataset of ours can have")
            yield from parquet.iter_batches(batch_size=_BATCH_ROWS, row_groups=[number])


@contextmanager
def _readable(file: Shard) -> Iterator[None]:
    """Turn errors of Arrow and the decoder into a plain VerifyError that names the file."""
    try:
        yield
    except (pa.ArrowException, OSError, ValueError) as error:
        raise VerifyError(f"{file.path}: cannot be read: {str(error).partition(chr(10))[0][:200]}") from error


def _check_equal(place: str, what: str, found: object, stated: object) -> None:
    if found != stated:
        raise VerifyError(f"{place}: {what} is {found}, the manifest says {stated}")


def _nonzero(counts: dict[str, int]) -> dict[str, int]:
    return {name: n for name, n in counts.items() if n}
