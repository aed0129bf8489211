"""Stage quality_model: columns by the recipe's rules, drops only where it says so, the model named by its sha256."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from finest.errors import ModelError, RecipeError
from finest.pipeline.preflight import KNOWN_PAGE
from finest.pipeline.quality_models import provide_models
from finest.recipe.judge import explain, judge
from finest.recipe.quality_model import QualityModel
from finest.recipe.quality_model import format as model_format
from finest.recipe.quality_model.explain import explain_scores
from finest.recipe.quality_model.place import cached_path, load_models
from finest.recipe.recipe import Recipe, load_recipe, parse_recipe
from finest.recipe.stages import quality_model
from finest.recipe.stages.quality_model import ModelRules
from finest.settings import default_cache
from tests.recipe.quality_model.made import CLASSES, model_file

FILES = {"edu": model_file(seed=3), "page_type": model_file("page_type", classes=CLASSES, seed=4)}
SHA = "0123456789abcdef0123456789abcdef01234567"


def sha256(name: str) -> str:
    return hashlib.sha256(FILES[name]).hexdigest()


@pytest.fixture
def recipe(tmp_path: Path) -> Callable[..., Recipe]:
    """Makes a recipe of a file with both models beside it, whose entries have those changes."""
    for name, data in FILES.items():
        (tmp_path / f"{name}.safetensors").write_bytes(data)

    def make(edu: str = "", page_type: str = "") -> Recipe:
        path = tmp_path / "scored.toml"
        path.write_text(f"""name = "scored"
[[quality_model.models]]
name = "edu"
model = "edu.safetensors"
sha256 = "{sha256("edu")}"
{edu}
[[quality_model.models]]
name = "page_type"
model = "{tmp_path}/page_type.safetensors"
sha256 = "{sha256("page_type")}"
kind = "class"
{page_type}
""")
        return load_recipe(str(path))

    return make


def test_a_model_adds_two_columns_and_drops_nothing(recipe: Callable[..., Recipe], tmp_path: Path) -> None:
    """The scores are those of the row's text; a file beside the recipe is found from anywhere."""
    made = recipe()
    verdict = judge(KNOWN_PAGE, made, default_cache())
    edu, page_type = (QualityModel.load(tmp_path / f"{name}.safetensors").score(str(verdict.text)) for name in FILES)
    assert verdict.columns == (
        ("edu", edu.bin), ("edu_raw", edu.raw), ("page_type", page_type.label), ("page_type_raw", page_type.raw),
    )  # fmt: skip
    assert [(column.name, column.type) for column in made.columns()] == [
        ("edu", "int64"), ("edu_raw", "int64"), ("page_type", "string"), ("page_type_raw", "int64"),
    ]  # fmt: skip


def test_thresholds_drop_pages(recipe: Callable[..., Recipe], tmp_path: Path) -> None:
    """Below a bin, or of a class; the check says by how much."""
    text = str(judge(KNOWN_PAGE, recipe(), default_cache()).text)
    edu, page_type = (QualityModel.load(tmp_path / f"{name}.safetensors").score(text) for name in FILES)
    assert edu.bin < 19
    assert judge(KNOWN_PAGE, recipe(f"min_bin = {edu.bin}"), default_cache()).kept
    low = judge(KNOWN_PAGE, recipe(f"min_bin = {edu.bin + 1}"), default_cache())
    assert (low.reason, low.value, low.limit) == ("quality_model", edu.bin, edu.bin + 1)
    unwanted = judge(KNOWN_PAGE, recipe("", f'drop_classes = ["{page_type.label}"]'), default_cache())
    assert (unwanted.reason, unwanted.value, unwanted.limit) == ("quality_model", page_type.raw, 0)
    _, trail = explain(KNOWN_PAGE, recipe(f"min_bin = {edu.bin + 1}"), default_cache())
    assert [check.failed for check in trail.stages["quality_model"]] == [True]


def test_a_recipe_is_the_same_wherever_its_models_lie(recipe: Callable[..., Recipe]) -> None:
    """The resolved form has no folder, and the hash knows a model by its sha256 alone."""
    made = recipe()
    data = made.resolved()
    assert data["quality_model"]["models"] == [
        {"name": "edu", "model": "edu.safetensors", "sha256": sha256("edu")},
        {"name": "page_type", "model": "page_type.safetensors", "sha256": sha256("page_type"), "kind": "class"},
    ]
    assert parse_recipe(data).hash == made.hash
    edu, page_type = data["quality_model"]["models"]
    hub = {"models": [edu | {"model": f"hf:alice/edu@{SHA}"}, page_type]}
    assert parse_recipe(data | {"quality_model": hub}).hash == made.hash
    assert parse_recipe(data | {"quality_model": hub}).resolved()["quality_model"] == hub
    for change in ({"sha256": "0" * 64}, {"min_bin": 3}, {"name": "other"}):
        assert parse_recipe(data | {"quality_model": {"models": [edu | change, page_type]}}).hash != made.hash
    assert made.without_models().hash == Recipe(name="x").hash


def test_recipes_without_models_resolve_as_before() -> None:
    """The section is not in their resolved form."""
    assert "quality_model" not in load_recipe("fineweb").resolved()
    assert parse_recipe(load_recipe("fineweb").resolved() | {"quality_model": {}}).hash == load_recipe("fineweb").hash


