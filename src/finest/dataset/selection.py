"""A selection: the rule by which rows were left out of a dataset, and the dataset that they were left out of.

A selected dataset keeps its rows' bytes and hashes, and the verdicts of all pages; the pages that the rule leaves out
have the rule's reason instead of `kept`. So three parties can check it: who has the dataset knows that each row
satisfies the rule; who has the parent recomputes which rows do; and who has only the WARCs judges a page that was left
out again and finds that the rule does not hold for its row.

A rule is an expression over the columns (`Rule`), or that the text holds no evaluation item, which is checked with an
index file (`finest.dataset.decontaminated`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from finest.dataset.decontaminated import Decontaminated
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

    needs_index: ClassVar[bool] = False
    """Whether `keep` reads an evaluation index."""
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

    def check(self, schema: pa.Schema) -> None:
        """Raise WhereError if the rule does not fit rows of this schema."""
        _bound(self.where, schema)

    def keep(self, schema: pa.Schema, cache: Path | None = None) -> Keep:  # noqa: ARG002 - as for other rules
        """Return the rule as a function for rows of this schema; raises WhereError if it does not fit the schema."""
        return _bound(self.where, schema).mask


@lru_cache(maxsize=MAX_SELECTIONS)
def _bound(where: str, schema: pa.Schema) -> Where:
    """Bind an expression; remembered, because rules are applied to one batch after another."""
    return bind(parse(where), schema)


AnyRule = Rule | Decontaminated


def _kind(rule: object) -> object:
    """Return the kind of a rule in a manifest; one without a kind is an expression."""
    return rule.get("kind", "where") if isinstance(rule, dict) else getattr(rule, "kind", None)


_PLACE = r"^[A-Za-z0-9._-]+/[A-Za-z0-9._-]+@[0-9a-f]{40}(/tasks/[A-Za-z0-9_-]{1,40})?$"


class Selection(_Model):
    """One step that left rows out: the rule, and the dataset before it, its parent."""

    rule: Annotated[
        Annotated[Rule, Tag("where")] | Annotated[Decontaminated, Tag("decontaminated")], Discriminator(_kind)
    ]
    parent_root: str = Field(pattern=r"^[0-9a-f]{64}$")
    """Merkle root of the parent, over all of its rows."""
    parent_rows: Annotated[int, Field(ge=0, lt=2**63)]
    parent: str | None = Field(default=None, max_length=300, pattern=_PLACE)
    """Where the parent is: `OWNER/NAME@REVISION`, or a task's folder in it; None for one that was not read from the
    Hub."""


def unsatisfied(
    batch: pa.RecordBatch, rules: Sequence[AnyRule], cache: Path | None = None
) -> tuple[str, AnyRule] | None:  # fmt: skip
    """Return the id of a batch's first row that should not have stayed, and the rule; None if all satisfy all rules.

    Indexes that rules need are read from the folder `cache`; raises UsageError if one is not there.
    """
    for rule in rules:
        stays = rule.keep(batch.schema, cache)(batch)
        if (at := pc.index(stays, False).as_py()) >= 0:
            return str(batch["id"][at]), rule
    return None


def check_selections(selections: Sequence[Selection], rows: int, reasons: dict[str, int], schema: pa.Schema) -> None:
    """Raise ValueError if selections contradict each other, the rows, the reasons' counts or the columns."""
    left_out: dict[str, int] = {NOT_SELECTED: 0}
    after = [*(selection.parent_rows for selection in selections), rows][1:]
    for selection, remaining in zip(selections, after, strict=True):
        try:
            selection.rule.check(schema)
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
