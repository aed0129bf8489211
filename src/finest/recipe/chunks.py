"""How spaCy's English tokenizer splits one chunk of text without whitespace, in Python and without a vocabulary.

spaCy cuts a text at whitespace, splits each chunk by its prefix, suffix and infix rules, and then mends the result
where the tokens spell one of its special cases. This is that algorithm (spacy/tokenizer.pyx of 3.8) on spaCy's own
regular expressions and rules, with two gains: nothing is kept of a text, and affixes are looked for at the ends of a
chunk only, so that stripping them takes time linear in its length.
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
"""spaCy's own expressions and special cases, written by `build_english.py`."""
GAP_OR_CHUNK = re.compile(r"\s+|\S+")
_MAX_PREFIX = 8
"""Characters that decide a prefix: the longest, `US$`, has 3; runs of dots are read to their end."""
_MAX_SUFFIX = 16
"""Characters that decide a suffix: the longest unit has 6 behind a digit; runs of dots are read to their end."""
MAX_UNIT = 8
"""Characters of the longest unit of ASCII letters behind a digit (`km/h`, `mbar`), and some more."""
_REMEMBERED_AFFIXES = 4096
"""Beginnings and ends of chunks whose affix is remembered: runs of signs have few."""
_DIGITS = frozenset("0123456789")
_ALPHANUMERIC = _DIGITS.union(ascii_letters)
"""A prefix begins with one of these in `US$`, `C$` and `A$` alone; a suffix ends with one in `'s` and in units."""
_UNITS = re.compile(r"\(\?<=\[0-9\]\)\(\?:([^)]*)\)")
"""What follows a digit, in spaCy's expression for suffixes: signs of currencies, then units."""
_NUMBER = re.compile(r"[0-9]+(?:[.,][0-9]+)+")
_PLAIN_PREFIXES = frozenset("()[]{}<>\"'`“”‘’«»#*&_,;:!?")
_PLAIN_SUFFIXES = frozenset("()[]{}<>\"'`“”‘’«»#*&_,;:!?")
"""Punctuation that is always an affix of exactly its own length."""


_Cut: TypeAlias = tuple[tuple[str, ...], tuple[str, ...]]
"""The tokens of a special case, in two parts."""


class Split(NamedTuple):
    """The tokens of a chunk, and how the chunks beside it could change them.

    Where a special case was found across the affixes of a chunk (`foo:)`), a longer one that reaches into the next
    chunk forbids it (`foo:) )`). Then only the whole text tells; it takes a chunk before that ends with one of `after`,
    or a chunk behind that starts with one of `before`.
    """

    tokens: tuple[str, ...]
    after: tuple[str, ...] = ()
    before: tuple[str, ...] = ()


class ChunkSplitter:
    """Splits chunks as `spacy.blank("en").tokenizer` does. Holds rules only: one object serves any number of texts."""

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
        """What special cases are found by, under their first two tokens or their only one."""
        for text in self._special:
            if self._prefix(text) or self._suffix(text) or next(self._infixes(text), None):
                pattern = self._by_affixes(text, {})
                if pattern == self._special[text] == (text,):
                    continue  # in its place comes the same
                self._patterns.setdefault(pattern[:2], []).append(pattern)
        self._cuts_before: dict[str, list[_Cut]] = {}
        self._cuts_after: dict[str, list[_Cut]] = {}
        for pattern in chain.from_iterable(self._patterns.values()):
            for at in range(1, len(pattern)):
                cut = pattern[:at], pattern[at:]
                self._cuts_before.setdefault(pattern[at], []).append(cut)
                self._cuts_after.setdefault(pattern[at - 1], []).append(cut)

    def rules(self) -> tuple[tuple[tuple[str, ...], ...], tuple[tuple[str, ...], ...], tuple[str, ...], bytes, bytes]:
        """What the compiled core splits by: special cases of ASCII, each with its tokens behind it, the patterns that
        they are found by, units, and the affixes of pairs.

        The affix of a pair is what spaCy's own expression finds at `first + second`: at its front in the first table,
        at its back in the second; a first character of 0 (there: a second) stands for none.
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
        """The tokens of `chunk`, which is not empty and holds no whitespace."""
        plain = _plain(chunk)
        if plain and chunk not in self._special and self._special.keys().isdisjoint(plain):
            return Split(plain)
        tokens = self._by_affixes(chunk, self._special)
        spans = self._special_spans(tokens)
        mended = self._mend(tokens, spans) if spans else tokens
        return Split(tokens) if mended == tokens else Split(mended, *self._edges(tokens))

    def split_line(self, line: str) -> list[str]:
        """The tokens of a text with special cases across its chunks; an empty token stands for whitespace.

        spaCy makes tokens of all whitespace but single spaces between chunks, and no special case spans them.
        Slower than `split` chunk by chunk, which differs only where `Split.after` or `Split.before` applies.
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
        """Last tokens of a chunk before, and first tokens of one behind, with which a special case crosses the edge."""
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
        """Puts special cases in the place of their affixes: the longest first, none over another or over two chunks."""
        taken = bytearray(len(tokens))
        chosen: list[tuple[int, int]] = []
        for start, end in sorted(spans, key=lambda span: (span[0] - span[1], span[0])):
            if not taken[start] and not taken[end - 1]:
                chosen.append((start, end))
            taken[start:end] = b"\1" * (end - start)  # a refused span blocks shorter ones too, as in spaCy
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
    """spaCy's expression for URLs without the part that makes it quadratic in the colons of a chunk.

    `user(:password)?@` is of `\\S+(?::\\S*)?`, and `\\S+` alone matches all of that.
    """
    return url.replace(r"\S+(?::\S*)?@", r"\S+@")


def _plain(chunk: str) -> tuple[str, ...]:
    """The tokens of a word with at most one affix, the bulk of all chunks, if it is no special case; else nothing.

    No rule splits letters alone, and no special case can be mended out of one word and one affix.
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
    """Whether the shorter is the beginning of the longer."""
    size = min(len(one), len(other))
    return one[:size] == other[:size]


def _run_of_dots(chunk: str, start: int, end: int, step: int) -> int:
    """Length of the run of dots at the front (`step` 1) or the back (-1) of `chunk[start:end]`; 0 if it is one dot."""
    at = start if step > 0 else end - 1
    length = 0
    while start <= at < end and chunk[at] == ".":
        length += 1
        at += step
    return length if length > 1 else 0
