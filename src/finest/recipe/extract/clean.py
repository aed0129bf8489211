"""Clean a tree and rename its tags: trafilatura's `tree_cleaning` and `convert_tags` for our options.

The options keep tables and drop links, images and formatting. lxml's C function deletes the elements, except those with
a tag that is nested in itself: for these, trafilatura's loop misses elements, and ours must miss the same ones.
"""

from __future__ import annotations

from lxml.etree import XPath, strip_elements, strip_tags
from lxml.html import HtmlElement
from trafilatura.htmlprocessing import REND_TAG_MAPPING
from trafilatura.settings import CUT_EMPTY_ELEMS, MANUALLY_CLEANED, MANUALLY_STRIPPED

from finest.recipe.extract.removal import delete

_CUT_EMPTY = tuple(CUT_EMPTY_ELEMS)
_DOOMED = "finest-doomed"
_LOOSE_LINKS = XPath(".//a[not(ancestor::div or ancestor::ul or ancestor::table)]")
_BOUND_LINKS = XPath(".//div//a|.//ul//a|.//table//a")
_LINK_HOLDERS = {"div", "ul", "table"}
_HEADINGS = {"h1", "h2", "h3", "h4", "h5", "h6"}
_LISTS = {"dl", "ol", "ul"}
_LIST_ITEMS = ("dd", "dt", "li")
_NEW_NAMES = {"br": "lb", "hr": "lb", "blockquote": "quote", "q": "quote", "del": "del", "s": "del", "strike": "del"}
_CONVERTED = (*_LISTS, *_HEADINGS, *_NEW_NAMES, "pre", "details")


def clean(tree: HtmlElement) -> None:
    """Delete elements that are never main text, unwrap those that only format text, and delete empty ones."""
    for figure in list(tree.iterdescendants("figure")):
        if next(figure.iterdescendants("table"), None) is not None:
            figure.tag = "div"
    strip_tags(tree, MANUALLY_STRIPPED)
    _delete_tags(tree)
    _delete_empty(tree)


def _delete_tags(tree: HtmlElement) -> None:
    nested = {
        element.tag
        for element in tree.iter(MANUALLY_CLEANED)
        if len(element) and next(element.iterdescendants(element.tag), None) is not None
    }
    if tree.tag in MANUALLY_CLEANED:
        nested.update(MANUALLY_CLEANED)
    if not nested:
        strip_elements(tree, MANUALLY_CLEANED, with_tail=False)
        return
    for tag in MANUALLY_CLEANED:
        if tag not in nested:
            strip_elements(tree, tag, with_tail=False)
            continue
        for element in tree.iter(tag):
            delete(element)


def _delete_empty(tree: HtmlElement) -> None:
    root = tree.getroottree().getroot()
    found = [element for element in root.iterdescendants(_CUT_EMPTY) if len(element) == 0 and element.text is None]
    for element in found:
        element.tag = _DOOMED
    if found:
        strip_tags(root, _DOOMED)


def convert(tree: HtmlElement) -> None:
    """Rename HTML tags to trafilatura's own (list, item, head, quote, code, lb, del); unwrap formatting and links."""
    strip_tags(tree, _loose_links(tree), *REND_TAG_MAPPING)
    for element in tree.iter(_CONVERTED):
        tag = element.tag
        if tag in _NEW_NAMES:
            element.tag = _NEW_NAMES[tag]
        elif tag in _HEADINGS:
            element.attrib.clear()
            element.tag = "head"
        elif tag in _LISTS:
            element.tag = "list"
            for item in element.iter(_LIST_ITEMS):
                item.tag = "item"
        elif tag == "pre":
            element.tag = "code" if _holds_code(element) else "quote"
        else:
            element.tag = "div"
            for summary in element.iter("summary"):
                summary.tag = "head"


def _loose_links(tree: HtmlElement) -> str:
    """Rename the links outside of div, ul and table to a tag of their own, and return this tag."""
    if tree.getparent() is None and tree.tag not in _LINK_HOLDERS:
        loose = _LOOSE_LINKS(tree)
    else:
        bound = set(_BOUND_LINKS(tree))
        loose = [link for link in tree.iterdescendants("a") if link not in bound]
    for link in loose:
        link.tag = _DOOMED
    return _DOOMED


def _holds_code(pre: HtmlElement) -> bool:
    code = len(pre) == 1 and pre[0].tag == "span"
    for span in pre.iterdescendants("span"):
        if span.get("class", "").startswith("hljs"):
            span.attrib.clear()
            code = True
    return code
