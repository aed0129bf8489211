"""Stage decontaminate: drops texts that hold an item of an evaluation set (`finest.recipe.decontaminate`).

It reads the row's text, in which PII is already replaced. So whoever has a dataset can check it again without a WARC.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pydantic import Field, model_validator

from finest.masking import one_line
from finest.recipe.check import Check
from finest.recipe.decontaminate import MIN_MATCHES, MIN_PERCENT
from finest.recipe.stage import Rules, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from finest.recipe.decontaminate.match import Match, Matcher
    from finest.recipe.state import PageState
    from finest.recipe.toolbox import Toolbox

REASON = "contaminated"
SUFFIX = ".decon"
_ON_HUB = re.compile(r"hf:[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}@[0-9a-f]{40}:[\w./-]{1,200}\.decon", re.ASCII)
SHOWN_CHARS = 160
"""Characters of the matched span that a verdict quotes."""


class DecontaminateRules(Rules):
    """Dropping of pages that hold an item of an evaluation set; docs/guides/decontaminate.md describes it.

    `index` is the path of an index file that `finest decontaminate build` made, or `hf:OWNER/NAME@REVISION:FILE` for
    one in a dataset repository; its sha256 must be `index_sha256`. An item is found where at least `min_matches` of
    its n-grams, and `min_percent` of all of its n-grams, stand in the text in their order, each at most 32 words after
    the one before. A relative path is relative to the recipe's file. The recipe's hash knows the index by its sha256.
    """

    enabled: bool = False
    index: str = Field(default="", max_length=4096)
    index_sha256: str = Field(default="", pattern=r"^([0-9a-f]{64})?$")
    min_matches: int = Field(default=MIN_MATCHES, ge=1, le=10_000, strict=True)
    min_percent: int = Field(default=MIN_PERCENT, ge=0, le=100, strict=True)

    @model_validator(mode="after")
    def _names_an_index(self) -> DecontaminateRules:
        if self.index and not (is_on_hub(self.index) or is_file(self.index)):
            raise ValueError(
                f"index is neither a *{SUFFIX} file nor hf:OWNER/NAME@REVISION:FILE{SUFFIX} with a revision of 40 hex "
                "digits"
            )
        if self.enabled and not (self.index and self.index_sha256):
            raise ValueError("index and index_sha256 are needed; make an index with: finest decontaminate build")
        return self


def is_on_hub(place: str) -> bool:
    """Return whether the place is a file of a repository on the Hub."""
    return _ON_HUB.fullmatch(place) is not None


def is_file(place: str) -> bool:
    """Return whether the place is the path of an index file."""
    return place.endswith(SUFFIX) and not place.startswith("hf:")


def described(match: Match, matcher: Matcher, text: str) -> str:
    """Return the set, the item and the span of a match, in one line."""
    data, index = text.encode("utf-8", "replace"), matcher.index
    start, end = (len(data[:at].decode()) for at in (match.start, match.end))
    quoted = one_line(text[start:end])
    quoted = quoted if len(quoted) <= SHOWN_CHARS else f"{quoted[:SHOWN_CHARS]}..."
    return (
        f"{index.set_name(match.item)}, record {index.item_numbers[match.item]}: {match.found} of "
        f'{index.item_ngrams[match.item]} n-grams, in characters {start} to {end} of the text: "{quoted}"'
    )


def _run(state: PageState, rules: DecontaminateRules, tools: Toolbox) -> Iterator[Check]:
    if not rules.enabled or state.row_text is None or tools.matcher is None:
        return
    found = tools.matcher.best(state.row_text)
    if found is None:
        yield Check(REASON, 0, rules.min_matches, False)
        return
    words = described(found, tools.matcher, state.row_text) if found.is_copy or state.exact else ""
    yield Check(REASON, found.found, found.needed, found.is_copy, words)


DECONTAMINATE = Stage(
    name="decontaminate", section="decontaminate", rules=DecontaminateRules, run=_run, needs=("row_text",),
    question="Does it hold an item of an evaluation set?", title="Decontamination",
    reasons={REASON: "The text holds an item of an evaluation set, or an edited copy of one."},
)  # fmt: skip
