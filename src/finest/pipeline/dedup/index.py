"""The index of a finished dataset: what a later run needs to drop the pages that this one already has.

    OUT/index/BB.digests    for bucket BB the digests of the signatures of its pages, ascending (uint64, little-endian)
    OUT/index/BB.rows       for each of these, the number in the dataset of a row (uint32)

A digest folds the hashes of one bucket into 64 bits. The pages that the dataset dropped as duplicates are in the index,
too, each with the row that was kept instead; so a digest may have several rows, if texts are compared and differ. The
manifest names the files with their sha256 (`finest.dataset.signature_index`).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from finest.atomic_files import size_and_sha256, sync, write_whole
from finest.dataset.signature_index import FOLDER, IndexFile, SignatureIndex, index_path
from finest.errors import UsageError
from finest.pipeline.dedup.files import whole_file
from finest.recipe.stages.dedup import DedupRules

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from finest.pipeline.dedup.signatures import Hashes, Rows, Signatures
    from finest.pipeline.progress import Progress
    from finest.pipeline.tasks import Tasks
    from finest.recipe.recipe import Recipe

NONE = np.uint32(0xFFFFFFFF)
"""Stands for the number of a row where there is none."""
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


def rules_of(recipe: dict[str, Any]) -> dict[str, Any]:
    """Return what must be equal in two recipes, in their resolved forms, whose signatures are compared.

    Raises ValidationError if the section on deduplication is none that this version knows.
    """
    section = DedupRules.model_validate(recipe.get("dedup", {})).model_dump(mode="json", exclude={"cluster_size"})
    return {"order": recipe.get("order", "fineweb"), **{key: section[key] for key in sorted(section)}}


def check_indexable(recipe: Recipe) -> None:
    """Raise UsageError if runs of the recipe can neither make nor use an index."""
    if not recipe.dedup.enabled or recipe.order != "fineweb":
        raise UsageError(
            f"recipe {recipe.name}: an index (--keep-index, --against) needs a recipe that deduplicates after its "
            f'filters: [dedup] enabled = true, order = "fineweb"'
        )


@dataclass(frozen=True, slots=True)
class Made:
    """The pages of a run, as its index describes them."""

    parts: Sequence[Signatures]
    starts: Sequence[int]
    survivor: Rows
    """For each page of the run, the page that was kept of its cluster."""
    row: NDArray[np.uint32]
    """For each page of the run, the number of its row in the dataset; NONE if it has none."""


def write_buckets(folder: Path, made: Made, memory_bytes: int, tasks: Tasks, is_over: Callable[[], bool]) -> None:
    """Write the digests of all buckets into a folder; it keeps what a killed process has written there of the same run.

    Each process holds at most `memory_bytes`. `is_over()` says whether the index is finished, and elsewhere.
    """
    folder.mkdir(parents=True, exist_ok=True)
    ranges = max(-(-len(made.survivor) * _SORT_BYTES // memory_bytes), 1)
    tasks.run(
        "Indexing signatures", range(max((part.buckets for part in made.parts if part.signed), default=0)),
        lambda bucket: _write_bucket(folder, made, bucket, ranges),
        lambda bucket: is_over() or (folder / index_path(bucket, "rows")).exists(),
    )  # fmt: skip


def place_index(folder: Path, out: Path, progress: Progress) -> SignatureIndex:
    """Move the index in `folder`, whose buckets are written, into the dataset's folder, unless that is done.

    Returns what the manifest states of it.
    """
    stated = folder / "index.json"
    if not stated.exists():
        progress.say("Hashing the index")
        for path in (folder / FOLDER).glob(".*"):  # of a killed process
            path.unlink(missing_ok=True)
        write_whole(stated, _stated(folder).model_dump_json().encode())
    if (folder / FOLDER).exists():
        shutil.rmtree(out / FOLDER, ignore_errors=True)
        (folder / FOLDER).rename(out / FOLDER)
        sync(out)
    return SignatureIndex.model_validate_json(stated.read_bytes())


def _stated(folder: Path) -> SignatureIndex:
    files = []
    for path in sorted((folder / FOLDER).glob("*"), key=lambda path: (int(path.stem), path.suffix)):
        size, sha256 = size_and_sha256(path)
        files.append(IndexFile(path=f"{FOLDER}/{path.name}", size_bytes=size, sha256=sha256))
    return SignatureIndex(files=tuple(files))


def _write_bucket(folder: Path, made: Made, bucket: int, ranges: int) -> None:
    """Write the sorted digests of a bucket, each with all of its rows, ascending."""
    bounds = [(number << 64) // ranges for number in range(ranges + 1)]
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    with (
        whole_file(folder / index_path(bucket, "rows")) as rows,  # closed last: a bucket with this file is whole
        whole_file(folder / index_path(bucket, "digests")) as keys,
    ):
        for low, high in pairwise(bounds):
            found, targets = _entries(made, bucket, low, high - 1)
            order = np.lexsort((targets, found))
            found, targets = found[order], targets[order]
            first = np.ones(len(found), np.bool_)
            first[1:] = (found[1:] != found[:-1]) | (targets[1:] != targets[:-1])
            found[first].astype("<u8").tofile(keys)
            targets[first].astype("<u4").tofile(rows)


def _entries(made: Made, bucket: int, low: int, last: int) -> tuple[Hashes, NDArray[np.uint32]]:
    """Return the digests in a range of the pages whose cluster has a row, and the numbers of these rows."""
    keys, targets = [np.zeros(0, np.uint64)], [np.zeros(0, np.uint32)]
    for part, start in zip(made.parts, made.starts[:-1], strict=True):
        if part.signed:
            found = digests(part, bucket)
            rows = made.row[made.survivor[part.rows() + start]]
            chosen = (rows != NONE) & (found >= np.uint64(low)) & (found <= np.uint64(last))
            keys.append(found[chosen])
            targets.append(rows[chosen])
    return np.concatenate(keys), np.concatenate(targets)


class Index:
    """The files of an index, in the folder `index` of a folder."""

    def __init__(self, folder: Path, buckets: int) -> None:
        self._folder, self._buckets = folder, buckets

    def matches(self, part: Signatures, start: int) -> NDArray[np.int64]:
        """Return rows of the dataset, and pages of a part that share a bucket with them; the shape is (2, pairs).

        `start` is the number of the part's first page. Each pair is there once, by page and row; of a page, at most the
        first MAX_ROWS rows.
        """
        found = [np.zeros(0, np.uint64)]
        pages = part.rows().astype(np.uint64) << np.uint64(32)
        for bucket in range(self._buckets if part.signed else 0):
            keys, rows = self._bucket(bucket)
            wanted = digests(part, bucket)
            order = np.argsort(wanted)  # neighbours lie in the same pages of the file
            wanted, own = wanted[order], pages[order]
            first = np.searchsorted(keys, wanted)
            count = np.minimum(np.searchsorted(keys, wanted, side="right") - first, MAX_ROWS)
            found.append(np.repeat(own, count) | rows[_spans(first, count)])
        pairs = np.unique(np.concatenate(found))
        page = (pairs >> np.uint64(32)).astype(np.int64)
        few = np.arange(len(pairs)) - np.searchsorted(page, page) < MAX_ROWS
        rows = (pairs & np.uint64(NONE)).astype(np.int64)
        return np.stack((rows[few], page[few] + start))

    def _bucket(self, bucket: int) -> tuple[Hashes, NDArray[np.uint32]]:
        keys, rows = (self._folder / index_path(bucket, kind) for kind in ("digests", "rows"))
        return mapped(keys, "<u8"), mapped(rows, "<u4")


MAX_ROWS = 32
"""Rows of an earlier dataset that a page is compared with, as pages of a run are (`finest.pipeline.dedup.pairs`)."""


def _spans(first: NDArray[np.int64], count: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the numbers first[0], first[0] + 1, ... of spans of these lengths, one span after the other."""
    before = np.cumsum(count) - count
    return np.arange(int(count.sum())) + np.repeat(first - before, count)


def mapped(path: Path, kind: str) -> NDArray[Any]:
    """Map a file of numbers of a type; it may be empty."""
    return np.memmap(path, kind, "r") if path.stat().st_size else np.zeros(0, kind)
