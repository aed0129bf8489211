"""Run jusText on a tree, as trafilatura does: select paragraphs that read like running text, in any language.

One pass cuts the tree into paragraphs; a paragraph's stop words are counted only if their share can decide.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache

from justext.core import PARAGRAPH_TAGS
from lxml.etree import Element, _Element
from trafilatura import external

LENGTH_LOW, LENGTH_HIGH = 50, 200
STOPWORDS_LOW, STOPWORDS_HIGH = 0.1, 0.2
MAX_LINK_DENSITY = 0.2
_WHITE_SPACE = re.compile(r"\s+")


@dataclass(slots=True)
class _Paragraph:
    in_select: bool
    texts: list[str] = field(default_factory=list)
    link_chars: int = 0
    kind: str = ""
    """jusText's class of the paragraph: good, neargood, short or bad."""

    def text(self) -> str:
        return _WHITE_SPACE.sub(_one_space, "".join(self.texts).strip())


def good_paragraphs(tree: _Element) -> _Element:
    """Return a body with a `p` for each paragraph that jusText classifies as good; the tree is not modified."""
    paragraphs = _Maker().paragraphs_of(tree)
    words = stop_words()
    for paragraph in paragraphs:
        paragraph.kind = _kind(paragraph, words)
    body = Element("body")
    if any(paragraph.kind in ("good", "neargood") for paragraph in paragraphs):
        _revise(paragraphs)
        for paragraph in paragraphs:
            if paragraph.kind == "good":
                element = Element("p")
                element.text = paragraph.text()
                body.append(element)
    return body


@lru_cache(maxsize=1)
def stop_words() -> frozenset[str]:
    return frozenset(word.lower() for word in external.JT_STOPLIST or external.jt_stoplist_init())


def _one_space(match: re.Match[str]) -> str:
    spaces = match.group()
    return "\n" if "\n" in spaces or "\r" in spaces else " "


class _Maker:
    """Walks a tree and cuts its text at block elements and at double line breaks (jusText's ParagraphMaker)."""

    def __init__(self) -> None:
        self._done: list[_Paragraph] = []
        self._current = _Paragraph(in_select=False)
        self._in_link = False
        self._after_break = False

    def paragraphs_of(self, tree: _Element) -> list[_Paragraph]:
        self._walk(tree, in_select=False)
        self._cut(in_select=False)
        return self._done

    def _cut(self, *, in_select: bool) -> None:
        if self._current.texts:
            self._done.append(self._current)
        self._current = _Paragraph(in_select)

    def _walk(self, element: _Element, *, in_select: bool) -> None:
        tag = element.tag
        block = tag in PARAGRAPH_TAGS
        inside = in_select or "select" in tag
        if block or (tag == "br" and self._after_break):
            self._cut(in_select=inside)
        else:
            self._after_break = tag == "br"
            if tag == "br":
                self._current.texts.append(" ")
            elif tag == "a":
                self._in_link = True
        self._add(element.text)
        for child in element:
            self._walk(child, in_select=inside)
        if block:
            self._cut(in_select=in_select)
        if tag == "a":
            self._in_link = False
        self._add(element.tail)

    def _add(self, text: str | None) -> None:
        if not text or text.isspace():
            return
        self._current.texts.append(text)
        if self._in_link:
            self._current.link_chars += len(_WHITE_SPACE.sub(" ", text))
        self._after_break = False


def _kind(paragraph: _Paragraph, stop_words: frozenset[str]) -> str:
    text = "".join(paragraph.texts)
    words = text.split()
    length = sum(map(len, words)) + max(len(words) - 1, 0)
    if length and paragraph.link_chars / length > MAX_LINK_DENSITY:
        return "bad"
    if paragraph.in_select or "\xa9" in text or "&copy" in text:
        return "bad"
    if length < LENGTH_LOW:
        return "bad" if paragraph.link_chars > 0 else "short"
    share = sum(word.lower() in stop_words for word in words) / len(words)
    if share >= STOPWORDS_HIGH:
        return "good" if length > LENGTH_HIGH else "neargood"
    return "neargood" if share >= STOPWORDS_LOW else "bad"


def _revise(paragraphs: list[_Paragraph]) -> None:
    """Reclassify short and near-good paragraphs as good or bad, by their neighbours."""
    kinds = [paragraph.kind for paragraph in paragraphs]
    before, after = _neighbours(kinds), _neighbours(kinds[::-1])[::-1]
    for paragraph, previous, following in zip(paragraphs, before, after, strict=True):
        if paragraph.kind == "short":
            paragraph.kind = _short_kind(previous, following)
    kinds = [paragraph.kind for paragraph in paragraphs]
    following_kinds = [decided for decided, _ in _neighbours(kinds[::-1])[::-1]]
    previous_kind = "bad"
    for paragraph, following_kind in zip(paragraphs, following_kinds, strict=True):
        if paragraph.kind == "neargood":
            paragraph.kind = "bad" if (previous_kind, following_kind) == ("bad", "bad") else "good"
        previous_kind = paragraph.kind


def _neighbours(kinds: list[str]) -> list[tuple[str, str]]:
    """Return for each index the nearest previous kind among good and bad, and among good, bad and neargood.

    The kind before the first paragraph is `bad`.
    """
    found = []
    decided = nearest = "bad"
    for kind in kinds:
        found.append((decided, nearest))
        if kind in ("good", "bad"):
            decided = nearest = kind
        elif kind == "neargood":
            nearest = kind
    return found


def _short_kind(previous: tuple[str, str], following: tuple[str, str]) -> str:
    if previous[0] == following[0]:
        return previous[0]
    near = (previous[0] == "bad" and previous[1] == "neargood") or (
        following[0] == "bad" and following[1] == "neargood"
    )
    return "good" if near else "bad"
