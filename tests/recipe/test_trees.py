"""The trees that select the main text of engine `blocks-2`, and the columns that they see."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from finest.errors import RecipeError
from finest.recipe.extract.block_features import COLUMNS, MOST, features, name_groups
from finest.recipe.extract.parts import Part
from finest.recipe.extract.structure import read_page
from finest.recipe.extract.trees import (
    ALL_COLUMNS,
    MOST_SCORE,
    SECOND,
    Stage,
    parse_trees,
    second_features,
    shipped_sha256,
    shipped_trees,
)
from finest.recipe.recipe import load_recipe, parse_recipe
from tests.recipe.extract_pages import LONG, PAGES

PAGE = (
    f"<div class=menu><a href=/>Home</a><p>Tides</p></div><main class=post><h1>Tides</h1><div><p>{LONG}</p>"
    f"<p>Costs $5...</p><p>{LONG} again, and at length, twice.</p></div><table><tr><td>Tides</table></main>"
)


def parts_of(html: str) -> list[Part]:
    return read_page(html, name_groups()).shown


def values(html: str, column: str) -> list[int]:
    at = COLUMNS.index(column)
    return [row[at] for row in features(parts_of(html))]


def test_the_trees_are_the_ones_that_recipes_name() -> None:
    """Other trees give other texts, so that a recipe states theirs; all columns and depths are in range."""
    assert load_recipe("finest").extraction.trees_sha256 == shipped_sha256()
    for stage, columns in zip(shipped_trees(), (COLUMNS, ALL_COLUMNS), strict=True):
        assert len(stage.columns) == len(stage.limits) and len(stage.columns) % stage.depth == 0
        assert len(stage.leaves) == len(stage.columns) // stage.depth << stage.depth
        assert max(stage.columns) < len(columns) <= 256


def test_the_leaves_of_a_shipped_tree_fit_in_bytes() -> None:
    """The compiled core sums them as bytes if those of all trees fit, in half the time."""
    for stage in shipped_trees():
        size = 1 << stage.depth
        trees = [stage.leaves[at : at + size] for at in range(0, len(stage.leaves), size)]
        assert max(max(leaves) - min(leaves) for leaves in trees) <= 255


def test_a_recipe_with_other_trees_is_refused() -> None:
    """The message names the key, what to install, and the present trees; a file without the key gets them."""
    data = load_recipe("finest").resolved()
    for stated in ({"trees_sha256": "0" * 64}, {"trees_sha256": ""}):
        with pytest.raises(RecipeError, match=f"trees_sha256 .* install the version .*{shipped_sha256()}"):
            parse_recipe({**data, "extraction": {**data["extraction"], **stated}})
    assert parse_recipe(data).hash == load_recipe("finest").hash


def test_a_recipe_file_without_the_key_gets_the_present_trees(tmp_path: Path) -> None:
    """As it gets the installed libraries."""
    path = tmp_path / "own.toml"
    path.write_text('name = "own"\n[extraction]\nengine = "blocks-2"\n')
    assert load_recipe(str(path)).extraction.trees_sha256 == shipped_sha256()


def test_a_tree_adds_the_leaf_that_its_limits_lead_to() -> None:
    """A value at the limit is not above it, and each level is one bit of the leaf's number, the lowest first."""
    lines = [
        {"depth": 2, "bias": 7}, {"columns": [0, 1], "limits": [10, 20], "leaves": [1, 10, 100, 1000]},
        {"depth": 1, "bias": 0},
    ]  # fmt: skip
    trees = parse_trees("\n".join(map(json.dumps, lines)).encode())
    assert trees.second == Stage(1, 0, b"", (), ())
    scores = [trees.first.score(row) for row in ([10, 20], [11, 20], [10, 21], [11, 21])]
    assert scores == [8, 17, 107, 1007]


def test_columns_describe_a_block_and_what_is_around_it() -> None:
    """Own text, neighbours, the elements around it, repeats and place."""
    texts = [part.text for part in parts_of(PAGE)]
    assert [texts.count(text) for text in texts] == values(PAGE, "repeats")
    assert values(PAGE, "chars-1") == [0, *values(PAGE, "chars")[:-1]]
    assert values(PAGE, "ellipsis") == values(PAGE, "currency") == [0, 0, 0, 0, 1, 0, 0]
    assert values(PAGE, "link_share")[0] == 64
    assert values(PAGE, "flag_main") == [0, 0, 1, 1, 1, 1, 1]
    assert values(PAGE, "nest0_count") == [2, 2, 1, 3, 3, 3, 1]
    assert values(PAGE, "nest0_best") == [0, 0, 0, 1, 1, 1, 0]
    assert values(PAGE, "after_heading")[2:5] == [0, 1, 2]
    assert values(PAGE, "from_h1") == [-2, -1, 0, 1, 2, 3, 4]
    assert values(PAGE, "place") == [at * 64 // 7 for at in range(7)]


@pytest.mark.parametrize("html", [*PAGES.values(), PAGE, "<p>a", "a" * 40_000])
def test_columns_fit_in_sixteen_bits(html: str) -> None:
    """Whatever the page, each block has all columns of both stages, within limits."""
    parts = parts_of(html)
    rows = features(parts)
    scores = [(MOST_SCORE, -MOST_SCORE, 0)[at % 3] for at in range(len(parts))]
    more = [*second_features(parts, scores)]
    assert len(rows) == len(more) == len(parts)
    for row, second in zip(rows, more, strict=True):
        assert len(row) == len(COLUMNS) and len(second) == len(SECOND)
        assert all(-MOST <= value <= MOST for value in (*row, *second))
