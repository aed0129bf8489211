"""What the recipe keeps of the WARCs must be there, or have lost against what is."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from rich.console import Console

from finest.cli.views.refinery import show_verification
from finest.dataset.manifest import write_manifest
from finest.errors import VerifyError
from finest.pipeline.verify import verify
from finest.recipe.reasons import DUPLICATE
from finest.settings import default_cache
from finest.validator.audit import audit
from finest.validator.completeness import place_windows
from finest.validator.evidence import is_dishonest, kept_pages, pages_counted, reference_tokens
from finest.validator.models import PageFinding, Quality
from finest.warc.source import CommonCrawl
from tests.deep import sampled

from .forged import Forgery, beginnings, half, hollow
from .made import NOWHERE, PLAN, Published, without

SEED = "11" * 32
UNMEASURED = Quality(tier=1, tokens=1, bpb=2.0, bpb_reference=2.0, bpb_raw=2.1, error_bpb=0.0)


def pages(found: Published, seed: int = 0) -> list[PageFinding]:
    return kept_pages(audit(found.subject(seed), PLAN, found.context()).windows)


@pytest.mark.slow
def test_honest_pages_are_held_or_have_a_witness(honest: Published) -> None:
    """Each page that the recipe keeps, once, however many windows show it."""
    found = pages(honest)
    assert set(Counter(page.outcome for page in found)) == {"held", "duplicate"}
    assert len({(page.source, page.offset) for page in found}) == len(found)
    rows = {row.id for row in honest.rows()}
    for page in found:
        assert (page.id in rows) == (page.outcome == "held")
        assert page.outcome == "held" or page.witness in rows


@pytest.mark.slow
@pytest.mark.parametrize("seed", sampled(range(3)))
def test_only_half_of_the_rows_is_caught(honest: Published, tmp_path: Path, seed: int) -> None:
    """Dropped pages with a verdict that is not the recipe's."""
    short = half(honest, tmp_path / "half")
    evidence = audit(short.subject(seed), PLAN, short.context())
    checked, missed = pages_counted(evidence.windows)
    assert evidence.verdict == "fail" and "pages are missing" in evidence.why
    assert missed > checked / 4
    assert evidence.declared
    assert reference_tokens(evidence, UNMEASURED) > 1.2 * evidence.declared.token_count


@pytest.mark.slow
@pytest.mark.parametrize(
    ("winner", "said"),
    [
        pytest.param(None, "not like the row", id="unlike", marks=pytest.mark.nightly),
        pytest.param("<urn:uuid:nobody>", "is no row", id="gone"),
    ],
)
def test_a_false_witness_is_none(honest: Published, tmp_path: Path, winner: str | None, said: str) -> None:
    """A page can lose only against a row that is there and says the same."""
    short = half(honest, tmp_path / "half", DUPLICATE, winner)
    evidence = audit(short.subject(), PLAN, short.context())
    assert evidence.verdict == "fail"
    assert any(said in page.detail for page in kept_pages(evidence.windows))


@pytest.mark.slow
@pytest.mark.nightly
def test_a_whole_warc_left_out_is_caught(crawl: list[Path], tmp_path: Path) -> None:
    """The windows are of the task's WARCs, whatever the manifest names."""
    from .made import make

    one = make(tmp_path / "one", crawl[:1])
    both = Published(one.folder, tuple(crawl[:2]))
    evidence = audit(both.subject(), PLAN, both.context())
    assert evidence.verdict == "fail" and "no verdict" in evidence.why


