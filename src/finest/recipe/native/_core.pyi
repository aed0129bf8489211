"""Type stubs for the compiled core, the module that `finest.recipe.native.core()` returns.

`Core` describes the module for the type checker only; at run time it does not exist, and the functions belong to the
module. The classes without methods are opaque values that the core creates and accepts.
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
    """GPT-2's merges, as `tokens_open` prepares them."""

@final
class Splitter:
    """The rules for splitting text into words, as `splitter_open` prepares them."""

@final
class BlockTables:
    """The tags, words and weights of engine `blocks-1` or `blocks-2`, as `blocks_open` prepares them."""

@final
class QualityTable:
    """A quality model, as `quality_open` or `quality_open_fasttext` prepares it."""

@final
class QualityTables:
    """Quality models that score a text together, as `quality_join` prepares them."""

@final
class EvaluationItems:
    """An index of evaluation items, as `decontaminate_open` prepares it."""

class Refused(Exception):
    """Raised for a page that the core does not handle; the message is the name of the reason."""

class Core(Protocol):
    """The compiled module."""

    Refused: type[Refused]
    BASELINE: Baseline
    """The result of `extract` for a page whose JSON-LD trafilatura falls back on; Python code reads the JSON-LD."""

    def __hash__(self) -> int: ...
    def seed(self, number: int, /) -> None:
        """Set the secret 64-bit seed of the core's hash tables; call this before any other function."""
    # extraction by trafilatura's rules
    def extract(
        self, tree: _Element, parse: Callable[[bytes], _Element | None], doubtful: bool = ..., /
    ) -> str | Baseline | None:
        """Return the text of a page's tree, which is not modified; None if trafilatura finds none.

        `parse` parses the HTML that readability writes. `doubtful` means that the page may contain characters that XML
        forbids, so that each text is checked. Raises Refused.
        """
    def utf8(self, text: str, /) -> bytes:
        """Return `text.encode()`, several times faster for a page; raises UnicodeEncodeError."""
    def is_plain(self, data: bytes, /) -> bool:
        """Return True only if UTF-8 HTML certainly contains no character, nor reference to one, that XML forbids."""
    def fill_begin(self, any_tag: int, stop_words: Callable[[], frozenset[str]], /) -> None: ...
    def fill_tag(self, name: str, sets: tuple[str, ...], bits: int, candidate_bits: int, /) -> None: ...
    def fill_cleaned(self, name: str, /) -> None: ...
    def fill_attribute(self, name: str, present: int, /) -> int: ...
    def fill_literal(self, attribute: int, text: str, contains: int, starts: int, equals: int, /) -> None: ...
    def fill_name_word(self, word: str, kind: int, /) -> None: ...
    def fill_end(self) -> None: ...
    # engines blocks-1 and blocks-2
    def blocks_open(
        self,
        tags: list[tuple[str, int, int, int, int, int, int, int]],
        words: list[tuple[str, int, bool]],
        naming: list[str],
        marks: tuple[str, str, str],
        weights: list[int],
        classes: list[tuple[str, int]],
        symbols: list[tuple[str, str]],
        stages: list[tuple[int, int, bytes, bytes, bytes]],
        /,
    ) -> BlockTables:
        """Prepare tables for `blocks_extract`, or with two `stages` of trees for `structure_extract`.

        `marks` are sentence ends, commas, and characters to drop.
        """
    def blocks_extract(self, tables: BlockTables, html: str, /) -> str:
        """Return the main text; empty if there is none."""
    def structure_extract(self, tables: BlockTables, html: str, formats: tuple[bool, ...], /) -> tuple[str, ...]:
        """Return the main text as Markdown for each True, and as plain text for each False; raises Refused("steps")."""
    # a page's markup
    def markup(self, html: str, /) -> tuple[int, int, int, int, int]:
        """Return the fields of `finest.recipe.bounds.Markup`."""
    # statistics of a text
    def language_open(self, data: bytes, /) -> LanguageModel | None:
        """Load a model from the bytes of its file; return None if the core does not support this kind of model."""
    def language_scores(self, model: LanguageModel, line: bytes, /) -> dict[str, float]:
        """Return the probabilities by label, the highest first."""
    def tokens_open(self, merges: bytes, kinds: bytes, /) -> Merges: ...
    def tokens_count(self, merges: Merges, text: str, /) -> tuple[int, list[str]]:
        """Return the number of GPT-2 tokens counted, and the pieces of the text that the library must count."""
    def splitter_open(
        self,
        special: tuple[tuple[str, ...], ...],
        patterns: tuple[tuple[str, ...], ...],
        units: tuple[str, ...],
        open_ends: tuple[tuple[str, ...], ...],
        kinds: Mapping[int, int],
        prefixes: bytes,
        suffixes: bytes,
        english: bool,
        letters: bool,
        digits: bool,
        dots: bool,
        /,
    ) -> Splitter: ...
    def splitter_split(self, splitter: Splitter, chunk: str, /) -> tuple[tuple[str, ...], int, int, int] | None:
        """Return the tokens of a chunk and their counts (non_symbol, its characters, alpha); None: use Python."""
    def splitter_words(
        self, splitter: Splitter, text: str, memo: Mapping[str, tuple[object, ...]], /
    ) -> tuple[str, int, int, int, int, int, bool]:
        """Return all tokens joined by spaces, their number, the memo's packed counts, and the core's three counts.

        The last value says whether a special case may cross the gap between two chunks of a line: the others may be
        wrong then.
        """
    def ngram_chars(
        self, words: str, tops: tuple[int, ...], duplicates: tuple[int, ...], seed: int, /
    ) -> tuple[Iterable[int], Iterable[int]]:
        """Return `Ngrams.top_chars(n)` for each n of `tops`, and `duplicated_chars(n)` for each n of `duplicates`."""
    def simplify(self, text: str, kinds: bytes, table: dict[int, str | None], /) -> str | None:
        """Return the text as MinHash compares it; None if the result for a character depends on its neighbours."""
    def minhash_lowest(self, words: str, n: int, factors: object, offsets: object, by_sha1: bool, /) -> bytes | None:
        """Return the lowest permuted SHA-1 or xxHash64 values as bytes; None if there are fewer words than `n`."""
    # quality models
    def quality_open(self, bits: int, rows: int, weights: object, /) -> QualityTable:
        """Prepare int16 weights of shape (rows, 2^bits), given as a buffer, which must not change afterwards."""
    def quality_open_fasttext(
        self, keys: object, words: object, buckets: object, word_ngrams: int, minn: int, maxn: int, /
    ) -> QualityTable:
        """Prepare the numbers of a fastText model, given as buffers, which must not change afterwards."""
    def quality_join(self, models: tuple[QualityTable, ...], /) -> QualityTables:
        """Prepare models to score a text together."""
    def quality_features(self, text: str | bytes, bits: int, /) -> bytes:
        """Return the indices of a text's n-grams as 32-bit numbers, in the order of the text."""
    def quality_sums(self, models: QualityTables, text: str | bytes, /) -> tuple[tuple[int, ...], ...]:
        """Return the score of each row of each model, without biases."""
    # decontamination
    def decontaminate_open(
        self, kinds: bytes, n: int, hashes: object, firsts: object, items: object, ordinals: object, needed: object, /
    ) -> EvaluationItems:
        """Prepare the arrays of an index, given as buffers; `needed` are the n-grams that each item needs."""
    def decontaminate_match(
        self, items: EvaluationItems, text: str | bytes, /
    ) -> tuple[int, int, int, int, int] | None:
        """Return the fields of `finest.recipe.decontaminate.match.Match`."""
    # single functions for the tests
    def probe(self, name: str, text: str, /) -> str | int: ...
    def serialize(self, tree: _Element, /) -> str: ...
