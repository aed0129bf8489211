"""The promise of recipe `fineweb-2`: DataTrove's own steps give the same reasons, texts and clusters, page by page.

The label and the score are given: here lid.176 stands in for GlotLID, on both sides.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from bench.reference import KEPT
from bench.reference_fineweb2 import Page, run_reference
from datatrove.pipeline.filters import URLFilter

from finest.pipeline.languages import WITHOUT
from finest.pipeline.options import RunOptions
from finest.pipeline.progress import Progress
from finest.pipeline.run import refine
from finest.recipe.language import LanguageModel, shipped_model
from finest.recipe.languages import language_settings
from finest.recipe.recipe import ExtractionRules, LanguageRules, Recipe, load_recipe
from finest.recipe.table import find_languages, supported, with_languages
from finest.settings import default_cache
from finest.warc.source import CommonCrawl
from tests import languages_made as made
from tests.recipe.test_equal_to_datatrove import part

CRAWL = CommonCrawl("https://data.commoncrawl.org", "commoncrawl")
LANGUAGES = os.environ.get("LANGUAGES", "de,fr,es,it,pt,nl,pl,ru,sv,da")


def recipe_for(codes: str, *, gate: bool = False) -> Recipe:
    """The recipe with the shipped model; without a limit of CPU time, which the reference does not have."""
    whole = load_recipe(WITHOUT)
    chosen = with_languages(whole, supported(whole)[0] if codes == "all" else find_languages(codes.split(",")))
    without = chosen if gate else chosen.without_gate()
    return Recipe.model_validate(without.resolved() | {"extraction": ExtractionRules(cpu_limit_s=600.0).model_dump()})


def ours(warc: Path, out: Path, recipe: Recipe) -> dict[tuple[str, int], dict[str, Any]]:
    """Our verdicts by (record id, number of earlier pages with it), with the rows of kept pages."""
    refine(RunOptions((str(warc),), out, recipe, default_cache(), CRAWL, workers=2), Progress(quiet=True))
    rows: dict[tuple[str, int], dict[str, Any]] = {}
    for path in out.glob("data/*/*.parquet"):
        rows |= {(row["id"], row["warc_offset"]): row for row in pq.ParquetFile(path).read().to_pylist()}
    seen: Counter[str] = Counter()
    pages = {}
    for verdict in pq.read_table(out / "verdicts").to_pylist():
        pages[verdict["id"], seen[verdict["id"]]] = verdict | {"row": rows.get((verdict["id"], verdict["offset"]), {})}
        seen[verdict["id"]] += 1
    return pages


def theirs(warc: Path, out: Path, recipe: Recipe) -> list[Page]:
    model = LanguageModel.load(shipped_model(), LanguageRules().model_sha256)
    rules = recipe.language

    def label(text: str) -> tuple[str, float]:
        found, score = model.best(text)
        return rules.labels.get(found, found), score

    return run_reference([warc], out, label, {code: config(code, recipe) for code in rules.languages})


def config(code: str, recipe: Recipe) -> dict[str, Any]:
    """The published configuration, with the recipe's own threshold."""
    data = language_settings(code).model_dump()
    return data | {"stopwords": data["stop_words"], "language_score": recipe.language.thresholds[code]}


def differences(reference: list[Page], pages: dict[tuple[str, int], dict[str, Any]]) -> list[object]:
    """Every page whose reason, text, language or cluster differs."""
    seen: Counter[str] = Counter()
    found: list[object] = []
    for page in reference:
        mine = pages.pop((page.id, seen[page.id]), {})
        seen[page.id] += 1
        row = mine.get("row", {})
        if mine.get("reason") != page.reason:
            found.append((page.url, page.language, page.reason, mine.get("reason"), mine.get("value")))
        elif page.reason == "duplicate" and mine["duplicate_of"] != page.kept_instead:
            found.append((page.url, "duplicate_of"))
        elif page.reason == KEPT and (row["text"], row["language"]) != (page.text, page.language):
            found.append((page.url, "text"))
        elif page.reason == KEPT and row["minhash_cluster_size"] != page.cluster_size:
            found.append((page.url, "cluster", page.cluster_size, row["minhash_cluster_size"]))
    return found + [("not in the reference", key) for key in pages]


@pytest.mark.slow
def test_on_made_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clusters, dropped pages that stand for others, tables of which lines of `|` are left, and broken encodings.

    DataTrove's lists of 4.6 million domains, which take it seconds to load, have no domain of these pages.
    """
    monkeypatch.setattr(URLFilter, "download_data", lambda _: None)
    responses = made.responses()
    responses += [made.response(f"odd{n}", "de", text) for n, text in enumerate(made.odd("de"))]
    warc = made.write_warc(tmp_path / "pages.warc.gz", responses)
    recipe = recipe_for("de,fr")
    reference = theirs(warc, tmp_path / "theirs", recipe)
    assert differences(reference, ours(warc, tmp_path / "ours", recipe)) == []
    reasons = Counter(page.reason for page in reference)
    assert {"kept", "duplicate", "language_english", "repetition_dup_line_frac"} <= reasons.keys()


@pytest.mark.corpus
@pytest.mark.slow
@pytest.mark.nightly
def test_on_real_pages(corpus: Path, tmp_path: Path) -> None:
    """Each page of a WARC in the languages LANGUAGES (codes or `all`); with PAGES=N its first N records."""
    warc = corpus / "mix-00.warc.gz"
    if count := os.environ.get("PAGES"):
        warc = part(warc, tmp_path / "part.warc.gz", 0, int(count))
    recipe = recipe_for(LANGUAGES)
    reference = theirs(warc, tmp_path / "theirs", recipe)
    kept = Counter(page.language for page in reference if page.reason == KEPT)
    assert differences(reference, ours(warc, tmp_path / "ours", recipe)) == [], kept


@pytest.mark.corpus
@pytest.mark.slow
@pytest.mark.nightly
def test_the_gate_drops_no_page_that_would_be_kept(corpus: Path, tmp_path: Path) -> None:
    """With the gate and without it, the rows are the same, for one language, for some, and for all."""
    for number, codes in enumerate(os.environ.get("GATED", "de;da,sv;zh,ja,ko;all").split(";")):
        kept = []
        for gate in (False, True):
            pages = ours(corpus / "mix-00.warc.gz", tmp_path / f"{number}-{gate}", recipe_for(codes, gate=gate))
            kept.append({key: page["row"]["text"] for key, page in pages.items() if page["reason"] == KEPT})
        assert kept[0] == kept[1]
