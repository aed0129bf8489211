"""Describe the blocks of a page by integers: the columns of the trees that select the main text of engine `blocks-2`.

Shares are in 64ths. `block_features.c` of the compiled core implements the same rules; keep the two in sync.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

from finest.recipe.extract.blocks import COMMAS, SENTENCE_ENDS
from finest.recipe.extract.main_text import model
from finest.recipe.extract.parts import NESTS, Part
from finest.recipe.extract.tags import FLAGS

MOST = 32_767
"""The largest value of a column."""
SHARE = 64
MORE_GROUPS = (
    "thread threads topic topics forum forums message messages msg posts postbody discussion answer answers question",
    "product price prices sku cart buy spec specs specification specifications variant quantity stock",
    "review reviews rating ratings stars testimonial testimonials",
    "related recommended recommendations popular trending similar recirc readmore",
    "byline author date time timestamp published",
    "excerpt summary teaser lead intro standfirst dek deck snippet lede",
    "caption credit figure image photo gallery media video",
    "user username userinfo profile avatar member signature",
    "faq accordion step steps instructions ingredients recipe",
    "card cards tile tiles grid loop feed",
    "article",
)
"""Words of names that are columns beside the groups of engine `blocks-1`."""
OWN_GROUPS = 13
"""Number of groups of engine `blocks-1`."""
NAME_BITS = OWN_GROUPS + len(MORE_GROUPS)
LEAST_PROSE = 60
"""Characters of a block of prose: it also ends a sentence or has a comma, and at most a quarter of it is links."""
NEIGHBOURS = (-2, -1, 1, 2)
WINDOWS = (3, 10)
"""Blocks on each side that a window reaches to."""
CURRENCIES, STOPS, ELLIPSES = "$\u20ac\xa3\xa5", ".!?\u3002", ("\u2026", "...")

COLUMNS = (
    "chars", "linked", "link_share", "commas", "ends", "kind", "item", "cell", "code", "marker", "quotes", "lists",
    "level", "in_cell", "in_table", "depth", "words", "digits", "capitals", "stops", "currency", "copyright",
    "ellipsis", "begins", "lines", "repeats",
    *(f"flag_{name}" for name in FLAGS), *(f"near_{bit}" for bit in range(NAME_BITS)),
    *(f"above_{bit}" for bit in range(NAME_BITS)), *(f"page_{bit}" for bit in range(NAME_BITS)),
    *(f"{what}{at:+d}" for at in NEIGHBOURS for what in ("chars", "links", "ends", "level")),
    *(f"nest{nest}_{what}" for nest in range(NESTS) for what in ("chars", "links", "count", "prose", "best")),
    "path_count", "path_chars", "path_links", "path_prose",
    *(f"window{reach}_{what}" for reach in WINDOWS for what in ("chars", "links", "prose")),
    "place", "place_chars", "blocks", "page_chars", "page_links", "page_prose", "page_longest",
    "from_first", "to_last", "after_prose", "before_prose", "after_heading", "heading", "from_h1", "index", "to_end",
)  # fmt: skip
"""Names of the columns."""


@lru_cache(maxsize=1)
def name_groups() -> dict[str, int]:
    """Return the bits of the groups of each word of a name."""
    found = dict(model().groups)
    for bit, words in enumerate(MORE_GROUPS, OWN_GROUPS):
        for word in words.split():
            found[word] = found.get(word, 0) | 1 << bit
    return found


@dataclass(slots=True)
class _Sums:
    """Sums over a group of blocks."""

    count: int = 0
    chars: int = 0
    linked: int = 0
    prose: int = 0


def features(parts: Sequence[Part]) -> list[list[int]]:
    """Return the values of COLUMNS for each block, from 0 to MOST but for `from_h1`, which may be negative."""
    page = _Page(parts)
    return [list(map(limited, page.row(at))) for at in range(len(parts))]


def limited(value: int) -> int:
    """Return the value that is nearest to `value` and fits a column."""
    return max(-MOST, min(MOST, value))


def share(part: int, whole: int) -> int:
    """Return `part` in 64ths of `whole`, or 0 of nothing."""
    return part * SHARE // whole if whole else 0


class _Page:
    def __init__(self, parts: Sequence[Part]) -> None:
        self.parts = parts
        self.ends = [part.text[-1] in SENTENCE_ENDS for part in parts]
        self.commas = [sum(map(part.text.count, COMMAS)) for part in parts]
        self.prose = [
            part.chars if part.chars >= LEAST_PROSE and part.linked * 4 <= part.chars and (ends or commas) else 0
            for part, ends, commas in zip(parts, self.ends, self.commas, strict=True)
        ]
        self.repeats = Counter(part.text for part in parts if part.chars < LEAST_PROSE)
        self.paths = self.grouped((path_of(part), at) for at, part in enumerate(parts))
        self.nests = self.grouped(
            (nest, at) for at, part in enumerate(parts) for nest in dict.fromkeys(part.around.nests)
        )
        self.best = [self.best_nest(level) for level in range(NESTS)]
        self.named = list(self.shares_of_names())
        self.chars = [0, *accumulate(part.chars for part in parts)]
        self.linked = [0, *accumulate(part.linked for part in parts)]
        self.prosaic = [0, *accumulate(self.prose)]
        prose = [at for at, chars in enumerate(self.prose) if chars]
        self.first, self.last = (prose[0], prose[-1]) if prose else (MOST, -MOST)
        self.after = list(_distances(range(len(parts)), self.prose))
        self.before = list(_distances(range(len(parts) - 1, -1, -1), self.prose))[::-1]
        self.after_heading = list(_distances(range(len(parts)), [part.shape.level for part in parts]))
        self.h1 = next((at for at, part in enumerate(parts) if part.shape.level == 1), MOST)
        self.longest = max((part.chars for part in parts), default=0)

    def grouped(self, members: Iterable[tuple[int, int]]) -> dict[int, _Sums]:
        found: dict[int, _Sums] = {}
        for key, at in members:
            sums, part = found.setdefault(key, _Sums()), self.parts[at]
            sums.count += 1
            sums.chars += part.chars
            sums.linked += part.linked
            sums.prose += self.prose[at]
        return found

    def shares_of_names(self) -> Iterator[int]:
        """Yield for each group of names the share of the page's characters that such an element is around."""
        total = sum(part.chars for part in self.parts)
        for bit in range(NAME_BITS):
            yield share(sum(part.chars for part in self.parts if part.around.above >> bit & 1), total)

    def best_nest(self, level: int) -> int:
        """Return the first element with the most prose, of those that are so many elements around a block."""
        best, most = 0, 0
        for part in self.parts:
            nest = part.around.nests[level]
            if self.nests[nest].prose > most:
                best, most = nest, self.nests[nest].prose
        return best

    def row(self, at: int) -> Iterator[int]:
        part, total = self.parts[at], self.chars[-1]
        yield from self.own(at)
        yield from _bits(part.flags, len(FLAGS))
        yield from _bits(part.names, NAME_BITS)
        yield from _bits(part.around.above, NAME_BITS)
        yield from self.named
        for step in NEIGHBOURS:
            yield from self.neighbour(at + step)
        for level, nest in enumerate(part.around.nests):
            sums = self.nests[nest]
            yield from (sums.chars, share(sums.linked, sums.chars), sums.count)
            yield from (share(sums.prose, self.prosaic[-1]), self.best[level] == nest and sums.prose > 0)
        sums = self.paths[path_of(part)]
        yield from (sums.count, sums.chars // sums.count, share(sums.linked, sums.chars))
        yield share(sums.prose, self.prosaic[-1])
        for reach in WINDOWS:
            yield from self.window(max(0, at - reach), min(len(self.parts), at + reach + 1))
        yield from (at * SHARE // len(self.parts), share(self.chars[at], total), len(self.parts), total)
        yield from (share(self.linked[-1], total), share(self.prosaic[-1], total), self.longest)
        yield from (at - self.first, self.last - at, self.after[at], self.before[at], self.after_heading[at])
        heading = at - self.after_heading[at]
        yield self.parts[heading].shape.level if heading >= 0 else 0
        yield from (at - self.h1, at, len(self.parts) - 1 - at)

    def own(self, at: int) -> Iterator[int]:
        part, text = self.parts[at], self.parts[at].text
        shape = part.shape
        yield from (part.chars, part.linked, share(part.linked, part.chars), self.commas[at], self.ends[at])
        yield from (part.kind, part.is_item, part.is_cell, part.is_code, part.marker, shape.quotes, shape.lists)
        yield from (shape.level, part.row >= 0, shape.table >= 0, part.depth)
        yield text.count(" ") + text.count("\n") + text.count("\t") + 1
        yield sum("0" <= char <= "9" for char in text)
        yield sum("A" <= char <= "Z" for char in text)
        yield sum(map(text.count, STOPS))
        yield from (any(char in text for char in CURRENCIES), "\xa9" in text, text.endswith(ELLIPSES))
        yield _begins(text[0])
        yield text.count("\n")
        yield self.repeats.get(text, 1)

    def neighbour(self, at: int) -> tuple[int, int, int, int]:
        if not 0 <= at < len(self.parts):
            return 0, 0, 0, 0
        part = self.parts[at]
        return part.chars, share(part.linked, part.chars), self.ends[at], part.shape.level

    def window(self, start: int, end: int) -> tuple[int, int, int]:
        chars, linked, prose = (sums[end] - sums[start] for sums in (self.chars, self.linked, self.prosaic))
        return chars, share(linked, chars), share(prose, chars)


def path_of(part: Part) -> int:
    """Return what the elements around a block have in common with those around its like."""
    return part.around.path ^ part.kind


def _bits(mask: int, count: int) -> Iterator[int]:
    return (mask >> bit & 1 for bit in range(count))


def _begins(char: str) -> int:
    return 1 if "0" <= char <= "9" else 2 if "A" <= char <= "Z" else 3 if "a" <= char <= "z" else 0


def _distances(order: range, found: Sequence[int]) -> Iterator[int]:
    """Yield for each block the number of blocks back to the last one that was found, or MOST; its own number is 0."""
    distance = MOST
    for at in order:
        distance = 0 if found[at] else min(distance + 1, MOST)
        yield distance
