"""The closed list of the reasons that a verdict can have, with their stages in order and a one-line explanation each.

The list is derived from the stages (`finest.recipe.stages`); a recipe with stages of other packages also has their
reasons (`reasons_of`). A reason is named `<stage>_<test>`, except `duplicate`, `not_selected` and `kept`. Recipes may
use other n-gram sizes than FineWeb's, so the n-gram reasons are a family: `repetition_top_7_gram` is valid although the
table does not list it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from finest.recipe.installed import Origin, origins
from finest.recipe.stages import ORDERS, Order
from finest.recipe.stages.decontaminate import DECONTAMINATE
from finest.recipe.stages.dedup import DEDUP, DUPLICATE
from finest.recipe.stages.quality_model import QUALITY_MODEL

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from finest.recipe.stage import Family

__all__ = [
    "DUPLICATE",
    "FAILURES",
    "KEPT",
    "NOT_SELECTED",
    "REASONS",
    "STAGES",
    "Reason",
    "Reasons",
    "reason",
    "reasons_of",
    "stage_of",
]

KEPT = "kept"
JUDGE_ERROR = "judge_error"
NOT_SELECTED = "not_selected"
"""The reason of a page that the recipe keeps and a selection leaves out (finest.dataset.selection). Like `duplicate`,
no stage gives it: it is assigned when the dataset is assembled, or when a subset of it is written."""
SELECTION = "selection"
FAILURES: frozenset[str] = frozenset({"extraction_error", "extraction_limit", "extraction_crash", JUDGE_ERROR})
"""Reasons that report a failure of the refinery on a page, not a bad page. A run with many of them stops."""


UNASKED: frozenset[str] = frozenset({SELECTION, DECONTAMINATE.name})
"""Stages that only some datasets have; reports name them only where they left pages out."""


class Reason(NamedTuple):
    """A reason's name, its stage, and a one-line explanation for readers who do not program."""

    name: str
    stage: str
    explanation: str


class Reasons:
    """The closed list of a recipe's reasons."""

    def __init__(self, others: Mapping[str, Origin], order: str = "fineweb") -> None:
        self.stages: dict[str, str] = {}
        """The question of each stage, in the order in which the stages decide."""
        self.titles: dict[str, str] = {}
        """The heading of each stage in reports."""
        self.table: dict[str, Reason] = {}
        """Every reason of the shipped recipes and of the added stages by name, in the order of the stages."""
        self._families: list[tuple[str, Family]] = []
        for name, question, title, reasons, families in _groups(others, ORDERS[order]):
            self.stages.setdefault(name, question)
            self.titles.setdefault(name, title or name.capitalize())
            self.table |= {reason: Reason(reason, name, text) for reason, text in reasons.items()}
            for family in families:
                self._families.append((name, family))
                self.table |= {usual: self.reason(usual) for usual in family.usual}
        places = {stage: place for place, stage in enumerate(self.stages)}
        self.table = dict(sorted(self.table.items(), key=lambda item: places[item[1].stage]))

    def reason(self, name: str) -> Reason:
        """Return the reason of that name; raise ValueError if neither the list nor its families have it."""
        found = self.table.get(name)
        if found is not None:
            return found
        for stage, family in self._families:
            if match := family.pattern.fullmatch(name):
                return Reason(name, stage, family.explanation.format(match[1]))
        raise ValueError(f"no reason is called {name!r}")

    def stage_of(self, name: str) -> str:
        """Return the stage of the reason of that name; raise ValueError for an unknown reason."""
        return self.reason(name).stage


_Group = tuple[str, str, str, "Mapping[str, str]", "Iterable[Family]"]


def _groups(others: Mapping[str, Origin], order: Order) -> Iterator[_Group]:
    """Yield the name, question, title, reasons and families of each stage, in the order of reports."""
    for stage in order.filters:
        if stage.question:
            yield stage.name, stage.question, stage.title, stage.reasons, stage.families
    for section, origin in sorted(others.items()):
        yield section, origin.question or f"Does it pass {section}?", "", origin.reasons, ()
    for stage in (QUALITY_MODEL, DECONTAMINATE):
        yield stage.name, stage.question, stage.title, stage.reasons, ()
    failed = {JUDGE_ERROR: "A stage other than extraction failed on the page."}
    yield "judge", "Could the page be judged at all?", "Errors", failed, ()
    if not order.dedup_first:
        yield DEDUP.name, DEDUP.question, DEDUP.title, DEDUP.reasons, ()
    left_out = {NOT_SELECTED: "The recipe keeps the page, and the dataset's selection leaves its row out."}
    yield SELECTION, "Does its row satisfy the selection?", "Selection", left_out, ()
    yield KEPT, "In the dataset.", "", {KEPT: "In the dataset."}, ()


_BUILT_IN = Reasons({})
STAGES: dict[str, str] = _BUILT_IN.stages
"""The question of each stage of the shipped recipes, in the order in which the stages decide."""
REASONS: dict[str, Reason] = _BUILT_IN.table
"""Every reason of the shipped recipes by name, in the order of the stages."""


def reasons_of(resolved: dict[str, Any]) -> Reasons:
    """Return the reasons of a recipe in its resolved form; raise ValueError if its added stages are malformed."""
    others, order = origins(resolved), resolved.get("order", "fineweb")
    if order not in ORDERS:
        raise ValueError(f"the recipe has an order of stages that this version does not know: {str(order)[:40]!r}")
    return Reasons(others, order) if others or order != "fineweb" else _BUILT_IN


def reason(name: str) -> Reason:
    """Return the shipped recipes' reason of that name; raise ValueError for an unknown reason."""
    return _BUILT_IN.reason(name)


def stage_of(name: str) -> str:
    """Return the stage (a key of STAGES) of the reason of that name; raise ValueError for an unknown reason."""
    return _BUILT_IN.stage_of(name)
