"""Draw the sample of pages that `finest verify` judges again, each with its place and row hash.

Memory is that of one column of one file. One pass over the reasons of all verdicts counts the pages of each file by
kind; then only the files and row groups of the drawn pages are read.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow.compute as pc

from finest.dataset import clusters
from finest.dataset.merkle import rows_series, series_of
from finest.dataset.places import Place
from finest.errors import VerifyError
from finest.pipeline.witnesses import Text, with_witnesses
from finest.recipe.reasons import KEPT

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence
    from typing import Any

    from numpy.typing import NDArray

    from finest.dataset.open import Dataset
    from finest.dataset.shards import Shard

_KEPT, _DROPPED, _LEFT_OUT = range(3)
"""Kinds of pages: kept, dropped by the recipe, left out by a selection."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A sampled page of the dataset with its stored verdict, to be judged again."""

    place: Place
    ordinal: int
    """Number of earlier verdicts with the same place: 0 unless records of one gzip member share an id."""
    source_bytes: int
    """Size of its WARC, as the manifest states it."""
    url: str
    reason: str
    row_hash: str | None = None
    """Hash of the page's row in the dataset; None for a dropped page."""
    cluster_size: int | None = None
    """The size of its cluster of duplicates that the row states; None for a dataset without this column."""

    kept_id: str | None = None
    """The id of the row that was kept instead of a duplicate."""
    jaccard: float | None = None
    """The similarity with it that the verdict states."""
    witnesses: tuple[Text, ...] = ()
    """The rows with that id, if the recipe compares texts."""
    is_elsewhere: bool = False
    """Whether the row with that id can only be one of an earlier dataset that is not at hand."""

    def __str__(self) -> str:
        return f"page {self.place.id[:80]} ({self.url[:200]})"


class _Before(NamedTuple):
    """The earlier verdicts with the place of a page: how many there are, and how many of them are kept."""

    verdicts: int
    kept: int


