"""The datasets that a leased merge is of: each at its pinned revision with its root, and a hash over all of them.

Like `finest.dataset.page_choice`, it imports neither NumPy nor Arrow.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_INPUTS = 64
"""Datasets in one merge, at the most: 256 WARCs of tasks of four, some 600,000 rows of a recipe such as fineweb. Merges
are merged again, so a crawl of 22,500 tasks takes three rounds: 352, 6 and 1."""
MAX_MERGED_ROWS = 240_000_000
"""Rows of all datasets of a leased merge: more than a crawl has with the recipes that ship, and as many as a miner's
deduplication compares in its memory (finest.pipeline.options.DEDUP_MEMORY_BYTES, 4 of them a row). A validator holds
8 bytes for each, and 18 for each that was dropped (finest.validator.merge_rows)."""
_Root = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class MergeInput(BaseModel):
    """A dataset to merge."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    place: str = Field(min_length=1, max_length=320)
    """`OWNER/NAME@REVISION/tasks/ID`."""
    root: _Root
    """Root over its rows."""
    rows: int = Field(ge=0)
    tokens: int = Field(ge=0)


class MergeLease(BaseModel):
    """The datasets of a leased merge, in the order in which they are merged."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    root: _Root
    """Hash over place and root of each (`root_of`)."""
    inputs: tuple[MergeInput, ...] = Field(min_length=2, max_length=MAX_INPUTS)

    @model_validator(mode="after")
    def _check(self) -> MergeLease:
        if root_of(self.inputs) != self.root:
            raise ValueError(f"its datasets are not those of the merge {self.root}")
        if len({one.place for one in self.inputs}) < len(self.inputs):
            raise ValueError("a dataset is named twice")
        return self

    @classmethod
    def of(cls, inputs: Iterable[MergeInput]) -> MergeLease:
        """Make the merge of some datasets; raises ValueError if they cannot be one."""
        named = tuple(inputs)
        return cls(root=root_of(named), inputs=named)

    @property
    def roots(self) -> tuple[str, ...]:
        """The root of each dataset."""
        return tuple(one.root for one in self.inputs)

    @property
    def rows(self) -> int:
        """Rows of all datasets."""
        return sum(one.rows for one in self.inputs)

    @property
    def tokens(self) -> int:
        """Tokens of all datasets."""
        return sum(one.tokens for one in self.inputs)

    def item(self, crawl: str) -> str:
        """Return the merge's name in the list of its work."""
        return f"merges/{crawl}/{self.root}"


def root_of(inputs: Iterable[MergeInput]) -> str:
    """Return the sha256 over `finest-merge/1` and a line `PLACE ROOT` for each dataset, separated by newlines."""
    lines = ["finest-merge/1", *(f"{one.place} {one.root}" for one in inputs)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
