"""C4's line and page rules, against DataTrove's filter."""

from __future__ import annotations

import pytest
from datatrove.pipeline.filters import C4QualityFilter

from finest.recipe.c4 import clean
from finest.recipe.recipe import C4Rules
from tests.recipe.filters import TOKENIZER, decision, prose

PROSE = "\n".join(prose(6))
PAGES = {
    "prose": PROSE,
    "empty": "",
    "four sentences": "\n".join(prose(4)),
    "five sentences": "\n".join(prose(5)),
    "five sentences in one line": " ".join(prose(5)),
    "lorem ipsum": PROSE + "\nSome Lorem Ipsum dolor sit.",
    "lorem ipsum in a short line": PROSE + "\nLorem ipsum",
    "lorem ipsum around a citation": PROSE + "\nSome lorem[12] ipsum dolor sit.",
    "curly bracket": PROSE + "\nint main() { return 0; }",
    "curly bracket in a short line": PROSE + "\n{ }",
    "curly bracket before lorem ipsum": PROSE + "\nint main() { return 0; }\nlorem ipsum dolor sit",
    "lorem ipsum before curly bracket": PROSE + "\nlorem ipsum dolor sit\nint main() { return 0; }",
    "both in one line": PROSE + "\nlorem ipsum { dolor sit }",
    "javascript": PROSE + "\nPlease enable JavaScript to go on.",
    "javascript around a citation": PROSE + "\nPlease enable java[edit]script to go on.",
    "javascript with a curly bracket": PROSE + "\nThe javascript function { } is here.",
    "javascript lines only": "\n".join(["Please enable JavaScript to go on."] * 9),
    "policy": PROSE + "\nThis site uses cookies to be nice.\nRead our Privacy Policy at once.\nThe terms of use apply.",
    "policy around a citation": PROSE + "\nRead our privacy[] policy at once.",
    "citations": PROSE + "\nIt is so.[1] Or so.[citation needed] [edit] [2] [ 3 ]",
    "nothing but citations": PROSE + "\n[1] [2] [3]\n[1]  [2]  [edit]",
    "a citation at the end": "\n".join(f"{line} [1] [2]" for line in prose(3)),
    "short lines": PROSE + "\ntwo words\nword\n\n   \nthree words here",
    "word of 1000": PROSE + f"\nA word {'x' * 1000} is allowed.",
    "word of 1001": PROSE + f"\nA word {'x' * 1001} is too long.",
    "odd line ends": PROSE.replace("\n", "\x0b") + "\u2028A line of words here.\x85Another line of words.",
    "odd spaces": "A line.\u00a0Of words here.  Two spaces.\tA tab. Done?! Yes." * 2,
    "dots": 'Wait... what? No!! Really?! "Yes." (Good.) It\'s 3.14 e.g. so. A.B. C.' * 2,
    "Greek capital sigma": PROSE + "\nΟΔΥΣΣΕΥΣ LOREM IPSUM ΣΑΣ.",
}


@pytest.mark.parametrize("name", PAGES)
def test_pages_are_cleaned_as_by_datatrove(name: str) -> None:
    """The same pages fall for the same reason, and the same lines are left of the others."""
    reason, text = decision("c4", C4QualityFilter(filter_no_terminal_punct=False), PAGES[name])
    for exact in (False, True):
        cleaned = clean(PAGES[name], TOKENIZER, C4Rules(), exact=exact)
        failed = [check.reason for check in cleaned.checks if check.failed]
        assert (failed[0] if failed else None) == reason
        assert cleaned.text == (None if reason else text)


@pytest.mark.parametrize(
    ("rules", "options"),
    [
        (C4Rules(remove_citations=False), {"remove_citations": False}),
        (C4Rules(min_num_sentences=-1), {"min_num_sentences": -1}),
        (C4Rules(min_words_per_line=-1, max_word_length=-1), {"min_words_per_line": -1, "max_word_length": -1}),
        (C4Rules(filter_lorem_ipsum=False, filter_policy=False), {"filter_lorem_ipsum": False, "filter_policy": False}),
        (
            C4Rules(filter_javascript=False, filter_curly_bracket=False),
            {"filter_javascript": False, "filter_curly_bracket": False},
        ),
    ],
)
def test_other_rules_decide_as_datatrove_with_those_options(rules: C4Rules, options: dict[str, bool]) -> None:
    """A recipe may switch rules off; the decisions stay DataTrove's."""
    filter_ = C4QualityFilter(filter_no_terminal_punct=False, **options)
    for page in PAGES.values():
        reason, text = decision("c4", filter_, page)
        cleaned = clean(page, TOKENIZER, rules)
        assert cleaned.text == (None if reason else text)
        assert [check.reason for check in cleaned.checks if check.failed] == ([reason] if reason else [])


def test_dropped_lines_are_counted_by_reason() -> None:
    """The lines that fall are in the statistics, by DataTrove's names."""
    page = "\n".join([PAGES["javascript"], PAGES["policy"], PAGES["short lines"], PAGES["word of 1001"]])
    assert clean(page, TOKENIZER, C4Rules()).dropped_lines == {
        "javascript": 1, "policy": 3, "too_few_words": 4, "too_long_word": 1,
    }  # fmt: skip


def test_exact_counts_go_on_behind_the_first_failure() -> None:
    """`finest why` sees every statistic: lines with each page reason, and all sentences."""
    page = PAGES["curly bracket before lorem ipsum"] + "\nlorem ipsum dolor sit"
    checks = clean(page, TOKENIZER, C4Rules(), exact=True).checks
    assert [(check.reason, check.value, check.limit, check.failed) for check in checks] == [
        ("c4_curly_bracket", 1, 0, True), ("c4_lorem_ipsum", 2, 0, True), ("c4_too_few_sentences", 6, 5, False),
    ]  # fmt: skip
