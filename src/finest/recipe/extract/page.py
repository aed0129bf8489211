"""Extract a page's text by trafilatura's rules: the steps in their order."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

import trafilatura
from lxml.etree import _Element

from finest.recipe import native
from finest.recipe.bounds import MOST_COLUMNS, markup_of
from finest.recipe.extract import core_tables
from finest.recipe.extract.clean import clean, convert
from finest.recipe.extract.compare import PAGE_DISCARDS, baseline_of, compare
from finest.recipe.extract.content import MIN_CHARS, extract_content
from finest.recipe.extract.limit import ExtractionLimit
from finest.recipe.extract.marks import BIT, copy_marked, mark
from finest.recipe.extract.parse import Source, parse_bytes, source_of
from finest.recipe.extract.prune import below, discard
from finest.recipe.extract.text import finished, plain_text

if TYPE_CHECKING:
    from finest.recipe.native._core import Core

FALLBACKS: Counter[str] = Counter()
"""Number of pages of this process that the compiled core left to the Python path, by reason."""

MOST_TAGS_OF_TRAFILATURA = 50_000
"""Limit on the tags and attributes (`bounds.Markup.tags`) of a page that trafilatura itself processes.

Some of its XPath expressions take time quadratic in a page's text nodes, in a single call into C that no CPU limit can
stop: a page of 200,000 `<br>` and one control character took 64 CPU seconds under a limit of 10. Our own steps have no
such call.
"""


def extract_trafilatura(html: str) -> str | None:
    """Return the text that trafilatura 1.11.0 extracts with `favor_precision`, without comments and deduplication.

    The result (None without text) and the exceptions equal those of
    `trafilatura.extract(html, favor_precision=True, include_comments=False, deduplicate=False)`. The compiled core
    extracts the text, or, without a core, the Python path. trafilatura itself processes pages whose text has characters
    that XML forbids. Raises ExtractionLimit if such a page has more than MOST_TAGS_OF_TRAFILATURA tags.
    """
    core = filled_core()
    source = source_of(html)
    if source is None or (core is None and source.forbidden):
        FALLBACKS["forbidden_characters"] += 1
        return _by_trafilatura(html)
    return extract_in_python(source) if core is None else _by_core(core, html, source)


def filled_core() -> Core | None:
    """Return the compiled core with its tables filled; None if it is not available or its tables cannot be filled."""
    core = native.core()
    return None if core is None or core_tables.why_unfilled(core) else core


def _by_core(core: Core, html: str, source: Source) -> str | None:
    tree = source.tree()
    if tree is None:
        return None
    try:
        text = core.extract(tree, parse_bytes, source.forbidden)
    except core.Refused as refusal:
        FALLBACKS[str(refusal)] += 1
        return _by_trafilatura(html) if source.forbidden else extract_in_python(source)
    if text is None or isinstance(text, str):
        return None if text is None else finished(text)
    if source.forbidden:
        return _by_trafilatura(html)
    best = baseline_of(source)
    return plain_text(best.body) if best.text else None


def _by_trafilatura(html: str) -> str | None:
    tags = markup_of(html).tags
    if tags > MOST_TAGS_OF_TRAFILATURA:
        raise ExtractionLimit(f"trafilatura itself is given no page of more than {MOST_TAGS_OF_TRAFILATURA} tags")
    html = _WIDE.sub(_narrowed, html)
    return trafilatura.extract(html, favor_precision=True, include_comments=False, deduplicate=False)


_WIDE = re.compile(r"(colspan\s*=\s*[\"']?\s*\+?)([\d_]{4,})", re.IGNORECASE)


def _narrowed(found: re.Match[str]) -> str:
    """Limit the `colspan` of a cell to MOST_COLUMNS."""
    try:
        columns = int(found[2])
    except ValueError:  # not a number for trafilatura either, such as one of thousands of digits
        return found[0]
    return found[1] + str(MOST_COLUMNS) if columns > MOST_COLUMNS else found[0]


def extract_in_python(source: Source) -> str | None:
    """Return the text of `extract_trafilatura`, in Python only, for a page without characters that XML forbids."""
    try:
        body = _main_body(source)
    except (TypeError, ValueError, RuntimeError):  # trafilatura returns None on these
        return None
    return None if body is None else plain_text(body)


def _main_body(source: Source) -> _Element | None:
    tree = source.tree()
    if tree is None:
        return None
    marked = mark(tree)
    page, page_marked = copy_marked(tree, marked, sum(PAGE_DISCARDS))
    clean(tree)
    convert(tree)
    marked = below(tree, marked)
    if any(one.mask & BIT["comments"] for one in marked):
        discard(marked, (BIT["comments"],))
        marked = below(tree, marked)
    best = compare(source, page, page_marked, extract_content(tree, marked))
    if len(best.text) < MIN_CHARS:
        best = baseline_of(source)
    return best.body if best.text else None
