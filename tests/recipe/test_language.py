"""Language identification, against DataTrove's FT176LID."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from datatrove.data import Document
from datatrove.pipeline.filters import LanguageFilter
from datatrove.utils.lid import FT176LID
from fasttext.FastText import _FastText

from finest.errors import RecipeError
from finest.recipe.language import LanguageModel, check_language, model_path, shipped_model
from finest.recipe.recipe import LanguageRules

RULES = LanguageRules()
TEXTS = [
    "The quick brown fox jumps over the lazy dog.\nAnd then it sleeps until the morning comes.",
    "Der schnelle braune Fuchs springt über den faulen Hund.",
    "Le renard brun saute par-dessus le chien paresseux.",
    "素早い茶色の狐は怠け者の犬を飛び越える。",
    "Hello Welt bonjour mundo ciao",
    "ok lol", "12345", "", " ", "\n\n", "a\x00b", "\x00", "é" * 50, "the " * 5000,
]  # fmt: skip


class _AsWithNumpy:
    """The package that DataTrove asks for returns NumPy scores; the one that is installed here returns floats."""

    def __init__(self) -> None:
        self._model = _FastText(str(shipped_model()))

    def predict(self, text: str, k: int) -> tuple[tuple[str, ...], list[np.float64]]:
        labels, scores = self._model.predict(text, k=k)
        return labels, [np.float64(score) for score in scores]


@pytest.fixture(scope="module")
def datatrove() -> FT176LID:
    model = FT176LID(["en"])
    model._model = _AsWithNumpy()
    return model


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    return LanguageModel.load(shipped_model(), RULES.model_sha256)


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_scores_are_datatroves(text: str, model: LanguageModel, datatrove: FT176LID) -> None:
    """Best language, its score and the score of English are the same numbers."""
    best, wanted = datatrove.predict(Document(text=text, id=""))
    assert model.best(text) == best
    assert model.score(text, "en") == wanted["en"]
    assert model.score(text, "no such language") == 0.0


@pytest.mark.parametrize("languages", [("en",), ("de", "fr"), ()])
@pytest.mark.parametrize("threshold", [0.1, 0.65, 0.99])
def test_pages_are_kept_as_by_datatrove(
    languages: tuple[str, ...], threshold: float, model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page is kept if a wanted language is over the threshold, or with none named if its best one is."""
    monkeypatch.setattr(LanguageFilter, "_requires_dependencies", [])
    filter_ = LanguageFilter(list(languages) or None, language_threshold=threshold)
    filter_.model._model = _AsWithNumpy()
    rules = LanguageRules(languages=languages, threshold=threshold)
    for text in TEXTS:
        check = check_language(text, *model.best(text), model, rules)
        assert check.failed is not bool(filter_.filter(Document(text=text, id="")))
        assert (check.reason, check.limit) == ("language", threshold)


def test_a_score_on_the_threshold_is_not_over_it(model: LanguageModel) -> None:
    """DataTrove keeps what is greater than the threshold, not what equals it."""
    best, score = model.best(TEXTS[0])
    for threshold, failed in ((score, True), (np.nextafter(score, 0), False)):
        rules = LanguageRules(threshold=float(threshold))
        assert check_language(TEXTS[0], best, score, model, rules).failed is failed


def test_lone_surrogates_are_no_crash(model: LanguageModel) -> None:
    """Text that no encoding can hold is asked about with a mark in its place."""
    assert model.best("The quick \ud800 brown fox jumps over the lazy dog.")[0] == "en"


def test_another_model_than_the_recipes_is_refused(tmp_path: Path) -> None:
    """The recipe names the model by its sha256; another file is an error that says both."""
    path = tmp_path / "model.bin"
    with pytest.raises(RecipeError, match=r"model\.bin: cannot be read"):
        LanguageModel.load(path, RULES.model_sha256)
    path.write_bytes(b"another")
    with pytest.raises(RecipeError, match=f"the recipe asks for {RULES.model_sha256}"):
        LanguageModel.load(path, RULES.model_sha256)


def test_the_shipped_model_is_found_by_its_name() -> None:
    """The recipe's default needs no path; any other model does."""
    cache = Path("/cache")
    assert model_path("lid.176.ftz", cache) == shipped_model()
    assert model_path("/models/lid.176.bin", cache) == Path("/cache/models/lid.176.bin")
    assert model_path(__file__, cache) == Path(__file__)
