"""Extraction equals trafilatura's on pages that nobody thought of: random trees, and real pages."""

from __future__ import annotations

from pathlib import Path

import pytest
import trafilatura
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finest.recipe.extract import ExtractionLimit, bounded, extract_trafilatura
from tests.deep import examples, parts, sampled
from tests.recipe.extract_pages import LONG, SENTENCE, page

TAGS = (
    "div", "div", "p", "p", "span", "a", "a", "ul", "ol", "li", "dl", "dt", "dd", "table", "tr", "td", "th", "article",
    "section", "main", "h2", "blockquote", "q", "pre", "code", "b", "em", "del", "header", "footer", "aside", "nav",
    "form", "figure", "details", "summary", "label", "script", "style", "iframe", "noscript", "br", "img", "item", "hi",
)  # fmt: skip
VOID = ("br", "img")
NAMES = (
    "post", "entry-content", "article-body", "main", "content", "text", "story", "footer", "related", "share", "tags",
    "sidebar", "meta", "nav", "hidden", "x hide", "comment-list", "Teaser", "caption", "bottom", "paywall", "overlay",
    "w3-code", "highlight", "hljs-meta", "extra", "widget", "column",
)  # fmt: skip
ATTRIBUTES = (
    'style="display:none"', 'aria-hidden="true"', 'role="article"', 'role="Navigation"', 'lang="en"', 'colspan="2"',
    'colspan="x"', '@click="x"', 'itemprop="articleBody"', 'src="https://vimeo.com/1"',
)  # fmt: skip
TEXTS = st.sampled_from(("", "", "\n ", "word", " of the ", "Facebook", "a, b, c. ", SENTENCE, LONG, "&nbsp;é\u2028z"))
CPU_LIMIT_S = 20.0
PARTS = 80


def element(tag: str, name: str | None, attribute: str | None, content: str, tail: str) -> str:
    kind = f' class="{name}"' if name is not None and attribute is None else f' id="{name}"' if name else ""
    start = f"<{tag}{kind} {attribute or ''}>"
    return start + tail if tag in VOID else f"{start}{content}</{tag}>{tail}"


def elements(content: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.builds(
        element,
        st.sampled_from(TAGS),
        st.none() | st.sampled_from(NAMES),
        st.none() | st.none() | st.sampled_from(ATTRIBUTES),
        content,
        TEXTS,
    )


TREES = st.recursive(TEXTS, lambda inner: elements(st.lists(inner, max_size=4).map("".join)), max_leaves=40)
BODIES = st.lists(TREES, min_size=1, max_size=6).map("".join)


def reference(html: str) -> str | None:
    return trafilatura.extract(html, favor_precision=True, include_comments=False, deduplicate=False)


@pytest.mark.slow
@settings(max_examples=examples(100, 3_000), suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(body=BODIES, whole=st.booleans())
@pytest.mark.nightly
def test_same_text_on_random_trees(body: str, whole: bool) -> None:
    """Any nesting of tags, names and texts gives trafilatura's text."""
    html = page(body) if whole else body
    assert extract_trafilatura(html) == reference(html)


@pytest.mark.corpus
@parts(PARTS)
@pytest.mark.parametrize("name", sampled(["mix-00.warc.gz", "en-00.warc.gz"]))
def test_same_text_on_real_pages(corpus: Path, name: str, part: int) -> None:
    """Every page of the corpus has trafilatura's text."""
    compared = 0
    for html in pages_of(corpus / name, part, PARTS):
        try:
            expected = bounded(reference, html, CPU_LIMIT_S)
        except ExtractionLimit:
            continue
        assert extract_trafilatura(html) == expected
        compared += 1
    assert compared > 12


def pages_of(path: Path, part: int, parts: int) -> list[str]:
    """The HTML of each `parts`-th response, decoded as DataTrove decodes it; those that it cannot decode left out."""
    from fastwarc.warc import ArchiveIterator, WarcRecordType

    pages = []
    with path.open("rb") as stream:
        records = ArchiveIterator(stream, record_types=WarcRecordType.response, auto_decode="all")
        for number, record in enumerate(records):
            if number % parts == part and (html := decoded(record.reader.read())):
                pages.append(html)
    return pages


def decoded(payload: bytes) -> str | None:
    import cchardet

    try:
        return payload.decode("utf-8")
    except UnicodeDecodeError:
        encoding = cchardet.detect(payload)["encoding"]
    try:
        return payload.decode(encoding) if encoding and encoding != "UTF-8" else None
    except (UnicodeDecodeError, LookupError):
        return None
