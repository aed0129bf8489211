"""Choose among the texts of trafilatura's own rules, readability, jusText and the baseline."""

from __future__ import annotations

from lxml.etree import _Element, strip_tags
from lxml.html import HtmlElement
from trafilatura.baseline import baseline
from trafilatura.xml import TEI_VALID_TAGS

from finest.recipe.extract.clean import clean, convert
from finest.recipe.extract.content import MIN_CHARS, Extract
from finest.recipe.extract.marks import BIT, Marked, mark
from finest.recipe.extract.paragraphs import good_paragraphs
from finest.recipe.extract.parse import Source
from finest.recipe.extract.prune import below, discard
from finest.recipe.extract.readability import TooShort, summary
from finest.recipe.extract.text import text_of, trim

UNCLEAN = (
    "aside", "audio", "button", "fieldset", "figure", "footer", "iframe", "input", "label", "link", "nav", "noindex",
    "noscript", "object", "option", "select", "source", "svg", "time",
)  # fmt: skip
"""Tags that a clean result does not contain: trafilatura's SANITIZED_XPATH."""
PAGE_DISCARDS = (BIT["paywall"], BIT["overall"], BIT["hidden"])


def compare(source: Source, page: HtmlElement, marked: list[Marked], own: Extract) -> Extract:
    """Return the best text of the page.

    Consumes `page`, a tree of the whole page (it is modified in place); `marked` are its marked elements.
    """
    best = own
    article = _readable_article(page, marked, own)
    if article is not None:
        best = article
    if next(best.body.iterdescendants(*UNCLEAN), None) is not None or len(best.text) < MIN_CHARS:
        found = _justext(source)
        if found is not None and len(best.text) <= 4 * len(found.text):
            return found
        if found is not None:
            return best
    if article is not None:
        best = _sanitized(article.body)
    return best


def _readable_article(page: HtmlElement, marked: list[Marked], own: Extract) -> Extract | None:
    """Return readability's article if it is better than our own text, otherwise None."""
    own_len = len(own.text)
    borderline = not _has_paragraph_text(own.body) or _count(own.body, "table") > _count(own.body, "p")
    bound = min(2 * own_len, 2 * MIN_CHARS) if borderline else 2 * own_len
    discard(marked, PAGE_DISCARDS)
    try:
        tree = summary(page, bound)
    except TooShort:
        return None
    if tree is None:
        raise TypeError("readability's article cannot be parsed")  # trafilatura returns None for such a page
    text = trim(text_of(tree) + (tree.tail or ""))
    text_len = len(text)
    if text_len in (0, own_len) or own_len > 2 * text_len > 0:
        return None
    if (
        own_len == 0
        or (text_len > 2 * own_len and not text.startswith("{"))
        or (borderline and text_len > 2 * MIN_CHARS)
    ):
        return Extract(tree, text)
    return None


def _has_paragraph_text(body: _Element) -> bool:
    """Return whether any paragraph contains a text node, even an empty one."""
    return any(
        paragraph.text is not None or any(e.text is not None or e.tail is not None for e in paragraph.iterdescendants())
        for paragraph in body.iterdescendants("p")
    )


def _count(body: _Element, tag: str) -> int:
    return sum(1 for _ in body.iterdescendants(tag))


def _justext(source: Source) -> Extract | None:
    """Return jusText's paragraphs of the cleaned page; None if it finds none."""
    tree = source.tree()
    assert tree is not None  # this source has been parsed before
    clean(tree)
    discard(below(tree, mark(tree)), (BIT["paywall"], BIT["comments"]))
    body = good_paragraphs(tree)
    text = trim(" ".join(body.itertext()))
    return Extract(body, text) if text else None


def _sanitized(tree: HtmlElement) -> Extract:
    """Clean readability's article and convert its tags to those of our own text (trafilatura's `sanitize_tree`)."""
    clean(tree)
    strip_tags(tree, "a", "span")
    convert(tree)
    for element in tree.iter("td", "th", "tr"):
        if element.tag == "tr":
            element.tag = "row"
        else:
            if element.tag == "th":
                element.set("role", "head")
            element.tag = "cell"
    strip_tags(tree, *{element.tag for element in tree.iter()} - TEI_VALID_TAGS)
    return Extract(tree, trim(" ".join(tree.itertext())))


def baseline_of(source: Source) -> Extract:
    """Return the text of trafilatura's last resort: JSON-LD, article elements, paragraphs, or all text."""
    body, text, _ = baseline(source.tree())
    return Extract(body, text)