def test_workers_find_models_in_the_cache(recipe: Callable[..., Recipe], tmp_path: Path) -> None:
    """Planning puts them there by their sha256; then the recipe's manifest is enough, and the file may be gone."""
    cache, made = tmp_path / "cache", recipe()
    paths = provide_models(made.quality_model, cache)
    assert paths == [cached_path(cache, sha256(name)) for name in FILES]
    assert [path.read_bytes() for path in paths] == list(FILES.values())
    (tmp_path / "edu.safetensors").unlink()
    assert provide_models(parse_recipe(made.resolved()).quality_model, cache) == paths
    with pytest.raises(ModelError, match=r"there is no file edu.safetensors; if you have it elsewhere: cp edu"):
        provide_models(parse_recipe(made.resolved()).quality_model, tmp_path / "other")
    with pytest.raises(ModelError, match="more than 1,000 bytes together"):
        provide_models(made.quality_model, cache, most_bytes=1000)


@pytest.mark.parametrize(
    ("edu", "page_type", "why"),
    [
        ('kind = "class"', "", 'edu has no classes; remove from its entry: kind = "class"'),
        ("", 'drop_classes = ["recipe"]', "page_type has no class 'recipe'; its classes are article, forum, listing"),
    ],
)
def test_rules_that_do_not_fit_the_model(recipe: Callable[..., Recipe], edu: str, page_type: str, why: str) -> None:
    """The message says what to write."""
    with pytest.raises(ModelError) as found:
        judge(KNOWN_PAGE, recipe(edu, page_type), default_cache())
    assert why in str(found.value)


def test_a_changed_file_is_another_model(recipe: Callable[..., Recipe], tmp_path: Path) -> None:
    """Its sha256 is always checked."""
    made = recipe()
    (tmp_path / "edu.safetensors").write_bytes(model_file(seed=9))
    with pytest.raises(ModelError, match=f"expected is {sha256('edu')}"):
        provide_models(made.quality_model, tmp_path / "cache")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"name": "text"}, "a row has the column text already"),
        ({"name": "edu_raw"}, "a row has the column edu_raw already"),
        ({"name": "Edu"}, "String should match pattern"),
        ({"sha256": "abc"}, "String should match pattern"),
        ({"model": "hf:alice/edu@main"}, "with a revision of 40 hex digits"),
        ({"model": "/etc/passwd"}, "is neither a shipped model's name, nor a .safetensors file"),
        ({"min_bin": 20}, "less than 20"),
        ({"min_bin": True}, "valid integer"),
        ({"drop_classes": ["a"]}, 'add kind = "class"'),
        ({"threshold": 3}, "Extra inputs are not permitted"),
    ],
)
def test_entries_that_are_refused(tmp_path: Path, change: dict[str, Any], why: str) -> None:
    """In the words of the recipe."""
    entry = {"name": "edu2", "model": "edu", "sha256": "0" * 64} | change
    path = tmp_path / "r.toml"
    lines = [
        f"{key} = {str(value).lower() if isinstance(value, bool) else repr(value)}" for key, value in entry.items()
    ]
    other = f'[[quality_model.models]]\nname = "edu"\nmodel = "edu"\nsha256 = "{"0" * 64}"\n'
    path.write_text('name = "x"\n' + other + "[[quality_model.models]]\n" + "\n".join(lines) + "\n")
    with pytest.raises(RecipeError) as found:
        load_recipe(str(path))
    assert why in str(found.value)


def test_bins_of_recipes_are_those_of_models() -> None:
    """The recipe's module does not import that of the file."""
    assert quality_model.BINS == model_format.BINS


def test_more_models_than_a_recipe_may_have() -> None:
    """Each costs every worker memory and every validator a download."""
    models = [{"name": f"m{n}", "model": "edu", "sha256": "0" * 64} for n in range(9)]
    with pytest.raises(ValueError, match="at most 8 items"):
        Recipe.model_validate({"name": "x", "quality_model": {"models": models}})


def test_a_model_of_the_hub_that_is_not_here(tmp_path: Path) -> None:
    """Judging knows no network: the message names the command that fetches."""
    entry = {"name": "edu", "model": f"hf:alice/edu@{SHA}", "sha256": "0" * 64}
    made = parse_recipe({"name": "x", "quality_model": {"models": [entry]}})
    assert ModelRules(**entry).model == entry["model"]
    with pytest.raises(ModelError, match=r"is not on this machine; fetch it with: finest recipe fetch RECIPE.toml"):
        load_models(made.quality_model, tmp_path)


def test_why_shows_the_pages_own_words(tmp_path: Path) -> None:
    """What the n-grams add is the score, up to rounding; the ten largest are shown for and against."""
    for name, data in FILES.items():
        path = tmp_path / f"{name}.safetensors"
        path.write_bytes(data)
        model = QualityModel.load(path)
        text = "The naïve  Proof of the\ntheorem: 12 lemmas, and The naïve proof again. " + " ".join(
            map(str, range(40))
        )
        terms = model.terms(text)
        if not model.classes:
            assert abs(sum(term.raw for term in terms) + model.bias[0] - model.score(text).raw) <= len(terms)
        explained = explain_scores([name], [model], text)[0]
        assert (explained.name, explained.score) == (name, model.score(text))
        assert len(explained.speaks_for) == len(explained.speaks_against) == 10
        assert [words.raw for words in explained.speaks_for] == sorted((t.raw for t in terms), reverse=True)[:10]
        assert all(words.raw < 0 for words in explained.speaks_against)
        assert all(words.text in " ".join(text.split()) for words in explained.speaks_for)
        assert {words.times for words in explained.speaks_for} <= {1, 2, 3}
