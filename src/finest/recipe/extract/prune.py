"""Remove the elements that the discard expressions select, in trafilatura's order and with its handling of tails."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import deepcopy

from lxml.html import HtmlElement

from finest.recipe.extract.density import drop_boilerplate
from finest.recipe.extract.marks import BIT, Marked, mark
from finest.recipe.extract.removal import remove
from finest.recipe.extract.text import text_of

_OVERALL = (BIT["overall"], BIT["hidden"])
_SECTIONS = (BIT["paywall"], BIT["caption"], BIT["teaser"])
KEEP_SHARE = 7
"""trafilatura keeps the unpruned tree unless more than a seventh of its text would be left."""


def below(tree: HtmlElement, marked: Iterable[Marked]) -> list[Marked]:
    """Return the marked elements that are descendants of the tree."""
    found = []
    inside, outside = {tree}, set()
    for one in marked:
        path = []
        ancestor = one.element.getparent()
        while ancestor is not None and ancestor not in inside and ancestor not in outside:
            path.append(ancestor)
            ancestor = ancestor.getparent()
        if ancestor is not None and ancestor in inside:
            inside.update(path)
            found.append(one)
        else:
            outside.update(path)
    return found


def discard(marked: Iterable[Marked], bits: Sequence[int]) -> None:
    """Remove the marked elements, expression by expression; the first that selects an element removes it.

    All elements must be attached to a tree. An element inside one that has been removed is removed from the latter,
    which is harmless.
    """
    selected: list[list[HtmlElement]] = [[] for _ in bits]
    wanted = sum(bits)
    for one in marked:
        mask = one.mask & wanted and one.bits()
        if mask:
            for elements, bit in zip(selected, bits, strict=True):
                if mask & bit:
                    elements.append(one.element)
                    break
    for elements in selected:
        for element in elements:
            remove(element)


def prune_sections(tree: HtmlElement, marked: list[Marked]) -> HtmlElement:
    """Prune the tree by trafilatura's `prune_unwanted_sections` with `favor_precision`; return it, or a pruned copy."""
    tree, marked = _prune_overall(tree, marked)
    marked = [one for one in marked if one.element.getparent() is not None]
    discard(marked, _SECTIONS)
    for header in list(tree.iterdescendants("header")):
        remove(header)
    discard([one for one in marked if one.element.getparent() is not None], (BIT["precision"],))
    drop_boilerplate(tree)
    return tree


def _prune_overall(tree: HtmlElement, marked: list[Marked]) -> tuple[HtmlElement, list[Marked]]:
    wanted = sum(_OVERALL)
    selected = [one for one in marked if one.mask & wanted and one.bits() & wanted]
    if not selected:
        if _holds_text(tree):
            return tree, marked
        backup = deepcopy(tree)  # without text, what is left is never more than a seventh
        return backup, below(backup, mark(backup))
    old_len = len(text_of(tree))
    lost = sum(len(text_of(one.element)) for one in selected)
    lost += sum(len(one.element.tail or "") for one in selected if one.element.getparent() is tree)
    if old_len - lost > old_len / KEEP_SHARE:  # `lost` is an upper bound: no copy is needed
        discard(selected, _OVERALL)
        return tree, marked
    backup = deepcopy(tree)
    discard(selected, _OVERALL)
    if len(text_of(tree)) > old_len / KEEP_SHARE:
        return tree, marked
    return backup, below(backup, mark(backup))


def _holds_text(tree: HtmlElement) -> bool:
    return bool(tree.text) or any(element.text or element.tail for element in tree.iterdescendants())
