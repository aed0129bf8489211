"""Drop boilerplate by link density: sections and tables that consist mostly of links."""

from __future__ import annotations

from lxml.etree import _Element

from finest.recipe.extract.removal import delete
from finest.recipe.extract.text import text_of, trim

LINKS = ("a", "ref")
"""Tags of links. trafilatura renames an `a` inside div, ul or table to `ref`; here it keeps its name."""

MAX_SHARE = 0.8
MAX_LIMIT = 300
SHORT_SECTION = 200


def drop_boilerplate(tree: _Element) -> None:
    """Drop sections that are mostly links, in trafilatura's order and with its `favor_precision`."""
    holders = _link_holders(tree)
    for tag in ("div", "list", "p"):
        _drop_dense(tree, tag, holders, precise=True)
    while len(tree) > 0 and tree[-1].tag == "head":
        tree.remove(tree[-1])
    for tag in ("head", "quote"):
        _drop_dense(tree, tag, holders, precise=False)


def _link_holders(tree: _Element) -> set[_Element]:
    """Return every element with a link among its descendants, the tree's own top element included."""
    holders: set[_Element] = set()
    for link in tree.iterdescendants(*LINKS):
        element = link.getparent()
        while element not in holders:
            holders.add(element)
            if element is tree:
                break
            element = element.getparent()
    return holders


def _drop_dense(tree: _Element, tag: str, holders: set[_Element], *, precise: bool) -> None:
    """Delete elements by trafilatura's `delete_by_link_density`; `precise` is its `favor_precision`."""
    doomed: list[_Element] = []
    long: set[_Element] = set()  # ancestors of an element whose text exceeds any limit, so theirs does too
    for element in reversed([element for element in tree.iter(tag) if element in holders]):
        if element in long or not has_links(element):
            continue
        text_len = len(trim(text_of(element)))
        if text_len >= _limit(element, tag):
            if text_len >= MAX_LIMIT:
                long.update(element.iterancestors(tag))
            continue
        dense, has_link_text = _is_dense(element, text_len, short_below=50 if precise else 10)
        if dense:
            doomed.append(element)
        elif tag == "div" and has_link_text and 0 < text_len < SHORT_SECTION and len(element) >= 3:
            doomed.extend(element)
    for element in dict.fromkeys(doomed):
        delete(element)


def _limit(element: _Element, tag: str) -> int:
    """Return the number of characters from which a section is never boilerplate."""
    if tag == "p":
        return 200
    return MAX_LIMIT if element.getnext() is None else 100


def _is_dense(element: _Element, text_len: int, *, short_below: int) -> tuple[bool, bool]:
    """Return whether the element is mostly links, and whether any of its links has text."""
    lengths = _link_lengths(element)
    if not lengths:
        return True, False
    if sum(lengths) > MAX_SHARE * text_len:
        return True, True
    short = sum(1 for length in lengths if length < short_below)
    return len(lengths) > 1 and short / len(lengths) > MAX_SHARE, True


def _link_lengths(element: _Element) -> list[int]:
    lengths = (len(trim(text_of(link))) for link in element.iterdescendants(*LINKS))
    return [length for length in lengths if length]


def has_links(element: _Element) -> bool:
    return next(element.iterdescendants(*LINKS), None) is not None


def is_link_table(table: _Element) -> bool:
    """Return whether a table is mostly links and has over 250 characters (trafilatura's `link_density_test_tables`)."""
    if not has_links(table):
        return False
    text_len = len(trim(text_of(table)))
    if text_len <= 250:
        return False
    lengths = _link_lengths(table)
    if not lengths:
        return True
    return sum(lengths) > (MAX_SHARE if text_len < 1000 else 0.5) * text_len
