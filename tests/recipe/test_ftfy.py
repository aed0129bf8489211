"""Repairing wrongly decoded text, beside DataTrove's FTFYFormatter; and lines of symbols, beside its formatter."""

from __future__ import annotations

import random

import pytest
from datatrove.pipeline.formatters import FTFYFormatter, SymbolLinesFormatter

from finest.recipe.stages.ftfy import may_change, repaired
from finest.recipe.stages.symbol_lines import without_symbol_lines
from tests.deep import NIGHTLY, examples
from tests.languages_made import SENTENCES, odd
from tests.late import Late

FORMATTER = Late(FTFYFormatter)
PIECES = [
    "\n",
    "\r\n",
    " ",
    *[
        "schÃ¶n",
        "â‚¬ 3",
        "l’humanitÃ©",
        "&amp;",
        "&lt;b&gt;",
        "<b>",
        "a\x1b[36mb",
        "\x85",
        "\ufeff",
        "\u200b",
        "\u2028",
        "œ ",
        "Œ",
        "Ã ",
        "°",
        "É°",
        "×²",
        "в ЂВ",
    ],
    *[
        "ГўВЂВ. a",
        "日本語",
        "نص",
        "ﬁ",
        "Ｗ",
        "“x”",
        "\x00",
        "\u206a",
        "ä",
        "ß",
        "\xa0",
        "«",
        "»",
        "voilÃ le",
        "Ù…Ù„",
        "à²•",
        "√±",
        "‚Äì",
        "\t",
        "ok",
        ".",
        "ВЂС",
        "Γ€Β",
    ],
    *["ā€", "β€™", "a Ã ", "Â ", "™", "½", "€", "É", "é€", "ё€", "§", "É½", "”“"],
]


@pytest.mark.slow
def test_the_expression_of_ftfy_is_found_around_telltale_characters() -> None:
    """Of pairs and longer runs of the characters that ftfy's expression names, with letters and newlines."""
    from ftfy.badness import BADNESS_RE

    known = sorted({char for char in BADNESS_RE.pattern if not char.isascii()} | set(" aZ.,\n"))
    draw = random.Random(1)
    texts = [one + other for one in known for other in known] if NIGHTLY else []
    texts += ["".join(draw.choices(known, k=draw.randrange(3, 9))) for _ in range(examples(1_500, 400_000))]
    for text in texts:
        bad = any(map(BADNESS_RE.search, text.split("\n")))
        assert may_change(text) or not bad, repr(text)


@pytest.mark.parametrize("seed", range(examples(30, 2000)))
def test_texts_are_repaired_as_by_datatrove(seed: int) -> None:
    """Mojibake, entities, escapes and control characters, between lines of good text."""
    draw = random.Random(seed)
    sentences = [sentence for language in SENTENCES.values() for sentence in language]
    parts = draw.choices(PIECES, k=draw.randrange(6)) + draw.sample(sentences, 3)
    draw.shuffle(parts)
    text = draw.choice(["", " ", "\n"]).join(parts)
    assert repaired(text) == FORMATTER.format(text)


def test_good_text_is_left_alone_at_once() -> None:
    """That is what makes it fast: nothing in usual German and French asks for ftfy."""
    assert not any(may_change("\n".join(sentences)) for sentences in SENTENCES.values())
    assert may_change("\n".join(odd("de")[0]))


@pytest.mark.parametrize("seed", range(examples(20, 1000)))
def test_lines_of_symbols_are_replaced_as_by_datatrove(seed: int) -> None:
    draw = random.Random(seed)
    lines = ["|", "| |", "||", " ", "", "a | b", "text", "|x", "\t|", "| \x0b|", "|\x85|", "\r", "|\u2028|"]
    text = draw.choice(["\n", "\r\n", "\n\n"]).join(draw.choices(lines, k=draw.randrange(8)))
    formatter = SymbolLinesFormatter(symbols_to_remove=["|"], replace_char="\n")
    assert without_symbol_lines(text, "|") == formatter.format(text)
