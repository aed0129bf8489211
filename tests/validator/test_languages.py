"""The audit of a dataset in several languages, whose recipe deduplicates before its filters."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from finest.dataset.clusters import NAME as SIZE
from finest.dataset.open import open_dataset
from finest.pipeline.languages import WITHOUT, recipe_for_task, recipe_in_languages
from finest.recipe.recipe import load_recipe
from finest.settings import default_cache
from finest.validator.audit import audit
from finest.validator.evidence import kept_pages
from finest.validator.models import Evidence
from finest.validator.quality.heldout import anchors
from finest.validator.quality.tier import N_GRAMS
from finest.validator.verdict_quality import measure_quality
from tests import languages_made
from tests.deep import sampled

from .forged import half, other_language, other_language_under_own_recipe
from .made import PLAN, Published, forge, invented, make, tampered


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Published:
    folder = tmp_path_factory.mktemp("languages")
    warc = languages_made.sample(folder / "pages.warc.gz")
    recipe = recipe_in_languages("deu_Latn,fra_Latn", WITHOUT, default_cache())
    return make(folder / "out", [warc], recipe)


def audited(found: Published) -> Evidence:
    """The audit without a task, where the manifest alone says which languages there are."""
    return audit(found.subject(id=None), PLAN, found.context())


def test_an_honest_dataset_passes(honest: Published) -> None:
    """Its recipe is known, its rows are judged again with the sizes of their clusters, duplicates have witnesses."""
    evidence = audited(honest)
    assert evidence.verdict == "pass", evidence.why
    assert evidence.declared and evidence.declared.known
    found = Counter((page.outcome, page.witness) for page in kept_pages(evidence.windows))
    dropped = next(one.id for one in honest.verdicts() if one.url.startswith("https://refrain-de."))
    assert found["duplicate", dropped] == 1
    assert {outcome for outcome, _ in found} == {"held", "duplicate"}


@pytest.mark.nightly
def test_a_page_that_lost_against_a_dropped_one_is_a_duplicate(honest: Published, tmp_path: Path) -> None:
    """Its cluster has no row. But who names a dropped page that is not like it has left a page out."""
    dropped = next(verdict for verdict in honest.verdicts() if verdict.reason.startswith("repetition"))
    victim = honest.rows()[-1]  # few windows begin before the first page of a WARC
    verdicts = [
        replace(one, reason="duplicate", duplicate_of=dropped.id) if one.id == victim.id else one
        for one in honest.verdicts()
    ]
    false = tampered(honest, tmp_path / "false", honest.rows()[:-1], verdicts)
    evidence = audited(false)
    assert {page.id for page in kept_pages(evidence.windows) if page.outcome == "missed"} == {victim.id}


def test_a_task_that_names_no_language_knows_none(honest: Published) -> None:
    """A miner cannot choose a rare language, for which there is little work, and have it count as the whole task."""
    evidence = audit(honest.subject(), PLAN, honest.context())
    assert evidence.declared and not evidence.declared.known
    assert evidence.verdict == "fail"


@pytest.fixture(scope="module")
def german(tmp_path_factory: pytest.TempPathFactory) -> Published:
    """A German dataset of a WARC that has pages in English and French, too."""
    folder = tmp_path_factory.mktemp("german")
    pages = [
        languages_made.response(f"{code}{seed}", code, languages_made.article(code, seed))
        for code, count in (("de", 30), ("fr", 4), ("en", 10))
        for seed in range(count)
    ]
    warc = languages_made.write_warc(folder / "pages.warc.gz", pages)
    return make(folder / "out", [warc], recipe_for_task("de", WITHOUT, default_cache())[0])


def judged(found: Published, german: Published, **changes: Any) -> Evidence:
    """The audit of what was submitted for the German task."""
    task = {"language": "deu_Latn", "recipe_hash": german.manifest.recipe_hash} | changes
    return audit(found.subject(**task), PLAN, found.context())


@pytest.fixture(scope="module")
def honest_verdict(german: Published) -> Evidence:
    return judged(german, german)


def test_a_german_dataset_passes_a_german_task(german: Published, honest_verdict: Evidence) -> None:
    """Its recipe is known by the hash that the task asks for, and every row and page is compared with it."""
    evidence = honest_verdict
    assert evidence.verdict == "pass", evidence.why
    assert evidence.declared and evidence.declared.known
    assert {row.outcome for row in evidence.rows} == {"same"}
    assert {page.outcome for page in kept_pages(evidence.windows)} <= {"held", "duplicate"}
    assert set(german.manifest.languages) == {"deu_Latn"} and evidence.uniqueness
    assert evidence.uniqueness.unique_tokens == german.manifest.token_count


def scored(evidence: Evidence, found: Published) -> Evidence:
    """The evidence with the quality of its dataset, measured without another WARC."""
    with open_dataset(str(found.folder)) as dataset:
        return measure_quality(evidence, dataset, [], found.context(), N_GRAMS, 100_000)


def test_an_honest_german_dataset_scores_as_an_english_one_does(german: Published, honest_verdict: Evidence) -> None:
    """Its quality is measured with the fixed documents in German, and it is the reference's."""
    found = scored(honest_verdict, german)
    assert found.verdict == "pass" and found.score and found.quality and found.total
    assert 0.95 <= found.score.quality <= 1.0 and 0.8 < found.total < 1.0
    assert found.quality.figures["heldout_documents"] == len(anchors("deu_Latn"))
    assert found.quality.figures["reference_recipe"] == german.manifest.recipe_hash


