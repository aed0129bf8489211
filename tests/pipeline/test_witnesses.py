"""Under a recipe with `min_jaccard`, a page that was dropped for a false witness is found."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from finest.dataset.open import open_dataset
from finest.errors import VerifyError
from finest.pipeline.dedup import pairs
from finest.pipeline.verify import Verification, verify
from finest.recipe.reasons import DUPLICATE, KEPT
from finest.recipe.recipe import Recipe, load_recipe, parse_recipe
from finest.sample.warc_writer import Response, page_records
from finest.settings import default_cache
from finest.validator.audit import audit
from finest.validator.evidence import kept_pages
from finest.validator.uniqueness import check_unique
from tests.deep import sampled
from tests.validator.made import NOWHERE, PLAN, Published, make, tampered
from tests.validator.repeated import page, sentences, write_warc


def recipe_with(min_jaccard: float) -> Recipe:
    resolved = load_recipe("fineweb").resolved()
    return parse_recipe({**resolved, "dedup": {**resolved["dedup"], "min_jaccard": min_jaccard}})


def near(number: int) -> Response:
    """That page with another last sentence."""
    whole = page(number)
    head, mark, _ = whole.body.rpartition(b". ")
    return replace(whole, url=f"{whole.url}/again", body=head + mark + f"{sentences()[-1]}</p></article>".encode())


def published(folder: Path, min_jaccard: float) -> Published:
    """Six pages, and nearly the same again."""
    records = [page_records(n, one)[1] for n, one in enumerate([*map(page, range(6)), *map(near, range(6))])]
    warc = write_warc(folder / "a.warc.gz", [[record] for record in records])
    return make(folder / "made", [warc], recipe_with(min_jaccard))


def verified(found: Published) -> Verification:
    return verify(found.folder, default_cache(), NOWHERE, sample=64, seed=1, sources=list(map(str, found.warcs)))


def near_duplicates(found: Published, min_jaccard: float) -> int:
    """The near-duplicates that a validator finds under that recipe."""
    with open_dataset(str(found.folder)) as dataset:
        return check_unique(dataset, recipe_with(min_jaccard), "11" * 32, 100, found.context())[0].near


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Published:
    return published(tmp_path_factory.mktemp("honest"), 0.75)


@pytest.fixture(scope="module")
def cheated(tmp_path_factory: pytest.TempPathFactory) -> Published:
    """The recipe asks for 0.99, and the writer drops every page that MinHash finds similar, to have fewer to store."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pairs, "similarity", lambda one, other: 1.0)
        return published(tmp_path_factory.mktemp("cheated"), 0.99)


def test_a_verdict_states_the_similarity_and_it_can_be_computed_again(honest: Published) -> None:
    """Value and limit of a duplicate are its similarity with the row that it names, and the recipe's least."""
    lost = [verdict for verdict in honest.verdicts() if verdict.reason == DUPLICATE]
    assert len(lost) == 6 and len(honest.rows()) == 6
    for verdict in lost:
        assert verdict.limit == 0.75 and verdict.value is not None and 0.75 <= verdict.value < 1
        assert verdict.duplicate_of in {row.id for row in honest.rows()}
    assert verified(honest).judged[DUPLICATE] == 6


@pytest.mark.nightly
def test_a_stricter_recipe_keeps_both(tmp_path: Path) -> None:
    """MinHash alone would drop them; `fineweb` has no such rule, and its verdicts state no similarity."""
    strict = published(tmp_path, 0.99)
    assert [verdict.reason for verdict in strict.verdicts()] == [KEPT] * 12
    assert [near_duplicates(strict, least) for least in (0.99, 0.0)] == [0, 6], "what the recipe keeps costs nothing"
    (tmp_path / "loose").mkdir()
    loose = published(tmp_path / "loose", 0.0)
    assert {verdict.value for verdict in loose.verdicts()} == {None}


def test_a_false_witness_is_found(cheated: Published) -> None:
    """Neither the stated similarity nor the row that is named saves it."""
    assert len(cheated.rows()) == 6
    with pytest.raises(VerifyError, match=r"in common; the recipe asks for 0\.99"):
        verified(cheated)


def test_validators_count_the_page_as_missing(
    honest: Published, cheated: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An audit under the dataset's own recipe compares the texts, too."""
    recipes = {recipe.hash: recipe for recipe in map(recipe_with, (0.0, 0.75, 0.99))}
    monkeypatch.setattr("finest.validator.languages.known_recipes", lambda cache: dict(recipes))
    outcomes = [
        {page.outcome for page in kept_pages(audit(found.subject(), PLAN, found.context()).windows)}
        for found in (honest, cheated)
    ]
    assert outcomes == [{"held", "duplicate"}, {"held", "missed"}]


@pytest.mark.parametrize(
    ("change", "said"),
    sampled([({"value": 0.999}, r"not 0\.999"), ({"duplicate_of": "<urn:uuid:nobody>"}, "no row has that id")]),
)
def test_a_false_statement_about_a_witness_is_found(
    honest: Published, tmp_path: Path, change: dict[str, str | float], said: str
) -> None:
    """The similarity must be the true one, and the witness must be there."""
    verdicts = [replace(v, **change) if v.reason == DUPLICATE else v for v in honest.verdicts()]
    forged = tampered(honest, tmp_path / "forged", honest.rows(), verdicts)
    with pytest.raises(VerifyError, match=said):
        verified(forged)
