"""Split a chunk of text without whitespace as spaCy's English tokenizer does, in Python and without a vocabulary.

spaCy splits a text at whitespace, splits each chunk by its prefix, suffix and infix rules, and then replaces tokens
that spell one of its special cases. This module implements that algorithm (spacy/tokenizer.pyx of 3.8) with spaCy's own
regular expressions and rules, with two improvements: it stores nothing of a text, and it searches for affixes only at
the ends of a chunk, so that stripping them takes time linear in the chunk's length.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain, pairwise, product
from pathlib import Path
from string import ascii_letters
from typing import NamedTuple, TypeAlias

ENGLISH = Path(__file__).with_name("english.json")
"""File with spaCy's own expressions and special cases, written by `build_english.py`."""
GAP_OR_CHUNK = re.compile(r"\s+|\S+")
_MAX_PREFIX = 8
"""Characters in which a prefix is searched: the longest, `US$`, has 3; runs of dots are handled separately."""
_MAX_SUFFIX = 16
"""Characters in which a suffix is searched: the longest unit has 6 after a digit; dots are handled separately."""
MAX_UNIT = 8
"""Upper bound of the characters of a unit of ASCII letters after a digit (`km/h`, `mbar`)."""
_REMEMBERED_AFFIXES = 4096
"""Number of chunk beginnings, and of chunk ends, whose affix is cached; runs of symbols have few different ones."""
_DIGITS = frozenset("0123456789")
_ALPHANUMERIC = _DIGITS.union(ascii_letters)
"""The only prefixes that begin with one of these are `US$`, `C$` and `A$`; the only suffixes that end with one are `'s`
and units."""
_UNITS = re.compile(r"\(\?<=\[0-9\]\)\(\?:([^)]*)\)")
"""Matches the parts of spaCy's suffix expression that follow a digit: currency symbols, then units."""
_NUMBER = re.compile(r"[0-9]+(?:[.,][0-9]+)+")
_PLAIN_PREFIXES = frozenset("()[]{}<>\"'`“”‘’«»#*&_,;:!?")
_PLAIN_SUFFIXES = frozenset("()[]{}<>\"'`“”‘’«»#*&_,;:!?")
"""Characters that are always an affix of length 1."""


_Cut: TypeAlias = tuple[tuple[str, ...], tuple[str, ...]]
"""The tokens of a special case, cut into two parts."""


class Split(NamedTuple):
    """The tokens of a chunk, and the neighbouring chunks that could change them.

    If a special case spans the affixes of a chunk (`foo:)`), a longer one that reaches into the next chunk prevents it
    (`foo:) )`). The chunk must therefore be split together with its line if the chunk before it ends with one of
    `after`, or the chunk after it starts with one of `before`.
    """

    tokens: tuple[str, ...]
    after: tuple[str, ...] = ()
    before: tuple[str, ...] = ()


