"""The two ways in which trafilatura takes an element out of a tree; they differ in what becomes of its tail."""

from __future__ import annotations

from lxml.etree import _Element


def remove(element: _Element) -> None:
    """Take the element out; its tail goes, after a space, to the sibling before it, else behind its parent."""
    parent, tail = element.getparent(), element.tail
    if tail is not None:
        target = element.getprevious()
        if target is None:
            target = parent
        target.tail = f"{target.tail or ''} {tail}"
    parent.remove(element)


def delete(element: _Element) -> None:
    """Take the element out; its tail joins the text before it. A root stays."""
    parent = element.getparent()
    if parent is None:
        return
    tail = element.tail
    if tail:
        previous = element.getprevious()
        if previous is None:
            parent.text = (parent.text or "") + tail
        else:
            previous.tail = (previous.tail or "") + tail
    parent.remove(element)
