"""Read the markup of a page: what ends where, and the attributes of a tag."""

from __future__ import annotations

import re
from collections.abc import Callable

from finest.recipe.extract.tags import SPACES, lower, past, up_to

Attributes = list[tuple[str, str]]


class Markup:
    """The HTML of a page, searched so that no part of it is read again and again."""

    def __init__(self, html: str) -> None:
        self.html = html
        self.missing: dict[str, int] = {}

    def find(self, what: str, start: int) -> int:
        """Find `what` like `str.find`, remembering misses so that the page is not rescanned."""
        return self.once(what, start, lambda: self.html.find(what, start))

    def once(self, what: str, start: int, find: Callable[[], int]) -> int:
        """Return the result of `find`, an index at or after `start` or -1; -1 is remembered for later starts."""
        if start >= self.missing.get(what, len(self.html) + 1):
            return -1
        at = find()
        if at < 0:
            self.missing[what] = start
        return at

    def after(self, what: str, start: int) -> int:
        """Return the index just past `what`, or the end of the page if it is absent."""
        at = self.html.find(what, start)
        return at + len(what) if at >= 0 else len(self.html)

    def find_end_tag(self, name: str, start: int) -> int:
        found = re.compile(rf"</{name}(?=[\t\n\f\r />])", re.IGNORECASE | re.ASCII).search(self.html, start)
        return found.end() if found else -1

    def read_attributes(self, at: int) -> tuple[int, list[tuple[str, str]]]:
        """Return the index after the tag, or -1 if the page ends inside it, and its attributes in order."""
        html, end, found = self.html, len(self.html), list[tuple[str, str]]()
        while True:
            at = past(html, at, end, SPACES + "/")
            if at >= end:
                return -1, found
            if html[at] == ">":
                return at + 1, found
            begin = at
            at = up_to(html, at + 1, end, SPACES + "/>=")
            name, value = lower(html[begin:at]), ""
            equal = past(html, at, end, SPACES)
            if equal < end and html[equal] == "=":
                value, at = self.read_value(past(html, equal + 1, end, SPACES))
            found.append((name, value))

    def read_value(self, at: int) -> tuple[str, int]:
        """Return an attribute's value and the index after it; an unclosed quotation mark is part of the value."""
        quote = self.html[at : at + 1]
        end = self.find(quote, at + 1) if quote in ('"', "'") else -1
        if end >= 0:
            return self.html[at + 1 : end], end + 1
        end = up_to(self.html, at, len(self.html), SPACES + ">")
        return self.html[at:end], end
