"""Evaluate trafilatura's discard and body expressions, once per attribute value.

All of them have the form `.//*[one of some tags][test of an own attribute or test or ...]`. Evaluating them one by one
takes most of trafilatura's CPU time. Here each expression is a bit, an attribute value is looked up once for all bits,
and elements whose attributes set a bit are kept for all later steps.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from copy import copy
from typing import NamedTuple

import ahocorasick
from lxml.html import HtmlElement
from trafilatura.xpaths import (
    BODY_XPATH,
    DISCARD_IMAGE_ELEMENTS,
    OVERALL_DISCARD_XPATH,
    PAYWALL_DISCARD_XPATH,
    PRECISION_DISCARD_XPATH,
    REMOVE_COMMENTS_XPATH,
    TEASER_DISCARD_XPATH,
)

_EXPRESSIONS = {
    "comments": REMOVE_COMMENTS_XPATH[0].path,
    "overall": OVERALL_DISCARD_XPATH[0].path,
    "hidden": OVERALL_DISCARD_XPATH[1].path,
    "paywall": PAYWALL_DISCARD_XPATH[0].path,
    "caption": DISCARD_IMAGE_ELEMENTS[0].path,
    "teaser": TEASER_DISCARD_XPATH[0].path,
    "precision": PRECISION_DISCARD_XPATH[1].path,
    "body 0": BODY_XPATH[0].path,
    "body 2": BODY_XPATH[2].path,
    "body 3": BODY_XPATH[3].path,
    "body 4": BODY_XPATH[4].path,
}
BIT = {name: 1 << position for position, name in enumerate(_EXPRESSIONS)}

_TEST = re.compile(
    r"""\s*(?:(?P<function>contains|starts-with)\(\s*
            (?:translate\(\s*@(?P<mapped>[\w-]+)\s*,\s*["'](?P<from>\w+)["']\s*,\s*["'](?P<to>\w+)["']\s*\)
               |@(?P<plain>[\w-]+))\s*,\s*["'](?P<literal>[^"']*)["']\s*\)
          |@(?P<equal>[\w-]+)\s*=\s*["'](?P<value>[^"']*)["']
          |@(?P<present>[\w-]+))\s*(?:or|$)""",
    re.VERBOSE,
)
_HEAD = re.compile(
    r"\(?\.//\*\s*(?:\[\(*(?P<tags>self::[^\]]*?)\)*\]\s*)?\[(?P<tests>.*?)\s*\](?:\)?\[1\]|$)", re.DOTALL
)


class _Literal(NamedTuple):
    """A literal's length, and the bits that it sets anywhere in a value, at its start, or as the whole value."""

    length: int
    contains: int
    starts: int
    equals: int


class _Masks(dict[str, int]):
    """A memo of the bits of attribute values; its size is limited, because a crawl has endless class names."""

    _MAX_VALUES = 50_000

    def __init__(self, literals: dict[str, tuple[int, int, int]], present: int) -> None:
        super().__init__()
        self.present = present
        self.literals = literals
        self._automaton = ahocorasick.Automaton()
        for text, bits in literals.items():
            self._automaton.add_word(text, _Literal(len(text), *bits))
        if literals:
            self._automaton.make_automaton()

    def __missing__(self, value: str) -> int:
        mask = self.present
        if len(self._automaton):
            for end, literal in self._automaton.iter(value):
                mask |= literal.contains
                if end + 1 == literal.length:
                    mask |= literal.starts
                    if literal.length == len(value):
                        mask |= literal.equals
        if len(self) >= self._MAX_VALUES:
            self.clear()
        self[value] = mask
        return mask


def _spellings(literal: str, source: str, target: str) -> Iterator[str]:
    """Return every text that `translate(text, source, target)` turns into `literal`."""
    options = [[char] if char not in source else [] for char in literal]
    for option, char in zip(options, literal, strict=True):
        option.extend(old for old, new in zip(source, target, strict=True) if new == char)
    return map("".join, itertools.product(*options))


def _compile() -> tuple[dict[str, _Masks], dict[str, int], int]:
    """Return the masks by attribute, the bits that each tag admits, and the bits that every tag admits."""
    literals: dict[str, dict[str, list[int]]] = {}
    present: dict[str, int] = {}
    tag_bits: dict[str, int] = {}
    any_tag = 0
    for name, path in _EXPRESSIONS.items():
        head = _HEAD.match(path.strip())
        if head is None:
            raise ValueError(f"expression {name} of trafilatura has an unknown form: {path}")
        bit = BIT[name]
        if head["tags"] is None:
            any_tag |= bit
        else:
            for tag in re.findall(r"self::(\w+)", head["tags"]):
                tag_bits[tag] = tag_bits.get(tag, 0) | bit
        _compile_tests(name, head["tests"], literals, present)
    masks = {
        attribute: _Masks(
            {text: (b[0], b[1], b[2]) for text, b in literals.get(attribute, {}).items()}, present.get(attribute, 0)
        )
        for attribute in {*literals, *present}
    }
    return masks, {tag: bits | any_tag for tag, bits in tag_bits.items()}, any_tag


def _compile_tests(name: str, tests: str, literals: dict[str, dict[str, list[int]]], present: dict[str, int]) -> None:
    bit, position = BIT[name], 0
    while position < len(tests):
        test = _TEST.match(tests, position)
        if test is None:
            raise ValueError(f"expression {name} of trafilatura has an unknown test: {tests[position:]}")
        position = test.end()
        if test["present"]:
            present[test["present"]] = present.get(test["present"], 0) | bit
            continue
        attribute = test["mapped"] or test["plain"] or test["equal"]
        kind = 2 if test["equal"] else 1 if test["function"] == "starts-with" else 0
        literal = test["value"] if test["equal"] else test["literal"]
        for spelling in _spellings(literal, test["from"] or "", test["to"] or ""):
            bits = literals.setdefault(attribute, {}).setdefault(spelling, [0, 0, 0])
            bits[kind] |= bit


MASKS, TAG_BITS, ANY_TAG = _compile()
_LATER_NAMES = {
    "ul": "list", "ol": "list", "dl": "list", "li": "item", "dd": "item", "dt": "item", "figure": "div",
    "details": "div",
}  # fmt: skip
CANDIDATE_BITS = TAG_BITS | {old: TAG_BITS.get(old, 0) | TAG_BITS[new] for old, new in _LATER_NAMES.items()}
"""Bits that a tag admits now, or after the conversion of tags has renamed it."""


class Marked(NamedTuple):
    """An element whose attributes set at least one bit."""

    element: HtmlElement
    mask: int

    def bits(self) -> int:
        """Return the bits of the expressions that select the element under its current tag.

        No expression selects an element that has lost its attributes since (headings, highlighted code).
        """
        bits = self.mask & TAG_BITS.get(self.element.tag, ANY_TAG)
        return bits if bits and self.element.attrib else 0


_TWIN = "finest-twin"


def copy_marked(tree: HtmlElement, marked: list[Marked], bits: int) -> tuple[HtmlElement, list[Marked]]:
    """Copy the tree; return the copy and its elements that are marked with any of the bits.

    During the copy, the marked elements have a special tag, by which lxml finds their copies at C speed; listing all
    elements of the copy would cost as much as copying.
    """
    marked = [one for one in marked if one.mask & bits]
    tags = [one.element.tag for one in marked]
    if not all(tag.replace("-", "").isalnum() for tag in tags):  # lxml parses other tags, but cannot set all of them
        page = copy(tree)
        return page, mark(page)
    for one in marked:
        one.element.tag = _TWIN
    page = copy(tree)
    twins = list(page.iter(_TWIN))
    for one, twin, tag in zip(marked, twins, tags, strict=True):
        one.element.tag = twin.tag = tag
    return page, [Marked(twin, one.mask) for one, twin in zip(marked, twins, strict=True)]


def mark(tree: HtmlElement) -> list[Marked]:
    """Return every descendant of the tree's top element whose attributes set a bit."""
    marked = []
    for element in tree.iterdescendants():
        mask = 0
        for name in element.keys():  # noqa: SIM118 - iterating over an element gives its children
            if name in MASKS:
                mask |= MASKS[name][element.get(name)]
        if mask:
            mask &= CANDIDATE_BITS.get(element.tag, ANY_TAG)
            if mask:
                marked.append(Marked(element, mask))
    return marked
