"""trafilatura's two ways of removing an element from a tree; they differ in the handling of its tail."""

from __future__ import annotations

from lxml.etree import _Element


def remove(element: _Element) -> None:
    """Remove the element; append a space and its tail to the tail of its previous sibling, or of its parent."""
    parent, tail = element.getparent(), element.tail
    if tail is not None:
        target = element.getprevious()
        if target is None:
            target = parent
        target.tail = f"{target.tail or ''} {tail}"
    parent.remove(element)


def delete(element: _Element) -> None:
    """Remove the element and append its tail to the text before it; do nothing for a root."""
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
