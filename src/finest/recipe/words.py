"""Tokenize a text once for all quality filters, with the same tokens as DataTrove.

DataTrove tokenizes a page with `spacy.blank("en")` for Gopher, line by line for C4, again for FineWeb and again for
MinHash. Here each whitespace-delimited chunk is split once (`finest.recipe.chunks`) and cached with its counts; about
one chunk in thirteen of a new page is not in the cache yet.
"""

from __future__ import annotations

import unicodedata
from contextlib import suppress
from functools import cache
from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from datatrove.utils.text import PUNCTUATION_SET

from finest.recipe import native
from finest.recipe.chunks import GAP_OR_CHUNK, ChunkSplitter
from finest.recipe.cutters import cutter
from finest.recipe.languages import TokenizerKey, require, tokenizer_key
from finest.recipe.word_counts import ALL_COUNTS, FIELD, CountsMemo, counts_of, packed, unpacked

if TYPE_CHECKING:
    from finest.recipe.native._core import Core, Splitter

_REMEMBERED_CHUNKS = 100_000
"""Chunks per generation of the memo; two generations at a measured 309 bytes per chunk take about 62 MB."""
_LONGEST_REMEMBERED = 100
"""Characters of the longest chunk that the memo keeps; longer chunks rarely recur."""
NOT_BY_CHUNKS = ("ja", "vi", "zh")
"""Languages for which spaCy calls another library, which sees the whole text."""
_OUTLAW = "IS_ALPHA"
"""A token that spaCy confuses with its own symbol 1 and cannot represent; DataTrove removes it from the whole text."""


class Words(NamedTuple):
    """The tokens of a text, and the counts that Gopher's rules use."""

    joined: str
    """The tokens joined by spaces."""
    n: int
    """Number of tokens."""
    non_symbol: int
    """Number of tokens with a character that is not punctuation."""
    non_symbol_chars: int
    """Number of characters in the `non_symbol` tokens."""
    alpha: int
    """Number of tokens with a letter."""
    spaced: tuple[str, ...] = ()
    """The tokens, if one of them contains a space (`Hà Nội` in Vietnamese); empty if none does, as in most texts. Only
    then does `joined.split(" ")` differ from `tokens`."""

    @property
    def tokens(self) -> list[str]:
        return list(self.spaced) or split(self.joined)


_Chunk: TypeAlias = tuple[tuple[str, ...], int, tuple[str, ...], tuple[str, ...]]
"""A cached chunk: its tokens, its counts, and the `after` and `before` of its `chunks.Split`.

The counts are packed into fields of 40 bits, so that one addition sums them all: non_symbol, non_symbol_chars, alpha,
unsure. It is a plain tuple because the garbage collector keeps traversing named tuples.
"""


class _Memo(dict[str, _Chunk]):
    """A cache of recent chunks in two generations: when the young one is full, it replaces the old one."""

    def __init__(self, splitter: ChunkSplitter) -> None:
        super().__init__()
        self._splitter = splitter
        self._old: dict[str, _Chunk] = {}
        self._long: dict[str, _Chunk] = {}  # long chunks, of the current text only
        core = native.core()
        self.core = (core, _opened(core, splitter)) if core else None

    def __missing__(self, chunk: str) -> _Chunk:
        known = self._old.get(chunk) or self._long.get(chunk) or self._split(chunk)
        kept = self if len(chunk) <= _LONGEST_REMEMBERED else self._long
        kept[chunk] = known
        return known

    def forget(self) -> None:
        """Keep the memo bounded; call it between texts."""
        self._long.clear()
        if len(self) > _REMEMBERED_CHUNKS:
            self._old = dict(self)
            self.clear()

    def _split(self, chunk: str) -> _Chunk:
        found = self.core[0].splitter_split(self.core[1], chunk) if self.core else None
        if found is not None:
            tokens, non_symbol, chars, alpha = found
            return tokens, packed(non_symbol, chars, alpha), (), ()
        tokens, after, before = self._splitter.split(chunk)
        unsure = bool(after or before)
        return tokens, counts_of(tokens) + (unsure << 3 * FIELD), after, before


def _opened(core: Core, splitter: ChunkSplitter) -> Splitter:
    """Return the core's form of the splitter."""
    english = splitter.language == "en"
    units, heads, tails = splitter.ascii_rules() if english else ((), bytes(1 << 14), bytes(1 << 14))
    return core.splitter_open(
        splitter.special_cases(), splitter.patterns(), units, splitter.open_ends(), _Kinds(splitter), heads, tails,
        english, splitter.letters, splitter.digits, splitter.dots,
    )  # fmt: skip


class _Kinds(dict[int, int]):
    """The kind of each character for the core: the bits of FN_KIND_* in native/core/chunks.h."""

    def __init__(self, splitter: ChunkSplitter) -> None:
        super().__init__()
        self._splitter = splitter

    def __missing__(self, code: int) -> int:
        char, splitter = chr(code), self._splitter
        kind = 2 * char.isalpha() + 4 * (char in splitter.prefixes) + 8 * (char in splitter.suffixes)
        kind += 16 * (char.isalpha() and splitter.dot_is_suffix(char)) + 32 * (char in PUNCTUATION_SET)
        kind += 64 * any(word.startswith(char) for word in splitter.word_prefixes)
        self[code] = kind
        return kind


