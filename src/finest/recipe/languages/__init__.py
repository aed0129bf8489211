"""The languages of FineWeb-2, with the thresholds, stop words and tokenizer of each.

The table is `languages.json`, which `finest.recipe.build_languages` writes from the configurations that FineWeb-2
publishes (huggingface/fineweb-2, revision d0defb2, Apache-2.0) and from DataTrove's assignment of tokenizers. A code
has FineWeb-2's form: an ISO 639-3 code and an ISO 15924 script, `deu_Latn`.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

from pydantic import BaseModel, ConfigDict, ValidationError

from finest.errors import RecipeError, UsageError
from finest.recipe.iso639 import language_of
from finest.recipe.languages.classes import TokenizerKey, needs, require

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = [
    "DUP_SIZES", "ENGLISH", "TABLE", "TOP_SIZES", "LanguageSettings", "TokenizerKey",
    "check_new_code", "chosen_settings", "deciding_libraries", "language_settings", "languages",
    "needs", "read_settings", "require", "spacy_key", "tokenizer_key",
]  # fmt: skip

TABLE = Path(__file__).with_name("languages.json")
ENGLISH = "eng_Latn"
"""English is not in FineWeb-2, which has the rest of FineWeb; its tokenizer is that of the recipe `fineweb`."""
_ENGLISH_KEY = TokenizerKey("SpaCyTokenizer", "en")


class LanguageSettings(BaseModel):
    """The settings of FineWeb-2's filters for one language, and how its words are found.

    A limit of 0 or -1 switches a check off, as in DataTrove's filters.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: str
    """FineWeb-2's code, such as `deu_Latn`."""
    name: str
    """The language's English name."""
    tokenizer: str
    """The name of DataTrove's tokenizer class, such as `SpaCyTokenizer`."""
    tokenizer_language: str
    """The language that DataTrove passes to that class (`de`; `xx` splits at whitespace and punctuation), or ""."""
    language_score: float
    """The lowest score of the language identifier (GlotLID in FineWeb-2) with which a page is kept."""
    dup_line_frac: float
    top_n_grams: tuple[tuple[int, float], ...]
    dup_n_grams: tuple[tuple[int, float], ...]
    line_punct_thr: float
    new_line_ratio: float
    min_avg_word_length: int
    max_avg_word_length: int
    max_non_alpha_words_ratio: float
    """The smallest share of words with a letter; the name is DataTrove's."""
    stop_words: tuple[str, ...]

    @property
    def key(self) -> TokenizerKey:
        return TokenizerKey(self.tokenizer, self.tokenizer_language)

    @property
    def extra(self) -> str | None:
        """The extra of `finest-data` that the tokenizer needs; None if it needs none."""
        return needs(self.key).extra

    @property
    def refused(self) -> str | None:
        """The reason why the language is not supported; None if it is."""
        return needs(self.key).refused

    def described(self) -> dict[str, Any]:
        """Return all settings as JSON values, with the extra and the reason of a refusal."""
        return self.model_dump(mode="json") | {"extra": self.extra, "refused": self.refused}


TOP_SIZES, DUP_SIZES = (2, 3, 4), (5, 6, 7, 8, 9, 10)
"""The sizes of n-grams in all of FineWeb-2's configurations."""


@cache
def _table() -> dict[str, list[Any]]:
    """Return the rows by code; `build_languages.row` defines their order."""
    return cast("dict[str, list[Any]]", json.loads(TABLE.read_bytes())["languages"])


@cache
def languages() -> tuple[str, ...]:
    """Return the codes of all languages of FineWeb-2 in alphabetical order, with those that we refuse."""
    return tuple(_table())


