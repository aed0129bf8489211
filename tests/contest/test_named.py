"""The server's list of reference recipes: kept in order, fetched by validators, and in force from its block on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from finest.contest import named as module
from finest.contest.named import EVERY_S, SOON_S, NamedRecipes
from finest.contest.submission import Submission, read_submission
from finest.errors import HubUnavailable, RecipeError, RunError, TaskServerUnavailable, UsageError
from finest.recipe.recipe import load_recipe
from finest.tasks.models import ReferenceRecipe
from finest.tasks.reference import in_force, named_recipes, reference_at
from finest.tasks.store import Store
from finest.validator.admission import known_recipes

from .made import folder_of, model, recipe_text, with_model

SHA = "0" * 40


@pytest.fixture
def winner(tmp_path: Path) -> Submission:
    data = model()
    return read_submission(
        str(folder_of(tmp_path / "winner", recipe_text(with_model(data, more="min_bin = 1")), own=data))
    )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(f"sqlite:///{tmp_path / 'tasks.db'}")
    yield opened
    opened.close()


def entry(recipe_hash: str, since: int | None = 100, **more: Any) -> ReferenceRecipe:
    return ReferenceRecipe(name="better", hash=recipe_hash, source=f"alice/better@{SHA}", since_block=since, **more)


def test_the_list_only_grows(store: Store) -> None:
    """An entry is added once, and none before the language's last: the past of a task does not change."""
    first, second = entry("a" * 64), entry("b" * 64, 200)
    assert [store.add_recipe(one) for one in (first, first, second)] == [True, False, True]
    other = entry("c" * 64, 50, language="deu_Latn")
    assert store.add_recipe(other)
    with pytest.raises(UsageError, match="from block 200 on, and the past cannot be changed"):
        store.add_recipe(entry("d" * 64, 150))
    assert store.recipes() == [first, second, other]


def test_the_newest_that_has_begun_is_in_force() -> None:
    """For each language by itself."""
    known = [entry("a" * 64), entry("b" * 64, 200), entry("c" * 64, 50, language="deu_Latn")]
    found = [in_force(known, block, "eng_Latn") for block in (99, 100, 199, 200)]
    assert [one.hash[0] if one else None for one in found] == [None, "a", "a", "b"]


def test_a_validator_fetches_the_reference_and_judges_by_it(
    winner: Submission, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the block on that the list says; before it, and without a block, the reference is fineweb."""
    said: list[str] = []
    server: Any = SimpleNamespace(recipes=lambda: [entry(winner.recipe.hash)])
    monkeypatch.setattr(module, "read_submission", lambda _: winner)
    cache = tmp_path / "cache"
    assert NamedRecipes(server, cache, said.append).round() == EVERY_S
    monkeypatch.setattr(module, "read_submission", lambda _: pytest.fail("fetched again"))
    assert NamedRecipes(server, cache, said.append).round() == EVERY_S
    assert len(said) == 1
    fineweb = load_recipe("fineweb").hash
    assert [reference_at(cache, block).hash for block in (None, 99, 100)] == [fineweb, fineweb, winner.recipe.hash]
    assert reference_at(cache, 100, "deu_Latn").hash == fineweb
    assert winner.recipe.hash in known_recipes(cache)
    assert winner.recipe.hash not in known_recipes()
    assert Path(named_recipes(cache)[winner.recipe.hash].quality_model.models[0].model).is_file()


def test_a_recipe_that_work_names_is_fetched_and_no_reference(
    winner: Submission, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Validators judge by it, and miners can take tasks that ask for it; other tasks keep their reference."""
    server: Any = SimpleNamespace(recipes=lambda: [entry(winner.recipe.hash, None)])
    monkeypatch.setattr(module, "read_submission", lambda _: winner)
    named = NamedRecipes(server, tmp_path, lambda _: None)
    assert [recipe.hash for recipe in named.known()] == [winner.recipe.hash]
    assert winner.recipe.hash in known_recipes(tmp_path)
    assert reference_at(tmp_path, 10**9).name == "fineweb" == named.at(10**9).name


def test_no_other_recipe_stands_in_for_the_reference(
    winner: Submission, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be read, or is another recipe than the list says, leaves its tasks without a verdict."""
    said: list[str] = []
    server: Any = SimpleNamespace(recipes=lambda: [entry("a" * 64)])
    chore = NamedRecipes(server, tmp_path / "cache", said.append)
    monkeypatch.setattr(module, "read_submission", lambda _: winner)
    assert chore.round() == SOON_S

    def away(_: str) -> Submission:
        raise HubUnavailable("the Hub is away")

    monkeypatch.setattr(module, "read_submission", away)
    assert chore.round() == SOON_S
    assert [line.partition(" ")[0] for line in said] == [f"alice/better@{SHA}", "The"]
    assert reference_at(tmp_path / "cache", 99).name == "fineweb"
    with pytest.raises(RecipeError, match="is not on this machine"):
        reference_at(tmp_path / "cache", 100)


def test_a_miner_uses_the_reference_of_its_task(
    winner: Submission, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the block of the lease, with a new list for each task; while the server is away, by the last known list."""
    listed: list[ReferenceRecipe] = []
    server: Any = SimpleNamespace(recipes=lambda: listed)
    monkeypatch.setattr(module, "read_submission", lambda _: winner)
    references = NamedRecipes(server, tmp_path, lambda _: None)
    assert references.at(150).name == "fineweb"
    listed.append(entry(winner.recipe.hash))
    assert [references.at(block).hash == winner.recipe.hash for block in (99, 100)] == [False, True]

    def away() -> list[ReferenceRecipe]:
        raise TaskServerUnavailable("the task server is away")

    server.recipes = away
    assert references.at(150).hash == winner.recipe.hash
    assert NamedRecipes(server, tmp_path, lambda _: None).at(150).hash == winner.recipe.hash


def test_a_miner_never_mines_with_another_recipe_than_the_reference(
    winner: Submission, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reference that is not what the list says ends the task with a line that names the way out."""
    server: Any = SimpleNamespace(recipes=lambda: [entry("a" * 64)])
    monkeypatch.setattr(module, "read_submission", lambda _: winner)
    with pytest.raises(RunError, match=r"aaaaaaaaaaaa is not on this machine.* name it with --recipe"):
        NamedRecipes(server, tmp_path, lambda _: None).at(100)


def test_a_shipped_recipe_can_be_named(tmp_path: Path) -> None:
    """Nothing is fetched for it."""
    finest = load_recipe("finest")
    one = ReferenceRecipe(name="finest", hash=finest.hash, source="finest", since_block=1)
    server: Any = SimpleNamespace(recipes=lambda: [one])
    assert NamedRecipes(server, tmp_path, lambda _: None).round() == EVERY_S
    assert reference_at(tmp_path, 5).hash == finest.hash
