"""Find the article of a page by the scores of its paragraphs' parents, as trafilatura's fork of readability does.

The scores and choices are the same. Each link is measured once, each class name is examined once, and the work stops as
soon as the remaining text is too short for the result to be used.
"""

from __future__ import annotations

from functools import lru_cache

from lxml.etree import SubElement, strip_elements, tostring
from lxml.html import HtmlElement
from trafilatura.readability_lxml import (
    BAD_ELEM_SCORES,
    BLOCK_SCORES,
    DIV_SCORES,
    DOT_SPACE,
    FRAME_TAGS,
    LIST_TAGS,
    REGEXES,
    STRUCTURE_SCORES,
    TEXT_CLEAN_ELEMS,
)

from finest.recipe.extract.parse import PARSER, parse_bytes
from finest.recipe.extract.removal import delete
from finest.recipe.extract.text import text_of, trim

MIN_TEXT = 25
RETRY_LENGTH = 250
ENOUGH_COMMAS = 10
_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
SECTIONS = ("table", "ul", "div", "aside", "header", "footer", "section")
RAW_TEXT = ("noembed", "noframes", "plaintext", "xmp")
"""Tags whose text grows when it is written as XML and parsed as HTML, because `&amp;` is not unescaped."""


class TooShort(Exception):
    """Raised if the article's text cannot be longer than the bound, so that the result would not be used."""


def summary(tree: HtmlElement, bound: int) -> HtmlElement | None:
    """Return the article of a page as a new tree; None if lxml cannot parse it, an empty div if readability fails.

    Consumes `tree` (it is modified in place). Raises TooShort if the trimmed text certainly has at most `bound`
    characters.
    """
    try:
        return parse_bytes(_Readability(tree, bound).summary().encode("utf-8", "surrogatepass"))
    except TooShort:
        raise
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - trafilatura takes any failure for an empty article
        return PARSER.makeelement("div")


@lru_cache(maxsize=1 << 15)
def _is_unlikely(names: str) -> bool:
    return bool(REGEXES["unlikelyCandidatesRe"].search(names)) and not REGEXES["okMaybeItsACandidateRe"].search(names)


@lru_cache(maxsize=1 << 12)
def looks_like_block(name: str) -> bool:
    """Return whether `name`, such as `<p` or `<article`, looks like a tag that prevents a div from becoming a `p`."""
    return REGEXES["divToPElementsRe"].search(name) is not None


@lru_cache(maxsize=1 << 15)
def _name_weight(name: str) -> int:
    weight = -25 if REGEXES["negativeRe"].search(name) else 0
    return weight + 25 if REGEXES["positiveRe"].search(name) else weight


def _class_weight(element: HtmlElement) -> int:
    return sum(_name_weight(name) for name in (element.get("class"), element.get("id")) if name)


def _base_score(element: HtmlElement) -> float:
    score = _class_weight(element)
    name = element.tag.lower()
    if name in DIV_SCORES:
        return score + 5
    if name in BLOCK_SCORES:
        return score + 3
    if name in BAD_ELEM_SCORES:
        return score - 3
    if name in STRUCTURE_SCORES:
        return score - 5
    return score


def _text_length(element: HtmlElement) -> int:
    return len(trim(text_of(element)))


def _link_density(element: HtmlElement, link_lengths: dict[HtmlElement, int]) -> float:
    """Return the share of the element's text in links; `link_lengths` caches lengths while the tree is unchanged."""
    links = 0
    for link in element.iterdescendants("a"):
        length = link_lengths.get(link)
        if length is None:
            length = link_lengths[link] = _text_length(link)
        links += length
    return links / (_text_length(element) or 1) if links else 0.0


