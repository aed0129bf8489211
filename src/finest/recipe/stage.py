"""A stage of a recipe as a value: its name, its settings, the reasons that it gives, what it reads and what it sets.

`finest.recipe.stages.STAGES` lists the stages of every recipe in the order in which they judge a page. The closed list
of reasons, the sections of a recipe, docs/reference/reasons.md and the funnel of a report follow from that list. A
package adds a stage of its own by an entry point of the group `finest.stages` (docs/guides/add-a-stage.md).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Literal, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from finest.recipe.check import Check
    from finest.recipe.state import PageState
    from finest.recipe.toolbox import Toolbox


class Rules(BaseModel):
    """The settings of a stage: one section of a recipe. An unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Column(NamedTuple):
    """A column that a stage adds to each row of a dataset; the row's hash covers it."""

    name: str
    type: Literal["string", "int64", "float64"]
    """The Arrow type. No value may be missing, and no number may be NaN."""
    doc: str
    """What the column says, in one line: the dataset card prints it."""

    def checked(self, value: object) -> str | int | float:
        """`value` as the row stores it; raises ValueError where the column cannot hold it."""
        if self.type == "string" and isinstance(value, str):
            value.encode()  # raises UnicodeEncodeError, a ValueError, for a lone surrogate
            return value
        if self.type == "int64" and type(value) is int and -(2**63) <= value < 2**63:
            return value
        if self.type == "float64" and type(value) in (int, float) and not math.isnan(value):  # type: ignore[arg-type]
            return float(value)  # type: ignore[arg-type]
        raise ValueError(f"column {self.name} of type {self.type} cannot hold a value of type {type(value).__name__}")


class Family(NamedTuple):
    """Reasons that differ by a number which the recipe chooses, such as the size of an n-gram."""

    pattern: re.Pattern[str]
    explanation: str
    """With `{}` where the number stands."""
    usual: tuple[str, ...]
    """The names that the shipped recipes give."""


class PageFailure(Exception):
    """A stage could not finish with a page for the exception that is this one's cause; the page is dropped as `reason`.

    An exception that a stage does not catch drops the page as `judge_error`.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


R = TypeVar("R", bound=Rules)


@dataclass(frozen=True, slots=True)
class Stage(Generic[R]):
    """One step of the judging of a page.

    `run(state, rules, tools)` yields the checks of the page in the order in which they decide; the first check that
    fails drops the page. It reads the fields of `state` that `needs` names, sets those that `provides` names, and
    touches no others. Its answer depends on the page and the rules alone: no clock, no network, no earlier page.
    """

    name: str
    """The stage in reports and in docs/reference/reasons.md. Several steps may belong to one: `payload` has three."""
    section: str
    """The recipe's section that holds the rules; empty for a step without settings."""
    rules: type[R]
    run: Callable[[PageState, R, Toolbox], Iterable[Check]]
    question: str = ""
    """The question that the stage answers, as reports print it; empty for a step that gives no reasons."""
    title: str = ""
    """A heading for reports; the name, capitalized, where it is empty."""
    reasons: Mapping[str, str] = field(default_factory=dict)
    """What each reason means, in one line for a reader who knows no code."""
    families: tuple[Family, ...] = ()
    needs: tuple[str, ...] = ()
    """Fields of PageState that `run` reads."""
    provides: tuple[str, ...] = ()
    """Fields of PageState that `run` sets."""
    columns: tuple[Column, ...] = ()
    """Columns that `run` fills: `state.columns[name] = value`."""
    ends: bool = False
    """Whether a page that this stage drops has nothing left that a later stage could look at."""
    finishes: bool = False
    """Whether the stage only completes the row of a page that passed all filters."""

    def gives(self, reason: str) -> bool:
        """Whether the stage may drop a page for that reason."""
        return reason in self.reasons or any(family.pattern.fullmatch(reason) for family in self.families)

    def check_columns(self, values: Mapping[str, Any]) -> None:
        """Raises ValueError where the stage left a column empty, or filled it with what it cannot hold."""
        for column in self.columns:
            if column.name not in values:
                raise ValueError(f"stage {self.name} set no value for its column {column.name}")
            column.checked(values[column.name])
