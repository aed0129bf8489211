"""The score of structure: what counts as a kept line, as kept indentation and as a formula."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from bench.structure import Score, measure, overlap, read_pages

CODE = "def f(x):\n    if x:\n        return 1\n    return 2"
PARTS = [
    {"type": "title", "content": {"title_content": " A  title "}},
    {"type": "paragraph", "content": [{"c": "Some ", "t": "text"}, {"c": "x^2", "t": "equation-inline"}]},
    {"type": "list", "content": {"items": [{"c": "one", "child_list": {"items": [{"c": "two"}]}}]}},
    {"type": "table", "content": {"html": "<tr><td>3</td></tr>"}},
    {"type": "code", "content": {"code_content": CODE}},
    {"type": "equation-interline", "content": {"math_content": "a + b"}},
]


def write(folder: Path, name: str, parts: list[object]) -> None:
    (folder / f"{name}.html.gz").write_bytes(gzip.compress(b"<p>page"))
    line = json.dumps({"content_list": [parts]})
    (folder / f"{name}.jsonl.gz").write_bytes(gzip.compress(f"{line}\n\n".encode()))


def test_what_each_engine_kept(tmp_path: Path) -> None:
    """Code counts with and without its indentation, formulas without white space; empty pages are left out."""
    write(tmp_path, "one", PARTS)
    write(tmp_path, "none", [])
    (page,) = read_pages(tmp_path)
    assert (page.name, page.codes, page.formulas) == ("one", [CODE], ["a + b"])
    assert page.text.split("\n")[:4] == ["A title", "Some x^2", "one", "two"]
    score = Score()
    for text in (page.text, "\n".join(line.strip() for line in CODE.split("\n")) + " a+b", None):
        measure(lambda _, text=text: text, page, score)
    assert (score.lines, score.indented, score.codes) == (1, 1, 3)
    assert (score.found, score.formulas) == (2, 3)
    assert score.grams[0] == (1.0, 1.0, 1.0) and score.grams[2] == (0.0, 0.0, 0.0)


def test_overlap_counts_repeated_grams_once_each() -> None:
    """Three words of four, and of three."""
    f1, precision, recall = overlap("a b c d", "a b c", 1)
    assert (f1, precision, recall) == (pytest.approx(6 / 7), 1.0, 0.75)
