"""Draw the sample of pages that `finest verify` judges again, each with its place and row hash."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TYPE_CHECKING, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from finest.dataset import clusters
from finest.dataset.places import Place, numbers_where
from finest.errors import VerifyError
from finest.pipeline.witnesses import Text, with_witnesses
from finest.recipe.reasons import KEPT

if TYPE_CHECKING:
    import random

    from finest.dataset.open import Dataset

T = TypeVar("T")


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

    def __str__(self) -> str:
        return f"page {self.place.id[:80]} ({self.url[:200]})"


def draw_published(dataset: Dataset, sample: int, rng: random.Random) -> list[Drawn]:
    """Draw half of the sample from kept pages and half from dropped ones, uniformly within each half.

    If selections left rows out, a quarter of the sample are those pages: else few of them would be among many others.
    Raises VerifyError if a kept page or the witness of a duplicate has no row, or a page belongs to a source that the
    manifest does not list.
    """
    reasons = dataset.verdict_columns("reason")["reason"]
    is_kept = pc.equal(reasons, KEPT)
    left_out = pc.is_in(reasons, pa.array({rule.reason for rule in dataset.manifest.rules}, pa.string()))
    masks = (is_kept, pc.invert(pc.or_(is_kept, left_out)), left_out)
    kept, dropped, out = (numbers_where(mask).to_pylist() for mask in masks)
    some = rng.sample(out, min(len(out), max(sample // 4, sample - len(kept) - len(dropped))))
    numbers = sorted(some + _halves(kept, dropped, sample - len(some), rng))
    verdicts = dataset.read_verdicts(numbers).to_pylist()
    named = {verdict["file_path"] for verdict in verdicts}
    sources = {source.name: source.size_bytes for source in dataset.sources() if source.name in named}
    for verdict in verdicts:
        if verdict["file_path"] not in sources:
            raise VerifyError(
                f"page {verdict['id'][:80]} is of {verdict['file_path'][:200]}, which is not a source of the dataset"
            )
    at = [Place(verdict["file_path"], verdict["offset"], verdict["id"]) for verdict in verdicts]
    together = dataset.verdict_places.find(at)
    pages = [
        Drawn(
            place, together[place].index(number), sources[place.source], verdict["url"], verdict["reason"],
            kept_id=verdict["duplicate_of"], jaccard=verdict["value"] if verdict["duplicate_of"] else None,
        )
        for number, place, verdict in zip(numbers, at, verdicts, strict=True)
    ]  # fmt: skip
    return _with_rows(
        dataset,
        with_witnesses(dataset, pages),
        {place: _kept_before(found, is_kept) for place, found in together.items()},
    )


def _kept_before(numbers: list[int], is_kept: pa.ChunkedArray) -> list[int]:
    """For each of those verdicts, count the kept pages among the verdicts before it."""
    return [0, *accumulate(int(is_kept[number].as_py()) for number in numbers)]


def _with_rows(dataset: Dataset, pages: list[Drawn], kept_before: dict[Place, list[int]]) -> list[Drawn]:
    """Return the pages with the row hash of each kept page filled in.

    Rows of one place are in the order of their verdicts.
    """
    kept = [page for page in pages if page.reason == KEPT]
    places = dataset.row_places.find({page.place for page in kept})
    numbers = []
    for page in kept:
        rows, rank = places[page.place], kept_before[page.place][page.ordinal]
        if rank >= len(rows):
            raise VerifyError(f"{page} is kept according to its verdict, but no shard holds its row")
        numbers.append(rows[rank])
    found = dataset.read_rows(numbers)
    sizes = found[clusters.NAME].to_pylist() if clusters.has_sizes(dataset) else [None] * len(numbers)
    stated = iter(zip(found["row_hash"].to_pylist(), sizes, strict=True))
    drawn = []
    for page in pages:
        row_hash, size = next(stated) if page.reason == KEPT else (None, None)
        drawn.append(replace(page, row_hash=row_hash, cluster_size=size))
    _check_sizes(dataset, drawn)
    return drawn


def _check_sizes(dataset: Dataset, pages: list[Drawn]) -> None:
    """Raise VerifyError if a page's row states another size of its cluster than the verdicts give."""
    if not clusters.has_sizes(dataset):
        return
    sizes = clusters.ClusterSizes(dataset)
    for page in pages:
        size = sizes.of(page.place.id) if page.reason == KEPT else None
        if size is not None and size != page.cluster_size:
            raise VerifyError(
                f"{page} has a row with a cluster of {page.cluster_size} pages, and the verdicts name {size - 1} "
                f"duplicates of it"
            )


def _halves(kept: list[T], dropped: list[T], sample: int, rng: random.Random) -> list[T]:
    """Draw half of the sample from each list, or more from one if the other is too short."""
    chosen = rng.sample(kept, min(len(kept), sample - min(sample // 2, len(dropped))))
    return chosen + rng.sample(dropped, min(len(dropped), sample - len(chosen)))
