"""The description of a recipe's stage: its name, settings and reasons, and the fields that it reads and sets.

`finest.recipe.stages.STAGES` lists the stages of every recipe in the order in which they judge a page. The closed list
of reasons, the sections of a recipe, docs/reference/reasons.md and the funnel of a report are derived from that list.
Other packages add a stage with an entry point of the group `finest.stages` (docs/guides/add-a-stage.md).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict

from finest.recipe.column import Column

if TYPE_CHECKING:
    from finest.recipe.check import Check
    from finest.recipe.state import PageState
    from finest.recipe.toolbox import Toolbox


__all__ = ["Column", "Family", "PageFailure", "Rules", "Stage"]


class Rules(BaseModel):
    """The settings of a stage: one section of a recipe. An unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Family(NamedTuple):
    """Reasons that differ only in a number that the recipe sets, such as the size of an n-gram."""

    pattern: re.Pattern[str]
    explanation: str
    """The explanation, with `{}` in place of the number."""
    usual: tuple[str, ...]
    """Names of the reasons that the shipped recipes use."""


class PageFailure(Exception):
    """A failure of a stage on a page, which drops the page with `reason`; `__cause__` is the original exception.

    Any other exception that leaves a stage drops the page with the reason `judge_error`.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


R = TypeVar("R", bound=Rules)


@dataclass(frozen=True, slots=True)
class Stage(Generic[R]):
    """One step in judging a page.

    `run(state, rules, tools)` yields the checks of the page in the order in which they decide; the first check that
    fails drops the page. It reads only the fields of `state` in `needs` and sets only those in `provides`. Its result
    depends only on the page and the rules: not on a clock, the network or earlier pages.
    """

    name: str
    """The stage's name in reports and in docs/reference/reasons.md. Several steps may share it: `payload` has three."""
    section: str
    """The recipe's section with the rules; empty for a step without settings."""
    rules: type[R]
    run: Callable[[PageState, R, Toolbox], Iterable[Check]]
    question: str = ""
    """The question that the stage answers, for reports; empty for a step without reasons."""
    title: str = ""
    """The stage's heading in reports; if empty, the capitalized name is used."""
    reasons: Mapping[str, str] = field(default_factory=dict)
    """Explanations of the reasons by name, each one line for readers who do not program."""
    families: tuple[Family, ...] = ()
    needs: tuple[str, ...] = ()
    """Fields of PageState that `run` reads."""
    provides: tuple[str, ...] = ()
    """Fields of PageState that `run` sets."""
    columns: tuple[Column, ...] = ()
    """Columns that `run` sets: `state.columns[name] = value`."""
    columns_of: Callable[[R], tuple[Column, ...]] | None = None
    """Returns the columns, if they depend on the rules; `columns` is then not used."""
    ends: bool = False
    """Whether later stages have nothing to examine once this stage drops a page."""
    finishes: bool = False
    """Whether the stage only completes the row of a page that passed all filters."""

    def gives(self, reason: str) -> bool:
        """Return whether the stage declares `reason`."""
        return reason in self.reasons or any(family.pattern.fullmatch(reason) for family in self.families)

    def adds(self, rules: R) -> tuple[Column, ...]:
        """Return the columns that the stage adds under these rules."""
        return self.columns if self.columns_of is None else self.columns_of(rules)

    def check_columns(self, values: Mapping[str, Any], rules: R) -> None:
        """Raise ValueError if the stage left a column unset or set a value that the column cannot hold."""
        for column in self.adds(rules):
            if column.name not in values:
                raise ValueError(f"stage {self.name} set no value for its column {column.name}")
            column.checked(values[column.name])
