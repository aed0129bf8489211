"""Judge a page by a recipe: `judge(page, recipe, cache)` is a pure function from a page to its verdict.

The verdict does not depend on time, on other pages or on the network, so a miner, a validator and `finest why` get the
same one. The stages (`finest.recipe.stages`) run in order; the first check that fails gives the reason of the drop.
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
from finest.recipe.stages.extraction import EXTRACTION
from finest.recipe.stages.language import LANGUAGE
from finest.recipe.state import PageState
from finest.recipe.toolbox import Toolbox, toolbox

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from finest.recipe.page import Page
    from finest.recipe.recipe import Recipe
    from finest.recipe.stage import Rules, Stage

__all__ = [
    "ENGINES", "KEPT", "READING", "STAGES", "Clock", "PageState", "Toolbox", "Trail", "Verdict", "explain", "judge",
    "toolbox",
]  # fmt: skip

_log = logging.getLogger(__name__)

Clock = dict[str, float]
"""CPU seconds by stage, summed over pages."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of judging a page: kept with its text, or dropped with a named reason."""

    reason: str
    text: str | None = None
    """The row's text, with PII replaced; None if the page is dropped."""
    token_count: int | None = None
    """GPT-2 tokens of the text before PII was replaced, as FineWeb counts them."""
    signature: NDArray[np.uint64] | None = None
    """MinHash signature, shape (buckets, hashes); None if the text has too few words for a shingle.

    A dropped page has one only if the recipe deduplicates before the filters, and the page came that far.
    """
    language: str | None = None
    language_score: float | None = None
    value: float | None = None
    """The statistic that failed its check, in the same unit as `limit`; None for a kept page."""
    limit: float | None = None
    seen: str = ""
    """The text after the deciding stage; empty before extraction."""
    payload_bytes: int = 0
    """Size of the body with all codings undone; 0 if the page was dropped before that."""
    error: str = ""
    """The cause of the drop, in words: the exception with its type, stage, location in the code and message, or the
    detail of the check that failed."""
    columns: tuple[tuple[str, str | int | float], ...] = ()
    """Names and values of the columns that stages add to the row of a kept page."""

    @property
    def kept(self) -> bool:
        return self.reason == KEPT

    @property
    def may_be_duplicate(self) -> bool:
        """Whether the page is compared with others: it is kept, or its recipe deduplicates before the filters."""
        return self.kept or self.signature is not None


@dataclass(slots=True)
class Trail:
    """The checks of a page, stage by stage, for `finest why`."""

    state: PageState
    failed: Check | None = None
    error: str = ""
    """The exception that dropped the page, in the form of `Verdict.error`."""
    stages: dict[str, list[Check]] = field(default_factory=dict)
    """The checks of each stage."""


def judge(page: Page, recipe: Recipe, cache: Path, clock: Clock | None = None) -> Verdict:
    """Return the verdict of one page.

    The verdict depends only on `page` and `recipe`. `cache` is the folder of the files that are built once per machine.
    If `clock` is given, the CPU seconds of each stage are added to it.
    """
    state, tools = PageState(page), toolbox(recipe, cache)
    verdict = _judged(state, tools, tools.stages, clock)
    if not verdict.kept and state.second is not None and verdict.reason not in LANGUAGE.reasons:
        second = _judged(state.with_second(), tools, tools.second_stages, clock)
        return second if second.kept else verdict
    return verdict


def _judged(state: PageState, tools: Toolbox, stages: Sequence[Stage[Any]], clock: Clock | None) -> Verdict:
    """Return the verdict of the stages."""
    before = time.thread_time() if clock is not None else 0.0
    rules = tools.rules
    for stage in stages:
        failed, error = None, ""
        try:
            for check in stage.run(state, rules[stage.section], tools):
                if check.failed:
                    failed, error = _expected(check, stage), check.detail
                    break
            if failed is None:
                stage.check_columns(state.columns, rules[stage.section])
        except _NOT_THE_PAGES:
            raise
        except Exception as exception:  # noqa: BLE001 - a page's border; the verdict names the error
            failed, error = _failure(exception, stage, state.page)
        if clock is not None:
            now = time.thread_time()
            clock[stage.name] = clock.get(stage.name, 0.0) + now - before
            before = now
        if failed is not None:
            return _dropped(failed, state, error)
        if stage is LANGUAGE:
            rules = tools.rules_for(state.language)
    return _kept(state, tools)


def explain(page: Page, recipe: Recipe, cache: Path) -> tuple[Verdict, Trail]:
    """Return the verdict, and a trail with all checks of every stage that can run on the page.

    If the text of the recipe's second extractor is kept, the trail is that text's.
    """
    tools = toolbox(recipe, cache)
    trail = Trail(PageState(page, exact=True))
    _follow(trail, tools)
    verdict = judge(page, recipe, cache)
    if trail.state.second is not None and trail.failed and verdict.kept:
        read = {stage.name: trail.stages[stage.name] for stage in tools.stages[: tools.stages.index(EXTRACTION) + 1]}
        trail = Trail(trail.state.with_second(), stages=read)
        _follow(trail, tools, after=EXTRACTION)
    trail.error = trail.error or verdict.error
    return verdict, trail


def _follow(trail: Trail, tools: Toolbox, after: Stage[Any] | None = None) -> None:
    """Add the checks of the stages to the trail, or of those after one of them."""
    rules = tools.rules
    for stage in tools.stages[0 if after is None else tools.stages.index(after) + 1 :]:
        if stage.finishes:
            continue
        checks, error = _all_checks(stage, trail.state, rules[stage.section], tools)
        trail.stages.setdefault(stage.name, []).extend(checks)
        failed = next((check for check in checks if check.failed), None)
        if failed and trail.failed is None:
            trail.failed, trail.error = failed, error
        if failed and (stage.ends or error or (stage is LANGUAGE and tools.recipe.language.table)):
            break
        if stage is LANGUAGE:
            rules = tools.rules_for(trail.state.language)


def _all_checks(stage: Stage[Any], state: PageState, rules: Rules, tools: Toolbox) -> tuple[list[Check], str]:
    """Return all checks of a stage, and a description of the exception that ended it, or ""."""
    checks: list[Check] = []
    try:
        for check in stage.run(state, rules, tools):
            checks += (check,)
    except _NOT_THE_PAGES:
        raise
    except Exception as exception:  # noqa: BLE001 - a page's border; the verdict names the error
        failed, error = _failure(exception, stage, state.page)
        return [*checks, failed], error
    return checks, ""


_NOT_THE_PAGES = (FinestError, OSError, MemoryError, ImportError)
"""Exceptions that are not the page's fault: a broken installation, a full disk, not enough memory."""


def _expected(check: Check, stage: Stage[Any]) -> Check:
    if not stage.gives(check.reason):
        raise ValueError(f"stage {stage.name} gives a reason that it does not declare: {check.reason}")
    return check


_logged: set[str] = set()
"""Kinds of failure that this process has already logged."""
_MAX_LOGGED = 1000


def _failure(exception: Exception, stage: Stage[Any], page: Page) -> tuple[Check, str]:
    """Return the failed check for an exception, and its description; log each kind of exception once per process."""
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
        signature=state.signature,
    )  # fmt: skip


def _kept(state: PageState, tools: Toolbox) -> Verdict:
    added = tools.columns if state.columns else ()
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
