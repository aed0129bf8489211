"""Split a chunk of text without whitespace as spaCy's tokenizer of a language does, in Python and without a vocabulary.

spaCy splits a text at whitespace, splits each chunk by its prefix, suffix and infix rules, and then replaces tokens
that spell one of its special cases. This module implements that algorithm (spacy/tokenizer.pyx of 3.8) with spaCy's own
regular expressions and rules, with two improvements: it stores nothing of a text, and it searches for affixes only at
the ends of a chunk, so that stripping them takes time linear in the chunk's length (not in Greek, Indonesian, Italian
and Malay, which have affixes of any length).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from itertools import chain, pairwise, product, zip_longest
from typing import Any, NamedTuple, TypeAlias

from finest.recipe import spacy_rules

GAP_OR_CHUNK = re.compile(r"\s+|\S+")
_REMEMBERED_AFFIXES = 4096
"""Number of chunk beginnings, and of chunk ends, whose affix is cached; runs of symbols have few different ones."""
_UNITS = re.compile(r"\(\?<=\[0-9\]\)\(\?:([^)]*)\)")
"""Matches the parts of spaCy's English suffix expression that follow a digit: currency symbols, then units."""
MAX_UNIT = 8
"""Upper bound of the characters of a unit of ASCII letters after a digit in English (`km/h`, `mbar`)."""

_Cut: TypeAlias = tuple[tuple[str, ...], tuple[str, ...]]
"""The tokens of a special case, cut into two parts."""
_Cuts: TypeAlias = dict[str, list[_Cut]]


class Split(NamedTuple):
    """The tokens of a chunk, and the neighbouring chunks that could change them.

    If a special case spans the affixes of a chunk (`foo:)`), a longer one that reaches into the next chunk prevents it
    (`foo:) )`); and a special case may itself contain a space (`и др.` in Russian). The chunk must therefore be split
    together with its line if the chunk before it ends with one of `after`, or the chunk after it starts with one of
    `before`.
    """

    tokens: tuple[str, ...]
    after: tuple[str, ...] = ()
    before: tuple[str, ...] = ()


