"""The bits that replace trafilatura's XPath expressions select what the expressions select."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pytest
from lxml.etree import XPath, _Element
from lxml.html import Element, document_fromstring
from trafilatura import xpaths

from finest.recipe.extract.marks import BIT, copy_marked, mark
from tests.deep import sampled

EXPRESSIONS: dict[str, XPath] = {
    "comments": xpaths.REMOVE_COMMENTS_XPATH[0],
    "overall": xpaths.OVERALL_DISCARD_XPATH[0],
    "hidden": xpaths.OVERALL_DISCARD_XPATH[1],
    "paywall": xpaths.PAYWALL_DISCARD_XPATH[0],
    "caption": xpaths.DISCARD_IMAGE_ELEMENTS[0],
    "teaser": xpaths.TEASER_DISCARD_XPATH[0],
    "precision": xpaths.PRECISION_DISCARD_XPATH[1],
    "body 0": xpaths.BODY_XPATH[0],
    "body 2": xpaths.BODY_XPATH[2],
    "body 3": xpaths.BODY_XPATH[3],
    "body 4": xpaths.BODY_XPATH[4],
}
TAGS = ("div", "a", "p", "section", "item")
BODY_CASES = [
    (name, tag)
    for name in EXPRESSIONS
    for tag in ("div", "main")
    if name.startswith("body") and (name, tag) != ("body 4", "main")  # main needs no attribute there
]
ATTRIBUTES = sorted({name for e in EXPRESSIONS.values() for name in re.findall(r"@([\w-]+)", e.path)})
SHAPES = ("{}", "x{}", "{}x", "x {} y", " {}", "{} ")


def elements(attribute: str, tag: str, expressions: Iterable[XPath]) -> list[_Element]:
    """One element for each literal of the expressions in each spelling and surrounding."""
    root = Element("body")
    literals = {text for e in expressions for text in re.findall(r"[\"']([^\"']+)[\"']", e.path)}
    for literal in sorted(literals | {""}):
        for spelling in {literal, literal.capitalize(), literal.upper(), literal.swapcase()}:
            for shape in SHAPES:
                element = root.makeelement(tag)
                element.set(attribute, shape.format(spelling))
                root.append(element)
    return list(root)


@pytest.mark.parametrize("attribute", ATTRIBUTES)
@pytest.mark.parametrize("tag", sampled(TAGS, 2))
def test_bits_select_what_expressions_select(attribute: str, tag: str) -> None:
    """For every literal in every place, spelling and attribute, each bit is set where its expression selects."""
    children = elements(attribute, tag, EXPRESSIONS.values())
    found = {one.element: one.bits() for one in mark(children[0].getparent())}
    for name, expression in EXPRESSIONS.items():
        if name.startswith("body"):  # they select the first only: make each element the first
            continue
        selected = set(expression(children[0].getparent()))
        assert {e for e in children if found.get(e, 0) & BIT[name]} == selected, name


@pytest.mark.parametrize("attribute", ["class", "id", "role", "itemprop"])
@pytest.mark.parametrize(("name", "tag"), BODY_CASES)
def test_body_bits_select_what_body_expressions_select(attribute: str, name: str, tag: str) -> None:
    """Alone on its page, an element has the bit of a body expression where that selects it."""
    for element in elements(attribute, tag, [EXPRESSIONS[name]]):
        root = Element("body")
        root.append(element)
        bits = [one.bits() & BIT[name] for one in mark(root)]
        assert any(bits) == bool(EXPRESSIONS[name](root))


@pytest.mark.parametrize("tag", ["div", "my-box", "o:p"])
def test_marks_of_a_copy(tag: str) -> None:
    """A copy's marks are the same elements with the same bits, whatever they are called."""
    tree = document_fromstring(f"<div><{tag} class='hidden share'><p id='menu'>x</p></{tag}>y</div>")
    marked = mark(tree)
    page, twins = copy_marked(tree, marked, BIT["overall"] | BIT["hidden"])
    assert [(t.element.tag, t.mask) for t in twins] == [(m.element.tag, m.mask) for m in marked]
    assert all(t.element.getroottree().getroot() is page for t in twins)
    assert [e.tag for e in tree.iter()] == [e.tag for e in page.iter()]
