"""Stage tokens: counts the GPT-2 tokens of the text before PII is replaced (`finest.recipe.tokens`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from finest.recipe.stage import Rules, Stage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from finest.recipe.check import Check
    from finest.recipe.state import PageState
    from finest.recipe.toolbox import Toolbox


def _run(state: PageState, _: Rules, tools: Toolbox) -> Iterable[Check]:
    state.token_count = tools.token_counter.count(state.text)
    return ()


TOKENS = Stage(
    name="tokens", section="", rules=Rules, run=_run, needs=("text",), provides=("token_count",), finishes=True
)
