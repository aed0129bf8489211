"""The text of a page by trafilatura: the steps in their order."""

from __future__ import annotations

import trafilatura
from lxml.etree import _Element

from finest.recipe.extract.clean import clean, convert
from finest.recipe.extract.compare import PAGE_DISCARDS, baseline_of, compare
from finest.recipe.extract.content import MIN_CHARS, extract_content
from finest.recipe.extract.marks import BIT, copy_marked, mark
from finest.recipe.extract.parse import Source, source_of
from finest.recipe.extract.prune import below, discard
from finest.recipe.extract.text import plain_text


def extract_trafilatura(html: str) -> str | None:
    """The text that trafilatura 1.11.0 extracts with `favor_precision`, no comments and no deduplication, or None.

    Equal to `trafilatura.extract(html, favor_precision=True, include_comments=False, deduplicate=False)` in every
    character, and in the exceptions that it lets escape. A page with characters that XML forbids is given to
    trafilatura itself.
    """
    source = source_of(html)
    if source is None:
        return trafilatura.extract(html, favor_precision=True, include_comments=False, deduplicate=False)
    try:
        body = _main_body(source)
    except (TypeError, ValueError, RuntimeError):  # those that trafilatura answers with None
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
