"""The bench of extraction reads what a run reads, and passes over what a run passes over."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from bench.extraction import compare_engines, pages

from finest.recipe.engines import ENGINES
from tests.recipe.extract_pages import LONG
from tests.warc.layouts import gzip_each, gzip_one
from tests.warc.made_warc import http, page, record


def test_broken_records_are_counted_and_passed_over(tmp_path: Path) -> None:
    """A broken chunk header, a damaged member, an empty body and a length that is no number end nothing."""
    chunked = record("response", "https://example.com/c", http(b"zz\r\n<p>odd</p>", "Transfer-Encoding: chunked"))
    damaged = bytearray(gzip_one(page(5)[1]))
    damaged[len(damaged) // 2 :] = b"\xff" * 40
    wrong = record("response", "https://example.com/w", http(b"<p>short</p>"), length="x")
    empty = record("response", "https://example.com/e", http(b""))
    path = tmp_path / "a.warc.gz"
    path.write_bytes(gzip_each([*page(1, b"<p>one</p>"), chunked]) + damaged + gzip_each([wrong, empty, *page(2)]))
    lost = Counter[str]()
    found = list(pages(path, lost))
    assert found[0] == "<p>one</p>"
    assert (lost["gzip_corrupt"], lost["record_unreadable"]) == (1, 1)
    assert lost["payload_empty"] >= 1
    assert len(found) + lost.total() == 6


def test_engines_take_turns_on_each_page(capsys: pytest.CaptureFixture[str]) -> None:
    """Each engine has its cost."""
    compare_engines([f"<p>{LONG}", "<p>one"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [*ENGINES, "2"]
    assert all(line.endswith("ms/page") for line in lines[:-1])
