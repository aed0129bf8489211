"""Which n-grams of a page's text speak for its score and which against it, in the page's own words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from finest.recipe.quality_model.scoring import score_all

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from finest.recipe.quality_model.scoring import QualityModel, Score
    from finest.recipe.quality_model.term import Term

SHOWN = 10
"""N-grams that are shown for and against a score."""
_SHOWN_CHARS = 60


class Words(NamedTuple):
    """An n-gram in the page's own words, how often it occurs, and what that adds to the raw score."""

    text: str
    times: int
    raw: int


class Explained(NamedTuple):
    """The score of a text by one model, and the n-grams that changed it most."""

    name: str
    """The column of the score."""
    score: Score
    speaks_for: tuple[Words, ...]
    """The n-grams that added most, the largest first; for a class model, to the best class against the second."""
    speaks_against: tuple[Words, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the same as JSON values."""
        return {
            "name": self.name, **self.score._asdict(), "for": [words._asdict() for words in self.speaks_for],
            "against": [words._asdict() for words in self.speaks_against],
        }  # fmt: skip


def explain_scores(names: Sequence[str], models: Sequence[QualityModel], text: str) -> tuple[Explained, ...]:
    """Explain the scores of a text by models, whose columns have those names."""
    data = text.encode()
    found = []
    for name, model, score in zip(names, models, score_all(models, text), strict=True):
        terms = model.terms(text)
        best = _words(data, (term for term in terms if term.raw > 0))
        worst = _words(data, (term for term in reversed(terms) if term.raw < 0))
        found.append(Explained(name, score, best, worst))
    return tuple(found)


def _words(data: bytes, terms: Iterable[Term]) -> tuple[Words, ...]:
    first = [term for term, _ in zip(terms, range(SHOWN), strict=False)]
    return tuple(Words(_shown(data[term.start : term.end]), term.times, term.raw) for term in first)


def _shown(words: bytes) -> str:
    return " ".join(words.decode(errors="replace").split())[:_SHOWN_CHARS] or "(end of the text)"
