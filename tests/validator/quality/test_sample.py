"""What a submission is held against, drawn from real bytes of a WARC."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from finest.errors import SourceError
from finest.recipe.judge import judge
from finest.recipe.page import Page
from finest.recipe.recipe import load_recipe
from finest.sample.build import SAMPLE
from finest.validator.quality import sample as sampling
from finest.validator.quality.heldout import MAX_CHARS, MAX_PER_HOST, anchors, draw_heldout
from finest.validator.quality.sample import Duplicates, draw_sample, host_of, judged, shortened, visible_text, windows
from finest.warc.slices import Slice
from finest.warc.source import Source, inspect

RECIPE = load_recipe("fineweb")


@pytest.fixture(scope="module")
def source() -> Source:
    return inspect(str(SAMPLE))


@pytest.fixture
def small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows of 64 KiB, so that a small file has several."""
    monkeypatch.setattr(sampling, "WINDOW_BYTES", 64 * 1024)


def whole(source: Source) -> Slice:
    return Slice(0, 0, 0, source.size_bytes)


def test_the_reference_is_what_the_recipe_keeps(source: Source, cache: Path) -> None:
    """Of a whole file: every kept page once, near-duplicates dropped; raw text of English pages only."""
    found = draw_sample([source], RECIPE, cache, "aa", tokens=10**9)
    pages = list(judged(source, whole(source), RECIPE, cache))
    kept = [verdict.text for _, verdict in pages if verdict.text]
    assert found.pages == len(pages)
    assert set(found.reference) <= set(kept)
    assert 0.7 * len(kept) < len(found.reference) < len(kept)
    assert found.tokens > 10_000
    assert sum(map(len, found.raw)) > sum(map(len, found.reference))
    assert not any("и" in text for text in found.raw)


@pytest.mark.usefixtures("small_windows")
def test_windows_are_drawn_by_the_seed_until_there_is_enough(source: Source, cache: Path) -> None:
    """Two seeds read other windows; one seed reads the same again; reading stops at the budget."""
    one, again, other = (draw_sample([source], RECIPE, cache, seed, tokens=3_000) for seed in ("aa", "aa", "bb"))
    assert one == again
    assert one.spans != other.spans
    assert one.tokens >= 3_000
    assert len(one.spans) < len(windows([source], "aa"))


@pytest.mark.usefixtures("small_windows")
def test_spans_cover_exactly_the_records_that_were_judged(source: Source, cache: Path) -> None:
    """A record belongs to one window: the spans of all windows hold all records, and do not overlap."""
    found = draw_sample([source], RECIPE, cache, "aa", tokens=10**9)
    spans = sorted((span.start, span.end) for span in found.spans)
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))
    offsets = [record.offset for record, _ in judged(source, whole(source), RECIPE, cache)]
    assert all(any(start <= offset < end for start, end in spans) for offset in offsets)
    assert found.pages == len(offsets)


def test_held_out_text_shares_no_host_with_the_task(source: Source, cache: Path) -> None:
    """Named hosts give nothing, no host gives more than its share, no document more than its length."""
    every = draw_heldout([source], (), RECIPE, cache, "aa")
    pages = list(judged(source, whole(source), RECIPE, cache))
    host_by_text = {verdict.text[:MAX_CHARS]: host_of(record.url) for record, verdict in pages[::-1] if verdict.text}
    hosts = [host_by_text[text] for text in every]
    assert max(map(hosts.count, hosts)) <= MAX_PER_HOST
    only = hosts[1]
    some = draw_heldout([source], {host_of(record.url) for record, _ in pages} - {only}, RECIPE, cache, "aa")
    assert {host_by_text[text] for text in some} == {only}
    assert draw_heldout([], (), RECIPE, cache, "aa") == []


def test_a_source_that_cannot_be_read_is_an_error_and_no_result(source: Source, cache: Path, tmp_path: Path) -> None:
    """What the validator cannot read it does not measure."""
    gone = replace(source, location=str(tmp_path / "gone.warc.gz"))
    with pytest.raises(SourceError):
        draw_sample([gone], RECIPE, cache, "aa", tokens=1_000)


def test_visible_text_is_what_a_reader_sees() -> None:
    """Menus and footers are there, scripts and styles are not, blocks stand on lines of their own."""
    html = b"<html><style>p{}</style><body><nav>Home</nav><p>One.</p><p>Two.</p><script>x()</script></body>"
    page = Page("<urn:x>", "https://example.org/", "", b"HTTP/1.1 200 OK\r\n\r\n" + html, "text/html")
    assert visible_text(page, RECIPE).split() == ["Home", "One.", "Two."]
    assert visible_text(replace(page, block=b""), RECIPE) == ""


def test_near_duplicates_share_a_bucket(cache: Path, source: Source) -> None:
    """A page again is a duplicate; a page without a signature never is."""
    signatures = [verdict.signature for _, verdict in judged(source, whole(source), RECIPE, cache) if verdict.text]
    duplicates = Duplicates()
    assert not duplicates.has(signatures[0])
    assert duplicates.has(signatures[0])
    assert not duplicates.has(None)
    assert not duplicates.has(None)


def test_shortening_is_a_fair_draw() -> None:
    """The seed draws texts, in any order given, up to the size wanted."""
    texts = anchors()
    size = sum(map(len, texts))
    found = shortened(texts, size // 2, "aa")
    assert found == shortened(texts[::-1], size // 2, "aa") != shortened(texts, size // 2, "bb")
    assert 0.4 * size < sum(map(len, found)) < 0.6 * size
    assert sorted(shortened(texts, size, "aa")) == sorted(texts)


@pytest.mark.parametrize(
    ("url", "host"),
    [("https://www.a.example/x", "a.example"), ("http://B.example:80", "b.example"), ("http://[", ""), ("x", "")],
)
def test_hosts_are_told_from_any_address(url: str, host: str) -> None:
    """Whatever a dataset calls an address."""
    assert host_of(url) == host


def test_the_verdict_is_the_recipe_s_own(source: Source, cache: Path) -> None:
    """The reference is judged by the function that miners use."""
    record, verdict = next(iter(judged(source, whole(source), RECIPE, cache)))
    assert judge(record.page(), RECIPE, cache).reason == verdict.reason
