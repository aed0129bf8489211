"""The index of a finished dataset: what a later run needs to drop the pages that this one already has.

    OUT/index/index.json    format, the dataset's root, the rules of its deduplication, size and sha256 of each file
    OUT/index/BB.digests    for bucket BB the digests of the signatures of all pages, ascending (uint64, little-endian)
    OUT/index/BB.rows       for each of these, the number in `ids.parquet` of the row that was kept (uint32)
    OUT/index/ids.parquet   the record ids of the rows, in the order of the run

A digest folds the hashes of one bucket into 64 bits. The pages that the dataset dropped as duplicates are in the index,
too, each with the row that was kept instead: so a later page is dropped if it is in the cluster of a row, and the rows
of two runs are those of one run over both in which the pages of the first come first.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from finest.atomic_files import size_and_sha256, sync
from finest.errors import UsageError
from finest.pipeline.dedup.files import whole_file

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from finest.pipeline.dedup.signatures import Hashes, Rows, Signatures
    from finest.pipeline.tasks import Tasks
    from finest.recipe.recipe import Recipe

FORMAT = "finest-signatures/1"
NAME = "index"
"""The folder of the index in that of the dataset."""
NONE = np.uint32(0xFFFFFFFF)
"""Stands for the number of a row where there is none."""
_GROUP = 10_000
"""Ids of a row group of `ids.parquet`."""
_SORT_BYTES = 40
"""Peak memory per entry while a range of digests is sorted."""
_ODD = np.uint64(0x9E3779B97F4A7C15)
"""2^64 divided by the golden ratio, Knuth's multiplier for hashing (The Art of Computer Programming, 6.4)."""


def digests(part: Signatures, bucket: int) -> Hashes:
    """Return the digest of the bucket for all rows of the part that have a signature."""
    found = np.zeros(part.signed, np.uint64)
    for number in range(part.hashes):
        found ^= part.column(bucket, number)
        found *= _ODD
        found ^= found >> np.uint64(32)
    return found


def rules_of(recipe: Recipe) -> dict[str, Any]:
    """Return what must be equal in two recipes whose signatures are compared."""
    section = recipe.dedup.model_dump(mode="json")
    return {"order": recipe.order, **{key: section[key] for key in sorted(section) if key != "cluster_size"}}


def check_indexable(recipe: Recipe) -> None:
    """Raise UsageError if runs of the recipe can neither make nor use an index."""
    if not recipe.dedup.enabled or recipe.order != "fineweb" or recipe.dedup.min_jaccard:
        raise UsageError(
            f"recipe {recipe.name}: an index (--keep-index, --against) needs a recipe that deduplicates after its "
            f'filters and by MinHash alone: [dedup] enabled = true, min_jaccard = 0, order = "fineweb"'
        )


@dataclass(frozen=True, slots=True)
class Made:
    """The pages of a run, as its index describes them."""

    parts: Sequence[Signatures]
    starts: Sequence[int]
    survivor: Rows
    """For each page of the run, the page that was kept of its cluster."""
    is_row: NDArray[np.bool_]
    """For each page of the run, whether the dataset has its row."""


def write_buckets(folder: Path, made: Made, memory_bytes: int, tasks: Tasks, is_over: Callable[[], bool]) -> None:
    """Write the digests of all buckets into a folder; it keeps what a killed process has written there of the same run.

    Each process holds at most `memory_bytes` beside 4 bytes for each page. `is_over()` says whether the index is
    finished, and elsewhere.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rank = np.cumsum(made.is_row, dtype=np.uint32) - np.uint32(1)
    ranges = max(-(-len(made.survivor) * _SORT_BYTES // memory_bytes), 1)
    tasks.run(
        "Indexing signatures", range(max((part.buckets for part in made.parts if part.signed), default=0)),
        lambda bucket: _write_bucket(folder, made, rank, bucket, ranges),
        lambda bucket: (folder / f"{bucket:02d}.rows").exists() or is_over(),
    )  # fmt: skip


def finish_index(folder: Path, ids: Iterator[pa.Array], about: dict[str, Any]) -> None:
    """Write what else an index has; `ids` are the record ids of the dataset's rows, in the order of the run."""
    with pq.ParquetWriter(folder / "ids.parquet", pa.schema([("id", pa.string())])) as writer:
        for group in _grouped(ids):
            writer.write_table(pa.table({"id": group}), row_group_size=_GROUP)
    for path in (*folder.glob(".*"), folder / "index.json"):  # of a killed process
        path.unlink(missing_ok=True)
    files = {path.name: size_and_sha256(path) for path in sorted(folder.iterdir())}
    buckets = sum(name.endswith(".rows") for name in files)
    stated = {"format": FORMAT, **about, "buckets": buckets, "files": files}
    (folder / "index.json").write_text(json.dumps(stated, indent=1), encoding="utf-8")
    for path in folder.iterdir():
        sync(path)


