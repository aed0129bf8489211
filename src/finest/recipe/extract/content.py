"""Extract the main text by trafilatura's own rules: its `extract_content` with `favor_precision`."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import NamedTuple

from lxml.etree import Element, _Element, strip_elements, strip_tags
from lxml.html import HtmlElement

from finest.recipe.extract.density import LINKS, is_link_table
from finest.recipe.extract.elements import TAGS, TAGS_AND_DIV, handle
from finest.recipe.extract.marks import BIT, Marked, mark
from finest.recipe.extract.prune import below, prune_sections
from finest.recipe.extract.text import text_of

MIN_CHARS = 250
"""trafilatura's `min_extracted_size`, in characters; if the text is shorter, other methods are tried."""

_NOT_AT_THE_END = {"head", "ref"}
WILD_TAGS = ("blockquote", "code", "p", "pre", "q", "quote", "table", "div")


class Extract(NamedTuple):
    """A result tree and its text, by which the steps compare results."""

    body: _Element
    text: str

    @property
    def text_len(self) -> int:
        return len(self.text)


def extract_content(tree: HtmlElement, marked: list[Marked]) -> Extract:
    """Return the text of the element that looks most like the main one, or, if that is short, of all paragraphs.

    Consumes `tree`, which must be cleaned and converted (it is modified in place).
    """
    body = Element("body")
    tags = TAGS
    whole: HtmlElement | None = None
    for choose in _CHOICES:
        subtree = choose(tree, marked)
        if subtree is None:
            continue
        if whole is None:
            whole = deepcopy(tree)
        tags = _fill(body, prune_sections(subtree, below(subtree, marked)), tags)
        if len(body) > 1:
            break
    text = " ".join(body.itertext()).strip()
    if len(body) == 0 or len(text) < MIN_CHARS:
        if whole is None:
            whole, marked = tree, below(tree, marked)
        else:
            marked = below(whole, mark(whole))
        _recover(body, prune_sections(whole, marked), tags)
        text = " ".join(body.itertext()).strip()
    strip_elements(body, "done")
    strip_tags(body, "div")
    return Extract(body, text)


def _first(bit: int) -> Callable[[HtmlElement, list[Marked]], HtmlElement | None]:
    def choose(tree: HtmlElement, marked: list[Marked]) -> HtmlElement | None:
        for one in marked:
            if one.mask & bit and one.bits() & bit and below(tree, (one,)):
                return one.element
        return None

    return choose


def _first_article(tree: HtmlElement, _: list[Marked]) -> HtmlElement | None:
    return next(tree.iterdescendants("article"), None)


def _first_main(tree: HtmlElement, marked: list[Marked]) -> HtmlElement | None:
    named = _first(BIT["body 4"])(tree, marked)
    main = next(tree.iterdescendants("main"), None)
    if named is None or main is None:
        return main if named is None else named
    return next(element for element in tree.iterdescendants(named.tag, "main") if element in (named, main))


_CHOICES = (_first(BIT["body 0"]), _first_article, _first(BIT["body 2"]), _first(BIT["body 3"]), _first_main)


def _fill(body: _Element, subtree: HtmlElement, tags: frozenset[str]) -> frozenset[str]:
    """Append the results of the pruned subtree to `body`; return the tags that count from here on."""
    for table in subtree.iter("table"):
        if is_link_table(table):
            table.getparent().remove(table)
    if len(subtree) == 0:
        return tags
    if not _has_paragraphs(subtree):
        tags = TAGS_AND_DIV
    strip_tags(subtree, *LINKS, "span")
    elements = list(subtree.iterdescendants())
    if {element.tag for element in elements} == {"lb"}:
        elements = [subtree]
    results = [handle(element, tags) for element in elements]
    body.extend(result for result in results if result is not None)
    while len(body) > 0 and body[-1].tag in _NOT_AT_THE_END:
        body.remove(body[-1])
    return tags


def _has_paragraphs(subtree: HtmlElement) -> bool:
    """Return whether the paragraphs of the whole page have at least MIN_CHARS characters."""
    chars = 0
    counted: set[_Element] = set()
    root = subtree.getroottree().getroot()
    for top in (root, *root.itersiblings()):  # libxml2 may find more than one <html>
        for paragraph in top.iter("p"):
            if paragraph not in counted:
                counted.update(paragraph.iterdescendants("p"))
                chars += len(text_of(paragraph))
                if chars >= MIN_CHARS:
                    return True
    return False


def _recover(body: _Element, tree: HtmlElement, tags: frozenset[str]) -> None:
    """Append all paragraphs, quotes, code and tables of the page to `body` (trafilatura's `recover_wild_text`)."""
    strip_tags(tree, *LINKS, "span")
    elements = [
        element
        for element in tree.iterdescendants(*WILD_TAGS)
        if element.tag != "div" or "w3-code" in element.get("class", "")
    ]
    for element in elements:
        result = handle(element, tags)
        if result is not None:
            body.append(result)
