"""Stage URL: drops pages whose address is on a block list (`finest.recipe.url`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from finest.recipe.stage import Rules, Stage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from finest.recipe.check import Check
    from finest.recipe.state import PageState
    from finest.recipe.toolbox import Toolbox


class UrlRules(Rules):
    """DataTrove's URLFilter with its integrated UT1 block lists, as FineWeb runs it.

    A page is dropped if its URL contains at least `soft_word_threshold` words of the list of suspicious words.
    """

    enabled: bool = True
    soft_word_threshold: int = 2


def _run(state: PageState, rules: UrlRules, tools: Toolbox) -> Iterable[Check]:
    from finest.recipe.url import check_url

    check = check_url(state.page.url, tools.url_lists, rules) if rules.enabled else None
    return (check,) if check else ()


URL = Stage(
    name="url", section="url", rules=UrlRules, run=_run, needs=("page",), title="URL",
    question="Is the address on a block list?",
    reasons={
        "url_domain": "The domain is on a block list.",
        "url_subdomain": "The subdomain is on a block list.",
        "url_url": "The exact address is on a block list.",
        "url_hard_blacklisted": "The address holds a word that is never allowed.",
        "url_soft_blacklisted": "The address holds several suspicious words.",
        "url_blacklisted_subword": "A forbidden word is hidden inside a word of the address.",
    },
)  # fmt: skip
