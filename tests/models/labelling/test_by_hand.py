"""Labelling by hand: the page in a real browser, and what the server accepts from whom."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import requests

from finest.models.labelling.desk import Desk
from finest.models.labelling.journal import Journal
from finest.models.labelling.pages import Page
from finest.models.labelling.scale import Scale
from finest.models.labelling.server import serve

from .browser import Browser, browser
from .made import write_pages

HOSTILE = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script> page"


@contextmanager
def command(folder: Path, *more: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run `finest model label` over five pages in a folder; the process and the address that it prints."""
    if not (folder / "pages.jsonl").exists():
        write_pages(folder / "pages.jsonl", 5, HOSTILE)
    script = "from finest.cli.model import model; model(standalone_mode=False)"
    arguments = [sys.executable, "-c", script, "label", "pages.jsonl", "--out", "labels.parquet", *more]
    process = subprocess.Popen(arguments, cwd=folder, text=True, stderr=subprocess.PIPE, env={**os.environ})
    try:
        assert process.stderr is not None
        line = next(line for line in process.stderr if "Open http" in line)
        yield process, line.split()[1]
        assert process.wait(300) == 0
    finally:
        process.kill()
        process.communicate()


def done(window: Browser, words: str) -> None:
    window.wait(lambda: window.text("#count") == words)


def labels(folder: Path) -> list[Any]:
    return list(pq.read_table(folder / "labels.parquet", columns=["label"])["label"].to_pylist())


@pytest.mark.slow
@pytest.mark.nightly
def test_pages_are_labelled_with_keys(tmp_path: Path) -> None:
    """By keys and by buttons, with undo and skip; a page's text stays text; Ctrl-C keeps it; the rest comes next."""
    with browser(tmp_path) as window:
        with command(tmp_path, "--by", "eve") as (process, address):
            window.open(address)
            done(window, "0 of 5 labelled")
            assert HOSTILE in window.text("#text") and not window.run("return document.querySelector('main img')")
            assert window.run("return document.title") == "Label pages"
            first = window.text("#text")
            window.press("1")
            done(window, "1 of 5 labelled")
            assert window.text("#text") != first
            window.press("left")
            done(window, "0 of 5 labelled")
            assert window.text("#text") == first
            window.press("0")
            done(window, "1 of 5 labelled")
            window.click("#labels button:nth-child(2)")
            done(window, "2 of 5 labelled")
            window.press("right")
            done(window, "2 of 5 labelled, 1 skipped")
            process.send_signal(signal.SIGINT)
        assert sorted(labels(tmp_path)) == [0, 1]
        table = pq.read_table(tmp_path / "labels.parquet")
        assert set(table["labelled_by"].to_pylist()) == {"eve"}
        assert json.loads(table.schema.metadata[b"finest_labels"])["counts"]["skip"] == 1
        with command(tmp_path, "--by", "eve") as (_, address):
            window.open(address)
            done(window, "2 of 5 labelled, 1 skipped")
            for count in (3, 4):
                window.press("1")
                done(window, f"{count} of 5 labelled, 1 skipped")
            assert "All pages are labelled" in window.text("#text")
            window.click("#finish")
            window.wait(lambda: window.text("#text").startswith("Saved."))
        assert sorted(labels(tmp_path)) == [0, 1, 1, 1]


PAGES = [Page(f"{number:064x}", f"text {number}", "s", number, "", "", "") for number in range(3)]


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """A server over three pages and the classes a and b."""
    with Journal(tmp_path / "journal", {}) as journal, serve(Desk(PAGES, journal, Scale(("a", "b")), "eve")) as found:
        yield found


def post(address: str, action: str = "label", **more: Any) -> requests.Response:
    """What the page itself would send, but for what `more` changes."""
    origin = "/".join(address.split("/")[:3])
    headers = {"Origin": origin, "Content-Type": "application/json", **more.pop("headers", {})}
    body = {"page": PAGES[0].sha256, "label": "a"}
    return requests.post(address + action, data=json.dumps(more.pop("body", body)), headers=headers, timeout=60, **more)


def test_labels_come_from_the_page_itself_alone(address: str) -> None:
    """No other origin may post, not even one that knows the address; nor may a name that was made to mean loopback."""
    assert post(address).json()["labelled"] == 1
    origin = "/".join(address.split("/")[:3])
    refused = [
        post(address, headers={"Origin": "http://evil.example"}),
        post(address, headers={"Origin": "null"}),
        post(address, headers={"Origin": None}),
        post(address, headers={"Host": "evil.example", "Origin": "http://evil.example"}),
        post(address, headers={"Content-Type": "text/plain"}),
        post(origin + "/wrong/"),
        post(origin + "/"),
        requests.get(origin + "/", timeout=60),
        requests.get(origin + "/state", timeout=60),
        requests.get(address + "state", headers={"Host": "evil.example"}, timeout=60),
    ]
    assert [answer.status_code for answer in refused] == [403, 403, 403, 403, 415, 403, 403, 403, 403, 403]
    assert not any("text 0" in answer.text for answer in refused)
    assert requests.get(address + "state", timeout=60).json()["labelled"] == 1


@pytest.mark.parametrize(
    "body",
    [{}, [], {"page": PAGES[0].sha256, "label": "c"}, {"page": "none", "label": "a"}, {"page": ["x"], "label": "a"},
     {"page": PAGES[0].sha256, "label": True}, {"page": PAGES[0].sha256, "label": "a" * 5_000},
     {"page": PAGES[0].sha256, "label": ["a"]}],
)  # fmt: skip
def test_what_is_no_label(address: str, body: Any) -> None:
    """Refused, and nothing is recorded."""
    assert post(address, body=body).status_code == 400
    assert requests.get(address + "state", timeout=60).json()["labelled"] == 0


def test_the_page_may_load_nothing_else(address: str) -> None:
    """Its policy forbids foreign scripts, frames and requests, and its address is no referrer."""
    for name in ("", "label.js", "label.css"):
        headers = requests.get(address + name, timeout=60).headers
        assert headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert headers["Referrer-Policy"] == "no-referrer" and headers["Cache-Control"] == "no-store"
    assert len(re.split(r"/", address)[3]) >= 32
    assert requests.get(address + "../server.py", timeout=60).status_code in (403, 404)


def test_every_class_has_its_key(address: str) -> None:
    """Names have 1 to 9 and then letters; numbers have themselves."""
    state = requests.get(address + "state", timeout=60).json()
    assert state["labels"] == [{"key": "1", "label": "a"}, {"key": "2", "label": "b"}]
    assert list(Scale(tuple(f"c{number}" for number in range(32))).keys)[8:11] == ["9", "a", "b"]
    assert Scale((0, 1)).keys == {"0": 0, "1": 1}
