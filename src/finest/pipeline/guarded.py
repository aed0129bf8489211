"""Judge pages in a child process within a page's limits, so that no page can end the process that asks."""

from __future__ import annotations

import multiprocessing
from typing import TYPE_CHECKING, Any

from finest.pipeline.guard import CPU_SIGNAL, PageGuard
from finest.process import leave_with_parent
from finest.recipe.extract import ExtractionLimit, bounded
from finest.recipe.extract.pieces import pieces_of
from finest.recipe.judge import ENGINES, PageState, Trail, Verdict, explain, judge, toolbox

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection
    from pathlib import Path

    from finest.recipe.extract.pieces import Piece
    from finest.recipe.page import Page
    from finest.recipe.recipe import Recipe

CRASHED = Verdict("extraction_crash", value=1, limit=0)
LIMITED = Verdict("extraction_limit", value=1, limit=0)
PAGE_CPU_FACTOR = 3
"""CPU time that all stages of a page together may take, as a multiple of the extraction's CPU limit."""


class GuardedJudge:
    """A context that judges pages one after another in a child process, under the limits that a run sets for a page.

    A page that exceeds a limit or crashes the child gets the verdict that a run gives it, and the next page gets a new
    child. An exception that is not the page's fault, such as a full disk, is raised here.
    """

    def __init__(self, recipe: Recipe, cache: Path) -> None:
        self._recipe, self._cache = recipe, cache
        self._process: Any = None
        self._connection: Connection

    def __enter__(self) -> GuardedJudge:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._connection.close()
            self._process.join()

    def judge(self, page: Page) -> Verdict:
        """Return the page's verdict, as `finest.recipe.judge.judge` does."""
        verdict: Verdict = self._ask(judge, page)
        return verdict

    def explain(self, page: Page) -> tuple[Verdict, Trail]:
        """Return the verdict and all checks; no checks if the page exceeded a limit or crashed the child."""
        answer: Verdict | tuple[Verdict, Trail] = self._ask(explain, page)
        return (answer, Trail(PageState(page))) if isinstance(answer, Verdict) else answer

    def pieces(self, page: Page) -> list[Piece]:
        """Return the pieces of the page's text with what became of them; none if the page exceeds a limit."""
        answer: Verdict | list[Piece] = self._ask(_pieces, page)
        return [] if isinstance(answer, Verdict) else answer

    def _ask(self, function: Callable[[Page, Recipe, Path], Any], page: Page) -> Any:
        if self._process is None:
            self._start()
        try:
            self._connection.send((function, page))
            answer = self._connection.recv()
        except (EOFError, OSError):
            self._process.join()
            verdict = LIMITED if self._process.exitcode == -CPU_SIGNAL else CRASHED
            self._process = None
            return verdict
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _start(self) -> None:
        toolbox(self._recipe, self._cache).load()  # here, so that each child shares what is loaded
        context = multiprocessing.get_context("fork")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, self._connection, self._recipe, self._cache))
        self._process.start()
        theirs.close()


def _pieces(page: Page, recipe: Recipe, cache: Path) -> list[Piece]:
    state = explain(page, recipe, cache)[1].state
    if not state.html:
        return []
    try:
        found = bounded(ENGINES[recipe.extraction.engine], state.html, recipe.extraction.cpu_limit_s) or ""
    except ExtractionLimit:
        return []
    return pieces_of(state.html, found, state.text, recipe)


def _serve(connection: Connection, parents: Connection, recipe: Recipe, cache: Path) -> None:
    """Judge each page received, until the parent closes its end."""
    parents.close()  # forked too: while this end is open here, the parent's closing would not be noticed
    leave_with_parent()
    guard = PageGuard(PAGE_CPU_FACTOR * recipe.extraction.cpu_limit_s)
    while True:
        try:
            function, page = connection.recv()
        except EOFError:
            return
        try:
            with guard:
                answer = function(page, recipe, cache)
        except Exception as error:  # noqa: BLE001 - raised in the parent
            answer = error
        connection.send(answer)
