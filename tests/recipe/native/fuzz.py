"""Coverage-guided fuzzing of the compiled core: nothing may crash, and every answer is the Python path's.

Needs clang and `pip install atheris`. Compile an instrumented core, then give a kind of input, a folder of inputs (it
grows) and libFuzzer's flags:

    export CFLAGS="-UNDEBUG -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all"
    CC=clang python hatch_build.py; unset CFLAGS
    export PYTHONMALLOC=malloc ASAN_OPTIONS=detect_leaks=0
    export LD_PRELOAD=$(python -c "import atheris; print(atheris.path())")/asan_with_fuzzer.so
    python -m tests.recipe.native.fuzz pages FOLDER -max_total_time=600

Kinds are `pages` (trafilatura's extraction), `html` (blocks-1's), `structure` (blocks-2's) and `texts` (the statistics
of a text).
Then `python hatch_build.py` without these variables compiles the core for use again.
"""

from __future__ import annotations

import logging
import random
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from unittest import mock
from zlib import crc32

from finest.recipe import native
from finest.recipe.extract import ExtractionLimit, extract_trafilatura, main_text, structured_text
from finest.recipe.extract.block_features import COLUMNS, name_groups
from finest.recipe.extract.blocks import read_blocks
from finest.recipe.extract.main_text import Model
from finest.recipe.extract.page import extract_in_python
from finest.recipe.extract.parse import source_of
from finest.recipe.extract.structure import read_page
from finest.recipe.extract.trees import ALL_COLUMNS, Stage, Trees, shipped_trees
from finest.recipe.language import LanguageModel, _by_core, _by_fasttext, shipped_model
from finest.recipe.minhash import Signer
from finest.recipe.ngrams import Ngrams
from finest.recipe.recipe import DedupRules
from finest.recipe.tokens import TokenCounter
from finest.recipe.words import Tokenizer
from tests.recipe.test_extract_equal import reference

SIZES = (1, 2, 3, 5, 10)
FORMATS = (False, True)
MAKERS: dict[str, Callable[[], Any]] = {
    "words": Tokenizer,
    "tokens": TokenCounter,
    "signer": lambda: Signer(DedupRules()),
}


def in_python(html: str) -> str | None:
    """The same page without the core."""
    source = source_of(html)
    return reference(html) if source is None or source.forbidden else extract_in_python(source)


def outcome(function: Callable[[str], Any], value: str) -> Any:
    """What the function gives, or the kind of exception that it lets escape."""
    try:
        return function(value)
    except ExtractionLimit:
        raise
    except Exception as error:
        return type(error)


def models() -> list[Model]:
    """Models under which every block and every feature tells."""
    shipped, chance = main_text.model(), random.Random(1)
    count = len(shipped.weights)
    others = [(0,) * (count - 1) + (1,), *(tuple(chance.choices(range(-999, 1000), k=count)) for _ in range(2))]
    return [replace(shipped, weights=weights) for weights in others]


def forests() -> list[Trees]:
    """Trees under which every column tells, some with leaves that fit in bytes, and trees that keep every block."""
    every = Stage(1, 1, bytes([0]), (0,), (0, 0))
    return [made_trees(2, (6, 5), 60), made_trees(3, (4, 6), 400), made_trees(4, (7, 4), 100), Trees(every, every)]


