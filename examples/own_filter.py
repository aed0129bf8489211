"""A filter of your own around ours: FineWeb, without pages that are mostly about shopping.

    python examples/own_filter.py crawl/ kept/

A filter is a DataTrove `BaseFilter`: it returns True, or False and the reason.
"""

from __future__ import annotations

import sys

from datatrove.data import Document
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.filters.base_filter import BaseFilter
from datatrove.pipeline.writers import JsonlWriter

from finest.datatrove import RecipeFilter, WarcPages


class ShoppingFilter(BaseFilter):
    """Drops pages on which too many words are a shop's."""

    name = "shopping"
    words = frozenset({"cart", "checkout", "shipping", "price", "discount", "buy"})

    def __init__(self, most: float = 0.02, exclusion_writer: JsonlWriter | None = None) -> None:
        super().__init__(exclusion_writer)
        self.most = most

    def filter(self, doc: Document) -> bool | tuple[bool, str]:
        """True, or False with the reason."""
        words = doc.text.lower().split()
        share = sum(word.strip(".,!") in self.words for word in words) / max(len(words), 1)
        return True if share <= self.most else (False, "shopping")


def main(warcs: str, out: str) -> None:
    """FineWeb, then the filter; what is dropped lies in OUT/dropped with its reason."""
    steps = [
        WarcPages(warcs),
        RecipeFilter("fineweb", exclusion_writer=JsonlWriter(f"{out}/dropped")),
        ShoppingFilter(exclusion_writer=JsonlWriter(f"{out}/shopping")),
        JsonlWriter(f"{out}/kept"),
    ]
    LocalPipelineExecutor(steps, tasks=1, logging_dir=f"{out}/logs").run()


if __name__ == "__main__":
    main(*sys.argv[1:])
