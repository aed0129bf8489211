"""`finest why --html`: the crawled page beside its text, and nothing of a stranger's page runs or loads."""

from __future__ import annotations

import http.server
import threading
import time
from pathlib import Path

import pytest

from finest.pipeline.why import Why
from finest.pipeline.why_page import render
from finest.pipeline.why_page.render import render_why
from finest.recipe.extract.pieces import Piece
from finest.recipe.judge import PageState, Trail, Verdict
from finest.recipe.page import Page
from finest.recipe.recipe import load_recipe
from tests.models.labelling.browser import browser

STORED = {
    "id": "<urn:uuid:1>", "url": "https://a.example/?<b>&\"'", "reason": "kept", "file_path": "a.warc.gz", "offset": 7,
    "duplicate_of": None,
}  # fmt: skip


def answer(html: str, *pieces: Piece) -> Why:
    state = PageState(Page("1", "https://a.example/", "2026-01-01T00:00:00Z", b""))
    state.html = html
    return Why(STORED, Verdict("kept", "text"), Trail(state), load_recipe("finest").resolved(), (), pieces)


def test_blocks_and_their_fate() -> None:
    """Each block has its score, and the counts say how many were cut where."""
    pieces = Piece("Tides", True, True, 391), Piece("<i>more</i>", True, False, 7), Piece("Home", False, False, -673)
    shown = render_why([answer("<p>Tides", *pieces)])
    assert "1 block kept (5 characters), 1 cut by the extractor, 1 by later stages" in shown
    assert "+391" in shown and "-673" in shown and "&lt;i&gt;more&lt;/i&gt;" in shown and "<i>more" not in shown


def test_a_page_of_any_size_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left out is said."""
    monkeypatch.setattr(render, "MOST_PIECES", 2)
    monkeypatch.setattr(render, "MOST_HTML", 10)
    shown = render_why([answer("<p>" + "x" * 100, *[Piece("a", True, True, 1)] * 5)])
    assert "and 3 more blocks" in shown and "x" * 11 not in shown


def test_a_page_without_html_has_no_frame() -> None:
    """It was dropped by its address or type."""
    shown = render_why([answer("")])
    assert "<iframe" not in shown and "dropped before it was decoded" in shown


class _Counting(http.server.BaseHTTPRequestHandler):
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.mark.slow
def test_a_hostile_page_runs_nothing_and_loads_nothing(tmp_path: Path) -> None:
    """In a real browser: scripts, pictures, frames, forms, refreshes, and the end of the frame's attribute."""
    handler = type("Handler", (_Counting,), {"asked": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    at = f"http://127.0.0.1:{server.server_port}"
    page = (
        f"<meta http-equiv=refresh content='0;url={at}/refresh'><link rel=stylesheet href={at}/css>"
        f"<script>fetch('{at}/script');parent.document.title='taken'</script><img src={at}/img onerror=alert(1)>"
        f"<iframe src={at}/frame></iframe><object data={at}/object></object><video src={at}/video autoplay></video>"
        f"<base href={at}><form action={at}/form><input autofocus onfocus=this.form.submit()></form><p>Visible text"
        f'"></iframe><script>document.title="taken"</script><img src={at}/outside>'
    )
    file = tmp_path / "why.html"
    file.write_text(render_why([answer(page, Piece(page, True, True, 1))]), encoding="utf-8")
    home = tmp_path / "home"
    home.mkdir()
    try:
        with browser(home) as window:
            window.open(file.as_uri())
            time.sleep(0.5)
            assert window.run("return document.title").startswith("kept: https://a.example/")
            assert window.run("return document.querySelectorAll('iframe').length") == 1
            assert window.run("return document.querySelector('iframe').contentDocument") is None
    finally:
        server.shutdown()
    assert handler.asked == []  # type: ignore[attr-defined]