def made_trees(seed: int, depths: tuple[int, int], most: int) -> Trees:
    """Trees of two depths whose leaves are at most `most`; they compare each column four times."""
    chance = random.Random(seed)
    stages = []
    for depth, columns in zip(depths, (COLUMNS, ALL_COLUMNS), strict=True):
        numbers = [*range(len(columns))] * 4
        chance.shuffle(numbers)
        numbers = numbers[: len(numbers) // depth * depth]
        limits = chance.choices((-300, -5, 0, 0, 0, 1, 2, 5, 10, 30, 60, 300), k=len(numbers))
        leaves = chance.choices(range(-most, most + 1), k=len(numbers) // depth << depth)
        stages.append(Stage(depth, 5, bytes(numbers), tuple(limits), tuple(leaves)))
    return Trees(*stages)


class Html:
    """The main text of a page, by the shipped weights and by others."""

    def __init__(self) -> None:
        self._models = models()
        self._tables = [main_text.open_tables(native.core(), model) for model in self._models]

    def by_core(self, html: str) -> list[str | None]:
        core = native.core()
        return [main_text.extract_blocks(html), *(core.blocks_extract(tables, html) for tables in self._tables)]

    def in_python(self, html: str) -> list[str | None]:
        found = [main_text.extract_in_python(html)]
        blocks = read_blocks(html, self._models[0].groups)
        chosen = (main_text.chosen(blocks, model.weights) for model in self._models)
        return [*found, *(main_text.text_of(blocks, kept) for kept in chosen)]


class Structure:
    """The main text of a page with its structure, in both formats, by the shipped trees and by others."""

    def __init__(self) -> None:
        self._forests = [shipped_trees(), *forests()]
        self._tables = [structured_text.open_structure_tables(native.core(), trees) for trees in self._forests]

    def by_core(self, html: str) -> list[tuple[str, ...]]:
        return [native.core().structure_extract(tables, html, FORMATS) for tables in self._tables]

    def in_python(self, html: str) -> list[tuple[str, ...]]:
        html.encode()
        page = read_page(html, name_groups())
        return [structured_text.render_page(page, FORMATS, trees) for trees in self._forests]


class Texts:
    """The statistics of a text, by the core and in Python."""

    def __init__(self) -> None:
        self._ours = {name: make() for name, make in MAKERS.items()}
        with mock.patch.object(native, "core", return_value=None):
            self._python = {name: make() for name, make in MAKERS.items()}
        scores = _by_core(shipped_model().read_bytes())
        assert scores is not None
        self._models = LanguageModel(scores, ["en"]), LanguageModel(_by_fasttext(shipped_model()), ["en"])

    def by_core(self, text: str) -> tuple[Any, ...]:
        return (
            *self._statistics(text, self._ours, self._models[0]),
            *native.core().ngram_chars(" ".join(_tokens(text)), SIZES, SIZES, 7),
        )

    def in_python(self, text: str) -> tuple[Any, ...]:
        ngrams = Ngrams(_tokens(text))
        with mock.patch.object(native, "core", return_value=None):
            found = self._statistics(text, self._python, self._models[1])
        return (*found, [ngrams.top_chars(n) for n in SIZES], [ngrams.duplicated_chars(n) for n in SIZES])

    @staticmethod
    def _statistics(text: str, tools: dict[str, Any], model: LanguageModel) -> tuple[Any, ...]:
        signature = tools["signer"].sign(text, tools["words"])
        return (
            tools["words"].words(text),
            tools["tokens"].count(text),
            None if signature is None else signature.tobytes(),
            dict(model._scores(text)),
        )


def _tokens(text: str) -> list[str]:
    """Short, so that many are repeated; none holds a space."""
    text = text.replace(" ", "")
    return [text[i : i + 2] for i in range(0, len(text), 2)]


def pages(compared: bool, html: str) -> None:
    """One page through extraction."""
    found = outcome(extract_trafilatura, html)
    if compared:
        assert found == outcome(in_python, html), (found, outcome(in_python, html))


def html_of() -> Callable[[bool, str], None]:
    both = Html()

    def html(compared: bool, page: str) -> None:
        """One page through the reading of blocks and their choice."""
        found = outcome(both.by_core, page)
        if compared:
            assert found == outcome(both.in_python, page), (found, outcome(both.in_python, page))

    return html


def structure_of() -> Callable[[bool, str], None]:
    both = Structure()

    def structure(compared: bool, page: str) -> None:
        """One page through the reading of its structure and both formats."""
        found = outcome(both.by_core, page)
        if compared:
            assert found == outcome(both.in_python, page), (found, outcome(both.in_python, page))

    return structure


def texts_of() -> Callable[[bool, str], None]:
    both = Texts()

    def texts(compared: bool, text: str) -> None:
        """One text through its statistics."""
        found = both.by_core(text)
        if compared:
            assert found == both.in_python(text), (found, both.in_python(text))

    return texts


def main() -> None:
    import atheris

    if native.core() is None:
        sys.exit(f"no compiled core: {native.missing()}")
    logging.disable(logging.CRITICAL)
    kinds = {"pages": lambda: pages, "html": html_of, "structure": structure_of, "texts": texts_of}
    check = kinds[sys.argv.pop(1)]()
    atheris.Setup(
        sys.argv,
        lambda data: check(crc32(data) % 5 == 0, data.decode("utf-8", "replace")),  # one in five by both paths
        enable_python_coverage=False,
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main()
