"""The label of a page in recipes with a table of languages, beside DataTrove's own steps of FineWeb-2."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bench.fasttext_training import CannotTrain
from bench.fasttext_training import train as train_fasttext
from datatrove.data import Document
from datatrove.utils.lid import GlotLID
from fasttext.FastText import _FastText

from finest.recipe.judge import Toolbox
from finest.recipe.labels import check_label
from finest.recipe.page import Page
from finest.recipe.recipe import Recipe, load_recipe
from finest.recipe.state import PageState
from finest.recipe.table import find_languages, table_sha256, with_languages
from finest.settings import default_cache
from tests.languages_made import SENTENCES, article

RUSSIAN = [
    "Река начинается в холмах над старым городом и поворачивает на юг там, где долина становится шире.",
    "Каждую весну люди отмечают высоту воды на стене мельницы, как это делали их родители.",
    "Самую старую отметку, которую ещё можно прочесть, вырезал мельник более двухсот лет назад.",
    "С тех пор половодье приходит позже, а отметки всё ближе к земле.",
]
TEXTS = [
    "\n".join(article("de", 1)), "\n".join(article("fr", 2)), "\n".join(article("en", 3)), "\n".join(RUSSIAN), "Ja.",
    "\n".join(article("de", 4) + article("fr", 4)), "12345", "\n".join([*RUSSIAN, *article("de", 5, 3)]),
]  # fmt: skip


@pytest.fixture(scope="module")
def glotlid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small fastText model with GlotLID's labels, of two scripts."""
    folder = tmp_path_factory.mktemp("glotlid")
    known = {"deu_Latn": SENTENCES["de"], "fra_Latn": SENTENCES["fr"], "rus_Cyrl": RUSSIAN}
    lines = [f"__label__{code} {text}" for code, texts in known.items() for text in texts]
    (folder / "texts").write_text("\n".join(lines) + "\n", encoding="utf-8")
    try:
        train_fasttext(
            folder / "texts", folder / "model.bin", dim=8, epoch=60, lr=0.8, minn=2, maxn=3, bucket=2000, wordNgrams=1
        )
    except CannotTrain as error:
        pytest.skip(str(error))
    return folder / "model.bin"


def recipe_with(path: Path, *codes: str) -> Recipe:
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return with_languages(load_recipe("fineweb-2"), find_languages(codes), model=str(path), model_sha256=sha256)


class _WithNumpy:
    """The package that DataTrove asks for returns NumPy scores; the one that is installed here returns floats."""

    def __init__(self, path: Path) -> None:
        self._model = _FastText(str(path))

    def predict(self, text: str, k: int) -> tuple[tuple[str, ...], list[np.float64]]:
        labels, scores = self._model.predict(text, k=k)
        return labels, [np.float64(score) for score in scores]


def test_labels_and_scores_are_those_of_datatroves_glotlid(glotlid: Path) -> None:
    """The same best label with the same score, and so the same decision at the threshold of its language."""
    theirs = GlotLID()
    theirs._model = _WithNumpy(glotlid)
    tools = Toolbox(recipe_with(glotlid, "deu_Latn", "rus_Cyrl"), default_cache())
    decided: list[Any] = []
    for text in TEXTS:
        (label, score), _ = theirs.predict(Document(text=text, id=""))
        state = PageState(Page("", "", "", b""), text=text)
        checks = list(check_label(state, tools.recipe.language, tools))
        assert (state.language, state.language_score) == (label, score)
        english = tools.shipped_model.score(text, "en") > 0.65
        kept = not english and label in ("deu_Latn", "rus_Cyrl") and score >= tools.threshold(label)
        assert all(not check.failed for check in checks) == kept
        decided.append(next((check.reason for check in checks if check.failed), "kept"))
    assert {"kept", "language", "language_english"} == set(decided)


def test_a_score_on_the_threshold_is_enough(glotlid: Path) -> None:
    """FineWeb-2 keeps a page whose score equals the threshold; FineWeb does not."""
    recipe = recipe_with(glotlid, "deu_Latn")
    tools = Toolbox(recipe, default_cache())
    score = tools.model.best(TEXTS[0])[1]
    for limit, failed in ((score, False), (np.nextafter(score, 2), True)):
        language = recipe.language.model_copy(update={"thresholds": {"deu_Latn": float(limit)}})
        with_limit = Toolbox(recipe.model_copy(update={"language": language}), default_cache())
        checks = list(check_label(PageState(Page("", "", "", b""), text=TEXTS[0]), language, with_limit))
        assert checks[-1].failed is failed


def test_the_hash_holds_the_table_and_the_model(glotlid: Path, tmp_path: Path) -> None:
    """What decides a page is in the hash: the languages, the table's sha256, the model's, and not its place."""
    recipe = recipe_with(glotlid, "deu_Latn")
    copy = tmp_path / "copy.bin"
    copy.write_bytes(glotlid.read_bytes())
    assert recipe_with(copy, "deu_Latn").resolved()["language"]["table_sha256"] == table_sha256()
    other = recipe.model_copy(update={"language": recipe.language.model_copy(update={"table_sha256": "0" * 64})})
    assert recipe_of(other).hash != recipe.hash


def recipe_of(recipe: Recipe) -> Recipe:
    """The recipe from its own data, without what was remembered of it."""
    return Recipe.model_validate(recipe.resolved())
