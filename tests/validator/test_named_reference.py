"""A dataset of the reference that the task server names is judged exactly, as one of a shipped recipe."""

from __future__ import annotations

import hashlib
from importlib import resources
from pathlib import Path

import pytest

from finest.contest.submission import read_submission
from finest.errors import RecipeError
from finest.recipe.recipe import load_recipe
from finest.settings import default_cache
from finest.tasks import reference
from finest.tasks.reference import Named
from finest.validator.audit import audit
from finest.validator.evidence import kept_pages
from finest.validator.languages import reference_for
from finest.validator.models import Assignment
from tests.recipe.quality_model.made import model_file

from .made import PLAN, Published, make


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory, crawl: list[Path]) -> tuple[Published, Named]:
    """Alice's dataset under a stricter recipe with a model of its own, and the server's entry of that recipe."""
    folder, data = tmp_path_factory.mktemp("strict"), model_file(seed=3)
    (folder / "recipe").mkdir()
    (folder / "recipe" / "own.safetensors").write_bytes(data)
    fineweb = resources.files("finest.recipe").joinpath("fineweb.toml").read_text(encoding="utf-8")
    (folder / "recipe" / "recipe.toml").write_text(
        fineweb.replace('name = "fineweb"', 'name = "strict"').replace("min_doc_words = 50", "min_doc_words = 120")
        + f'[[quality_model.models]]\nname = "own"\nmodel = "own.safetensors"\nmin_bin = 2\n'
        f'sha256 = "{hashlib.sha256(data).hexdigest()}"\n'
    )
    submission = read_submission(str(folder / "recipe"))
    place = submission.install(default_cache())
    named = Named(submission.recipe.hash, place.parent.name, "eng_Latn", 100)
    return make(folder / "alice", crawl[:1], str(place)), named


def test_its_rows_are_judged_again_exactly(strict: tuple[Published, Named], monkeypatch: pytest.MonkeyPatch) -> None:
    """Unknown, its model is in nobody's reach and it is inadmissible; named, every row and page is compared."""
    published, named = strict
    before = audit(published.subject(), PLAN, published.context())
    assert (before.verdict, before.admission[-1].name) == ("fail", "models")
    monkeypatch.setattr(reference, "read_named", lambda _: [named])
    after = audit(published.subject(), PLAN, published.context())
    assert after.declared is not None
    assert (after.verdict, after.declared.known, after.declared.recipe) == ("pass", True, "strict")
    assert {row.outcome for row in after.rows} == {"same"}
    assert "missed" not in {page.outcome for page in kept_pages(after.windows)}


def test_the_recipe_that_a_task_asks_for_is_its_reference(honest: Published, tmp_path: Path) -> None:
    """In English as in any other language; one that is not here gives no evidence."""
    finest, manifest = load_recipe("finest"), honest.manifest
    asked = [reference_for(Assignment(warcs=(), recipe_hash=one), manifest, tmp_path) for one in (None, finest.hash)]
    assert [recipe.name for recipe in asked] == ["fineweb", "finest"]
    with pytest.raises(RecipeError, match="which this version does not have"):
        reference_for(Assignment(warcs=(), recipe_hash="ab" * 32), manifest, tmp_path)