@cache
def language_settings(code: str) -> LanguageSettings:
    """Return the settings of FineWeb-2 for a language; raise RecipeError if it has none."""
    row = _table().get(code)
    if row is None:
        raise RecipeError(_unknown(code))
    (name, tokenizer, argument, score, lines, top, dup, punctuation, newlines, shortest, longest, alpha, stop_words) = (
        row
    )
    return LanguageSettings(
        code=code, name=name, tokenizer=tokenizer, tokenizer_language=argument, language_score=score,
        dup_line_frac=lines, top_n_grams=tuple(zip(TOP_SIZES, top, strict=True)),
        dup_n_grams=tuple(zip(DUP_SIZES, dup, strict=True)), line_punct_thr=punctuation, new_line_ratio=newlines,
        min_avg_word_length=shortest, max_avg_word_length=longest, max_non_alpha_words_ratio=alpha,
        stop_words=tuple(stop_words),
    )  # fmt: skip


def chosen_settings(codes: Iterable[str]) -> tuple[LanguageSettings, ...]:
    """Return the settings of languages, or of all without a code; `de` and `deu` mean every script of it.

    Raises RecipeError if FineWeb-2 does not have one of them.
    """
    chosen: list[str] = []
    for code in codes:
        chosen += ([code] if code in _table() else _same(code)) or [language_settings(code).code]
    return tuple(map(language_settings, chosen or languages()))


def _same(code: str) -> list[str]:
    """Return the table's codes of the language that a code in any form means."""
    wanted = language_of(code)
    return [one for one in languages() if wanted and (found := language_of(one)) and found.is_same(wanted)]


def check_new_code(code: str) -> None:
    """Raise UsageError unless the code has FineWeb-2's form and is not in its table."""
    if not re.fullmatch(r"[a-z]{3}_[A-Z][a-z]{3}", code):
        raise UsageError(f"{code[:40]!r} is no code of a language and a script; write it like deu_Latn")
    if code in _table() or code == ENGLISH:
        raise UsageError(f"{code} is configured already; see: finest languages list {code}")


def spacy_key(language: str) -> TokenizerKey:
    """Return the tokenizer of a language of spaCy (`ru`, or `xx` for any); raise UsageError if no rules of it ship."""
    known = {TokenizerKey(row[1], row[2]) for row in _table().values() if row[1] == "SpaCyTokenizer"} | {_ENGLISH_KEY}
    if (key := TokenizerKey("SpaCyTokenizer", language)) not in known:
        names = ", ".join(sorted(one.argument for one in known))
        raise UsageError(f"no tokenizer of spaCy is called {language[:20]!r}; there are {names}")
    return key


def read_settings(path: Path) -> LanguageSettings:
    """Read the settings of a language from a TOML file, as `finest languages add` writes it; raise RecipeError."""
    try:
        return LanguageSettings.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise RecipeError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: not a TOML file: {error}") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise RecipeError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error


def tokenizer_key(code: str) -> TokenizerKey:
    """Return the tokenizer that DataTrove assigns to a language; raise RecipeError if FineWeb-2 does not have it."""
    if code == ENGLISH:
        return _ENGLISH_KEY
    row = _table().get(code)
    if row is None:
        raise RecipeError(_unknown(code))
    return TokenizerKey(row[1], row[2])


def deciding_libraries(
    codes: Iterable[str], own: Mapping[str, LanguageSettings] = MappingProxyType({})
) -> dict[str, str]:
    """Return the installed versions of the packages that decide the words of these languages, besides spaCy.

    `own` has the settings of languages that are not those of the table.

    Raises RecipeError if a language is unknown or refused, or if a package is missing.
    """
    found: dict[str, str] = {}
    for code in codes:
        key = own[code].key if code in own else tokenizer_key(code)
        require(key, code)
        found |= {name: importlib.metadata.version(name) for name in needs(key).packages}
    return dict(sorted(found.items()))


def _unknown(code: str) -> str:
    if code == ENGLISH:
        return "FineWeb-2 has no configuration for English (eng_Latn); use the recipe fineweb"
    start = code.partition("_")[0]
    similar = [other for other in languages() if other.partition("_")[0] == start]
    hint = f"; did you mean {' or '.join(similar[:3])}?" if similar else "; list them with: finest languages"
    return f"FineWeb-2 has no language {code[:40]!r}{hint}"
