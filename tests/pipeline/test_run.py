"""A run's own judgement: broken machines, false members, pages that crash."""

from __future__ import annotations

import gzip
import itertools
import json
import os
import signal
import zlib
from dataclasses import replace
from pathlib import Path

import pytest

from finest.errors import RunError
from finest.pipeline import preflight as checks
from finest.pipeline import run_plan
from finest.pipeline.ledger import Ledger
from finest.pipeline.options import RunOptions
from finest.pipeline.progress import Progress
from finest.pipeline.run import refine
from finest.recipe import judge as judging
from finest.recipe.recipe import Recipe, parse_recipe
from finest.settings import default_cache
from finest.warc.source import CommonCrawl

RECIPE = Recipe(name="test")


def record(number: int, html: bytes) -> bytes:
    """One response record as its own gzip member."""
    http = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + html
    head = (
        f"WARC/1.0\r\nWARC-Type: response\r\nWARC-Record-ID: <urn:uuid:{number:032d}>\r\n"
        f"WARC-Target-URI: https://example.org/{number}\r\nWARC-Date: 2025-01-01T00:00:00Z\r\n"
        f"WARC-Identified-Payload-Type: text/html\r\nContent-Length: {len(http)}\r\n\r\n"
    )
    return gzip.compress(head.encode() + http + b"\r\n\r\n", mtime=0)


def options(source: Path, out: Path) -> RunOptions:
    return RunOptions(
        specs=(str(source),), out=out, recipe=RECIPE, cache=default_cache(),
        common_crawl=CommonCrawl("https://data.commoncrawl.org", "commoncrawl"),
    )  # fmt: skip


class Listener(Progress):
    """Remembers what was said."""

    def __init__(self) -> None:
        super().__init__(quiet=True)
        self.said: list[str] = []

    def say(self, line: str) -> None:
        self.said.append(line)


def verdict_counts(out: Path) -> dict[str, int]:
    return dict(json.loads((out / "manifest.json").read_bytes())["reasons"])


def test_a_broken_extractor_is_found_before_the_first_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """An extractor that gives nothing, or raises, refuses the run."""
    monkeypatch.setitem(judging.ENGINES, "trafilatura", lambda html: None)
    with pytest.raises(RunError, match="this installation is broken"):
        checks.preflight(RECIPE, default_cache())

    def missing(html: str) -> str | None:
        raise ImportError("lxml.html.clean")

    monkeypatch.setitem(judging.ENGINES, "trafilatura", missing)
    with pytest.raises(RunError, match=r"ImportError: lxml\.html\.clean"):
        checks.preflight(RECIPE, default_cache())


def test_failures_past_one_percent_stop_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages that fail are not drops: too many of them, and the run says so instead of reporting success."""
    source = tmp_path / "pages.warc.gz"
    source.write_bytes(b"".join(record(n, b"<p>FAIL " + b"word " * 100 + b"</p>") for n in range(30)))

    def fail(html: str) -> str | None:
        if "FAIL" in html:
            raise ValueError("no")
        return checks.KNOWN_TEXT

    monkeypatch.setitem(judging.ENGINES, "trafilatura", fail)
    with pytest.raises(RunError, match="30 of 30 pages failed"):
        refine(options(source, tmp_path / "out"), Progress(quiet=True))


def test_a_page_that_kills_its_workers_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice, and the page is `extraction_crash`; the other pages are judged."""
    source = tmp_path / "pages.warc.gz"
    bodies = [b"<p>DEADLY " + b"word " * 100 + b"</p>" if n == 4 else checks.KNOWN_HTML.encode() for n in range(9)]
    source.write_bytes(b"".join(record(n, body) for n, body in enumerate(bodies)))

    def crash(html: str) -> str | None:
        if "DEADLY" in html:
            os.kill(os.getpid(), signal.SIGKILL)
        return checks.KNOWN_TEXT

    monkeypatch.setitem(judging.ENGINES, "trafilatura", crash)
    refine(options(source, tmp_path / "out"), Progress(quiet=True))
    assert verdict_counts(tmp_path / "out")["extraction_crash"] == 1
    assert sum(verdict_counts(tmp_path / "out").values()) == 9


def stored_member(payload: bytes) -> bytes:
    """A gzip member that holds its content uncompressed, so that the content's bytes lie in the file as they are."""
    packer = zlib.compressobj(0, zlib.DEFLATED, 31)
    return packer.compress(payload) + packer.flush()


def test_a_warc_inside_a_page_is_not_read_as_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slice that begins inside a page which holds gzip members is read again from where the slice before ended."""
    monkeypatch.setattr(run_plan, "LOCAL_SLICE_BYTES", 4096)
    inner = b"".join(record(1000 + n, checks.KNOWN_HTML.encode()) for n in range(40))
    html = b"<p>" + inner + b"</p>"
    outer = gzip.decompress(record(1, html))
    pages = [record(n, checks.KNOWN_HTML.encode()) for n in range(2, 30)]
    source = tmp_path / "nested.warc.gz"
    source.write_bytes(record(0, checks.KNOWN_HTML.encode()) + stored_member(outer) + b"".join(pages))
    progress = Listener()
    refine(replace(options(source, tmp_path / "out"), workers=4), progress)
    assert any("again from where the slice before" in line for line in progress.said)
    assert sum(verdict_counts(tmp_path / "out").values()) == 30
    slices = Ledger.read(tmp_path / "out").pack(0).slices
    assert len(slices) > 3
    assert all(a.offset + a.length == b.offset for a, b in itertools.pairwise(slices))


@pytest.mark.parametrize(("scope", "rows"), [("run", 1), ("dump", 2)])
def test_pages_of_another_dump_are_compared_by_choice(scope: str, rows: int, tmp_path: Path) -> None:
    """The same page twice in each of two dumps: one row over the run, or one row per dump."""
    sources = []
    for number, dump in enumerate(("CC-MAIN-2024-10", "CC-MAIN-2024-18")):
        source = tmp_path / dump / "pages.warc.gz"
        source.parent.mkdir()
        body = checks.KNOWN_HTML.encode()
        source.write_bytes(record(2 * number, body) + record(2 * number + 1, body))
        sources.append(str(source))
    recipe = parse_recipe({**RECIPE.resolved(), "dedup": {**RECIPE.resolved()["dedup"], "scope": scope}})
    found = refine(
        replace(options(tmp_path, tmp_path / "out"), specs=tuple(sources), recipe=recipe), Progress(quiet=True)
    )
    assert (found.rows, found.reasons["duplicate"]) == (rows, 4 - rows)
    assert (recipe.hash == RECIPE.hash) == (scope == "run")
