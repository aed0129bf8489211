"""FineWeb's own filters, and all four quality filters in a row, against DataTrove's."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from datatrove.pipeline.filters import FineWebQualityFilter
from datatrove.utils.text import TERMINAL_PUNCTUATION
from fastwarc.warc import ArchiveIterator, WarcRecordType
from hypothesis import given, settings
from hypothesis import strategies as st
from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.encoding import bytes_to_str, detect_encoding

from finest.recipe.fineweb import fineweb_quality
from finest.recipe.recipe import FinewebRules
from tests.deep import NIGHTLY, examples
from tests.recipe.filters import TOKENIZER, assert_flips, decision, first_failed, ours, prose, reference, unique_words

LINES = prose(60)
SHORT = [f"{word} {word}." for word in unique_words(60, length=6)]
FAMILIES = {
    "empty": ["", " \n\u00a0\n", "x."],
    "line_punct_ratio": ["\n".join(LINES[:k] + [line[:-1] for line in LINES[k:]]) for k in range(3, 12)],
    "short_line_ratio": ["\n".join(LINES[:20] + SHORT[:k]) for k in range(36, 46)],
    "char_dup_ratio": ["\n".join([*LINES, SHORT[0], *[SHORT[0]] * k]) for k in range(12)],
    "list_ratio": [
        "\n".join([" ".join(unique_words(k)) + ".", *[f"{word * 7}." for word in unique_words(20)]])
        for k in range(15, 35)
    ],
}


@pytest.mark.parametrize("name", FAMILIES)
def test_fineweb_decides_as_datatrove(name: str) -> None:
    """Each of FineWeb's rules drops a page from the same text on."""
    filter_, rules = FineWebQualityFilter(), FinewebRules()
    assert_flips(
        f"fineweb_{name}",
        FAMILIES[name],
        lambda text: decision("fineweb", filter_, text)[0],
        lambda text, exact: first_failed(fineweb_quality(text, TOKENIZER, rules, exact=exact)),
    )


def test_every_sentence_end_is_one_character() -> None:
    """The last character of a line tells whether a sentence ends there."""
    assert {len(mark) for mark in TERMINAL_PUNCTUATION} == {1}


def made_pages(seed: int, count: int) -> list[str]:
    """Pages of prose into which lists, menus, symbols, repetitions and code are mixed at random."""
    chance = random.Random(seed)
    words = unique_words(200)
    kinds = [
        lambda: chance.choice(LINES),
        lambda: " ".join(chance.choices(words, k=chance.randint(1, 30))),
        lambda: "- " + " ".join(chance.choices(words, k=3)),
        lambda: "the of and " * chance.randint(1, 6) + "…",
        lambda: "# 1 2 3 $ %",
        lambda: "",
        lambda: chance.choice(["Use javascript now.", "int f() { }", "Lorem ipsum dolor.", "We use cookies here [1]."]),
        lambda: "It's 5:30p.m., isn't it? (No!) \"Well...\" http://a.b/c?d=e :) foo:) )",
    ]
    pages = []
    for _ in range(count):
        weights = [chance.choice((0, 0, 0, 1)) for _ in kinds]
        weights[0] = chance.choice((1, 5, 20))
        weights[6] = chance.choice((0, 0, 0.02))
        lines = [kind() for kind in chance.choices(kinds, weights, k=chance.randint(1, 40))]
        pages.append(chance.choice(("\n", "\n", "\n\n")).join(lines))
    return pages


def test_made_pages_are_decided_as_by_datatrove() -> None:
    """Decision, reason and text agree on pages of every kind, and many reasons are met."""
    pages = made_pages(seed=7, count=250)
    expected = [reference(page) for page in pages]
    assert [ours(page) for page in pages] == expected
    assert [ours(page, exact=True) for page in pages] == expected
    assert len({reason for reason, _ in expected}) >= 10


@settings(max_examples=examples(30, 1_500))
@given(st.lists(st.one_of(st.sampled_from(LINES), st.sampled_from(SHORT), st.text(max_size=20)), max_size=20))
def test_any_text_is_decided_as_by_datatrove(lines: list[str]) -> None:
    """Whatever characters a page holds, decision, reason and text agree."""
    text = "\n".join(lines).encode("utf-8", "ignore").decode()
    assert ours(text) == reference(text)


@pytest.mark.corpus
@pytest.mark.nightly
def test_real_pages_are_decided_as_by_datatrove(corpus: Path) -> None:
    """Decision, reason and text after C4 agree on every fifteenth page of real WARCs (every day each 45th)."""
    seen = 0
    for path in sorted(corpus.glob("*-00.warc.gz")):
        with path.open("rb") as file:
            for number, record in enumerate(ArchiveIterator(file, record_types=WarcRecordType.response)):
                if number % (15 if NIGHTLY else 45) == 0 and record.http_content_type == "text/html":
                    payload = record.reader.read()
                    html = bytes_to_str(payload, detect_encoding(payload))
                    text = extract_plain_text(html, main_content=True)
                    assert ours(text) == reference(text), record.record_id
                    seen += 1
    assert seen > (100 if NIGHTLY else 30)
