"""Stage symbol_lines: replaces lines made only of certain symbols, as DataTrove's SymbolLinesFormatter does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from finest.recipe.stage import Rules, Stage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from finest.recipe.check import Check
    from finest.recipe.state import PageState
    from finest.recipe.toolbox import Toolbox


class SymbolLinesRules(Rules):
    """Replacement of lines that have only the characters in `symbols`, and spaces, by an empty line.

    FineWeb-2 does so with `|`, which is what is left of the tables of a page. Line ends become newlines, as in
    DataTrove's SymbolLinesFormatter. An empty string switches the stage off.
    """

    symbols: str = ""


def without_symbol_lines(text: str, symbols: str) -> str:
    """Return `text` with each run of lines made only of `symbols` and spaces replaced by an empty line.

    It equals `SymbolLinesFormatter(list(symbols), replace_char="\\n").format(text)`: the replacement is a line that
    holds a newline, so it takes two line ends.
    """
    allowed = frozenset(symbols + " ")
    lines: list[str] = []
    in_run = False
    for line in text.splitlines():
        is_symbols = allowed.issuperset(line) and line.strip() != ""
        if not is_symbols:
            lines.append(line)
        elif not in_run:
            lines.append("\n")
        in_run = is_symbols
    return "\n".join(lines)


def _run(state: PageState, rules: SymbolLinesRules, _: Toolbox) -> Iterable[Check]:
    if rules.symbols and state.row_text is not None:
        state.row_text = without_symbol_lines(state.row_text, rules.symbols)
    return ()


SYMBOL_LINES = Stage(
    name="symbol_lines", section="symbol_lines", rules=SymbolLinesRules, run=_run, needs=("row_text",),
    provides=("row_text",), title="Symbol lines",
)  # fmt: skip
