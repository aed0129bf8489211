"""Fitting the model of blocks: what counts as main text, what is left out, and that weights follow the labels."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
from bench.fit_blocks import Marked, fit, labels
from bench.gold import is_fitted, read_gold, read_marked

from finest.recipe.extract.blocks import read_blocks

MARKED = "The ferry leaves at seven.\nShips\nIt is back before the storm."


def page(html: str) -> Marked:
    return Marked("s", "https://example.org/", html, MARKED, read_blocks(html, {}))


def test_main_text_is_what_was_marked() -> None:
    """By trigrams; a word or two count where they are a line of the marked text."""
    html = "<p>The ferry leaves at seven.<h2>Ships</h2><p>leaves at<p>Sign up for the storm<p>before the storm. Go<p>!"
    truth, weight = labels(page(html))
    assert truth.tolist() == [True, True, False, False, True, False]
    assert weight.sum() < 1000 and weight[0] > weight[1] > weight[5]


def test_weights_follow_the_labels() -> None:
    """A feature of main text alone weighs up, one of the rest down, one of both hardly."""
    design = np.array([[1, 0, 1, 1], [1, 0, 0, 1], [0, 1, 1, 1], [0, 1, 0, 1]], float).repeat(200, axis=0)
    weights = fit(design, design[:, 0] > 0, np.full(len(design), 100.0))
    assert weights[0] > 1 > abs(weights[2]) and weights[1] < -1


def test_pages_that_were_fitted_to_are_not_scored(tmp_path: Path) -> None:
    """Whole sites are on one side, about half of them; copied style sheets are no marks of anybody's."""
    urls = [f"https://site{number}.example/{path}" for number in range(200) for path in "ab"]
    fitted = [is_fitted(url) for url in urls]
    assert fitted[::2] == fitted[1::2] and 60 < sum(fitted[::2]) < 140
    alone = [is_fitted(f"https://set.invalid/{number}") for number in range(200)]
    assert 60 < sum(alone) < 140
    index = tmp_path / "pages.jsonl.gz"
    rows: list[dict[str, str]] = [
        {"warc": "w", "id": str(n), "url": url, "gold_text": MARKED} for n, url in enumerate(urls)
    ]
    rows += [
        {"warc": "w", "id": "x", "url": urls[0], "gold_text": "p {x: visible !important}"},
        {"warc": "w", "id": "y"},
    ]
    index.write_bytes(gzip.compress("\n".join(map(json.dumps, rows)).encode()))
    assert len(read_marked(index)) == len(urls)
    assert read_gold(index) == {("w", str(n)): MARKED for n, known in enumerate(fitted) if not known}
    assert read_gold(tmp_path / "missing") == {}
