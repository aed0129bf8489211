"""Write a subset of a dataset as a dataset of its own, in constant memory and without reading a WARC.

Rows keep their bytes and hashes, and stay in their order. Every verdict is copied; a page whose row is left out gets
the rule's reason. Memory is that of one row group; for a dataset with a configuration for each language, also some 400
bytes a row.
"""

from __future__ import annotations

import shutil
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

import finest
from finest.atomic_files import Held, hold, sync, write_whole
from finest.dataset.card import write_card
from finest.dataset.hub import Revision
from finest.dataset.manifest import Manifest, root_of, write_manifest
from finest.dataset.merkle import SeriesTrees, series_of
from finest.dataset.row_order import check_roots
from finest.dataset.rows import VERDICT_SCHEMA, schema_with
from finest.dataset.selection import Selection
from finest.dataset.shards import Shard, ShardWriter
from finest.errors import UsageError, VerifyError
from finest.recipe.reasons import KEPT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from finest.dataset.open import Dataset
    from finest.dataset.parts import RowGroup
    from finest.dataset.selection import AnyRule, Keep

UNFINISHED = "unfinished"
"""Subfolder for the files of a dataset that is being written and can be continued."""

Progress = Callable[[int], None]
"""Callback that receives the number of the parent's rows examined since the last call."""


def write_subset(
    dataset: Dataset, keep: Keep, rule: AnyRule, out: Path, progress: Progress = lambda _: None
) -> Manifest:  # fmt: skip
    """Write the rows of `dataset` for which `keep` is true into the new folder `out`, and return its manifest.

    `rule` says in the manifest and on the card what `keep` does. The folder appears when everything is written; a run
    that is stopped leaves nothing, and starts from the beginning. Each row's hash is recomputed as it is read.

    Raises UsageError if the folder exists and is not empty, or if another process is writing it; VerifyError if the
    dataset does not match its manifest; RunError if the disk refuses.
    """
    with new_folder(out) as scratch:
        subset = _Subset(dataset, keep, rule, scratch, progress)
        if dataset.manifest.configurations:
            subset.copy_by_language()
        else:
            subset.copy_by_series()
        for file in dataset.manifest.source_files:
            (scratch / file.path).parent.mkdir(parents=True, exist_ok=True)
            (scratch / file.path).write_bytes(dataset.source_file(file))
        manifest = subset.manifest()
        write_card(scratch, manifest)
        write_manifest(scratch, manifest)
    return manifest


@contextmanager
def new_folder(out: Path, identity: str | None = None) -> Iterator[Path]:
    """Yield a folder beside `out` that becomes `out` when the block ends, and is removed if it fails.

    With an `identity`, which says what is to be written, the folder of a block that failed or was killed stays, and the
    next one with the same identity gets it; its subfolder UNFINISHED is removed at the end.
    """
    out = out.absolute()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} exists already; name another folder with --out, or remove that one")
    scratch = out.with_name(f".{out.name}.unfinished")
    scratch.mkdir(parents=True, exist_ok=True)
    lock = scratch / "lock"
    try:
        with hold(lock):
            _begin(scratch, identity)
            try:
                yield scratch
                shutil.rmtree(scratch / UNFINISHED, ignore_errors=True)
                lock.unlink()
                scratch.replace(out)
            except BaseException as error:
                if identity is None or isinstance(error, UsageError):
                    shutil.rmtree(scratch, ignore_errors=True)
                raise
            sync(out.parent)
    except Held as error:
        raise UsageError(
            f"process {error.holder} is writing {out} already; wait for it, or name another --out"
        ) from None


def _begin(scratch: Path, identity: str | None) -> None:
    """Remove what a killed process left, unless it has this identity."""
    path = scratch / UNFINISHED / "identity"
    if identity is not None and path.is_file() and path.read_text(encoding="utf-8") == identity:
        return
    _clear(scratch)
    if identity is not None:
        path.parent.mkdir()
        write_whole(path, identity.encode())


def _clear(scratch: Path) -> None:
    for path in scratch.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != "lock":
            path.unlink()