class _Readability:
    """One run over one tree; `doc` is the remaining tree."""

    def __init__(self, tree: HtmlElement, bound: int) -> None:
        self.doc = tree
        self._bound = bound
        grows = any(REGEXES["videoRe"].search(frame.get("src", "")) for frame in tree.iter("iframe"))
        if grows or next(tree.iter(RAW_TEXT), None) is not None:
            self._bound = -1

    def summary(self) -> str:
        if self.doc.tag in ("script", "style"):
            raise AssertionError("the root cannot be dropped")
        strip_elements(self.doc, "script", "style", with_tail=False)
        self._stop_if_short(self.doc)
        ruthless = True
        while True:
            if ruthless:
                self._remove_unlikely()
            self._divs_to_paragraphs()
            scores = self._scores()
            if scores:
                article = self._article(scores)
                self._stop_if_short(article)
            elif ruthless:
                ruthless = False
                continue
            else:
                article = self.doc.find("body")
                if article is None:
                    article = self.doc
            self._sanitize(article, scores)
            self.doc = article
            markup: str = tostring(article, encoding=str, method="xml")
            if ruthless and len(markup) < RETRY_LENGTH:
                ruthless = False
                continue
            self._stop_if_short(article)
            return markup

    def _stop_if_short(self, article: HtmlElement) -> None:
        if self._bound >= 0 and len(trim(text_of(article) + (article.tail or ""))) <= self._bound:
            raise TooShort

    def _remove_unlikely(self) -> None:
        for element in list(self.doc.iterdescendants()):
            class_name, id_name = element.get("class"), element.get("id")
            if class_name:
                names = f"{class_name} {id_name}" if id_name else class_name
            elif id_name:
                names = id_name
            else:
                continue
            if _is_unlikely(names) and element.tag not in FRAME_TAGS:
                delete(element)

    def _divs_to_paragraphs(self) -> None:
        divs = self.doc.findall(".//div")
        if not divs:
            return
        keep = self._parents_of_blocks()
        kept = []
        for div in divs:
            if div in keep:
                kept.append(div)
            else:
                div.tag = "p"
        for div in kept:
            self._wrap_texts(div)

    def _parents_of_blocks(self) -> set[HtmlElement]:
        keep: set[HtmlElement] = set()
        for element in self.doc.iter():
            names = (name for name, _ in element.items() if "<" in name)
            if looks_like_block(f"<{element.tag}") or any(map(looks_like_block, names)):
                parent = element.getparent()
                while parent is not None and parent not in keep:
                    keep.add(parent)
                    parent = parent.getparent()
        return keep

    @staticmethod
    def _wrap_texts(div: HtmlElement) -> None:
        """Wrap texts directly inside the div in paragraphs, and delete its line breaks."""
        if div.text and div.text.strip():
            paragraph = PARSER.makeelement("p")
            paragraph.text, div.text = div.text, None
            div.insert(0, paragraph)
        for child in reversed(list(div)):
            tail = child.tail
            if tail and tail.strip():
                paragraph = PARSER.makeelement("p")
                paragraph.text, child.tail = tail, None
                child.addnext(paragraph)
            if child.tag == "br":
                delete(child)

    def _scores(self) -> dict[HtmlElement, float]:
        """Return the scores of the parents and grandparents of paragraphs, in order of their first paragraph."""
        scores: dict[HtmlElement, float] = {}
        for paragraph in self.doc.iter("p", "pre", "td"):
            parent = paragraph.getparent()
            if parent is None:
                continue
            text = trim(text_of(paragraph))
            if len(text) < MIN_TEXT:
                continue
            grandparent = parent.getparent()
            for node in (parent, grandparent):
                if node is not None and node not in scores:
                    scores[node] = _base_score(node)
            score = 2 + text.count(",") + min(len(text) / 100, 3)
            scores[parent] += score
            if grandparent is not None:
                scores[grandparent] += score / 2
        link_lengths: dict[HtmlElement, int] = {}
        for node in scores:
            scores[node] *= 1 - _link_density(node, link_lengths)
        return scores

    @staticmethod
    def _article(scores: dict[HtmlElement, float]) -> HtmlElement:
        """Return a new div with the best element and the siblings that belong to it."""
        best = max(scores, key=scores.__getitem__)
        threshold = max(10, scores[best] * 0.2)
        output = SubElement(SubElement(PARSER.makeelement("html"), "body"), "div")
        parent = best.getparent()
        for sibling in list(parent) if parent is not None else [best]:
            if (
                sibling is best
                or (sibling in scores and scores[sibling] >= threshold)
                or (sibling.tag == "p" and _belongs(sibling))
            ):
                output.append(sibling)
        return output

    def _sanitize(self, node: HtmlElement, scores: dict[HtmlElement, float]) -> None:
        for header in node.iter(*_HEADINGS):
            if _class_weight(header) < 0 or _link_density(header, {}) > 0.33:
                _drop(header)
        for element in node.iter("form", "textarea"):
            _drop(element)
        for frame in node.iter("iframe"):
            if REGEXES["videoRe"].search(frame.get("src", "")):
                frame.text = "VIDEO"
            else:
                _drop(frame)
        allowed: set[HtmlElement] = set()
        sections = list(node.getroottree().getroot().iter(*SECTIONS))
        for section in reversed(sections):
            if section not in allowed and self._is_clutter(section, scores, allowed):
                _drop(section)

    def _is_clutter(self, section: HtmlElement, scores: dict[HtmlElement, float], allowed: set[HtmlElement]) -> bool:
        weight = _class_weight(section)
        if weight + scores.get(section, 0) < 0:
            return True
        text = text_of(section)
        if text.count(",") >= ENOUGH_COMMAS:
            return False
        counts = dict.fromkeys(TEXT_CLEAN_ELEMS, 0)
        for element in section.iterdescendants(*TEXT_CLEAN_ELEMS):
            counts[element.tag] += 1
            if element.tag == "input" and element.get("type") == "hidden":
                counts["input"] -= 1
        length, images = len(trim(text)), counts["img"]
        if counts["p"] and images > 1 + counts["p"] * 1.3:
            return True
        if counts["li"] - 100 > counts["p"] and section.tag not in LIST_TAGS:
            return True
        if counts["input"] > counts["p"] / 3 or (length < MIN_TEXT and (images == 0 or images > 2)):
            return True
        if _link_density(section, {}) > (0.2 if weight < 25 else 0.5):
            return True
        if (counts["embed"] == 1 and length < 75) or counts["embed"] > 1:
            return True
        return not length and not _stands_in_text(section, allowed)


def _drop(element: HtmlElement) -> None:
    if element.getparent() is None:
        raise AssertionError("a root cannot be dropped")  # as lxml.html's drop_tree raises; the article is then empty
    delete(element)


def _belongs(paragraph: HtmlElement) -> bool:
    """Return whether a sibling paragraph of the best element belongs to the article."""
    density = _link_density(paragraph, {})
    text = paragraph.text or ""
    if len(text) > 80:
        return density < 0.25
    return density == 0 and bool(DOT_SPACE.search(text))


def _stands_in_text(section: HtmlElement, allowed: set[HtmlElement]) -> bool:
    """Return whether the nearest siblings with text have over 1000 characters; if so, allow the sections inside too."""
    lengths = []
    for sibling in section.itersiblings():
        length = _text_length(sibling)
        if length:
            lengths.append(length)
            break
    limit = len(lengths) + 1
    for sibling in section.itersiblings(preceding=True):
        length = _text_length(sibling)
        if length:
            lengths.append(length)
            if len(lengths) >= limit:
                break
    if sum(lengths) <= 1000:
        return False
    allowed.update(section.iter("table", "ul", "div", "section"))
    return True
