"""C4's line and page rules (JMLR 21/20-074) without the terminal punctuation rule, as FineWeb runs them."""

from __future__ import annotations

import re
import sys
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from finest.recipe.check import Check
from finest.recipe.words import Tokenizer

if TYPE_CHECKING:
    from finest.recipe.recipe import C4Rules

LOREM_IPSUM, CURLY_BRACKET, TOO_FEW_SENTENCES = "c4_lorem_ipsum", "c4_curly_bracket", "c4_too_few_sentences"
_CITATION = re.compile(r"\[\d*]|\[edit]|\[citation needed]")
POLICY_SUBSTRINGS = (
    "terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies",
)  # fmt: skip
"""Phrases that drop a line. Both are those of DataTrove's C4QualityFilter, whose module imports the Hub's client."""


@dataclass(frozen=True, slots=True)
class Cleaned:
    """The result of C4's rules on a page."""

    checks: list[Check]
    """The checks in the order in which they decide; without `exact`, the list ends with the first failed check."""
    text: str | None
    """The kept lines; None if the page is dropped."""
    dropped_lines: dict[str, int]
    """Number of dropped lines by reason: too_long_word, too_few_words, javascript, policy."""


def clean(text: str, tokenizer: Tokenizer, rules: C4Rules, *, exact: bool = False) -> Cleaned:
    """Drop lines and pages as DataTrove's C4QualityFilter does.

    Without `exact`, the sentence count stops at the recipe's minimum.
    """
    cleaning = _Cleaning(text, tokenizer, rules, exact)
    for line in text.splitlines():
        cleaning.take(line.strip())
        if cleaning.hits and not exact:
            break
    checks = cleaning.checks()
    kept = None if any(check.failed for check in checks) else "\n".join(cleaning.kept).strip()
    return Cleaned(checks, kept, dict(cleaning.dropped))


class _Cleaning:
    """The state of one page while the rules process it line by line."""

    def __init__(self, text: str, tokenizer: Tokenizer, rules: C4Rules, exact: bool) -> None:
        self._tokenizer = tokenizer
        self._rules = rules
        self._enough = sys.maxsize if exact else rules.min_num_sentences
        self._citations = rules.remove_citations and "[" in text
        # Search the whole page first, and its lines only on a hit; removing a citation can join two parts of a word.
        low = (_CITATION.sub("", text) if self._citations else text).lower()
        self._lorem_ipsum = rules.filter_lorem_ipsum and "lorem ipsum" in low
        self._javascript = rules.filter_javascript and "javascript" in low
        self._curly_bracket = rules.filter_curly_bracket and "{" in text
        self._policies = [phrase for phrase in POLICY_SUBSTRINGS if phrase in low] if rules.filter_policy else []
        self._any_phrase = bool(self._lorem_ipsum or self._javascript or self._policies)
        self._longest_word = rules.max_word_length if rules.max_word_length != -1 else sys.maxsize
        self._sentences = 0
        self.kept: list[str] = []
        self.dropped: Counter[str] = Counter()
        self.hits: Counter[str] = Counter()
        """Number of lines that drop the page by reason, ordered by first occurrence."""

    def take(self, line: str) -> None:
        if len(line) > self._longest_word and any(len(word) > self._longest_word for word in line.split()):
            self.dropped["too_long_word"] += 1
        elif len(line.split(None, self._rules.min_words_per_line)) < self._rules.min_words_per_line:
            self.dropped["too_few_words"] += 1
        else:
            self._take_words(line)

    def _take_words(self, line: str) -> None:
        if self._citations:
            line = _CITATION.sub("", line)
        if reason := self._page_reason(line):
            self.hits[reason] += 1
        elif reason := self._line_reason(line):
            self.dropped[reason] += 1
        else:
            self._keep(line)

    def _page_reason(self, line: str) -> str | None:
        if self._lorem_ipsum and "lorem ipsum" in line.lower():
            return LOREM_IPSUM
        if self._curly_bracket and "{" in line and not (self._javascript and "javascript" in line.lower()):
            return CURLY_BRACKET
        return None

    def _line_reason(self, line: str) -> str | None:
        if not self._any_phrase:
            return None
        low = line.lower()
        if self._javascript and "javascript" in low:
            return "javascript"
        return "policy" if any(phrase in low for phrase in self._policies) else None

    def _keep(self, line: str) -> None:
        if self._sentences < self._enough:
            self._sentences += self._tokenizer.sentences(line, self._enough - self._sentences)
        self.kept.append(line)

    def checks(self) -> list[Check]:
        rules = self._rules
        asked = [(LOREM_IPSUM, rules.filter_lorem_ipsum), (CURLY_BRACKET, rules.filter_curly_bracket)]
        in_order = [*self.hits, *(reason for reason, on in asked if on and reason not in self.hits)]
        checks = [Check(reason, self.hits[reason], 0, self.hits[reason] > 0) for reason in in_order]
        if rules.min_num_sentences != -1:
            least = rules.min_num_sentences
            checks.append(Check(TOO_FEW_SENTENCES, self._sentences, least, self._sentences < least))
        first_failed = next((i for i, check in enumerate(checks) if check.failed), len(checks))
        return checks if self._enough == sys.maxsize else checks[: first_failed + 1]
