"""The compiled core gives the Python path's text: on written, fuzzed, random and real pages."""

from __future__ import annotations

import gzip
import json
import re
import time
from itertools import product
from pathlib import Path
from string import ascii_lowercase, digits
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from finest.recipe import native
from finest.recipe.extract import ExtractionLimit, bounded, core_tables, extract_trafilatura
from finest.recipe.extract.page import FALLBACKS, filled_core
from finest.recipe.extract.parse import parse_bytes, source_of
from tests.deep import NIGHTLY, examples, parts, sampled
from tests.recipe.extract_pages import LONG, PAGES, page
from tests.recipe.native.fuzz import in_python, outcome
from tests.recipe.test_extract_equal import BODIES, pages_of, reference

FUZZED, GUIDED = (
    json.loads(gzip.decompress((Path(__file__).parent / f"{kind}_pages.json.gz").read_bytes()))
    for kind in ("fuzzed", "guided")
)
"""Pages of the tests, mutated at random: tags cut, doubled, moved, odd characters put in. And what a run of fuzz.py
came to: few pages that go wherever it went in the core, with words of our own."""
LIMIT_S = 20.0
PARTS = 32
"""The Python path takes a minute for the pages of a WARC."""


@pytest.mark.usefixtures("core")
@pytest.mark.parametrize("name", PAGES)
def test_both_paths_give_one_text(name: str) -> None:
    """Whatever way trafilatura takes through a page, core and Python path end at the same text."""
    assert extract_trafilatura(PAGES[name]) == in_python(PAGES[name])


@pytest.mark.usefixtures("core")
def test_fuzzed_pages() -> None:
    """Broken markup of all kinds, each day each third page of it, changes nothing about that."""
    for html in (FUZZED + GUIDED)[:: 1 if NIGHTLY else 3]:
        assert outcome(extract_trafilatura, html) == outcome(in_python, html), html


@pytest.mark.usefixtures("core")
@settings(max_examples=examples(30, 1_500), suppress_health_check=list(HealthCheck))
@given(BODIES)
def test_random_trees(body: str) -> None:
    """Trees that nobody thought of give one text on both paths."""
    html = page(body)
    assert outcome(extract_trafilatura, html) == outcome(in_python, html)


@pytest.mark.usefixtures("core")
@pytest.mark.corpus
@pytest.mark.slow
@parts(PARTS)
@pytest.mark.parametrize("name", sampled(["mix-00.warc.gz", "en-00.warc.gz"]))
def test_real_pages(corpus: Path, name: str, part: int) -> None:
    """Every page has one text on both paths, and the core leaves at most one in a hundred to Python."""
    pages = pages_of(corpus / name, part, PARTS)
    FALLBACKS.clear()
    for html in pages:
        found = outcome(lambda html: bounded(extract_trafilatura, html, LIMIT_S), html)
        assert found == outcome(lambda html: bounded(in_python, html, 10 * LIMIT_S), html)
    assert FALLBACKS.total() <= max(1, len(pages) / 100), FALLBACKS


@pytest.mark.usefixtures("core")
def test_the_limit_holds_inside_the_core() -> None:
    """The core looks at the clock: a page that takes long is stopped in the middle of it."""
    html = page("<div>" + f"<div><p>{LONG}<a href='/'>x</a></p>" * 250 + "<p>a, b</p>" * 60_000 + "</div>")
    source = source_of(html)
    assert source is not None
    tree = source.tree()
    core = native.core()
    with pytest.raises(ExtractionLimit):
        bounded(lambda _: core.extract(tree, lambda _: None), "", 0.002)
    assert extract_trafilatura(page(f"<p>{LONG}</p><p>{LONG}</p>")) is not None


@pytest.mark.parametrize(
    "body",
    [
        '<div><a href="/">x y</a></div> ' * 40_000,  # their tails are joined from the last to the first
        '<div class="share">x</div>y ' * 40_000,  # from the first to the last
        "".join(f"<t{number % 4000}>x</t{number % 4000}>" for number in range(40_000)),  # as many names as it takes
    ],
)
def test_long_pages_stay_in_the_core(core: Any, body: str) -> None:
    """Work and memory grow with the page, not with its square: 40,000 elements end inside the core's bound."""
    source = source_of(page(f"<p>{LONG}</p>{body}"))
    assert source is not None
    core.extract(source.tree(), parse_bytes)  # would raise Refused("memory")


FNV_START, FNV_PRIME, BITS = 14695981039346656037, 1099511628211, 15


def of_one_slot(count: int) -> list[str]:
    """Words of six characters whose FNV-1a hashes end in the same bits: its end depends on nothing but their ends."""
    mask, back = (1 << BITS) - 1, pow(FNV_PRIME, -1, 1 << BITS)
    threes = ["".join(letters) for letters in product(ascii_lowercase + digits, repeat=3)]
    beginnings: dict[int, list[str]] = {}
    for three in threes:
        state = FNV_START
        for letter in three.encode():
            state = (state ^ letter) * FNV_PRIME & mask
        beginnings.setdefault(state, []).append(three)
    words = []
    for three in threes:
        state = 0
        for letter in reversed(three.encode()):
            state = state * back & mask ^ letter
        words += [beginning + three for beginning in beginnings.get(state, ())]
    return words[:count]


def test_paragraphs_written_to_fill_one_slot(core: Any) -> None:
    """Paragraphs that share a slot of a hash table without a secret (and took 200 times as long) cost as others do."""

    def cost_s(words: list[str]) -> float:
        source = source_of(
            page('<div id="comments" class="share">' + "".join(map("<pre>{}</pre>".format, words)) + "</div>")
        )
        assert source is not None
        begun_s = time.process_time()
        assert core.extract(source.tree(), parse_bytes) == "\n".join(words)
        return time.process_time() - begun_s

    words = of_one_slot(16_000)
    ordinary_s = min(cost_s([f"{i:06d}" for i in range(len(words))]) for _ in range(3))
    assert min(cost_s(words) for _ in range(3)) < 8 * max(ordinary_s, 0.02)


def test_what_is_no_tree_is_refused(core: Any) -> None:
    """The core reads lxml's elements and nothing else."""
    for value in (None, "html", object()):
        with pytest.raises(TypeError):
            core.extract(value, None)


def test_without_core_the_same(without_core: None) -> None:
    """The package works where the core was not built."""
    for name in ("article", "table", "justext", "control characters", "readability"):
        assert extract_trafilatura(PAGES[name]) == reference(PAGES[name])


@pytest.mark.usefixtures("core")
def test_a_pattern_of_unknown_form_leaves_all_else_to_the_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the core cannot read a library's pattern, Python extracts, and the core does everything else."""
    monkeypatch.setitem(core_tables.readability.REGEXES, "positiveRe", re.compile("article|bo(dy)?"))
    monkeypatch.setattr(core_tables, "why_unfilled", core_tables.why_unfilled.__wrapped__)
    core = native.core()
    assert core is not None
    assert "positiveRe has an unknown form" in core_tables.why_unfilled(core)
    assert filled_core() is None
    assert extract_trafilatura(PAGES["article"]) == reference(PAGES["article"])
    assert core.markup("<p>x") == (1, 0, 1, 1, 0)


@pytest.mark.usefixtures("core")
def test_an_exception_of_the_parser_passes() -> None:
    """What the call back into Python raises comes out of the core, and leaves nothing behind."""
    source = source_of(PAGES["readability only"])
    assert source is not None

    def fail(_: bytes) -> None:
        raise KeyError("parser")

    with pytest.raises(KeyError, match="parser"):
        native.core().extract(source.tree(), fail)