class ChunkSplitter:
    """Splits chunks as the tokenizer of `spacy.blank(language)` does. It holds only rules, so it serves all texts."""

    def __init__(self, language: str = "en") -> None:
        told = spacy_rules.read(language)
        self.language = language
        self.sentence_ends = frozenset(told["sentence_ends"])
        self.prefixes, self.suffixes = frozenset(told["prefixes"]), frozenset(told["suffixes"])
        """Marks that are affixes of length 1 wherever they are at an end of a chunk of letters and such marks."""
        self.letters, self.digits, self.dots = told["letters"], told["digits"], told["dots"]
        """Whether a chunk of letters alone, or of ASCII digits alone, is one token unless it is a special case; and
        whether the characters before a dot, at the end of letters and marks, alone decide if it is a suffix."""
        self.word_prefixes = tuple(told["word_prefixes"])
        """Prefixes that are words, such as `USD` in Indonesian; `letters` leaves out chunks that begin with one."""
        self._prefix = re.compile(told["prefix"]).search
        self._suffix = re.compile(told["suffix"]).search
        self._infixes = re.compile(told["infix"]).finditer
        self._url = re.compile(_linear(told["url"])).match
        self._is_token = _matcher(told["token"])
        self._prefix_size = _remembering(self._prefix, told["prefix_window"])
        self._suffix_size = _remembering(self._suffix, told["suffix_window"])
        self._prefix_window, self._suffix_window = told["prefix_window"], told["suffix_window"]
        self._prefix_dots, self._suffix_dots = told["prefix_dots"], told["suffix_dots"]
        self._units = _ascii_units(told["suffix"]) if language == "en" else ()
        self._special: dict[str, tuple[str, ...]] = {text: tuple(parts) for text, parts in told["special"].items()}
        self._longest_special = max(map(len, self._special))
        self._patterns: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
        """The token sequences that spell a special case, by their first two tokens (or the only one)."""
        self._spaced_cuts: _Cuts = {}
        """The cuts of the special cases that contain spaces, by the last token before the cut."""
        for text in self._special:
            if " " in text or self._prefix(text) or self._suffix(text) or next(self._infixes(text), None):
                self._add_pattern(text)
        self._cuts_before: _Cuts = {}
        self._cuts_after: _Cuts = {}
        self._neighbours = frozenset(chain.from_iterable(map(pairwise, chain.from_iterable(self._patterns.values()))))
        """Tokens that follow each other in a sequence that spells a special case."""
        for pattern in chain.from_iterable(self._patterns.values()):
            for left, right in _cuts(pattern):
                self._cuts_before.setdefault(right[0], []).append((left, right))
                self._cuts_after.setdefault(left[-1], []).append((left, right))

    def _add_pattern(self, text: str) -> None:
        pattern = tuple(chain.from_iterable(self._by_affixes(piece, {}) for piece in text.split()))
        if pattern == self._special[text] == (text,):
            return  # the replacement would equal the token
        self._patterns.setdefault(pattern[:2], []).append(pattern)
        if " " in text:
            for left, right in _cuts(pattern):
                self._spaced_cuts.setdefault(left[-1], []).append((left, right))

    def special_cases(self) -> tuple[tuple[str, ...], ...]:
        """Return the special cases without spaces, each as its text and its tokens."""
        return tuple((text, *tokens) for text, tokens in self._special.items() if " " not in text)

    def patterns(self) -> tuple[tuple[str, ...], ...]:
        """Return the sequences of tokens that spell a special case."""
        return tuple(chain.from_iterable(self._patterns.values()))

    def open_ends(self) -> tuple[tuple[str, ...], ...]:
        """Return the sequences of tokens at the end of a chunk that a next chunk may continue to a special case."""
        return tuple(left for cuts in self._spaced_cuts.values() for left, _ in cuts)

    def ascii_rules(self) -> tuple[tuple[str, ...], bytes, bytes]:
        """Return the rules of English for the compiled core: units, and tables of prefixes and suffixes.

        The tables, of 128 x 128 bytes, hold the length of the prefix, or the suffix, that spaCy's expression finds in
        the pair of characters `first + second`, at index `128 * first + second`. A character of 0 means that the pair
        has only the other one.
        """
        heads, tails = bytearray(128 * 128), bytearray(128 * 128)
        visible = range(33, 127)
        for first, second in product((0, *visible), (0, *visible)):
            pair = "".join(chr(code) for code in (first, second) if code)
            if first and (match := self._prefix(pair)):
                heads[128 * first + second] = match.end()
            if second and not chr(second).isalnum() and (match := self._suffix(pair)):
                tails[128 * first + second] = match.end() - match.start()
        return tuple(unit for unit in self._units if unit[-1].isalpha()), bytes(heads), bytes(tails)

    def dot_is_suffix(self, char: str) -> bool:
        """Return whether a dot after `char` at the end of a chunk is always a suffix of length 1; see `dots`."""
        return all(self._suffix_length(before + char + ".", 0, len(before) + 2) == 1 for before in _BEFORE_A_DOT)

    def split(self, chunk: str) -> Split:
        """Split `chunk`, which must be non-empty and contain no whitespace."""
        plain = self._plain(chunk)
        if plain and chunk not in self._special and self._special.keys().isdisjoint(plain):
            return Split(plain, (), self._continued(plain))
        tokens = self._by_affixes(chunk, self._special)
        spans = self._special_spans(tokens)
        mended = self._mend(tokens, spans) if spans else tokens
        if mended == tokens:
            return Split(tokens, (), self._continued(tokens))
        after, before = self._edges(tokens)
        return Split(mended, after, before + self._continued(tokens))

    def split_line(self, line: str) -> list[str]:
        """Return the tokens of a text, with special cases across chunks; an empty token stands for whitespace.

        spaCy makes a token of any whitespace between chunks but a single space, and no special case spans such a token.
        This is slower than `split` chunk by chunk, which differs only if `Split.after` or `Split.before` applies.
        """
        tokens: list[str] = []
        gaps: list[str] = []
        for piece in GAP_OR_CHUNK.findall(line):
            if piece == " ":
                gaps[-1:] = [" "] if gaps else []
                continue
            found = ("",) if piece.isspace() else self._by_affixes(piece, self._special)
            tokens += found
            gaps += [""] * len(found)
        return list(self._mend(tuple(tokens), self._special_spans(tuple(tokens)), gaps))

    def may_join(self, chunk: str, following: str) -> bool:
        """Return whether a sequence of tokens that spells a special case may cross the gap between two chunks.

        If not, the text before the gap and the text after it have the same tokens apart as together.
        """
        last = self._by_affixes(chunk, self._special)[-1]
        return (last, self._by_affixes(following, self._special)[0]) in self._neighbours

    def _plain(self, chunk: str) -> tuple[str, ...]:
        """Return the tokens of a word with at most one affix, as most chunks are, or () for any other chunk."""
        if not self.letters or chunk.startswith(self.word_prefixes) or chunk[1:].startswith(self.word_prefixes):
            return ()
        if chunk.isalpha():
            return (chunk,)
        if chunk[-1] in self.suffixes and chunk[:-1].isalpha():
            return (chunk[:-1], chunk[-1])
        return (chunk[0], chunk[1:]) if chunk[0] in self.prefixes and chunk[1:].isalpha() else ()

    def _continued(self, tokens: tuple[str, ...]) -> tuple[str, ...]:
        """Return the first tokens of a next chunk that continue a special case with a space that begins in `tokens`."""
        cuts = self._spaced_cuts.get(tokens[-1]) if self._spaced_cuts else None
        return tuple(sorted({right[0] for left, right in cuts if tokens[-len(left) :] == left})) if cuts else ()

    def _edges(self, tokens: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the last tokens of a previous chunk, and the first of a next one, that continue a special case."""
        after = {left[-1] for left, right in self._cuts_before.get(tokens[0], ()) if _agree(right, tokens)}
        before = {right[0] for left, right in self._cuts_after.get(tokens[-1], ()) if _agree(left[::-1], tokens[::-1])}
        return tuple(sorted(after)), tuple(sorted(before))

    def _by_affixes(self, chunk: str, special: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
        before: list[str] = []
        after: list[str] = []
        start, end = 0, len(chunk)
        while start < end:
            if self._is_special(chunk, start, end, special) or (self._is_token and self._is_token(chunk[start:end])):
                break
            head = self._prefix_length(chunk, start, end)
            if head and self._is_special(chunk, start + head, end, special):
                before.append(chunk[start : start + head])
                start += head
                break
            tail = self._suffix_length(chunk, start + head, end)
            if tail and self._is_special(chunk, start, end - tail, special):
                after.append(chunk[end - tail : end])
                end -= tail
                break
            if not head and not tail:
                break
            if head:
                before.append(chunk[start : start + head])
            if tail and head + tail <= end - start:
                after.append(chunk[end - tail : end])
                end -= tail
            start += head
        return (*before, *self._core(chunk[start:end], special), *reversed(after))

    def _is_special(self, chunk: str, start: int, end: int, special: dict[str, tuple[str, ...]]) -> bool:
        return 0 < end - start <= self._longest_special and chunk[start:end] in special

    def _prefix_length(self, chunk: str, start: int, end: int) -> int:
        if self._prefix_dots and chunk[start] == "." and (dots := _run_of_dots(chunk, start, end, 1)):
            return dots
        window = self._prefix_window
        return self._prefix_size(chunk[start : end if window is None else min(end, start + window)])

    def _suffix_length(self, chunk: str, start: int, end: int) -> int:
        if start >= end:
            return 0
        if self._suffix_dots and chunk[end - 1] == "." and (dots := _run_of_dots(chunk, start, end, -1)):
            return dots
        window = self._suffix_window
        return self._suffix_size(chunk[start if window is None else max(start, end - window) : end])

    def _core(self, core: str, special: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
        if not core:
            return ()
        if core in special:
            return special[core]
        if self.letters and core.isalpha():
            return (core,)
        if (self._is_token and self._is_token(core)) or ("." in core and self._url(core)):  # every URL has a dot
            return (core,)
        return self._by_infixes(core)

    def _by_infixes(self, core: str) -> tuple[str, ...]:
        tokens = []
        start = 0
        for match in self._infixes(core):
            if match.start() == 0:
                continue
            tokens += [core[start : match.start()], match.group()]
            start = match.end()
        tokens.append(core[start:])
        return tuple(filter(None, tokens))

    def _special_spans(self, tokens: tuple[str, ...]) -> list[tuple[int, int]]:
        patterns = self._patterns
        found = [(start, 2) for start, pair in enumerate(pairwise(tokens)) if pair in patterns]
        found += [(start, 1) for start, token in enumerate(zip(tokens, strict=True)) if token in patterns]
        return [
            (start, start + len(pattern))
            for start, size in found
            for pattern in patterns[tokens[start : start + size]]
            if tokens[start : start + len(pattern)] == pattern
        ]

    def _mend(
        self, tokens: tuple[str, ...], spans: list[tuple[int, int]], gaps: Sequence[str] | None = None
    ) -> tuple[str, ...]:
        """Replace the tokens at `spans` by special cases, longest first, without overlaps.

        `gaps` are the spaces after the tokens; without it, there are none. A span whose text is not that of a special
        case, because of its spaces, keeps its tokens.
        """
        taken = bytearray(len(tokens))
        chosen: list[tuple[int, int]] = []
        for start, end in sorted(spans, key=lambda span: (span[0] - span[1], span[0])):
            if not taken[start] and not taken[end - 1]:
                chosen.append((start, end))
            taken[start:end] = b"\1" * (end - start)  # as in spaCy, a rejected span also blocks shorter ones
        mended: list[str] = []
        at = 0
        for start, end in sorted(chosen):
            text = _text(tokens[start:end], gaps[start : end - 1] if gaps else ())
            mended += tokens[at:start]
            mended += self._special.get(text, tokens[start:end])
            at = end
        mended += tokens[at:]
        return tuple(mended)


_BEFORE_A_DOT = ("", "a", "A", "я", "Я", "你", "(", "“", "\u0301")
"""Characters before the one before a dot: the suffix rules for a dot look back two characters, at capital letters."""


def _text(tokens: tuple[str, ...], gaps: Sequence[str]) -> str:
    return "".join(map("".join, zip_longest(tokens, gaps, fillvalue="")))


def _cuts(pattern: tuple[str, ...]) -> list[_Cut]:
    return [(pattern[:at], pattern[at:]) for at in range(1, len(pattern))]


def _ascii_units(suffix: str) -> tuple[str, ...]:
    return tuple(filter(str.isascii, _UNITS.findall(suffix)[-1].split("|")))


def _remembering(search: Callable[[str], re.Match[str] | None], window: int | None) -> Callable[[str], int]:
    """Return a function that gives the length of what `search` finds in a text; it caches the lengths in windows."""
    size = partial(_matched, search)
    return size if window is None else lru_cache(_REMEMBERED_AFFIXES)(size)


def _matched(search: Callable[[str], re.Match[str] | None], text: str) -> int:
    match = search(text)
    return match.end() - match.start() if match else 0


def _matcher(expression: str | None) -> Callable[[str], Any] | None:
    return re.compile(expression).match if expression else None


def _linear(url: str) -> str:
    """Return spaCy's URL expression without the part that takes time quadratic in the colons of a chunk.

    spaCy matches `user(:password)?@` by `\\S+(?::\\S*)?@`; `\\S+@` alone matches the same strings.
    """
    return url.replace(r"\S+(?::\S*)?@", r"\S+@")


def _agree(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Return whether the shorter tuple is a prefix of the longer one."""
    size = min(len(one), len(other))
    return one[:size] == other[:size]


def _run_of_dots(chunk: str, start: int, end: int, step: int) -> int:
    """Return the length of the run of dots at the start (`step` 1) or end (-1) of `chunk[start:end]`; 0 for one dot."""
    at = start if step > 0 else end - 1
    length = 0
    while start <= at < end and chunk[at] == ".":
        length += 1
        at += step
    return length if length > 1 else 0