class _Subset:
    """The files of a subset and the totals over its rows."""

    def __init__(self, dataset: Dataset, keep: Keep, rule: AnyRule, folder: Path, progress: Progress) -> None:
        self._dataset, self._keep, self._rule, self._folder, self._progress = dataset, keep, rule, folder, progress
        self._schema = schema_with(dataset.manifest.columns)
        self._all = SeriesTrees()
        self._groups = _by_series((*dataset.row_groups(), *dataset.verdict_groups()))
        self._roots: dict[str, str] = {}
        self._tokens = 0
        self._languages: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()
        self._shards: list[Shard] = []
        self._verdicts: list[Shard] = []

    def copy_by_series(self) -> None:
        """Copy the rows that stay and all verdicts; those of a series' rows are in the order of the rows."""
        manifest = self._dataset.manifest
        rest = _series(manifest.shards)
        for series in _series(manifest.verdicts):
            of_rows = "data" + series.removeprefix("verdicts")
            self._copy_series(of_rows, series)
            rest = [one for one in rest if one != of_rows]
        if rest:
            raise VerifyError(f"{rest[0]}: there are no verdicts of these rows")

    def _copy_series(self, of_rows: str, of_verdicts: str) -> None:
        with (
            ShardWriter(self._folder, of_rows, self._schema) as rows,
            ShardWriter(self._folder, of_verdicts, VERDICT_SCHEMA) as verdicts,
        ):
            decided = _Decided(self._decide(of_rows, rows))
            self._copy_verdicts(of_verdicts, verdicts, decided)
            decided.end()
        self._add(rows)
        self._verdicts += verdicts.shards

    def _add(self, rows: ShardWriter) -> None:
        self._shards += rows.shards
        self._roots |= rows.roots

    def copy_by_language(self) -> None:
        """Copy the rows of all languages, and then all verdicts, which are in another order than the rows."""
        decided = _DecidedByPlace()
        for series in _series(self._dataset.manifest.shards):
            with ShardWriter(self._folder, series, self._schema) as rows:
                for batch in self._decide(series, rows):
                    decided.add(batch)
            self._add(rows)
        for series in _series(self._dataset.manifest.verdicts):
            with ShardWriter(self._folder, series, VERDICT_SCHEMA) as verdicts:
                self._copy_verdicts(series, verdicts, decided)
            self._verdicts += verdicts.shards
        decided.end()

    def _copy_verdicts(self, series: str, writer: ShardWriter, decided: _Decided | _DecidedByPlace) -> None:
        for batch in self._batches(series, verdicts=True):
            writer.write(self._judged(batch, decided))

    def _decide(self, series: str, writer: ShardWriter) -> Iterator[pa.RecordBatch]:
        """Write the rows that stay, and yield for all rows their place and whether they stay."""
        for batch in self._batches(series, verdicts=False):
            mask = self._keep(batch)
            self._all.add(series, map(bytes.fromhex, batch["row_hash"].to_pylist()))
            kept = batch.filter(mask)
            writer.write(kept)
            self._tokens += pc.sum(kept["token_count"]).as_py() or 0
            self._languages.update(kept["language"].to_pylist())
            self._progress(batch.num_rows)
            yield pa.record_batch(
                [batch["file_path"], batch["warc_offset"], batch["id"], mask],
                names=["file_path", "offset", "id", "stays"],
            )

    def _judged(self, batch: pa.RecordBatch, decided: _Decided | _DecidedByPlace) -> pa.RecordBatch:
        """Return verdicts with the rule's reason for the kept pages whose rows are left out."""
        is_kept = pc.equal(batch["reason"], KEPT)
        pages = batch.filter(is_kept)
        stays = iter(decided.take(pages).to_pylist())
        reasons = [
            self._rule.reason if reason == KEPT and not next(stays) else reason
            for reason in batch["reason"].to_pylist()
        ]
        self._reasons.update(reasons)
        at = batch.schema.get_field_index("reason")
        return batch.set_column(at, batch.schema.field(at), pa.array(reasons, pa.string()))

    def _batches(self, series: str, *, verdicts: bool) -> Iterator[pa.RecordBatch]:
        """Yield the row groups of the files of a series, with checked hashes."""
        read = self._dataset.read_verdicts if verdicts else self._dataset.read_rows
        for group in self._groups[series]:
            if group.rows:
                found = read(range(group.first_row, group.first_row + group.rows)).combine_chunks()
                yield from found.to_batches()

    def manifest(self) -> Manifest:
        """Return the manifest of what was written; raises VerifyError if the parent's rows have another root."""
        parent, place = self._dataset.manifest, self._dataset.place
        check_roots(self._all.roots(), parent)
        selection = Selection(
            rule=self._rule, parent_root=parent.root, parent_rows=parent.rows,
            parent=str(place) if isinstance(place, Revision) else None,
        )  # fmt: skip
        rows = sum(shard.rows for shard in self._shards)
        changed = parent.model_copy(update={
            "created_by": f"finest-data {finest.__version__}", "shards": tuple(self._shards),
            "verdicts": tuple(self._verdicts), "rows": rows, "token_count": self._tokens,
            "roots": self._roots, "root": root_of(self._roots, self._shards),
            "languages": dict(sorted(self._languages.items())),
            "reasons": dict(sorted({KEPT: 0, **self._reasons}.items())),
            "selections": (*parent.selections, selection), "index": None,
            "configurations": tuple(name for name in parent.configurations if self._languages[name]),
        })  # fmt: skip
        return Manifest.model_validate_json(changed.model_dump_json())


