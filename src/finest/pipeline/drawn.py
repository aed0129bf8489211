"""The pages of a dataset that `finest verify` judges again: drawn, each with its place and its row."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TYPE_CHECKING, TypeVar

import pyarrow.compute as pc

from finest.dataset.places import Place, numbers_where
from finest.errors import VerifyError
from finest.recipe.reasons import KEPT

if TYPE_CHECKING:
    import random

    import pyarrow as pa

    from finest.dataset.open import Dataset

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Drawn:
    """A page of the dataset that is judged again: its verdict, as stored."""

    place: Place
    ordinal: int
    """How many verdicts before it are of the same place: 0, but where records of one gzip member share an id."""
    url: str
    reason: str
    row_hash: str | None = None
    """Of a kept page: the hash that its row has in the dataset."""

    def __str__(self) -> str:
        return f"page {self.place.id[:80]} ({self.url[:200]})"


def draw_published(dataset: Dataset, sample: int, rng: random.Random) -> list[Drawn]:
    """Half of the sample from kept pages, half from dropped ones, each page as likely as any other of its half.

    Raises VerifyError where a kept page has no row.
    """
    reasons = dataset.verdict_columns("reason")["reason"]
    is_kept = pc.equal(reasons, KEPT)
    kept, dropped = (numbers_where(mask).to_pylist() for mask in (is_kept, pc.invert(is_kept)))
    numbers = sorted(_halves(kept, dropped, sample, rng))
    verdicts = dataset.read_verdicts(numbers).to_pylist()
    sources = {source.name for source in dataset.manifest.sources}
    for verdict in verdicts:
        if verdict["file_path"] not in sources:
            raise VerifyError(
                f"page {verdict['id'][:80]} is of {verdict['file_path'][:200]}, which is not a source of the dataset"
            )
    at = [Place(verdict["file_path"], verdict["offset"], verdict["id"]) for verdict in verdicts]
    together = dataset.verdict_places.find(at)
    pages = [
        Drawn(place, together[place].index(number), verdict["url"], verdict["reason"])
        for number, place, verdict in zip(numbers, at, verdicts, strict=True)
    ]
    return _with_rows(dataset, pages, {place: _kept_before(found, is_kept) for place, found in together.items()})


def _kept_before(numbers: list[int], is_kept: pa.ChunkedArray) -> list[int]:
    """For each of those verdicts, how many of the ones before it keep their page."""
    return [0, *accumulate(int(is_kept[number].as_py()) for number in numbers)]


def _with_rows(dataset: Dataset, pages: list[Drawn], kept_before: dict[Place, list[int]]) -> list[Drawn]:
    """The pages, those that are kept with the hash of their row.

    Rows of one place stand in the order of the verdicts that keep them.
    """
    kept = [page for page in pages if page.reason == KEPT]
    places = dataset.row_places.find({page.place for page in kept})
    numbers = []
    for page in kept:
        rows, rank = places[page.place], kept_before[page.place][page.ordinal]
        if rank >= len(rows):
            raise VerifyError(f"{page} is kept according to its verdict, but no shard holds its row")
        numbers.append(rows[rank])
    hashes = iter(dataset.read_rows(numbers)["row_hash"].to_pylist())
    return [replace(page, row_hash=next(hashes)) if page.reason == KEPT else page for page in pages]


def _halves(kept: list[T], dropped: list[T], sample: int, rng: random.Random) -> list[T]:
    """Half of the sample from each list, or more of one where the other is too short."""
    chosen = rng.sample(kept, min(len(kept), sample - min(sample // 2, len(dropped))))
    return chosen + rng.sample(dropped, min(len(dropped), sample - len(chosen)))