def task_of(code: str, count: int, folder: Path) -> tuple[Published, Evidence]:
    """An honest dataset of pages in a language that the sample has, and its audit."""
    warc = languages_made.write_warc(folder / "pages.warc.gz", languages_made.drawn_pages(code, count))
    recipe = recipe_for_task(code, WITHOUT, default_cache())[0]
    found = make(folder / "out", [warc], recipe)
    task = {"language": recipe.language.languages[0], "recipe_hash": found.manifest.recipe_hash}
    return found, audit(found.subject(**task), PLAN, found.context())


@pytest.mark.nightly
def test_an_honest_japanese_dataset_scores_as_an_english_one_does(tmp_path: Path) -> None:
    """Bits are counted per byte, so the script of a language changes nothing."""
    pytest.importorskip("sudachipy")
    made, evidence = task_of("ja", 20, tmp_path)
    found = scored(evidence, made)
    assert found.verdict == "pass" and found.score and found.quality and found.total
    assert 0.95 <= found.score.quality <= 1.0 and 0.8 < found.total < 1.0
    assert found.quality.figures["heldout_documents"] == len(anchors("jpn_Jpan"))


def test_too_little_german_text_is_as_good_as_the_reference(tmp_path: Path) -> None:
    """The pages are too few to learn from; but its rows are the recipe's."""
    made, evidence = task_of("de", 4, tmp_path)
    found = scored(evidence, made)
    assert found.verdict == "pass" and found.score and found.quality and found.total
    assert found.score.quality == 1.0 and 0.8 < found.total < 1.0
    assert str(found.quality.figures["not_measured"]).startswith("reference has")
    assert found.quality.figures["reference_recipe"] == made.manifest.recipe_hash
    assert found.measured and found.measured.reference_tokens == made.manifest.token_count


def test_a_forged_german_row_fails(german: Published, tmp_path: Path) -> None:
    """A text that no page has."""
    evidence = judged(forge(german, tmp_path / "forged", 0.2, invented), german)
    assert (evidence.verdict, "rows are forged" in evidence.why) == ("fail", True), evidence.why


@pytest.mark.nightly
def test_half_of_the_german_pages_is_too_few(german: Published, tmp_path: Path) -> None:
    """Whatever their verdicts say: the windows find the pages that the recipe keeps."""
    evidence = judged(half(german, tmp_path / "half"), german)
    assert (evidence.verdict, "pages are missing" in evidence.why) == ("fail", True), evidence.why


@pytest.mark.parametrize("recipe", sampled(["fineweb", "deu_Latn,fra_Latn"]))
def test_another_language_fails_a_german_task(german: Published, tmp_path: Path, recipe: str) -> None:
    """English, or German with French: honest work, but not the work that is paid."""
    other = load_recipe(recipe) if recipe == "fineweb" else recipe_in_languages(recipe, WITHOUT, default_cache())
    evidence = judged(make(tmp_path / "other", german.warcs, other), german)
    assert (evidence.verdict, "(recipe): the task asks for recipe" in evidence.why) == ("fail", True), evidence.why


def test_rows_in_other_languages_fail_a_german_task(german: Published, tmp_path: Path) -> None:
    """Said to be German, and the German pages said to be in another language."""
    evidence = judged(other_language(german, tmp_path / "false"), german)
    assert (evidence.verdict, "rows are forged" in evidence.why) == ("fail", True), evidence.why
    evidence = judged(other_language_under_own_recipe(german, tmp_path / "own"), german)
    assert (evidence.verdict, "(recipe): the task asks for recipe" in evidence.why) == ("fail", True), evidence.why


@pytest.mark.nightly
def test_english_rows_under_the_german_recipe_are_forged(german: Published, tmp_path: Path) -> None:
    """The hash of the recipe that the task asks for makes them no German rows."""
    english = make(tmp_path / "english", german.warcs)
    rows = [replace(row, language="deu_Latn", columns=((SIZE, 1),)) for row in english.rows()]
    task = german.manifest
    false = tampered(english, tmp_path / "false", rows, recipe=task.recipe, columns=task.columns)
    evidence = judged(false, german)
    assert (evidence.verdict, "rows are forged" in evidence.why) == ("fail", True), evidence.why
