"""Derive the settings of a language that nobody has configured from texts in it.

FineWeb-2 carries English's limits over to another language by the distribution of each statistic (arXiv:2506.20920).
Here a limit that is k standard deviations from the mean in English is k standard deviations from the mean in the other
language; the two limits of FineWeb's own filters cut off the tenth of the pages at their end. Stop words are the most
frequent words. Which of its methods FineWeb-2 chose for each filter is not in its repository, so the result is near
its settings but not equal.

The texts should be pages as they come out of extraction, before any filter.
"""

from __future__ import annotations

import json
import math
import statistics
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from datatrove.utils.text import TERMINAL_PUNCTUATION

from finest.errors import SourceError
from finest.recipe.languages import DUP_SIZES, TOP_SIZES, LanguageSettings, TokenizerKey
from finest.recipe.ngrams import Ngrams, duplicates

if TYPE_CHECKING:
    from finest.recipe.words import Tokenizer, Words

FEWEST_TEXTS = 100
"""Texts below which a mean and a standard deviation say too little; a choice of ours."""
_FEWEST_WORDS = 50
"""Words of the shortest page that counts: Gopher's minimum."""
_STOP_WORD_SHARE = 0.008
"""Share of all words that a stop word has at least. On German, French and Spanish pages of Common Crawl it finds 36 of
FineWeb-2's 49 stop words and 5 others; FineWeb-2 counted in Wikipedia."""
_FEWEST_STOP_WORDS, _MOST_STOP_WORDS = 8, 63
"""Gopher has 8 stop words in English; FineWeb-2's longest list has 63."""
_TAIL = 10
"""The share of pages that the limits of FineWeb's own filters cut off is one in ten."""
_LOWEST_SCORE = 0.3
"""The lowest threshold of an identifier's score in FineWeb-2; texts alone give no other."""


class _English(NamedTuple):
    """English's limit for a statistic (FineWeb's), and the mean and deviation over English pages."""

    limit: float
    mean: float
    deviation: float

    def carried_to(self, values: list[float]) -> float:
        distance = (self.limit - self.mean) / self.deviation
        return statistics.fmean(values) + distance * statistics.pstdev(values)


_ENGLISH = {
    "dup_line_frac": _English(0.3, 0.0506, 0.1176),
    "top_2": _English(0.2, 0.0230, 0.0514),
    "top_3": _English(0.18, 0.0246, 0.0793),
    "top_4": _English(0.16, 0.0260, 0.1062),
    "dup_5": _English(0.15, 0.0364, 0.0734),
    "dup_6": _English(0.14, 0.0293, 0.0699),
    "dup_7": _English(0.13, 0.0254, 0.0681),
    "dup_8": _English(0.12, 0.0232, 0.0672),
    "dup_9": _English(0.11, 0.0214, 0.0649),
    "dup_10": _English(0.10, 0.0199, 0.0632),
    "min_word": _English(3, 4.8069, 0.5679),
    "max_word": _English(10, 4.8069, 0.5679),
    "alpha": _English(0.8, 0.8291, 0.0787),
}
"""Means and deviations over 1,430 English pages of Common Crawl, as trafilatura extracts them, of 50 words or more."""


def derive_settings(
    code: str, name: str, texts: Iterable[str], tokenizer: Tokenizer, key: TokenizerKey
) -> LanguageSettings:
    """Return the settings of a language, from texts in it; `tokenizer` is that of `key`.

    Raises SourceError if fewer than FEWEST_TEXTS texts have 50 words or more.
    """
    found: dict[str, list[float]] = {}
    frequencies: Counter[str] = Counter()
    count = 0
    for text in texts:
        words = tokenizer.words(text)
        if words.non_symbol < _FEWEST_WORDS:
            continue
        count += 1
        frequencies.update(token for token in words.tokens if token.isalpha())
        for statistic, value in _statistics(text, words).items():
            found.setdefault(statistic, []).append(value)
    if count < FEWEST_TEXTS:
        raise SourceError(
            f"{count} texts of {_FEWEST_WORDS} words or more are too few to derive thresholds from; give "
            f"{FEWEST_TEXTS} or more"
        )
    return _settings(code, name, key, found, _stop_words(frequencies))


def _settings(
    code: str, name: str, key: TokenizerKey, found: dict[str, list[float]], stop_words: tuple[str, ...]
) -> LanguageSettings:
    def limit(statistic: str, values: str = "") -> float:
        return _ENGLISH[statistic].carried_to(found[values or statistic])

    return LanguageSettings(
        code=code,
        name=name,
        tokenizer=key.name,
        tokenizer_language=key.argument,
        language_score=_LOWEST_SCORE,
        dup_line_frac=_share(limit("dup_line_frac")),
        top_n_grams=tuple((n, _share(limit(f"top_{n}"))) for n in TOP_SIZES),
        dup_n_grams=tuple((n, _share(limit(f"dup_{n}"))) for n in DUP_SIZES),
        line_punct_thr=_share(statistics.quantiles(found["line_punct"], n=_TAIL)[0]),
        new_line_ratio=round(statistics.quantiles(found["new_line"], n=_TAIL)[-1], 3),
        min_avg_word_length=max(math.floor(limit("min_word", "word")), 0),
        max_avg_word_length=max(math.ceil(limit("max_word", "word")), 1),
        max_non_alpha_words_ratio=_share(limit("alpha")),
        stop_words=stop_words,
    )


def _share(value: float) -> float:
    return round(min(max(value, 0.0), 1.0), 3)


def _statistics(text: str, words: Words) -> dict[str, float]:
    """Return the statistics that the filters of FineWeb-2 compare with their limits."""
    lines = list(filter(None, text.split("\n")))
    shown = [line for line in lines if not line.isspace()]
    ngrams, size = Ngrams(words.tokens), len(text)
    return {
        "dup_line_frac": duplicates(lines)[0] / len(lines),
        **{f"top_{n}": ngrams.top_chars(n) / size for n in TOP_SIZES},
        **{f"dup_{n}": ngrams.duplicated_chars(n) / size for n in DUP_SIZES},
        "line_punct": sum(line[-1] in TERMINAL_PUNCTUATION for line in shown) / len(shown),
        "new_line": text.count("\n") / words.n,
        "word": words.non_symbol_chars / words.non_symbol,
        "alpha": words.alpha / words.n,
    }


def _stop_words(frequencies: Counter[str]) -> tuple[str, ...]:
    """Return the most frequent words, the most frequent first."""
    total = sum(frequencies.values())
    ordered = frequencies.most_common(_MOST_STOP_WORDS)
    return tuple(
        word for rank, (word, times) in enumerate(ordered)
        if rank < _FEWEST_STOP_WORDS or times >= _STOP_WORD_SHARE * total
    )  # fmt: skip


def to_toml(settings: LanguageSettings) -> str:
    """Return the settings as the text of a TOML file; JSON's strings, numbers and arrays are TOML's too."""
    values = settings.model_dump(mode="json")
    return "".join(f"{name} = {json.dumps(value, ensure_ascii=False)}\n" for name, value in values.items())
