"""The compiled core's functions, as `finest.recipe.native.core()` gives them to callers.

`Core` describes the module itself. It is for the type checker alone: at run time the functions are the module's own,
and there is no class. The classes without methods are values that the core makes and takes back.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol, final

from lxml.etree import _Element

@final
class Baseline:
    """The type of BASELINE."""

@final
class LanguageModel:
    """A fastText model that `language_open` has read."""

@final
class Merges:
    """GPT-2's merges, ready to be applied."""

@final
class Splitter:
    """The rules by which text is split into words."""

@final
class BlockTables:
    """The tags, words and weights of engine `blocks-1`."""

class Refused(Exception):
    """The core does not handle this page; the message is the reason's name."""

class Core(Protocol):
    """The compiled module."""

    Refused: type[Refused]
    BASELINE: Baseline
    """What `extract` answers where trafilatura falls back on a page's JSON-LD, which is read in Python."""

    def __hash__(self) -> int: ...
    def seed(self, number: int, /) -> None:
        """Set the secret of the core's hash tables, 64 bits; before anything else is called."""
    # extraction by trafilatura's rules
    def extract(
        self, tree: _Element, parse: Callable[[bytes], _Element | None], doubtful: bool = ..., /
    ) -> str | Baseline | None:
        """The text of a page's tree, which stays as it is; None where trafilatura finds none.

        `parse` reads the HTML that readability writes. `doubtful`: the page may hold characters that XML forbids, so
        that each text is looked at. Raises Refused.
        """
    def is_plain(self, data: bytes, /) -> bool:
        """Whether UTF-8 HTML surely holds no character, and no reference to one, that XML forbids."""
    def fill_begin(self, any_tag: int, stop_words: Callable[[], frozenset[str]], /) -> None: ...
    def fill_tag(self, name: str, sets: tuple[str, ...], bits: int, candidate_bits: int, /) -> None: ...
    def fill_cleaned(self, name: str, /) -> None: ...
    def fill_attribute(self, name: str, present: int, /) -> int: ...
    def fill_literal(self, attribute: int, text: str, contains: int, starts: int, equals: int, /) -> None: ...
    def fill_name_word(self, word: str, kind: int, /) -> None: ...
    def fill_end(self) -> None: ...
    # engine blocks-1
    def blocks_open(
        self,
        tags: list[tuple[str, int, int, int, int, int, int]],
        words: list[tuple[str, int, bool]],
        naming: list[str],
        marks: tuple[str, str, str],
        weights: list[int],
        /,
    ) -> BlockTables:
        """Tables for `blocks_extract`; `marks` are ends of sentences, commas, and characters that are passed over."""
    def blocks_extract(self, tables: BlockTables, html: str, /) -> str:
        """The main text; empty where there is none."""
    # a page's markup
    def markup(self, html: str, /) -> tuple[int, int, int, int, int]:
        """The fields of `finest.recipe.bounds.Markup`."""
    # statistics of a text
    def language_open(self, data: bytes, /) -> LanguageModel | None:
        """A model from the bytes of its file; None where it is of a kind that the core does not read."""
    def language_scores(self, model: LanguageModel, line: bytes, /) -> dict[str, float]:
        """Probabilities by label, the best first."""
    def tokens_open(self, merges: bytes, kinds: bytes, /) -> Merges: ...
    def tokens_count(self, merges: Merges, text: str, /) -> tuple[int, list[str]]:
        """How many GPT-2 tokens were counted, and the pieces of the text that are left to the library."""
    def splitter_open(
        self,
        special: tuple[tuple[str, ...], ...],
        patterns: tuple[tuple[str, ...], ...],
        units: tuple[str, ...],
        prefixes: bytes,
        suffixes: bytes,
        punctuation: bytes,
        /,
    ) -> Splitter: ...
    def splitter_split(self, splitter: Splitter, chunk: str, /) -> tuple[tuple[str, ...], int, int, int] | None:
        """Tokens of a chunk, then their counts (not symbols, characters of those, alphabetic); None: Python decides."""
    def splitter_words(
        self, splitter: Splitter, text: str, memo: Mapping[str, tuple[object, ...]], /
    ) -> tuple[str, int, int, int, int, int]:
        """All tokens with spaces between them, how many, the memo's packed counts, and the core's own three."""
    def ngram_chars(
        self, words: str, tops: tuple[int, ...], duplicates: tuple[int, ...], seed: int, /
    ) -> tuple[Iterable[int], Iterable[int]]:
        """Characters in the most frequent n-gram, and in repeated n-grams, for each given n."""
    def simplify(self, text: str, kinds: bytes, table: dict[int, str | None], /) -> str | None:
        """The text as MinHash compares it; None where a character depends on those around it."""
    def minhash_lowest(self, words: str, n: int, factors: object, offsets: object, /) -> bytes | None:
        """The lowest permuted SHA-1 values; None where there are fewer words than `n`."""
    # single functions for the tests
    def probe(self, name: str, text: str, /) -> str | int: ...
    def serialize(self, tree: _Element, /) -> str: ...
