"""Stages as values: recipes, reasons and hashes follow from one list."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

import pytest

from finest.errors import RecipeError
from finest.pipeline.preflight import KNOWN_PAGE
from finest.recipe.recipe import SHIPPED, Recipe, load_recipe, parse_recipe, recipe_hash, tomllib
from finest.recipe.schema import defaults
from finest.recipe.stage import Rules
from finest.recipe.stages import STAGES
from finest.recipe.state import PageState
from finest.recipe.toolbox import toolbox
from finest.settings import default_cache

LIBRARIES = {"trafilatura": "1.11.0"}
HASHES = {
    "fineweb": "ef4692587a044ac0ffbf45c6dadce73e4ae438a984857b6398c4718984266921",
    "finest": "b75d87bc7f3d7af4e4946d1e7255d3e88a2d857ea1a544f1a1b474fd08583826",
    "finest-scored": "47bf57cd17355b64b000f45c98910d24fb948ef34490a423650b87c654f46907",
    "finest-union": "6f73d301922fa776e0b388b89e942d4b77ac92d8368bb87accc46299eb0dd002",
    "fineweb-2": "81689f14768ffbd15c391ce5b55823c876c274a67ec18083f032bad4a87c5916",
    "fineweb-2-lid176": "43acd2d5a283c68463f238ab505ff040cfee4ec89ab5e119df3c902c4bf9b33c",
}
"""The hashes of the shipped recipes with LIBRARIES in place of the installed versions."""


class LaterRules(Rules):
    """The section of a stage that a later version adds."""

    enabled: bool = False
    limit: float = 0.5


class LaterRecipe(Recipe):
    """The recipe of that later version."""

    later: LaterRules = LaterRules()


def hash_of(recipe: Recipe) -> str:
    return recipe_hash(recipe.resolved() | {"libraries": LIBRARIES})


@pytest.mark.parametrize("name", SHIPPED)
def test_the_hashes_of_shipped_recipes_are_pinned(name: str) -> None:
    """Their hash changes only where a value or a library does."""
    assert hash_of(load_recipe(name)) == HASHES[name]


@pytest.mark.parametrize("name", SHIPPED)
def test_a_new_disabled_stage_leaves_hashes_as_they_are(name: str) -> None:
    """What has its default in a section that the schema lacks is not in the resolved form; what differs is."""
    data = load_recipe(name).resolved()
    later = LaterRecipe.model_validate(data)
    assert later.resolved() == data
    assert hash_of(later) == HASHES[name]
    assert hash_of(LaterRecipe.model_validate({**data, "later": {"enabled": True}})) != HASHES[name]


def test_defaults_are_those_of_the_schema() -> None:
    """A changed default would change what a hash stands for: a later default needs a later schema."""
    data = Recipe(name="x").resolved()
    for section, keys in defaults().items():
        assert {key: data[section][key] for key in keys} == keys


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_recipes_state_every_value(name: str) -> None:
    """Each threshold stands in the recipe's own file."""
    stated = tomllib.loads(resources.files("finest.recipe").joinpath(f"{name}.toml").read_text(encoding="utf-8"))
    sections = {name: set(keys) for name, keys in stated.items() if isinstance(keys, dict) and name in defaults()}
    assert sections.keys() == defaults().keys()
    assert not [name for name, keys in defaults().items() if not set(keys) <= sections[name]]
    assert json.loads(json.dumps(stated)) == {k: v for k, v in load_recipe(name).resolved().items() if k != "libraries"}


def test_sections_of_a_recipe_are_those_of_the_stages() -> None:
    """Neither has one that the other lacks, and a section's type is its stage's."""
    sections = {stage.section: stage.rules for stage in STAGES if stage.section}
    assert {name: type(rules) for name, rules in Recipe(name="x").sections().items()} == sections


class Declared:
    """A page's state that refuses the fields which a stage does not declare."""

    def __init__(self, state: PageState, needs: set[str], provides: set[str]) -> None:
        object.__setattr__(self, "_parts", (state, needs, provides))

    def __getattr__(self, name: str) -> Any:
        state, needs, _ = object.__getattribute__(self, "_parts")
        assert name in needs | {"exact"}, f"reads {name}"
        return getattr(state, name)

    def __setattr__(self, name: str, value: object) -> None:
        state, _, provides = object.__getattribute__(self, "_parts")
        assert name in provides, f"sets {name}"
        setattr(state, name, value)


def test_stages_touch_only_what_they_declare() -> None:
    """Each stage runs on a page that passes all of them, with a state that refuses any other field."""
    tools = toolbox(load_recipe("finest"), default_cache())
    state = PageState(KNOWN_PAGE)
    for stage in STAGES:
        declared: Any = Declared(state, set(stage.needs), set(stage.provides))
        checks = list(stage.run(declared, tools.rules[stage.section], tools))
        assert all(stage.gives(check.reason) for check in checks)
    assert state.row_text
    assert state.token_count


@pytest.mark.parametrize("languages", [["de"], ["en", "de"]])
def test_english_stop_words_do_not_judge_other_languages(languages: list[str]) -> None:
    """Such a recipe is refused, with what is missing; stop words of that language, or none at all, mend it."""
    data: dict[str, Any] = {"name": "german", "language": {"languages": languages}}
    with pytest.raises(RecipeError, match="asks for de: name stop words"):
        parse_recipe(data)
    parse_recipe(data | {"gopher_quality": {"stop_words": ["der", "die", "und"]}})
    parse_recipe(data | {"gopher_quality": {"min_stop_words": 0}})


def test_old_recipes_are_refused_in_plain_words() -> None:
    """A manifest from before the schema names none."""
    data = load_recipe("fineweb").resolved()
    del data["schema"]
    with pytest.raises(ValueError, match=r"names no schema.*refine the sources again"):
        recipe_hash(data)
