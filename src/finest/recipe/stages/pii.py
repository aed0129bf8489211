"""PII: e-mail and public IP addresses in the text are replaced (`finest.recipe.pii`). No page is dropped for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from finest.recipe.stage import Rules, Stage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from finest.recipe.check import Check
    from finest.recipe.state import PageState
    from finest.recipe.toolbox import Toolbox


class PiiRules(Rules):
    """E-mail addresses and public IP addresses are replaced, as DataTrove's PIIFormatter does, page by page."""

    emails: bool = True
    ips: bool = True


def _run(state: PageState, rules: PiiRules, _: Toolbox) -> Iterable[Check]:
    from finest.recipe.pii import redact

    state.row_text = redact(state.text, rules)
    return ()


PII = Stage(
    name="pii", section="pii", rules=PiiRules, run=_run, needs=("text",), provides=("row_text",), title="PII",
    finishes=True,
)  # fmt: skip