class _Found(NamedTuple):
    """The tokens of a text joined by spaces, their number, their packed counts, and themselves if one has a space."""

    joined: str
    n: int
    counts: int
    spaced: tuple[str, ...] = ()

    @property
    def tokens(self) -> tuple[str, ...]:
        return self.spaced or tuple(split(self.joined))


class Tokenizer:
    """A tokenizer equal to DataTrove's for a language of spaCy. Use one per process; it is not thread-safe.

    It caches chunks in bounded memory; the cache never changes a result.
    """

    def __init__(self, language: str = "en") -> None:
        self._splitter = ChunkSplitter(language)
        self._memo = _Memo(self._splitter)
        self._sentence_ends = self._splitter.sentence_ends

    def words(self, text: str) -> Words:
        """Return the tokens of `text`, without whitespace tokens, and their counts."""
        found = self._all(text)
        return Words(found.joined, found.n, *unpacked(found.counts), found.spaced)

    def joined(self, text: str) -> str:
        """Return the tokens of `text` joined by spaces."""
        return self._all(text).joined

    def tokens(self, text: str) -> list[str]:
        return list(self._all(text).tokens)

    def count(self, text: str) -> int:
        return self._all(text).n

    def may_strike(self, text: str) -> bool:
        """Return whether `text` may have fewer words than chunks without whitespace.

        English has fewer only where a quirk of spaCy removes words from the text.
        """
        return _OUTLAW in text

    def sentences(self, line: str, at_most: int) -> int:
        """Count the sentences of `line` as spaCy's rule-based sentencizer does, up to `at_most`."""
        if not line:
            return 0
        if self._sentence_ends.isdisjoint(line) and _OUTLAW not in line:
            return 1
        tokens = self._tokens_and_gaps(line)
        if _OUTLAW in tokens:
            tokens = self._tokens_and_gaps(line.replace(_OUTLAW, ""))
        count, after_end = min(len(tokens), 1), False
        for token in tokens:
            if token in self._sentence_ends:
                after_end = True
            elif after_end and not _is_punctuation(token):
                count, after_end = count + 1, False
                if count >= at_most:
                    break
        return count

    def _all(self, text: str) -> _Found:
        found = self._tokenize(text)
        if _OUTLAW in text and _OUTLAW in found.tokens:
            found = self._tokenize(text.replace(_OUTLAW, ""))
        self._memo.forget()
        return found

    def _tokenize(self, text: str) -> _Found:
        if self._memo.core:
            core, rules = self._memo.core
            joined, n, counts, *others, is_linked = core.splitter_words(rules, text, self._memo)
            if not is_linked:
                return _Found(joined, n, (counts & ALL_COUNTS) + packed(*others))
            if "\n" in text:
                return self._by_lines(text)
        chunks = text.split()
        known = list(map(self._memo.__getitem__, chunks))
        counts = sum(map(_COUNTS, known))
        if counts >> 3 * FIELD and (linked := _linked(chunks, known)):
            return self._by_lines(text) if "\n" in text else self._by_runs(text, chunks, known, linked)
        return _found(list(chain.from_iterable(map(_TOKENS, known))), counts & ALL_COUNTS)

    def _by_lines(self, text: str) -> _Found:
        """Tokenize a text in which special cases may cross chunks, line by line.

        No special case crosses a newline, so only the affected lines are split again as a whole.
        """
        lines = list(map(self._tokenize, text.split("\n")))
        joined = " ".join(line.joined for line in lines if line.n)
        is_spaced = any(line.spaced for line in lines)
        spaced = tuple(chain.from_iterable(line.tokens for line in lines)) if is_spaced else ()
        return _Found(joined, sum(line.n for line in lines), sum(line.counts for line in lines), spaced)

    def _by_runs(self, text: str, chunks: list[str], known: list[_Chunk], linked: list[int]) -> _Found:
        """Tokenize a line in which special cases may cross the gaps before the chunks at `linked`.

        Only these chunks are split together, with all neighbours up to a gap that no special case can cross.
        """
        if " ".join(chunks) != text.strip():  # other whitespace between two chunks is a token of spaCy's
            tokens = list(filter(None, self._splitter.split_line(text)))
            return _found(tokens, counts_of(tokens))
        may_join, tokens, counts, at = self._splitter.may_join, list[str](), 0, 0
        for second in linked:
            if second <= at:  # in the last run, or after a gap that no special case crosses
                continue
            start, end = second - 1, second + 1
            while start > at and may_join(chunks[start - 1], chunks[start]):
                start -= 1
            while end < len(chunks) and may_join(chunks[end - 1], chunks[end]):
                end += 1
            run = self._splitter.split_line(" ".join(chunks[start:end]))
            tokens += chain(*map(_TOKENS, known[at:start]), run)
            counts += sum(map(_COUNTS, known[at:start])) + counts_of(run)
            at = end
        tokens += chain.from_iterable(map(_TOKENS, known[at:]))
        return _found(tokens, (counts + sum(map(_COUNTS, known[at:]))) & ALL_COUNTS)

    def _tokens_and_gaps(self, line: str) -> list[str]:
        """Return the tokens of a line; "" is a whitespace token of spaCy's (any whitespace but a single space)."""
        if " ".join(line.split()) == line:
            return list(self._tokenize(line).tokens)
        pieces = GAP_OR_CHUNK.findall(line)
        chunks = [piece for piece in pieces if not piece.isspace()]
        known = list(map(self._memo.__getitem__, chunks))
        if _linked(chunks, known):
            return self._splitter.split_line(line)
        tokens: list[str] = []
        following = iter(known)
        for piece in pieces:
            if not piece.isspace():
                tokens += next(following)[0]
            elif piece != " ":
                tokens.append("")
        return tokens


