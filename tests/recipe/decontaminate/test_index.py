"""Index files: the same for everybody, and harmless whoever made them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

from finest.errors import RecipeError
from finest.recipe.decontaminate.build import Item, build_index
from finest.recipe.decontaminate.index import KEY, MAX_INDEX_BYTES, MOST_ITEMS_PER_NGRAM, decoded, read_index
from finest.recipe.decontaminate.match import Matcher
from tests.recipe.decontaminate.made import index_of

QUESTION = "Which river rises in the hills above the old town and turns south where the valley opens?"
SET = '{"common":0,"items":1,"name":"quiz","repeated":0,"short":0}'
HEAD = f'{{"format":"finest-index/1","min_words":8,"n":4,"sets":[{SET}]}}'


def tensors(**changes: Any) -> dict[str, Any]:
    """The tensors of an index with two n-grams of one item."""
    return {
        "hashes": np.array([5, 9], np.uint64), "firsts": np.array([0, 1, 2], np.uint32),
        "items": np.zeros(2, np.uint32), "ordinals": np.array([0, 1], np.uint32), "item_sets": np.zeros(1, np.uint16),
        "item_numbers": np.zeros(1, np.uint32), "item_ngrams": np.full(1, 2, np.uint32),
    } | changes  # fmt: skip


def file(head: str = HEAD, **changes: Any) -> bytes:
    return safetensors.numpy.save(tensors(**changes), metadata={KEY: head})


def test_equal_sets_give_equal_bytes() -> None:
    """And the index that is read is the one that was written. The bytes of format 1 are pinned."""
    index = index_of(QUESTION, "日本語の文字を数える問題はどれですか答えなさい。")
    data = index.encoded()
    assert data == index_of(QUESTION, "日本語の文字を数える問題はどれですか答えなさい。").encoded()
    assert decoded(data).encoded() == data
    assert hashlib.sha256(data).hexdigest() == "347777ddf26683fdf9649dfe18c0ed71eda573c986fb99bc854e348e08caa03e"


def test_what_becomes_of_items() -> None:
    """Short ones, repeated ones and those of common phrases are left out and counted."""
    common = [f"What is the answer to the question about it {'xyz'[n % 3] * 3}" for n in range(3)]
    texts = [QUESTION, QUESTION.upper(), "Too short?", *common]
    sets = [(f"set{n}", [Item(at, text) for at, text in enumerate(texts)]) for n in range(2)]
    first, second = build_index(sets).head.sets
    assert (first.items, first.short, first.repeated, first.common) == (6, 1, 1, 0)
    assert (second.items, second.short, second.repeated) == (6, 1, 5)


def test_phrases_of_many_items_do_not_count() -> None:
    """An n-gram that more items share than allowed is no evidence for any of them."""
    many = [f"which of the following statements about this is right number{n}" for n in range(MOST_ITEMS_PER_NGRAM + 1)]
    index = index_of(*many)
    assert Matcher(index, 1, 0).best("which of the following statements about this is right") is None
    assert Matcher(index_of(*many[:-1]), 1, 0).best("which of the following statements about this is right")


@pytest.mark.parametrize(("data", "why"), [
    (b"", "cut off"), (b"\xff" * 64, "cut off"), (file()[:100], "no index|cut off"), (file()[:-4], "safetensors"),
    (safetensors.numpy.save({"hashes": np.zeros(1, np.uint64)}), "no metadata key"),
    (file(HEAD.replace("index/1", "index/2")), "format"), (file(HEAD.replace('"n":4', '"n":0')), "n: "),
    (file(HEAD.replace('"n":4', '"n":4000000000')), "n: "), (file(HEAD.replace("quiz", "../quiz")), "name"),
    (file(hashes=np.array([9, 5], np.uint64)), "hashes"), (file(hashes=np.array([5, 5], np.uint64)), "hashes"),
    (file(hashes=np.array([5, 9], np.int64)), "tensor hashes"), (file(firsts=np.array([0, 1], np.uint32)), "sizes"),
    (file(firsts=np.array([0, 2, 1], np.uint32)), "firsts"), (file(firsts=np.array([0, 1, 9], np.uint32)), "firsts"),
    (file(items=np.array([0, 7], np.uint32)), "items"), (file(item_sets=np.ones(1, np.uint16)), "item_sets"),
    (file(ordinals=np.array([0, 2**31], np.uint32)), "ordinals"), (file(more=np.zeros(1)), "has the tensors"),
    (file(item_ngrams=np.full(1, 2**32 - 1, np.uint32)), "item_ngrams"),
    (file(hashes=np.arange(2, dtype=np.uint64).reshape(2, 1)), "one row"),
])  # fmt: skip
def test_hostile_files_are_refused(data: bytes, why: str, tmp_path: Path) -> None:
    """In one line that names the file, before any of its numbers is used."""
    path = tmp_path / "x.decon"
    path.write_bytes(data)
    with pytest.raises(RecipeError, match=why) as caught:
        read_index(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_index_where_everything_is_shared_is_refused() -> None:
    """The items of an n-gram bound the work per word of a text."""
    n = MOST_ITEMS_PER_NGRAM + 1
    with pytest.raises(RecipeError, match="firsts"):
        decoded(file(
            hashes=np.zeros(1, np.uint64), firsts=np.array([0, n], np.uint32), items=np.arange(n, dtype=np.uint32),
            ordinals=np.zeros(n, np.uint32), item_sets=np.zeros(n, np.uint16), item_numbers=np.zeros(n, np.uint32),
            item_ngrams=np.ones(n, np.uint32),
        ))  # fmt: skip


def test_size_and_sha256_are_checked(tmp_path: Path) -> None:
    """A huge file is not read to its end; another index than the recipe's is named with both sha256s."""
    path = tmp_path / "x.decon"
    path.write_bytes(file())
    with pytest.raises(RecipeError, match=r"its sha256 is .* the recipe asks for 0000"):
        read_index(path, "0" * 64)
    with path.open("r+b") as huge:
        huge.truncate(MAX_INDEX_BYTES + 1)
    with pytest.raises(RecipeError, match="has more than"):
        read_index(path)
    with pytest.raises(RecipeError, match="cannot be read"):
        read_index(tmp_path)
