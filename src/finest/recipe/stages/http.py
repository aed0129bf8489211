"""Stage HTTP: drops responses whose status is not that of a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from finest.recipe.check import Check
from finest.recipe.stage import Stage
from finest.recipe.stages.payload import PayloadRules

if TYPE_CHECKING:
    from collections.abc import Iterator

    from finest.recipe.state import PageState
    from finest.recipe.toolbox import Toolbox


def _run(state: PageState, rules: PayloadRules, _: Toolbox) -> Iterator[Check]:
    from finest.recipe.payload.response import is_wanted_status, read_message

    message = state.message = read_message(state.page, rules)
    status = message.status
    if rules.statuses:
        highest = max(int(wanted.replace("x", "9")) for wanted in rules.statuses)
        yield Check("http_status", status or 0, highest, not is_wanted_status(status, rules))


HTTP = Stage(
    name="http", section="payload", rules=PayloadRules, run=_run, needs=("page",), provides=("message",), title="HTTP",
    question="Did the server answer with a page?",
    reasons={"http_status": "The server answered with an error or a redirect, not with a page."},
)  # fmt: skip
