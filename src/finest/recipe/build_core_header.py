"""Write `native/core/generated.h`: the constants that the compiled core shares with the Python modules.

    python -m finest.recipe.build_core_header

Run it after changing one of those modules or trafilatura's version, and recompile the core
(`python hatch_build.py`). `tests/recipe/native/test_generated.py` fails while the header is out of date.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate
from pathlib import Path

from trafilatura.utils import RE_FILTER

from finest.recipe import bounds, chunks, minhash, tokens
from finest.recipe.decontaminate import characters, match
from finest.recipe.decontaminate import ngrams as evaluation
from finest.recipe.extract import (
    block_features,
    blocks,
    content,
    core_tables,
    density,
    elements,
    formulas,
    main_text,
    marks,
    paragraphs,
    parts,
    prune,
    readability,
    render,
    structure,
    structure_tags,
    structure_text,
    structured_text,
    tags,
    trees,
)
from finest.recipe.quality_model import fasttext, hashing
from finest.recipe.quality_model.format import MAX_CLASSES

HEADER = Path(__file__).with_name("native") / "core" / "generated.h"
_FEATURES = ("OWN", "BEFORE", "AFTER", "KIND", "ENDING", "PLACE", "COUNT")
"""The groups of features in the order of `main_text.SIZES`."""


def header() -> str:
    """Return the text of the header file."""
    return "\n".join([*_head(), *_trafilatura(), *_blocks(), *_structure(), *_bounds(), *_texts(), "#endif", ""])


def _head() -> Iterator[str]:
    yield "/* Constants of the Python modules. Written by `python -m finest.recipe.build_core_header`; do not edit. */"
    yield "#ifndef FINEST_GENERATED_H"
    yield "#define FINEST_GENERATED_H"
    yield ""


def _trafilatura() -> Iterator[str]:
    yield from _enum("marks.py: the expressions that select elements", _upper("FN_MARK", marks.BIT))
    yield from _list("core_tables.py: sets of tags", "FN_TAG_SETS", core_tables.TAG_SET_NAMES)
    yield from _enum(
        "core_tables.py: what readability's patterns say of a name", _upper("FN_NAME", core_tables.NAME_KINDS)
    )
    yield from _enum(
        "limits of the steps, each from the module of its name",
        {
            "FN_MIN_CHARS": content.MIN_CHARS,
            "FN_PRUNE_KEEP_SHARE": prune.KEEP_SHARE,
            "FN_DENSITY_MAX_LIMIT": density.MAX_LIMIT,
            "FN_DENSITY_SHORT_SECTION": density.SHORT_SECTION,
            "FN_FILTERED_MAX_CHARS": elements.FILTERED_MAX_CHARS,
            "FN_PARAGRAPHS_LENGTH_LOW": paragraphs.LENGTH_LOW,
            "FN_PARAGRAPHS_LENGTH_HIGH": paragraphs.LENGTH_HIGH,
            "FN_READABILITY_MIN_TEXT": readability.MIN_TEXT,
            "FN_READABILITY_RETRY_LENGTH": readability.RETRY_LENGTH,
            "FN_READABILITY_ENOUGH_COMMAS": readability.ENOUGH_COMMAS,
        },
    )
    yield f"#define FN_DENSITY_MAX_SHARE {density.MAX_SHARE}"
    yield f"#define FN_PARAGRAPHS_STOPWORDS_LOW {paragraphs.STOPWORDS_LOW}"
    yield f"#define FN_PARAGRAPHS_STOPWORDS_HIGH {paragraphs.STOPWORDS_HIGH}"
    yield f"#define FN_PARAGRAPHS_MAX_LINK_DENSITY {paragraphs.MAX_LINK_DENSITY}"
    yield ""
    words = [f'"{word}"' for word in filtered_words(RE_FILTER.pattern)]
    yield from _list("trafilatura's RE_FILTER: lines that are dropped", "FN_FILTERED_WORDS", words)


def filtered_words(pattern: str) -> list[str]:
    """Return the words of trafilatura's RE_FILTER, without its open-ended last one.

    Raises ValueError if the pattern has an unknown form.
    """
    found = re.fullmatch(r"\\W\*\((.*)\|More on this\.\{,8\}\$\)\$", pattern)
    if found is None or not re.fullmatch(r"[\w :?|-]+", found[1]):
        raise ValueError(f"trafilatura's RE_FILTER has an unknown form: {pattern}")
    words = []
    for word in found[1].lower().split("|"):
        optional = re.search(r".\?", word)
        words += [word] if optional is None else [word.replace(optional[0], one) for one in ("", optional[0][0])]
    return words


def _blocks() -> Iterator[str]:
    yield from _enum("tags.py: what a tag does", _named("FN_DOES", tags, _TAG_DOES))
    yield from _enum("tags.py: families of tags that end one another", _named("FN_FAMILY", tags, _TAG_FAMILIES))
    starts = dict(zip(_FEATURES, accumulate(main_text.SIZES, initial=0), strict=False))
    yield from _enum(
        "main_text.py: where each group of features begins",
        {
            **_upper("FN_FEATURE", starts),
            "FN_FEATURE_FLAG": main_text.FLAGS_FROM,
            "FN_FEATURE_NAME": main_text.NAMES_FROM,
        },
    )
    yield from _enum(
        "sizes and limits of engine blocks-1",
        {
            "FN_KINDS": len(tags.KINDS),
            "FN_KIND_PRE": tags.kind_of("pre"),
            "FN_KIND_PARAGRAPH": tags.kind_of("paragraph"),
            "FN_FLAGS": len(tags.FLAGS),
            **_named("FN", main_text, ("SHAPES", "PLACES", "COUNTS", "ENDINGS")),
            "FN_BLOCKS_MOST_OPEN": blocks.MOST_OPEN,
            "FN_MOST_INDENT": blocks.MOST_INDENT,
        },
    )

    yield f"#define FN_FORMATTING {', '.join(map(_c_string, tags.FORMATTING))}"
    yield ""


def _structure() -> Iterator[str]:
    yield from _enum("structure_tags.py: roles of tags", _upper("FN_ROLE", structure_tags.ROLES))
    yield from _enum("structure_tags.py: what class names say", _named("FN_CLASS", structure_tags, _CLASSES))
    of = {role: name for name, role in structure_tags.ROLES.items()}
    for name in ("TEMPLATES", "LIMITS", "SEPARATORS"):
        texts = getattr(structure_tags, name)
        yield from _list(
            "structure_tags.py: TeX of elements of MathML", f"FN_TEX_{name}",
            [f"{of[role]}, {_c_string(text)}" for role, text in texts.items()],
        )  # fmt: skip
    yield f"#define FN_TEX_STACKED {_c_string(structure_tags.STACKED)}"
    for name in ("BOLD", "NORMAL"):
        yield f"#define FN_TEX_{name} {_c_string(structure_tags.FONTS[name.lower()])}"
    delimiters = (
        f"{{{_c_string(begin)}, {_c_string(end)}, {int(display)}}}" for begin, end, display in structure_tags.DELIMITERS
    )
    yield f"#define FN_DELIMITERS {', '.join(delimiters)}"
    yield f"#define FN_ENVIRONMENT {_c_string(structure_text.ENVIRONMENT)}"
    yield f"#define FN_TEX_SOURCES {', '.join(map(_c_string, structure_tags.TEX_SOURCES))}"
    yield ""
    yield from _enum(
        "limits of engine blocks-2",
        {
            **_named("FN", structure_text, ("MOST_STEPS", "BLOCK_STEPS", "MOST_LISTS", "MOST_BLANKS", "MOST_NEWLINES")),
            **_named("FN", structure, ("MOST_MARGIN", "MOST_QUOTES", "MOST_ROWSPAN", "MOST_NUMBER")),
            "FN_GRID_COLUMNS": structure.MOST_COLUMNS,
            **_named("FN", formulas, ("MOST_FRAMES", "MOST_TEX", "MOST_FENCES", "MOST_ALIGNED")),
            "FN_MOST_LANGUAGE": structure_tags.MOST_LANGUAGE,
            "FN_NESTS": parts.NESTS,
            **_named("FN", parts, ("NO_MARKER", "BULLET", "ORDINAL", "DEFINITION")),
            **{f"FN_MARK_{name}": ord(getattr(parts, name)) for name in ("IN_CODE", "IN_LINE", "ON_DISPLAY", "ENDED")},
            **_named("FN", render, ("LEAST_ROWS", "LEAST_COLUMNS", "MOST_CELL", "MOST_HEADED_CELL")),
            **_named("FN", structured_text, ("SURE", "HIGHEST_LIMIT", "LOWEST_LIMIT", "TABLE_LIMIT", "CODE_LIMIT")),
            **_named("FN", structured_text, ("FORMULA_LIMIT", "GAP_LIMIT", "LEAST_SHOWN")),
        },
    )
    yield from _enum(
        "block_features.py, trees.py: columns of the trees",
        {
            "FN_COLUMNS": len(block_features.COLUMNS), "FN_ALL_COLUMNS": len(trees.ALL_COLUMNS),
            "FN_MOST_VALUE": block_features.MOST, **_named("FN", block_features, ("SHARE", "NAME_BITS", "LEAST_PROSE")),
            **_named("FN", trees, ("MOST_SCORE", "MOST_DEPTH", "MOST_TREES")),
            "FN_SCORE_NEAR": 1 + len(trees.STEPS), "FN_SCORE_WINDOWS": len(trees.REACHES),
        },
    )  # fmt: skip
    for name, values in (
        ("FN_NEIGHBOUR_STEPS", block_features.NEIGHBOURS), ("FN_WINDOW_REACHES", block_features.WINDOWS),
        ("FN_SCORE_STEPS", trees.STEPS), ("FN_SCORE_REACHES", trees.REACHES),
    ):  # fmt: skip
        yield f"#define {name} {', '.join(map(str, values))}"
    yield ""


def _c_string(text: str) -> str:
    return '"' + "".join(f"\\{ord(char):o}" if char < " " else {"\\": "\\\\"}.get(char, char) for char in text) + '"'


_CLASSES = ("NUMBERS", "RENDERED", "SOURCE", "TEX", "CODE_LINE", "DRAWN")
_TAG_DOES = ("BR", "LINK", "RAW", "SKIPPED", "PUSHED", "CELL", "GRAPHIC", "ENDS_P", "CLOSABLE", "VOID", "INLINE")
_TAG_FAMILIES = ("ITEM", "TERM", "ROW", "CELLS", "LIST", "TERMS", "TABLE", "PART")
_ELEMENT_DOES = (
    "VOID", "RAW", "FORMATTING", "SPECIAL", "STOP", "SCOPE", "CLOSES_P", "ITEM", "TERM", "CELL", "ROW", "PART",
    "HEADING",
)  # fmt: skip


def _bounds() -> Iterator[str]:
    yield from _enum("bounds.py: what an element is to the tree", _named("FN_ELEMENT", bounds, _ELEMENT_DOES))
    elements = [f"{name}, {does}" for name, does in bounds.ELEMENTS.items()]
    yield from _list("bounds.py: HTML's elements, and what each is", "FN_ELEMENTS", elements)
    yield from _enum(
        "bounds.py: limits",
        {
            "FN_BOUNDS_MOST_OPEN": bounds.MOST_OPEN,
            "FN_BOUNDS_MOST_NAMES": bounds.MOST_NAMES,
            "FN_MOST_COLUMNS": bounds.MOST_COLUMNS,
        },
    )


def _texts() -> Iterator[str]:
    kinds = _named("FN_PIECE", tokens, ("UNKNOWN", "LETTER", "NUMBER", "OTHER"))
    yield from _enum("tokens.py: what GPT-2's pattern takes a character for", kinds)
    yield from _enum(
        "limits of the statistics of a text",
        {"FN_TOKENS_KINDS": tokens.KINDS_BELOW, "FN_CHUNKS_MAX_UNIT": chunks.MAX_UNIT},
    )
    yield f"#define FN_MINHASH_PRIME {int(minhash.PRIME)}ull"
    yield ""
    yield from _enum(
        "quality_model: limits",
        {
            "FN_QUALITY_MIN_BITS": hashing.MIN_BITS,
            "FN_QUALITY_MAX_BITS": hashing.MAX_BITS,
            "FN_QUALITY_MAX_TEXT": hashing.MAX_TEXT_BYTES,
            "FN_QUALITY_MAX_CLASSES": MAX_CLASSES,
            "FN_QUALITY_MAX_WORD_NGRAMS": fasttext.MAX_WORD_NGRAMS,
        },
    )
    for name in ("FNV32_BASIS", "FNV32_PRIME", "JOIN"):
        yield f"#define FN_QUALITY_{name} {getattr(fasttext, name)}u"
    for name in ("FNV_BASIS", "FNV_PRIME", "SPREAD", "PAIR"):
        yield f"#define FN_QUALITY_{name} {getattr(hashing, name)}ull"
    inverses = (f"{pow(hashing.FNV_PRIME, -power, 1 << 64)}ull" for power in range(8))
    yield f"#define FN_QUALITY_FNV_INVERSES {', '.join(inverses)}"
    yield ""
    yield from _decontamination()


def _decontamination() -> Iterator[str]:
    yield from _enum(
        "decontaminate: kinds of characters and limits",
        {
            "FN_DECONTAMINATE_SEPARATOR": characters.SEPARATOR,
            "FN_DECONTAMINATE_LETTER": characters.LETTER,
            "FN_DECONTAMINATE_CODES": characters.CODES,
            "FN_DECONTAMINATE_MOST_N": evaluation.MOST_N,
            "FN_DECONTAMINATE_GAP_UNITS": match.GAP_UNITS,
        },
    )
    yield f"#define FN_DECONTAMINATE_UNITS {', '.join(map(str, characters.UNITS))}"
    for name in ("BASE", "MIX"):
        yield f"#define FN_DECONTAMINATE_{name} {getattr(evaluation, name)}ull"
    yield ""


def _upper(prefix: str, values: Mapping[str, int]) -> dict[str, int]:
    return {f"{prefix}_{name.upper().replace(' ', '_')}": value for name, value in values.items()}


def _named(prefix: str, module: object, names: Iterable[str]) -> dict[str, int]:
    return {f"{prefix}_{name}": int(getattr(module, name)) for name in names}


def _enum(about: str, values: Mapping[str, int]) -> Iterator[str]:
    yield f"/* {about} */"
    yield "enum {"
    yield _wrapped(", ".join(f"{name} = {value}".replace(" ", "\0") for name, value in values.items()), 120, "\n")
    yield "};"
    yield ""


def _list(about: str, name: str, items: Iterable[str]) -> Iterator[str]:
    yield f"/* {about} */"
    yield f"#define {name}(X) \\"
    joined = " ".join(f"X({item})".replace(" ", "\0") for item in items)
    yield _wrapped(joined, 118, " \\\n")
    yield ""


def _wrapped(text: str, width: int, line_end: str) -> str:
    """Wrap `text` into indented lines; a NUL stands for a space that must not end a line."""
    lines = textwrap.wrap(text, width - 4, break_long_words=False, break_on_hyphens=False)
    return line_end.join("    " + line for line in lines).replace("\0", " ")


if __name__ == "__main__":
    HEADER.write_text(header(), encoding="utf-8")