def _write_bucket(folder: Path, made: Made, rank: NDArray[np.uint32], bucket: int, ranges: int) -> None:
    """Write the sorted digests of a bucket, each once with the first of its rows."""
    bounds = [(number << 64) // ranges for number in range(ranges + 1)]
    with (
        whole_file(folder / f"{bucket:02d}.rows") as rows,  # closed last: a bucket with this file is whole
        whole_file(folder / f"{bucket:02d}.digests") as keys,
    ):
        for low, high in pairwise(bounds):
            found, targets = _entries(made, rank, bucket, low, high - 1)
            order = np.lexsort((targets, found))
            found, targets = found[order], targets[order]
            first = np.ones(len(found), np.bool_)
            first[1:] = found[1:] != found[:-1]
            found[first].astype("<u8").tofile(keys)
            targets[first].astype("<u4").tofile(rows)


def _entries(
    made: Made, rank: NDArray[np.uint32], bucket: int, low: int, last: int
) -> tuple[Hashes, NDArray[np.uint32]]:
    """Return the digests in a range of the pages whose cluster has a row, and the ranks of these rows."""
    keys, targets = [np.zeros(0, np.uint64)], [np.zeros(0, np.uint32)]
    for part, start in zip(made.parts, made.starts[:-1], strict=True):
        if part.signed:
            found = digests(part, bucket)
            survivors = made.survivor[part.rows() + start]
            chosen = made.is_row[survivors] & (found >= np.uint64(low)) & (found <= np.uint64(last))
            keys.append(found[chosen])
            targets.append(rank[survivors[chosen]])
    return np.concatenate(keys), np.concatenate(targets)


def _grouped(ids: Iterator[pa.Array]) -> Iterator[pa.Array]:
    """Yield the ids in groups of `_GROUP`, of which the last one may be smaller."""
    waiting: list[pa.Array] = []
    count = 0
    for some in ids:
        waiting.append(some)
        count += len(some)
        if count >= _GROUP:
            whole = pa.concat_arrays(waiting)
            for start in range(0, count - _GROUP + 1, _GROUP):
                yield whole[start : start + _GROUP]
            waiting = [whole[count - count % _GROUP :]]
            count %= _GROUP
    if count:
        yield pa.concat_arrays(waiting)


class Index:
    """The index of a finished dataset, in a folder."""

    def __init__(self, folder: Path, stated: dict[str, Any]) -> None:
        self._folder = folder
        self.root: str = stated["root"]
        """The root of the dataset."""
        self.rules: dict[str, Any] = stated["rules"]
        self._buckets: int = stated["buckets"]
        self._files: dict[str, list[int | str]] = stated["files"]

    @staticmethod
    def open(place: Path) -> Index:
        """Open the index in that folder, or in that of a dataset; raises UsageError if there is none."""
        folder = place / NAME if (place / NAME / "index.json").is_file() else place
        try:
            stated = json.loads((folder / "index.json").read_bytes())
            if stated["format"] != FORMAT:
                raise ValueError(f"its format is {stated['format']!r}, this version reads {FORMAT!r}")
            return Index(folder, stated)
        except FileNotFoundError:
            raise UsageError(
                f"{place} has no index; refine its sources with --keep-index, or name the folder of the index"
            ) from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UsageError(f"{folder / 'index.json'} is no index of a dataset: {error}") from error

    def check(self, recipe: Recipe) -> None:
        """Raise UsageError if the index is of another recipe, or a file is not the one that index.json names."""
        check_indexable(recipe)
        if self.rules != rules_of(recipe):
            differing = sorted(key for key, value in rules_of(recipe).items() if self.rules.get(key) != value)
            raise UsageError(f"{self._folder}: the index is of a recipe with another {', '.join(differing)}")
        for name, stated in self._files.items():
            path = self._folder / Path(name).name
            if not path.is_file() or list(size_and_sha256(path)) != stated:
                raise UsageError(f"{path} is not the file that index.json names; copy the index again")

    def rows_like(self, part: Signatures) -> NDArray[np.uint32]:
        """Return for each row of the part a row of the dataset with an equal bucket; NONE if it has none.

        Of several such rows, it is the one of the first bucket.
        """
        found = np.full(part.total_rows, NONE, np.uint32)
        if not part.signed:
            return found
        own = part.rows()
        for bucket in range(self._buckets):
            keys, rows = self._bucket(bucket)
            wanted = digests(part, bucket)
            at = np.minimum(np.searchsorted(keys, wanted), max(len(keys) - 1, 0))
            hit = np.flatnonzero(keys[at] == wanted) if len(keys) else np.zeros(0, np.int64)
            new = hit[found[own[hit]] == NONE]
            found[own[new]] = rows[at[new]]
        return found

    def _bucket(self, bucket: int) -> tuple[Hashes, NDArray[np.uint32]]:
        keys, rows = (self._folder / f"{bucket:02d}.{kind}" for kind in ("digests", "rows"))
        return _mapped(keys, "<u8"), _mapped(rows, "<u4")

    def id_of(self, row: int) -> str:
        """Return the record id of a row of the dataset."""
        return str(_ids(self._folder / "ids.parquet", row // _GROUP)[row % _GROUP].as_py())


def _mapped(path: Path, kind: str) -> NDArray[Any]:
    return np.memmap(path, kind, "r") if path.stat().st_size else np.zeros(0, kind)


@lru_cache(maxsize=64)
def _ids(path: Path, group: int) -> pa.ChunkedArray:
    with pq.ParquetFile(path) as file:
        return file.read_row_group(group, ["id"])["id"]
