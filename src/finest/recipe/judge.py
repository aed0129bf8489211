"""`judge(page, recipe)`: a pure function from a page to its verdict.

It knows no clock, no order and no network, so a miner, a validator and `finest why` get the same answer. The stages
(`finest.recipe.stages`) judge the page in their order; the first check that fails names the reason.
"""

from __future__ import annotations

import logging
import time
import traceback
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from finest.errors import FinestError
from finest.masking import one_line
from finest.recipe.check import Check
from finest.recipe.engines import ENGINES
from finest.recipe.failure import described, kind_of
from finest.recipe.reasons import JUDGE_ERROR, KEPT
from finest.recipe.stage import PageFailure
from finest.recipe.stages import READING, STAGES
from finest.recipe.state import PageState
from finest.recipe.toolbox import Toolbox, toolbox

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from finest.recipe.page import Page
    from finest.recipe.recipe import Recipe
    from finest.recipe.stage import Stage

__all__ = [
    "ENGINES", "KEPT", "READING", "STAGES", "Clock", "PageState", "Toolbox", "Trail", "Verdict", "explain", "judge",
    "toolbox",
]  # fmt: skip

_log = logging.getLogger(__name__)

Clock = dict[str, float]
"""CPU seconds by stage, added up over pages."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a page: kept with its text, or dropped with a named reason."""

    reason: str
    text: str | None = None
    """The row's text (PII replaced) where the page is kept."""
    token_count: int | None = None
    """GPT-2 tokens of the text before PII was replaced, as FineWeb counts them."""
    signature: NDArray[np.uint64] | None = None
    """MinHash signature (buckets, hashes) of a kept page; None where it has too few words for a shingle."""
    language: str | None = None
    language_score: float | None = None
    value: float | None = None
    """The statistic that decided a drop, beside its `limit`."""
    limit: float | None = None
    seen: str = ""
    """The text as the deciding stage saw it; empty before extraction."""
    payload_bytes: int = 0
    """Of the body with all codings undone; 0 where a page was dropped before."""
    error: str = ""
    """The exception that dropped the page: its type, stage, place in the code and message."""
    columns: tuple[tuple[str, str | int | float], ...] = ()
    """Names and values of the columns that stages add to the row of a kept page."""

    @property
    def kept(self) -> bool:
        return self.reason == KEPT


@dataclass(slots=True)
class Trail:
    """What became of a page, stage by stage, for `finest why`."""

    state: PageState
    failed: Check | None = None
    error: str = ""
    """The exception that dropped the page, as `Verdict.error`."""
    stages: dict[str, list[Check]] = field(default_factory=dict)
    """The checks of each stage."""


def judge(page: Page, recipe: Recipe, cache: Path, clock: Clock | None = None) -> Verdict:
    """The verdict of one page.

    Pure in (page, recipe); `cache` only says where the lists that are built once per machine lie, and `clock`, if
    given, is told the CPU seconds of each stage.
    """
    tools = toolbox(recipe, cache)
    state = PageState(page)
    before = time.process_time() if clock is not None else 0.0
    for stage in _stages(tools):
        failed, error = None, ""
        try:
            for check in stage.run(state, tools.rules[stage.section], tools):
                if check.failed:
                    failed = _expected(check, stage)
                    break
            if stage.columns and failed is None:
                stage.check_columns(state.columns)
        except _NOT_THE_PAGES:
            raise
        except Exception as exception:  # noqa: BLE001 - a page's border; the verdict names the error
            failed, error = _failure(exception, stage, page)
        if clock is not None:
            now = time.process_time()
            clock[stage.name] = clock.get(stage.name, 0.0) + now - before
            before = now
        if failed is not None:
            return _dropped(failed, state, error)
    return _kept(state, recipe)


def explain(page: Page, recipe: Recipe, cache: Path) -> tuple[Verdict, Trail]:
    """The verdict, and a trail with every statistic of every stage that has something to look at."""
    tools = toolbox(recipe, cache)
    trail = Trail(PageState(page, exact=True))
    for stage in _stages(tools):
        if stage.finishes:
            break
        checks, error = _all_checks(stage, trail.state, tools)
        trail.stages.setdefault(stage.name, []).extend(checks)
        failed = next((check for check in checks if check.failed), None)
        if failed and trail.failed is None:
            trail.failed, trail.error = failed, error
        if failed and (stage.ends or error):
            break
    verdict = judge(page, recipe, cache)
    trail.error = trail.error or verdict.error
    return verdict, trail


def _stages(tools: Toolbox) -> tuple[Stage[Any], ...]:
    """The recipe's stages in order: those of other packages between the filters and what completes a row."""
    if not tools.other_stages:
        return STAGES
    filters = tuple(stage for stage in STAGES if not stage.finishes)
    return (*filters, *tools.other_stages, *STAGES[len(filters) :])


def _all_checks(stage: Stage[Any], state: PageState, tools: Toolbox) -> tuple[list[Check], str]:
    """The checks of a stage, and the exception that ended it."""
    checks: list[Check] = []
    try:
        for check in stage.run(state, tools.rules[stage.section], tools):
            checks += (check,)
    except _NOT_THE_PAGES:
        raise
    except Exception as exception:  # noqa: BLE001 - a page's border; the verdict names the error
        failed, error = _failure(exception, stage, state.page)
        return [*checks, failed], error
    return checks, ""


_NOT_THE_PAGES = (FinestError, OSError, MemoryError, ImportError)
"""What a broken installation, a full disk or a machine short of memory raises: it says nothing about the page."""


def _expected(check: Check, stage: Stage[Any]) -> Check:
    if not stage.gives(check.reason):
        raise ValueError(f"stage {stage.name} gives a reason that it does not declare: {check.reason}")
    return check


_logged: set[str] = set()
"""The kinds of failure that this process has logged."""
_MAX_LOGGED = 1000


def _failure(exception: Exception, stage: Stage[Any], page: Page) -> tuple[Check, str]:
    """The drop that an exception makes of the page, and the exception in words; its kind is logged once a process."""
    reason = exception.reason if isinstance(exception, PageFailure) else JUDGE_ERROR
    cause = exception.__cause__ if isinstance(exception, PageFailure) and exception.__cause__ else exception
    kind, words = kind_of(cause, stage), described(cause, stage)
    if kind not in _logged and len(_logged) < _MAX_LOGGED:
        _logged.add(kind)
        frames = "".join(traceback.format_tb(cause.__traceback__))
        _log.warning("%s, first on page %s (%s)\n%s", words, one_line(page.id)[:100], reason, frames)
    return Check(reason, 1, 0, True), words


def _dropped(check: Check, state: PageState, error: str) -> Verdict:
    return Verdict(
        check.reason, language=state.language, language_score=state.language_score, value=check.value,
        limit=check.limit, seen=state.text, payload_bytes=len(state.response.body), error=error,
    )  # fmt: skip


def _kept(state: PageState, recipe: Recipe) -> Verdict:
    added = recipe.columns() if state.columns else ()
    return Verdict(
        KEPT,
        text=state.row_text,
        token_count=state.token_count,
        signature=state.signature,
        language=state.language,
        language_score=state.language_score,
        seen=state.text,
        payload_bytes=len(state.response.body),
        columns=tuple((column.name, column.checked(state.columns[column.name])) for column in added),
    )
