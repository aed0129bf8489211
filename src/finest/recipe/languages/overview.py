"""The tokenizers of FineWeb-2's languages: how many languages each has, what it needs, and its share of the bytes."""

from __future__ import annotations

from typing import NamedTuple

from finest.recipe.languages import TokenizerKey, language_settings, languages, needs


class TokenizerClass(NamedTuple):
    """The languages that one tokenizer splits."""

    title: str
    codes: tuple[str, ...]
    command: str
    """The command that installs what is needed; "" if nothing is."""
    refused: str
    """Why the languages are not supported; "" if they are."""


_TITLES: dict[TokenizerKey | str, str] = {
    TokenizerKey("SpaCyTokenizer", "zh"): "jieba (Chinese)",
    TokenizerKey("SpaCyTokenizer", "ja"): "Sudachi (Japanese)",
    TokenizerKey("SpaCyTokenizer", "vi"): "pyvi (Vietnamese)",
    TokenizerKey("IndicNLPTokenizer", "ur"): "IndicNLP (Urdu)",
    "SpaCyTokenizer": "spaCy's rules",
    "WhitespaceTokenizer": "spaCy's rules for any language",
    "IndicNLPTokenizer": "IndicNLP",
    "KiwiTokenizer": "Kiwi (Korean)",
    "ThaiTokenizer": "PyThaiNLP (Thai)",
    "LaoTokenizer": "LaoNLP (Lao)",
    "KhmerTokenizer": "khmer-nltk (Khmer)",
    "BurmeseTokenizer": "pyidaungsu (Burmese)",
    "StanzaTokenizer": "Stanza",
    "TibetanTokenizer": "botok (Tibetan)",
}
MEASURED = (
    ("spaCy's rules, jieba, Sudachi, pyvi", 95.1),
    ("Kiwi, PyThaiNLP, LaoNLP, khmer-nltk, pyidaungsu, spaCy's rules for any language", 2.5),
    ("IndicNLP without Urdu", 1.75),
    ("Stanza: refused", 0.27),
    ("IndicNLP for Urdu: refused", 0.12),
    ("botok: refused", 0.01),
)
"""Shares of the bytes of FineWeb-2 in percent, measured over the sizes that it publishes."""


def title_of(key: TokenizerKey) -> str:
    """Return the tokenizer's name for readers."""
    return _TITLES.get(key) or _TITLES[key.name]


def tokenizer_classes() -> tuple[TokenizerClass, ...]:
    """Return the tokenizers, those of most languages first."""
    found: dict[str, list[str]] = {}
    for code in languages():
        found.setdefault(title_of(language_settings(code).key), []).append(code)
    rows = []
    for title, codes in sorted(found.items(), key=lambda item: -len(item[1])):
        needed = needs(language_settings(codes[0]).key)
        rows.append(TokenizerClass(title, tuple(codes), needed.command, needed.refused or ""))
    return tuple(rows)
