"""The rule of a selection that leaves out the rows that hold evaluation items (`finest.recipe.decontaminate`).

The rule names its index by sha256, so a stranger's rule can load only a file that this machine has in its cache; no
file is looked for on the network. Texts are matched in the calling process, not in the one that decodes a stranger's
files, whose memory is too small for a large index.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from finest.errors import UsageError
from finest.recipe.stages.decontaminate import REASON

if TYPE_CHECKING:
    from finest.dataset.selection import Keep
    from finest.recipe.decontaminate.match import Matcher

_MATCHERS = 4
"""Indexes that stay in memory: rules are applied to one batch after another."""


class Decontaminated(BaseModel):
    """Leaves out the rows that the recipe's section `decontaminate` would drop with these values."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    needs_index: ClassVar[bool] = True
    kind: Literal["decontaminated"] = "decontaminated"
    index_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    min_matches: int = Field(ge=1, le=10_000)
    min_percent: int = Field(ge=0, le=100)

    @property
    def reason(self) -> str:
        """The reason of the pages that the rule leaves out."""
        return REASON

    def __str__(self) -> str:
        return (
            f"the text holds no item of the evaluation index with the sha256 {self.index_sha256} "
            f"(min_matches = {self.min_matches}, min_percent = {self.min_percent})"
        )

    def check(self, schema: pa.Schema) -> None:
        """Accept any schema: every dataset has the column `text`."""

    def keep(self, schema: pa.Schema, cache: Path | None = None) -> Keep:  # noqa: ARG002 - as for other rules
        """Return the rule as a function for rows that have a column `text`.

        The index is read from the folder `cache`. Raises UsageError, with the next command, if it is not there;
        RecipeError if the file has another sha256 or is no index.
        """
        matcher = _matcher(self, cache)

        def keeps(batch: pa.RecordBatch) -> pa.BooleanArray:
            found = (matcher.best(text or "") for text in batch["text"].to_pylist())
            return pa.array([match is None or not match.is_copy for match in found], pa.bool_())

        return keeps


@lru_cache(maxsize=_MATCHERS)
def _matcher(rule: Decontaminated, cache: Path | None) -> Matcher:
    from finest.recipe.decontaminate.index import read_index
    from finest.recipe.decontaminate.match import Matcher
    from finest.recipe.decontaminate.place import cached_index

    if cache is None or not (path := cached_index(cache, rule.index_sha256)).is_file():
        raise UsageError(missing_index(rule, "DATASET"))
    return Matcher(read_index(path, rule.index_sha256)[0], rule.min_matches, rule.min_percent)


def missing_index(rule: Decontaminated, place: str) -> str:
    """Say that the index of a rule is not on this machine, and which command to type."""
    return (
        f"rows were left out by the evaluation index with the sha256 {rule.index_sha256}, which is not on this "
        f"machine; name its file: finest verify {place} --index FILE.decon (or build it again from the same sets: "
        "finest decontaminate build)"
    )
