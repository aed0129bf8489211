"""The report: one page that asks nobody, believes nothing, and says what the recipe did."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import pytest

from finest.pipeline.report.data import ReportSource
from finest.pipeline.report.render import render_report
from finest.recipe.reasons import REASONS

from .made import run, sample, slice_

VOID = {"meta", "br", "hr", "img", "input", "link", "rect"}


class Outline(HTMLParser):
    """What a browser would see: elements, links, ids and text; fails where tags do not match."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.links: list[str] = []
        self.ids: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value or "" for name, value in attrs if name == "href"]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_report_says_what_happened() -> None:
    """Recipe, hashes, counts, reasons, losses and samples are all on the page."""
    page = Outline(render_report(run([slice_(), slice_(index=1)], rows=3, duplicates=1, wall_s=0.5, workers=2)))

    for words in (
        "10 pages in, 3 rows out", "fineweb", "0123456789abcdef" * 4, "ef" * 32, "30.0%", "1 duplicate removed", "20",
        "2 workers", "quality_short_doc", "Too few words.", "ends in a member", "1,005", "a.warc.gz",
        "The first words of a page.", "0.1 beside a limit of 0.65", "German",
    ):  # fmt: skip
        assert words in page.text, words


def test_report_says_what_the_core_left() -> None:
    """Pages that went the slower way, by reason; nothing where there were none."""
    left = slice_(fallbacks={"forbidden_characters": 1, "span": 2})
    words = "3 pages (60.0%) went the slower way to the same text: span 2, forbidden characters 1."
    assert words in Outline(render_report(run([left]))).text
    assert "slower way" not in Outline(render_report(run([slice_()]))).text


def test_report_needs_nobody() -> None:
    """No script, no request: links to anchors and to the pages themselves are all there is."""
    html = render_report(run([slice_()]))
    page = Outline(html)

    assert "default-src 'none'" in html
    assert not page.tags & {"script", "link", "img", "iframe", "object", "embed", "form", "base", "video", "audio"}
    assert not page.attributes & {"src", "srcset", "action", "onclick", "onload"}
    assert "url(" not in html
    assert "@import" not in html
    assert {href for href in page.links if not href.startswith("#")} == {"https://example.org/a?b=1&c=2"}
    assert {href[1:] for href in page.links if href.startswith("#")} <= set(page.ids)
    assert len(set(page.ids)) == len(page.ids)


HOSTILE = (
    "<script>alert(1)</script>",
    "</style></title><img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "' onmouseover='alert(1)",
    "{{ 7 * 7 }}{% raw %}",
    "]]><!--",
    "\u202egnp.exe\x00\x1b[2J\ud800",
)  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_does_not_break_out(text: str) -> None:
    """Whatever a stranger wrote stands there as text, wherever it comes in."""
    page = sample(
        id=text, url=f"https://a.org/{text}", excerpt=text, language=text, duplicate_of=text, value=1, limit=2
    )
    hostile = slice_(
        samples={"quality_short_doc": [page, sample(url=text)]},
        losses=[{"reason": text, "offset": None, "length": None, "detail": text}],
        languages={text: 3}, stage_cpu_s={text: 1.0},
    )  # fmt: skip
    plain = Outline(render_report(run([slice_()])))
    html = render_report(run([hostile], sources=(ReportSource(text, 1),), duplicate_samples=(page,)))
    seen = Outline(html)

    html.encode()
    assert seen.tags <= plain.tags
    assert seen.attributes <= plain.attributes
    assert all(href.startswith(("#", "https://")) for href in seen.links)
    assert "49{%" not in seen.text


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,<script>", "file:///etc/passwd"])
def test_only_web_addresses_are_links(url: str) -> None:
    """Other schemes are shown and cannot be followed."""
    page = Outline(render_report(run([slice_(samples={"kept": [sample(url=url)]})])))
    assert all(href.startswith("#") for href in page.links)
    assert url in page.text


def test_empty_run() -> None:
    """A run without a page has a report that says so."""
    page = Outline(render_report(run([], rows=0, tokens=0, root=None, sources=())))
    for words in ("0 pages in, 0 rows out", "found no page", "No page was dropped", "No samples were taken", "not yet"):
        assert words in page.text, words


def test_one_row_run() -> None:
    """One page that was kept."""
    one = slice_(
        pages=1, kept=1, reasons={"kept": 1}, languages={"en": 1}, text_chars={"5": 1}, losses=[], cpu_s=0.0,
        wall_s=0.0, stage_cpu_s={}, samples={"kept": [sample(excerpt=None)]},
    )  # fmt: skip
    page = Outline(render_report(run([one])))
    for words in ("1 page in, 1 row out", "100%", "every record was read", "No text."):
        assert words in page.text, words


def test_every_reason_can_be_reported() -> None:
    """All reasons of the list, and one of another n-gram size, with samples."""
    names = [*REASONS, "repetition_top_9_gram"]
    part = slice_(reasons=dict.fromkeys(names, 1), pages=len(names), samples={name: [sample()] for name in names})
    page = Outline(render_report(run([part])))
    assert all(f"sample-{name}" in page.ids for name in names)


def test_unfinished_run_says_so() -> None:
    """A report of a part of the run is marked."""
    assert "1 of 8 slices" in Outline(render_report(run([slice_()], slices_planned=8))).text


def test_report_stays_small() -> None:
    """However large the run, the page has bounded tables and samples."""
    losses: list[dict[str, Any]] = [{"reason": "r", "offset": n, "length": 1, "detail": "d"} for n in range(5_000)]
    slices = [slice_(source=n // 20, index=n % 20, losses=losses[:50]) for n in range(2_000)]
    sources = tuple(ReportSource(f"s3://commoncrawl/{n}.warc.gz", 10**9) for n in range(100))
    html = render_report(run(slices, sources=sources))

    assert "And 50 more." in html
    assert len(html) < 400_000
