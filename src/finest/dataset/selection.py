"""A selection: the rule by which rows were left out of a dataset, and the dataset that they were left out of.

A selected dataset keeps its rows' bytes and hashes, and the verdicts of all pages; the pages that the rule leaves out
have the rule's reason instead of `kept`. So three parties can check it: who has the dataset knows that each row
satisfies the rule; who has the parent recomputes which rows do; and who has only the WARCs judges a page that was left
out again and finds that the rule does not hold for its row.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Literal

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field, model_validator

from finest.errors import WhereError
from finest.recipe.reasons import NOT_SELECTED
from finest.where import MAX_CHARS, bind, parse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from finest.where import Where

Keep = Callable[[pa.RecordBatch], pa.BooleanArray]
"""Returns for each row of a batch (with all columns of the dataset) whether it stays; no value is null."""
MAX_SELECTIONS = 16
"""Selections after each other that a dataset may record."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Rule(_Model):
    """What decides whether a row stays. Whoever has the rule and a row gets the same answer."""

    kind: Literal["where"] = "where"
    where: str = Field(default="", max_length=MAX_CHARS)
    """The expression (`finest.where`) that is true for the rows that stay."""

    @model_validator(mode="after")
    def _is_readable(self) -> Rule:
        try:
            parse(self.where)
        except WhereError as error:
            raise ValueError(str(error)) from error
        return self

    @property
    def reason(self) -> str:
        """The reason of the pages that the rule leaves out."""
        return NOT_SELECTED

    def __str__(self) -> str:
        return self.where

    def columns(self, schema: pa.Schema) -> list[str]:
        """Return the columns of the schema that `keep` reads."""
        return list(_bound(self.where, schema).columns)

    def keep(self, schema: pa.Schema) -> Keep:
        """Return the rule as a function for rows of this schema; raises WhereError if it does not fit the schema."""
        return _bound(self.where, schema).mask


@lru_cache(maxsize=MAX_SELECTIONS)
def _bound(where: str, schema: pa.Schema) -> Where:
    """Bind an expression; remembered, because rules are applied to one batch after another."""
    return bind(parse(where), schema)


class Selection(_Model):
    """One step that left rows out: the rule, and the dataset before it, its parent."""

    rule: Rule
    parent_root: str = Field(pattern=r"^[0-9a-f]{64}$")
    """Merkle root of the parent, over all of its rows."""
    parent_rows: Annotated[int, Field(ge=0, lt=2**63)]
    parent: str | None = Field(default=None, max_length=250, pattern=r"^[A-Za-z0-9._-]+/[A-Za-z0-9._-]+@[0-9a-f]{40}$")
    """Where the parent is: `OWNER/NAME@REVISION`; None for one that was not read from the Hub."""


def unsatisfied(batch: pa.RecordBatch, rules: Sequence[Rule]) -> tuple[str, Rule] | None:
    """Return the id of a batch's first row that should not have stayed, and the rule; None if all satisfy all rules."""
    for rule in rules:
        stays = rule.keep(batch.schema)(batch)
        if (at := pc.index(stays, False).as_py()) >= 0:
            return str(batch["id"][at]), rule
    return None


def check_selections(selections: Sequence[Selection], rows: int, reasons: dict[str, int], schema: pa.Schema) -> None:
    """Raise ValueError if selections contradict each other, the rows, the reasons' counts or the columns."""
    left_out: dict[str, int] = {NOT_SELECTED: 0}
    after = [*(selection.parent_rows for selection in selections), rows][1:]
    for selection, remaining in zip(selections, after, strict=True):
        try:
            selection.rule.keep(schema)
        except WhereError as error:
            raise ValueError(str(error)) from error
        if remaining > selection.parent_rows:
            raise ValueError(f"a selection of {selection.parent_rows} rows left {remaining}")
        name = selection.rule.reason
        left_out[name] = left_out.get(name, 0) + selection.parent_rows - remaining
    for name, count in left_out.items():
        stated = reasons.get(name, 0)
        if stated < count or (name == NOT_SELECTED and stated != count):
            raise ValueError(f"reasons count {stated} pages as {name}, the selections left out {count}")
