"""Tokenize a text by DataTrove's own tokenizer of its language, which calls the library of that language.

This serves languages whose words cannot be found chunk by chunk. Their tokens may contain whitespace, and may join
several chunks of a text.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from finest.recipe.words import Tokenizer, Words, _counts, _unpacked

if TYPE_CHECKING:
    from finest.recipe.languages import TokenizerKey

_REMEMBERED_TOKENS = 100_000
"""Tokens whose counts are cached, at a measured 150 bytes per token."""


class LibraryTokenizer(Tokenizer):
    """The tokenizer of DataTrove with this key; use it in one thread. It caches the tokens of the last text."""

    def __init__(self, key: TokenizerKey) -> None:
        self._reference = _reference(key)
        self._text: str | None = None
        self._words = Words("", 0, 0, 0, 0)
        self._known = _Counts()

    def words(self, text: str) -> Words:
        if text != self._text:
            tokens = self._reference.word_tokenize(text)
            counts = sum(map(self._known.__getitem__, tokens))
            joined = " ".join(tokens)
            is_spaced = joined.count(" ") >= len(tokens) > 0
            self._words = Words(joined, len(tokens), *_unpacked(counts), tuple(tokens) if is_spaced else ())
            self._text = text
            self._known.forget()
        return self._words

    def joined(self, text: str) -> str:
        return self.words(text).joined

    def tokens(self, text: str) -> list[str]:
        return self.words(text).tokens

    def count(self, text: str) -> int:
        return self.words(text).n

    def may_strike(self, text: str) -> bool:
        """Return True: a token may join several chunks."""
        del text
        return True

    def sentences(self, line: str, at_most: int) -> int:
        """Count the sentences of `line` as DataTrove's tokenizer does, up to `at_most`."""
        return min(len(self._reference.span_tokenize(line)), at_most) if line else 0


class _Counts(dict[str, int]):
    """A bounded cache of the packed counts of single tokens."""

    def __missing__(self, token: str) -> int:
        found = self[token] = _counts((token,))
        return found

    def forget(self) -> None:
        if len(self) > _REMEMBERED_TOKENS:
            self.clear()


def _reference(key: TokenizerKey) -> Any:
    """Return DataTrove's tokenizer."""
    from datatrove.utils import word_tokenizers

    reference = getattr(word_tokenizers, key.name)(*filter(None, (key.argument,)))
    with suppress(Exception):
        # spaCy cannot hold this token once it has seen it, and DataTrove then removes it from the text. From here on it
        # therefore does so with every text, not only with the second one.
        reference.word_tokenize("IS_ALPHA")
    return reference
