"""Stage PII: replaces e-mail and public IP addresses in the text (`finest.recipe.pii`); it drops no page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from finest.recipe.stage import Rules, Stage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from finest.recipe.check import Check
    from finest.recipe.state import PageState
    from finest.recipe.toolbox import Toolbox


class PiiRules(Rules):
    """Replacement of e-mail addresses and public IP addresses.

    It works like DataTrove's PIIFormatter, except that its list of replacements restarts on every page.
    """

    emails: bool = True
    ips: bool = True


def _run(state: PageState, rules: PiiRules, _: Toolbox) -> Iterable[Check]:
    from finest.recipe.pii import redact

    state.row_text = redact(state.text, rules)
    return ()


PII = Stage(
    name="pii", section="pii", rules=PiiRules, run=_run, needs=("text",), provides=("row_text",), title="PII",
)  # fmt: skip