def _by_series(groups: Iterable[RowGroup]) -> dict[str, list[RowGroup]]:
    found: dict[str, list[RowGroup]] = defaultdict(list)
    for group in groups:
        found[series_of(group.path)].append(group)
    return found


def _series(files: Iterable[Shard]) -> list[str]:
    return list(dict.fromkeys(series_of(file.path) for file in files))


class _DecidedByPlace:
    """The decisions on all rows by their place, for rows and verdicts in different orders: some 400 bytes a row."""

    def __init__(self) -> None:
        self._stays: dict[tuple[str, int, str], list[bool]] = defaultdict(list)

    def add(self, batch: pa.RecordBatch) -> None:
        for path, offset, id, stays in _tuples(batch, "file_path", "offset", "id", "stays"):
            self._stays[path, offset, id].append(stays)

    def take(self, pages: pa.RecordBatch) -> pa.Array:
        """Return whether the row of each of these pages stays; raises VerifyError if a page has no row.

        Rows of one place are in the order of their verdicts.
        """
        found = []
        for place in _tuples(pages, "file_path", "offset", "id"):
            waiting = self._stays.get(place)
            if not waiting:
                raise VerifyError("verdicts: more pages are kept than there are rows")
            found.append(waiting.pop(0))
        return pa.array(found, pa.bool_())

    def end(self) -> None:
        """Raise VerifyError if rows are left that no verdict keeps."""
        if any(self._stays.values()):
            raise VerifyError("data: there are more rows than kept pages")


def _tuples(batch: pa.RecordBatch, *names: str) -> Iterator[tuple[Any, ...]]:
    return zip(*(batch[name].to_pylist() for name in names), strict=True)


class _Decided:
    """The decisions on a dump's rows, taken in the order of the verdicts of its kept pages."""

    def __init__(self, batches: Iterator[pa.RecordBatch]) -> None:
        self._batches = batches
        self._left: pa.RecordBatch | None = None

    def take(self, pages: pa.RecordBatch) -> pa.Array:
        """Return whether the row of each of these pages stays; raises VerifyError if they are not the next rows."""
        parts, missing = [], pages.num_rows
        while missing:
            if self._left is None or not self._left.num_rows:
                self._left = next(self._batches, None)
                if self._left is None:
                    raise VerifyError("verdicts: more pages are kept than there are rows")
            parts.append(self._left.slice(0, missing))
            missing -= parts[-1].num_rows
            self._left = self._left.slice(parts[-1].num_rows)
        if not parts:
            return pa.array([], pa.bool_())
        found = pa.Table.from_batches(parts).combine_chunks()
        for name in ("file_path", "offset", "id"):
            if not found[name].combine_chunks().equals(pages[name]):
                raise VerifyError("verdicts: they are not in the order of the rows; refine the sources again")
        return found["stays"].combine_chunks()

    def end(self) -> None:
        """Raise VerifyError if rows are left that no verdict keeps."""
        if (self._left is not None and self._left.num_rows) or next(self._batches, None) is not None:
            raise VerifyError("data: there are more rows than kept pages")