class ChunkSplitter:
    """Splits chunks as `spacy.blank("en").tokenizer` does. It holds only rules, so one object serves all texts."""

    def __init__(self) -> None:
        told = json.loads(ENGLISH.read_text(encoding="utf-8"))
        self.sentence_ends = frozenset(told["sentence_ends"])
        self._prefix = re.compile(told["prefix"]).search
        self._suffix = re.compile(told["suffix"]).search
        self._prefix_size = lru_cache(_REMEMBERED_AFFIXES)(self._matched_prefix)
        self._suffix_size = lru_cache(_REMEMBERED_AFFIXES)(self._matched_suffix)
        self._infixes = re.compile(told["infix"]).finditer
        self._units = tuple(filter(str.isascii, _UNITS.findall(told["suffix"])[-1].split("|")))
        self._url = re.compile(_linear(told["url"])).match
        self._special: dict[str, tuple[str, ...]] = {text: tuple(parts) for text, parts in told["special"].items()}
        self._longest_special = max(map(len, self._special))
        self._patterns: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
        """The token sequences that spell a special case, by their first two tokens (or the only one)."""
        for text in self._special:
            if self._prefix(text) or self._suffix(text) or next(self._infixes(text), None):
                pattern = self._by_affixes(text, {})
                if pattern == self._special[text] == (text,):
                    continue  # the replacement would equal the token
                self._patterns.setdefault(pattern[:2], []).append(pattern)
        self._cuts_before: dict[str, list[_Cut]] = {}
        self._cuts_after: dict[str, list[_Cut]] = {}
        for pattern in chain.from_iterable(self._patterns.values()):
            for at in range(1, len(pattern)):
                cut = pattern[:at], pattern[at:]
                self._cuts_before.setdefault(pattern[at], []).append(cut)
                self._cuts_after.setdefault(pattern[at - 1], []).append(cut)

    def rules(self) -> tuple[tuple[tuple[str, ...], ...], tuple[tuple[str, ...], ...], tuple[str, ...], bytes, bytes]:
        """Return the rules for the compiled core: ASCII special cases, their patterns, units, prefixes and suffixes.

        Each special case is a tuple of its text and its tokens; a pattern is a token sequence that spells one. The last
        two tables, of 128 x 128 bytes, hold the length of the prefix, or the suffix, that spaCy's expression finds in
        the pair of characters `first + second`, at index `128 * first + second`. A character of 0 means that the pair
        has only the other one.
        """
        special = tuple((text, *tokens) for text, tokens in self._special.items() if text.isascii())
        patterns = tuple(chain.from_iterable(self._patterns.values()))
        heads, tails = bytearray(128 * 128), bytearray(128 * 128)
        visible = range(33, 127)
        for first, second in product((0, *visible), (0, *visible)):
            pair = "".join(chr(code) for code in (first, second) if code)
            if first and (match := self._prefix(pair)):
                heads[128 * first + second] = match.end()
            if second and not chr(second).isalnum() and (match := self._suffix(pair)):
                tails[128 * first + second] = match.end() - match.start()
        return (
            special,
            tuple(pattern for pattern in patterns if all(map(str.isascii, pattern))),
            tuple(unit for unit in self._units if unit[-1].isalpha()),
            bytes(heads),
            bytes(tails),
        )

    def split(self, chunk: str) -> Split:
        """Split `chunk`, which must be non-empty and contain no whitespace."""
        plain = _plain(chunk)
        if plain and chunk not in self._special and self._special.keys().isdisjoint(plain):
            return Split(plain)
        tokens = self._by_affixes(chunk, self._special)
        spans = self._special_spans(tokens)
        mended = self._mend(tokens, spans) if spans else tokens
        return Split(tokens) if mended == tokens else Split(mended, *self._edges(tokens))

    def split_line(self, line: str) -> list[str]:
        """Return the tokens of a text, with special cases across chunks; an empty token stands for whitespace.

        spaCy makes a token of any whitespace between chunks but a single space, and no special case spans such a token.
        This is slower than `split` chunk by chunk, which differs only if `Split.after` or `Split.before` applies.
        """
        tokens: list[str] = []
        owners: list[int] = []
        for number, piece in enumerate(GAP_OR_CHUNK.findall(line)):
            if piece == " ":
                continue
            found = ("",) if piece.isspace() else self._by_affixes(piece, self._special)
            tokens += found
            owners += [number] * len(found)
        return list(self._mend(tuple(tokens), self._special_spans(tuple(tokens)), owners))

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
            if end - start <= self._longest_special and chunk[start:end] in special:
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
        first = chunk[start]
        if first in _PLAIN_PREFIXES:
            return 1
        if first == ".":
            return _run_of_dots(chunk, start, end, 1)
        if first in _ALPHANUMERIC and "$" not in chunk[start : start + 3]:
            return 0
        return self._prefix_size(chunk[start : min(end, start + _MAX_PREFIX)])

    def _matched_prefix(self, head: str) -> int:
        match = self._prefix(head)
        return match.end() if match else 0

    def _suffix_length(self, chunk: str, start: int, end: int) -> int:
        if start >= end:
            return 0
        last = chunk[end - 1]
        if last in _PLAIN_SUFFIXES:
            return 1
        if last == "." and (dots := _run_of_dots(chunk, start, end, -1)):
            return dots
        if last in _DIGITS or (last.isalpha() and chunk[max(start, end - _MAX_SUFFIX) : end].isalpha()):
            return 0
        if last in _ALPHANUMERIC and _DIGITS.isdisjoint(chunk[max(start, end - MAX_UNIT) : end]):
            return 2 if last in "sS" and end - start > 1 and chunk[end - 2] in "'’" else 0
        return self._suffix_size(chunk[max(start, end - _MAX_SUFFIX) : end])

    def _matched_suffix(self, tail: str) -> int:
        match = self._suffix(tail)
        return match.end() - match.start() if match else 0

    def _core(self, core: str, special: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
        if not core:
            return ()
        if core in special:
            return special[core]
        if core.isalpha() or ("." in core and (_NUMBER.fullmatch(core) or self._url(core))):  # every URL has a dot
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
        self, tokens: tuple[str, ...], spans: list[tuple[int, int]], owners: Sequence[int] | None = None
    ) -> tuple[str, ...]:
        """Replace the tokens at `spans` by special cases, longest first, without overlaps and within one chunk."""
        taken = bytearray(len(tokens))
        chosen: list[tuple[int, int]] = []
        for start, end in sorted(spans, key=lambda span: (span[0] - span[1], span[0])):
            if not taken[start] and not taken[end - 1]:
                chosen.append((start, end))
            taken[start:end] = b"\1" * (end - start)  # as in spaCy, a rejected span also blocks shorter ones
        mended: list[str] = []
        at = 0
        for start, end in sorted(chosen):
            one_chunk = owners is None or owners[start] == owners[end - 1]
            mended += tokens[at:start]
            mended += self._special["".join(tokens[start:end])] if one_chunk else tokens[start:end]
            at = end
        mended += tokens[at:]
        return tuple(mended)


def _linear(url: str) -> str:
    """Return spaCy's URL expression without the part that takes time quadratic in the colons of a chunk.

    spaCy matches `user(:password)?@` by `\\S+(?::\\S*)?@`; `\\S+@` alone matches the same strings.
    """
    return url.replace(r"\S+(?::\S*)?@", r"\S+@")


def _plain(chunk: str) -> tuple[str, ...]:
    """Return the tokens of a word with at most one affix, as most chunks are, or () for any other chunk.

    No rule splits a run of letters, and no special case spans a word and one affix. The caller checks whether the chunk
    itself, or a token, is a special case.
    """
    if chunk.isalpha():
        return (chunk,)
    core, last = chunk[:-1], chunk[-1]
    if core.isalpha():
        ends = last in _PLAIN_SUFFIXES or (last == "." and "a" <= core[-1] <= "z")
        return (core, last) if ends else ()
    first, core = chunk[0], chunk[1:]
    return (first, core) if first in _PLAIN_PREFIXES and core.isalpha() else ()


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
