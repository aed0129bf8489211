"""The fit of the trees: labelled pages from clones, and CatBoost's trees as integers."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
from bench.fit_trees import MOST_RANGE, example_of, fragment_of, is_fitted, score_all, stage_of
from bench.marked_sets import Marked, read_marked_sets

from finest.recipe.extract.block_features import COLUMNS

HTML = (
    "<div class=menu><a href=/>Home page</a></div><main><h1>On tides</h1>"
    "<p>The Moon pulls on all of the Earth.</p></main>"
)
GOLD = "On tides\nThe Moon pulls on all of the Earth."


class Trees:
    """A stand-in for CatBoost's model, which writes its trees as JSON."""

    def save_model(self, path: str, format: str) -> None:
        """Write two trees, of which one has fewer levels."""
        assert format == "json"
        split = {"float_feature_index": 1, "border": 2.5}
        trees: list[dict[str, Any]] = [
            {"splits": [split, {"float_feature_index": 0, "border": -0.5}], "leaf_values": [0.0, 0.125, 0.5, -0.75]},
            {"splits": [split], "leaf_values": [0.25, -0.25]},
        ]
        features = [{"flat_feature_index": 7}, {"flat_feature_index": 9}]
        data = {
            "oblivious_trees": trees, "scale_and_bias": [1.0, [0.5]], "features_info": {"float_features": features},
        }  # fmt: skip
        Path(path).write_text(json.dumps(data))


def test_trees_become_integers() -> None:
    """A limit between two integers is the lower one; few levels give the same leaves; no range is above MOST_RANGE."""
    stage = stage_of(Trees())
    assert stage.columns == bytes([9, 7, 9, 0]) and stage.limits[:3] == (2, -1, 2)
    rows = np.zeros((4, 10), np.int16)
    rows[:, 7], rows[:, 9] = (-1, 0, -1, 0), (2, 2, 3, 3)
    scores = [128 + 0 + 64, 128 - 192 + MOST_RANGE + 64, 128 + 32 - 64, 128 - 192 - 64]
    assert score_all(stage, rows).tolist() == [stage.score(row) for row in rows.tolist()] == scores


def test_blocks_in_the_marked_text_are_main_text() -> None:
    """Weights of a page add up to 1; a part of it has the same columns."""
    example = example_of(Marked("wcxb", "a.org", "article", HTML, GOLD))
    assert example is not None
    assert example.truth.tolist() == [False, True, True] and abs(example.weight.sum() - 1) < 1e-9
    assert example.rows.shape == (3, len(COLUMNS))
    chance = random.Random(1)
    parts = [part for part in (fragment_of(example, chance) for _ in range(30)) if part is not None]
    assert 0 < len(parts) < 30 and all(part.truth.all() and part.rows[0, 6] in (0, 1) for part in parts)


def test_sources_that_may_not_be_fitted_to_are_not() -> None:
    """Whatever the site."""
    sites = [f"{number}.org" for number in range(9)]
    assert any(is_fitted(Marked("wcxb", site, "", "", "")) for site in sites)
    for source in ("dragnet", "l3s-gn1", "daniel", "wcxb-test"):
        assert not any(is_fitted(Marked(source, site, "", "", "")) for site in sites)


def add_publisher(folder: Path) -> None:
    """Write two pages of a publisher as the tests of its parser state them; of a third the address alone is there."""
    folder.mkdir(parents=True)
    names = [f"Tides_202{year}_01_01.html.gz" for year in (3, 4, 5)]
    (folder / "meta.info").write_text(json.dumps({name: {"url": "https://b.org/x"} for name in names}))
    sections = [{"headline": [], "paragraphs": []}, {"headline": ["Headline"], "paragraphs": ["Paragraph"]}]
    texts = {
        version: {"body": {"summary": [f"Summary {version[1]}"], "sections": sections}} for version in ("V2", "V1")
    }
    (folder / "Tides.json").write_text(json.dumps(texts))
    for number, name in enumerate(names[:2], 1):
        (folder / name).write_bytes(gzip.compress(f"{HTML}{number}".encode()))


def test_pages_are_read_from_clones(tmp_path: Path) -> None:
    """Each set in its own form; a set whose clone is not there is left out."""
    merged = tmp_path / "html-cleaning-dataset-merged"
    selected = "<style>x</style><span class=x-nc-sel1>On <span>tides</span></span><span class=x-nc-sel4>Ad</span>"
    for folder, name, gold in (
        ("cleaneval-final", "1", "URL: http://a.org/x\n\n<h>On tides\n\n<p>The\n   Moon &amp; Earth\n"),
        ("page-signal-master", "2", selected),
        ("readability", "3", "<div><p>On tides</p><p>The Moon</p></div>"),
    ):
        (merged / folder / "GoldStandard").mkdir(parents=True)
        (merged / folder / "input").mkdir()
        (merged / folder / "GoldStandard" / f"{name}.txt").write_text(gold)
        (merged / folder / "input" / f"{name}.html").write_text(HTML)
    add_publisher(tmp_path / "fundus" / "tests" / "resources" / "parser" / "test_data" / "uk")
    found = {page.source: page for page in read_marked_sets(tmp_path)}
    assert {source: page.gold for source, page in found.items()} == {
        "cleaneval": "On tides\nThe Moon & Earth", "l3s-gn1": "On tides", "readability": "On tides\nThe Moon",
        "fundus-tests": "Summary 2\nHeadline\nParagraph",
    }  # fmt: skip
    assert found["fundus-tests"].site == "b.org" and found["fundus-tests"].html == HTML + "2"
    assert found["cleaneval"].site == "a.org" and found["readability"].site == "3"