class _WithReference(Tokenizer):
    """A tokenizer whose sentences are those of DataTrove's own object."""

    _reference: Any

    def sentences(self, line: str, at_most: int) -> int:
        """Count the sentences of `line` as DataTrove's tokenizer does, up to `at_most`."""
        return min(len(self._reference.span_tokenize(line)), at_most) if line else 0


class LibraryTokenizer(_WithReference):
    """The tokenizer of DataTrove with this key; use it in one thread. It caches the tokens of the last text."""

    def __init__(self, key: TokenizerKey) -> None:
        self._cut = cutter(key)
        self._reference = _reference(key)
        self._text: str | None = None
        self._last = _Found("", 0, 0)
        self._known = CountsMemo()

    def may_strike(self, text: str) -> bool:
        """Return True: a token may join several chunks."""
        del text
        return True

    def _all(self, text: str) -> _Found:
        if text != self._text:
            tokens = self._tokens_of(text)
            self._last = _found(tokens, sum(map(self._known.__getitem__, tokens)))
            self._text = text
            self._known.forget()
        return self._last

    def _tokens_of(self, text: str) -> list[str]:
        if self._cut is None or _OUTLAW in text:
            return self._reference.word_tokenize(text)
        return [word for word in map(str.strip, self._cut(text)) if word]


class WhitespaceTokenizer(_WithReference):
    """DataTrove's tokenizer for languages without a better one: spaCy's words of `xx`, and sentences by their marks."""

    def __init__(self, key: TokenizerKey) -> None:
        super().__init__("xx")
        self._reference = _reference(key)


def _reference(key: TokenizerKey) -> Any:
    """Return DataTrove's tokenizer."""
    from datatrove.utils import word_tokenizers

    reference = getattr(word_tokenizers, key.name)(*filter(None, (key.argument,)))
    with suppress(Exception):
        # spaCy cannot hold this token once it has seen it, and DataTrove then removes it from the text. From here on it
        # therefore does so with every text, not only with the second one.
        reference.word_tokenize("IS_ALPHA")
    return reference


def tokenizer_for(code: str) -> Tokenizer:
    """Return the tokenizer that DataTrove uses for a language of FineWeb-2 (`deu_Latn`), or for English (`eng_Latn`).

    Languages with the same rules share one object, which serves one thread. Raises RecipeError if the language is
    unknown or refused, or if a package is missing, and then names the command that installs it.
    """
    return tokenizer_of(tokenizer_key(code), code)


def tokenizer_of(key: TokenizerKey, code: str) -> Tokenizer:
    """Return DataTrove's tokenizer with that key; `code` is the language that messages name."""
    require(key, code)
    return _tokenizer(key)


@cache
def _tokenizer(key: TokenizerKey) -> Tokenizer:
    if key.name == "SpaCyTokenizer" and key.argument not in NOT_BY_CHUNKS:
        return Tokenizer(key.argument)
    return WhitespaceTokenizer(key) if key.name == "WhitespaceTokenizer" else LibraryTokenizer(key)


def split(joined: str) -> list[str]:
    """Return the tokens of `joined`, which are separated by single spaces."""
    return joined.split(" ") if joined else []


def _found(tokens: list[str], counts: int) -> _Found:
    joined = " ".join(tokens)
    is_spaced = joined.count(" ") >= len(tokens) > 0
    return _Found(joined, len(tokens), counts, tuple(tokens) if is_spaced else ())


def _linked(chunks: list[str], known: list[_Chunk]) -> list[int]:
    """Return the positions of chunks of which a special case may also have a part of the chunk before."""
    linked: set[int] = set()
    for i, (_, counts, after, before) in enumerate(known):
        if counts >> 3 * FIELD:
            if i > 0 and chunks[i - 1].endswith(after):
                linked.add(i)
            if i + 1 < len(chunks) and chunks[i + 1].startswith(before):
                linked.add(i + 1)
    return sorted(linked)


_TOKENS = itemgetter(0)
_COUNTS = itemgetter(1)


def _is_punctuation(token: str) -> bool:
    """Return spaCy's `token.is_punct`; a whitespace token, here "", is not punctuation."""
    return token != "" and all(unicodedata.category(char)[0] == "P" for char in token)