def draw_published(
    dataset: Dataset, sample: int, rng: random.Random, earlier: Sequence[Dataset] = ()
) -> list[Drawn]:  # fmt: skip
    """Draw half of the sample from kept pages and half from dropped ones, uniformly within each half.

    `earlier` are the datasets that the run was made against, as far as they are at hand.
    If selections left rows out, a quarter of the sample are those pages: else few of them would be among many others.
    Raises VerifyError if a kept page or the witness of a duplicate has no row, or a page belongs to a source that the
    manifest does not list.
    """
    kinds = _Kinds(dataset)
    kept, dropped, out = (range(kinds.count(kind)) for kind in (_KEPT, _DROPPED, _LEFT_OUT))
    some = rng.sample(out, min(len(out), max(sample // 4, sample - len(kept) - len(dropped))))
    of_kept, of_dropped = _halves(kept, dropped, sample - len(some), rng)
    numbers = sorted(kinds.numbers({_KEPT: of_kept, _DROPPED: of_dropped, _LEFT_OUT: some}))
    verdicts = dataset.read_verdicts(numbers).to_pylist()
    sizes = _source_sizes(dataset, verdicts)
    rows = _Rows(dataset)
    pages = [
        rows.page(number, verdict, sizes[verdict["file_path"]])
        for number, verdict in zip(numbers, verdicts, strict=True)
    ]
    return _with_sizes(dataset, with_witnesses(dataset, pages, earlier))


class _Kinds:
    """How many pages of each kind the verdict files hold."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset, self._files = dataset, dataset.manifest.verdicts
        self._left_out = {rule.reason for rule in dataset.manifest.rules}
        self._counts = [np.bincount(self._of(file), minlength=3) for file in self._files]

    def _of(self, file: Shard) -> NDArray[np.int8]:
        """Return the kind of each page of a file."""
        reasons = self._dataset.verdict_columns("reason", files=[file])["reason"].combine_chunks()
        kind = {KEPT: _KEPT} | dict.fromkeys(self._left_out, _LEFT_OUT)
        kinds = np.array([kind.get(name, _DROPPED) for name in reasons.dictionary.to_pylist()], np.int8)
        return np.asarray(kinds[reasons.indices.to_numpy()])

    def count(self, kind: int) -> int:
        return sum(int(counts[kind]) for counts in self._counts)

    def numbers(self, ranks: dict[int, list[int]]) -> list[int]:
        """Return the numbers of the pages that have these ranks among all of their kind."""
        found: list[int] = []
        firsts = list(accumulate((file.rows for file in self._files), initial=0))
        before = [0, 0, 0]
        for file, counts, first in zip(self._files, self._counts, firsts, strict=False):
            here = {
                kind: [rank - before[kind] for rank in wanted if 0 <= rank - before[kind] < counts[kind]]
                for kind, wanted in ranks.items()
            }
            if any(here.values()):
                kinds = self._of(file)
                for kind, wanted in here.items():
                    found += (np.flatnonzero(kinds == kind)[wanted] + first).tolist() if wanted else []
            before = [total + int(count) for total, count in zip(before, counts, strict=True)]
        return found


def _source_sizes(dataset: Dataset, verdicts: Sequence[dict[str, Any]]) -> dict[str, int]:
    """Return the sizes of these pages' sources; raises VerifyError if the manifest does not list one."""
    named = {verdict["file_path"] for verdict in verdicts}
    sizes = {source.name: source.size_bytes for source in dataset.sources() if source.name in named}
    for verdict in verdicts:
        if verdict["file_path"] not in sizes:
            raise VerifyError(
                f"page {verdict['id'][:80]} is of {verdict['file_path'][:200]}, which is not a source of the dataset"
            )
    return sizes


class _Rows:
    """Finds the rows of kept pages: the row files of the series of their verdicts hold them."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self._firsts = dict(zip(
            (shard.path for shard in dataset.manifest.shards),
            accumulate((shard.rows for shard in dataset.manifest.shards), initial=0), strict=False,
        ))  # fmt: skip
        self._verdict_ends = list(accumulate(file.rows for file in dataset.manifest.verdicts))

    def page(self, number: int, verdict: dict[str, Any], source_bytes: int) -> Drawn:
        """Return the page of a verdict, by its number; raises VerifyError if it is kept and has no row."""
        place = Place(verdict["file_path"], verdict["offset"], verdict["id"])
        before = _before(self._dataset, number, place)
        kept_id = verdict["duplicate_of"]
        page = Drawn(
            place, before.verdicts, source_bytes, verdict["url"], verdict["reason"],
            kept_id=kept_id, jaccard=verdict["value"] if kept_id else None,
        )  # fmt: skip
        if verdict["reason"] != KEPT:
            return page
        row = self._row(number, verdict, place, before.kept)
        if row is None:
            raise VerifyError(f"{page} is kept according to its verdict, but no shard holds its row")
        size = row[clusters.NAME] if clusters.has_sizes(self._dataset) else None
        return Drawn(place, before.verdicts, source_bytes, verdict["url"], KEPT, row["row_hash"], size)

    def _row(self, number: int, verdict: dict[str, Any], place: Place, rank: int) -> dict[str, Any] | None:
        """Return the row of a kept page, the one after `rank` others of its place: they are in the verdicts' order."""
        for shard in self._shards(number, verdict):
            at = self._at(shard, place)
            rows = [row for row in self._dataset.read_rows(at).to_pylist() if row["id"] == place.id]
            if rank < len(rows):
                return dict(rows[rank])
            rank -= len(rows)
        return None

    def _shards(self, number: int, verdict: dict[str, Any]) -> list[Shard]:
        """Return the row files that may hold the row of a verdict."""
        manifest = self._dataset.manifest
        file = next(one for one, end in zip(manifest.verdicts, self._verdict_ends, strict=True) if number < end)
        language = (verdict["language"] or "") if manifest.configurations else None
        series = rows_series(series_of(file.path), language)
        return [shard for shard in manifest.shards if series_of(shard.path) == series]

    def _at(self, shard: Shard, place: Place) -> list[int]:
        """Return the numbers of the rows of a file at the place, whatever their ids."""
        columns = self._dataset.row_columns("file_path", "warc_offset", files=[shard])
        hit = pc.and_(pc.equal(columns["warc_offset"], place.offset), pc.equal(columns["file_path"], place.source))
        return [self._firsts[shard.path] + at for at in np.flatnonzero(hit.to_numpy()).tolist()]


def _before(dataset: Dataset, number: int, place: Place) -> _Before:
    """Count the verdicts of this place right before the one with this number; those of one offset lie together."""
    verdicts = kept = 0
    for table in dataset.verdicts_before(number, "file_path", "offset", "id", "reason"):
        here = pc.and_(pc.equal(table["offset"], place.offset), pc.equal(table["file_path"], place.source)).to_numpy()
        others = np.flatnonzero(~here)
        start = int(others[-1]) + 1 if len(others) else 0
        same = table.slice(start).filter(pc.equal(table.slice(start)["id"], place.id))
        verdicts += same.num_rows
        kept += int(pc.sum(pc.equal(same["reason"], KEPT)).as_py() or 0)
        if start:
            break
    return _Before(verdicts, kept)


def _with_sizes(dataset: Dataset, pages: list[Drawn]) -> list[Drawn]:
    """Return the pages; raises VerifyError if a row states another size of its cluster than the verdicts give."""
    kept = [page for page in pages if page.reason == KEPT]
    if not kept or not clusters.has_sizes(dataset):
        return pages
    sizes = clusters.sizes_of(dataset, {page.place.id: page.cluster_size for page in kept})
    for page in kept:
        size = sizes[page.place.id]
        if size is not None and size != page.cluster_size:
            raise VerifyError(
                f"{page} has a row with a cluster of {page.cluster_size} pages, and the verdicts name {size - 1} "
                f"duplicates of it"
            )
    return pages


def _halves(kept: range, dropped: range, sample: int, rng: random.Random) -> tuple[list[int], list[int]]:
    """Draw half of the sample from each range, or more from one if the other is too short."""
    chosen = rng.sample(kept, min(len(kept), sample - min(sample // 2, len(dropped))))
    return chosen, rng.sample(dropped, min(len(dropped), sample - len(chosen)))
