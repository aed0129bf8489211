"""Look for evaluation items in the rows of a finished dataset."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from finest.recipe.stages.decontaminate import described

if TYPE_CHECKING:
    from finest.dataset.open import Dataset
    from finest.recipe.decontaminate.match import Matcher

SHOWN = 5
"""Rows that are shown per set."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A row that holds an item, and the span in words."""

    id: str
    url: str
    set_name: str
    detail: str


@dataclass(slots=True)
class Scan:
    """What a scan found so far. A row counts for the set of the item that it matches best."""

    rows: int = 0
    by_set: Counter[str] = field(default_factory=Counter)
    items: dict[str, set[int]] = field(default_factory=dict)
    """The items found in rows, by set."""
    examples: dict[str, list[Hit]] = field(default_factory=dict)

    @property
    def hits(self) -> int:
        """Number of rows that hold an item."""
        return self.by_set.total()

    def add(self, hit: Hit, item: int) -> None:
        """Count a row that holds an item."""
        self.by_set[hit.set_name] += 1
        self.items.setdefault(hit.set_name, set()).add(item)
        examples = self.examples.setdefault(hit.set_name, [])
        if len(examples) < SHOWN:
            examples.append(hit)


def scan(
    dataset: Dataset, matcher: Matcher, progress: Callable[[int], None] = lambda _: None,
    each: Callable[[Hit], None] = lambda _: None,
) -> Scan:  # fmt: skip
    """Match the text of every row with an index; `each` gets every row that holds an item.

    The result is that of the recipe's stage, which reads the same text. Memory is that of one row group. Raises
    VerifyError if a row is not that of its hash.
    """
    result = Scan()
    for ids, urls, texts in _texts(dataset):
        for id, url, text in zip(ids, urls, texts, strict=True):
            found = matcher.best(text)
            if found is not None and found.is_copy:
                hit = Hit(id, url, matcher.index.set_name(found.item), described(found, matcher, text))
                result.add(hit, found.item)
                each(hit)
        result.rows += len(ids)
        progress(len(ids))
    return result


def _texts(dataset: Dataset) -> Iterator[tuple[list[str], list[str], list[str]]]:
    for group in dataset.row_groups():
        table = dataset.read_rows(range(group.first_row, group.first_row + group.rows))
        yield table["id"].to_pylist(), table["url"].to_pylist(), table["text"].to_pylist()
