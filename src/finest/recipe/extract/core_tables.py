"""Fill the compiled core's tables: the tag names and words that trafilatura, readability and jusText use.

The tables are read from those libraries and from the modules of the Python path, so that both paths have one source.
Only `extract/page.py` calls this; the core's other functions need no tables.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

from justext.core import PARAGRAPH_TAGS
from trafilatura import readability_lxml as readability
from trafilatura.htmlprocessing import REND_TAG_MAPPING
from trafilatura.settings import CUT_EMPTY_ELEMS, MANUALLY_CLEANED, MANUALLY_STRIPPED
from trafilatura.utils import FORMATTING_PROTECTED
from trafilatura.xml import NEWLINE_ELEMS, SPECIAL_FORMATTING, TEI_VALID_TAGS

from finest.recipe.extract import compare, content, density, elements, marks, paragraphs
from finest.recipe.extract import readability as our_readability

if TYPE_CHECKING:
    from finest.recipe.native._core import Core

_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
_TAG_SETS: dict[str, Iterable[str]] = {
    "CLEANED": MANUALLY_CLEANED,
    "STRIPPED": MANUALLY_STRIPPED,
    "CUT_EMPTY": CUT_EMPTY_ELEMS,
    "FORMATTING": REND_TAG_MAPPING,
    "HEADINGS": _HEADINGS,
    "CONTENT": elements.TAGS,
    "UNCLEAN": compare.UNCLEAN,
    "TEI": TEI_VALID_TAGS,
    "NEWLINE": NEWLINE_ELEMS,
    "SPECIAL_FORMATTING": SPECIAL_FORMATTING,
    "PROTECTED": FORMATTING_PROTECTED,
    "PARAGRAPHS": PARAGRAPH_TAGS,
    "WILD": content.WILD_TAGS,
    "LINKS": density.LINKS,
    "SECTIONS": our_readability.SECTIONS,
    "FRAMES": readability.FRAME_TAGS,
    "LISTS": readability.LIST_TAGS,
    "CLEAN_COUNTED": readability.TEXT_CLEAN_ELEMS,
    "DIV_SCORES": readability.DIV_SCORES,
    "BLOCK_SCORES": readability.BLOCK_SCORES,
    "BAD_SCORES": readability.BAD_ELEM_SCORES,
    "STRUCTURE_SCORES": readability.STRUCTURE_SCORES,
    "RAW_TEXT": our_readability.RAW_TEXT,
    "CELLS": ("td", "th"),
    "FORMS": ("form", "textarea"),
    "SCRIPTS": ("script", "style"),
    "BASELINE_TEXTS": ("blockquote", "code", "p", "pre", "q", "quote"),
    "BASIC_CLEANED": ("aside", "footer", "script", "style"),
}
TAG_SET_NAMES = (*_TAG_SETS, "LOOKS_LIKE_BLOCK", "HOLDS_SELECT")
"""Every set of tags that the core uses; `generated.h` lists them in this order."""
_NAME_PATTERNS = {
    "unlikely": "unlikelyCandidatesRe", "maybe": "okMaybeItsACandidateRe", "negative": "negativeRe",
    "positive": "positiveRe",
}  # fmt: skip
NAME_KINDS = {kind: 1 << bit for bit, kind in enumerate(_NAME_PATTERNS)}
"""Bits of readability's classes of class names and ids."""
_PLAIN_WORDS = re.compile(r"[a-z-]+(?:\|[a-z-]+)*")


@lru_cache(maxsize=1)
def why_unfilled(core: Core) -> str:
    """Fill the core's tables on the first call; return the reason why that failed, or "".

    The tables stay unfilled if a library's pattern has a form that the core does not support; the Python path then
    extracts by trafilatura's rules, and the core does everything else.
    """
    try:
        _fill(core)
    except ValueError as error:
        return str(error)
    return ""


def _fill(core: Core) -> None:
    words = list(_name_words())
    core.fill_begin(marks.ANY_TAG, paragraphs.stop_words)
    tags = {*marks.CANDIDATE_BITS, *readability.DIV_TO_P_ELEMS, *(tag for names in _TAG_SETS.values() for tag in names)}
    for tag in sorted(tags):
        sets = [name for name, names in _TAG_SETS.items() if tag in names]
        sets += ["LOOKS_LIKE_BLOCK"] * our_readability.looks_like_block(f"<{tag}") + ["HOLDS_SELECT"] * (
            "select" in tag
        )
        bits = marks.TAG_BITS.get(tag, marks.ANY_TAG), marks.CANDIDATE_BITS.get(tag, marks.ANY_TAG)
        core.fill_tag(tag, tuple(sets), *bits)
    for tag in MANUALLY_CLEANED:
        core.fill_cleaned(tag)
    for attribute, masks in marks.MASKS.items():
        position = core.fill_attribute(attribute, masks.present)
        for text, literal in masks.literals.items():
            core.fill_literal(position, text, *literal)
    for word, kind in words:
        core.fill_name_word(word, kind)
    core.fill_end()


def _name_words() -> Iterator[tuple[str, int]]:
    for kind, name in _NAME_PATTERNS.items():
        pattern = readability.REGEXES[name].pattern
        if not _PLAIN_WORDS.fullmatch(pattern):
            raise ValueError(f"readability's {name} has an unknown form: {pattern}")
        yield from ((word, NAME_KINDS[kind]) for word in pattern.split("|"))