@pytest.mark.slow
def test_a_source_that_is_falsely_called_unreadable_is_caught(crawl: list[Path], tmp_path: Path) -> None:
    """To spare the work of a WARC, a miner lets it be gone for a while; the audit of paid work reads it and fails.

    `verify` vouches for the rows that are there and names the source, unless the manifest gives no reason.
    """
    lazy = without(tmp_path / "lazy", crawl[:2], missing=1)
    assert lazy.manifest.sources[1].losses == {"source_unreadable": 1} and lazy.manifest.rows
    evidence = audit(lazy.subject(), PLAN, lazy.context())
    assert evidence.verdict == "fail" and "no verdict" in evidence.why
    warcs = [str(path) for path in lazy.warcs]
    found = verify(lazy.folder, default_cache(), NOWHERE, sample=4, sources=warcs)
    assert found.is_verified and found.readable_again == [lazy.manifest.sources[1].name]
    console = Console(record=True, width=500)
    show_verification(console, found)
    assert "1 source that the manifest calls unreadable can be read now" in console.export_text()
    elsewhere = CommonCrawl(str(tmp_path / "mirror"))  # a server that does not answer is asked for minutes
    found = verify(lazy.folder, default_cache(), elsewhere, sample=4, sources=warcs[:1])
    assert found.is_verified and not found.readable_again
    silent = lazy.manifest.sources[1].model_copy(update={"losses": {}})
    changed = lazy.manifest.model_copy(update={"sources": (lazy.manifest.sources[0], silent), "losses": {}})
    write_manifest(lazy.folder, changed)
    with pytest.raises(VerifyError, match="can be read; the manifest states that nothing of it was read"):
        verify(lazy.folder, default_cache(), NOWHERE, sample=4, sources=warcs)


@pytest.mark.slow
@pytest.mark.parametrize("forgery", sampled([hollow, beginnings]))
def test_places_without_their_texts_fail(honest: Published, tmp_path: Path, forgery: Forgery) -> None:
    """A recipe of one's own may take other parts of a page, but a quarter of the texts is no refinement; no lie."""
    little = forgery(honest, tmp_path / "little")
    evidence = audit(little.subject(), PLAN, little.context())
    assert evidence.verdict == "fail" and "at least half is expected" in evidence.why
    assert not is_dishonest(evidence)


def test_windows_are_even_over_the_bytes(honest: Published) -> None:
    """Sources laid end to end: each has windows by its size, and none begins past its end."""
    sources = honest.context().warcs.sources()
    placed = place_windows(sources, SEED, 2_000)
    assert all(0 <= offset < source.size_bytes for source, offset in placed)
    share = sum(source.name == sources[0].name for source, _ in placed) / 2_000
    assert abs(share - sources[0].size_bytes / sum(source.size_bytes for source in sources)) < 0.06


@pytest.mark.slow
@pytest.mark.nightly
def test_a_chain_of_duplicates_is_a_witness(tmp_path: Path) -> None:
    """A page need not be like the row that survived, if others that lost against it link the two."""
    from finest.sample.warc_writer import Response, page_members, warcinfo

    from .made import make

    warc = tmp_path / "chain.warc.gz"
    texts = [_sliding(first) for first in (0, 10, 20)]
    members = [m for n, text in enumerate(texts) for m in page_members(n, Response(f"https://a.example/{n}", text))]
    warc.write_bytes(warcinfo("chain.warc.gz") + b"".join(members))
    chained = make(tmp_path / "chained", [warc])
    assert chained.manifest.rows == 1
    (row,) = chained.rows()
    assert row.url != "https://a.example/1"  # else both others are like it themselves
    evidence = audit(chained.subject(), PLAN, chained.context())
    assert evidence.verdict == "pass", evidence.why
    assert {page.outcome for page in kept_pages(evidence.windows)} == {"held", "duplicate"}


def _sliding(first: int) -> bytes:
    """A page of 60 sentences out of a longer text, from one on: neighbours share most of theirs."""
    from finest.sample.prose import read_articles

    text = " ".join(line for article in read_articles("articles") for line in article.blocks)
    sentences = [f"{sentence}." for sentence in text.split(". ") if 60 < len(sentence) < 300]
    paragraphs = "".join(f"<p>{sentence}</p>" for sentence in sentences[first : first + 60])
    return f"<html><body><article><h1>Journey</h1>{paragraphs}</article></body></html>".encode()
