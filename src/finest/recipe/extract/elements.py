"""Convert a page's elements to result elements: trafilatura's `handle_*` functions for our options.

The options are `favor_precision` and tables, without links, images, formatting and deduplication. Code that only sets
attributes that do not appear in plain text is omitted. The iteration orders and the renaming of handled elements to
`done` are preserved, because they decide whether a text appears once, twice or never.
"""

from __future__ import annotations

import re
from copy import deepcopy

from lxml.etree import Element, SubElement, _Element, strip_tags
from trafilatura.settings import TAG_CATALOG
from trafilatura.utils import FORMATTING_PROTECTED, RE_FILTER

from finest.recipe.bounds import MOST_COLUMNS
from finest.recipe.extract.text import has_text, trim

TAGS = frozenset(TAG_CATALOG | {"table", "td", "th", "tr"})
TAGS_AND_DIV = TAGS | {"div"}

_DONE = "done"
_CELLS = ("td", "th")
_INLINE = {"hi", "ref", "span"}
_P_FORMATTING = {"hi", "ref"}
FILTERED_MAX_CHARS = 20  # "More on this" plus eight characters; RE_FILTER's other words are shorter
_WORD_START = re.compile(r"\w")


def handle(element: _Element, tags: frozenset[str]) -> _Element | None:
    """Return the element's result or None; `tags` are accepted in paragraphs, and divs count if `tags` has `div`."""
    tag = element.tag
    if tag == _DONE:
        return None
    if tag == "p":
        return _paragraph(element, tags)
    if tag == "list":
        return _list(element)
    if tag in ("code", "quote"):
        return _quote(element)
    if tag == "head":
        return _title(element)
    if tag == "lb":
        return _line_break(element)
    if tag in _INLINE:
        return _formatting(element)
    if tag == "table":
        return _table(element, tags)
    if tag == "div":
        return _division(element, tags)
    return None


def _is_filtered(element: _Element) -> bool:
    """Return whether the element has no text or a line like a social network's name (trafilatura's `textfilter`)."""
    text = element.text
    if text is None:
        text = element.tail
    if not has_text(text):
        return True
    assert text is not None
    if len(text) > FILTERED_MAX_CHARS and "\n" not in text and _WORD_START.match(text) and len(text.splitlines()) == 1:
        return False
    return any(map(RE_FILTER.match, text.splitlines()))


def _trimmed(text: str | None) -> str | None:
    return None if text is None else trim(text)


def _light(element: _Element) -> _Element | None:
    """Trim the element in place and use its tail if it has no text (trafilatura's `process_node`)."""
    tag, text, tail = element.tag, element.text, element.tail
    if tag == _DONE or (not text and not tail and len(element) == 0):
        return None
    text, tail = _trimmed(text), _trimmed(tail)
    if tag != "lb" and not text and tail:
        text, tail = tail, None
    element.text, element.tail = text, tail
    if (text or tail) and _is_filtered(element):
        return None
    return element


def _node(element: _Element, *, comments_fix: bool = True, preserve_spaces: bool = False) -> _Element | None:
    """Trim or drop the element as trafilatura's `handle_textnode` does."""
    tag, text, tail = element.tag, element.text, element.tail
    if tag == _DONE or (not text and not tail and len(element) == 0):
        return None
    if not comments_fix and tag == "lb":
        if not preserve_spaces:
            element.tail = _trimmed(tail)
        return element
    if not text and len(element) == 0:
        text, tail = tail, ""
        element.text, element.tail = text, tail
        if comments_fix and tag == "lb":
            element.tag = "p"
    if not preserve_spaces:
        element.text = text = _trimmed(text)
        if tail:
            element.tail = trim(tail)
    if not text and _is_filtered(element):
        return None
    return element


def _holds_text(element: _Element) -> bool:
    return has_text("".join(element.itertext()))


def _append_like(processed: _Element | None, target: _Element) -> None:
    """Append a new child with the tag, text and tail of `processed` to `target`, unless `processed` is None."""
    if processed is not None:
        child = SubElement(target, processed.tag)
        child.text, child.tail = processed.text, processed.tail


def _title(element: _Element) -> _Element | None:
    if len(element) == 0:
        title = _light(element)
    else:
        title = deepcopy(element)
        for child in list(element):
            processed = _node(child, comments_fix=False)
            if processed is not None:
                title.append(processed)
            child.tag = _DONE
    return title if title is not None and _holds_text(title) else None


def _formatting(element: _Element) -> _Element | None:
    formatting = _light(element)
    if formatting is None and len(element) == 0:
        return None
    parent = element.getparent()
    if parent is None:
        parent = element.getprevious()
    if parent is not None and parent.tag in FORMATTING_PROTECTED:
        return formatting
    paragraph = Element("p")
    paragraph.insert(0, formatting)
    return paragraph


def _list(element: _Element) -> _Element | None:
    processed = Element(element.tag)
    text = element.text
    if text is not None and text.strip():
        SubElement(processed, "item").text = text
    for child in element.iterdescendants("item"):
        item = Element("item")
        if len(child) == 0:
            node = _light(child)
            if node is not None:
                item.text = node.text
                if node.tail is not None and node.tail.strip():
                    item.text += " " + node.tail
                processed.append(item)
        else:
            _nested(child, item)
            _append_tail(item, child.tail)
        if item.text or len(item) > 0:
            processed.append(item)
        child.tag = _DONE
    element.tag = _DONE
    return processed if _holds_text(processed) else None


def _nested(child: _Element, item: _Element) -> None:
    item.text = child.text
    for inner in child.iterdescendants("*"):
        if inner.tag == "list":
            processed = _list(inner)
            if processed is not None:
                item.append(processed)
        else:
            processed = _node(inner, comments_fix=False)
            if processed is not None:
                new = SubElement(item, processed.tag)
                new.text, new.tail = processed.text, processed.tail
                for name, value in inner.attrib.items():
                    new.set(name, value)  # raises for a name that XML forbids; the page then has no text
        inner.tag = _DONE


def _append_tail(item: _Element, tail: str | None) -> None:
    if tail is None or not tail.strip():
        return
    children = [child for child in item if child.tag != _DONE]
    if children:
        last = children[-1]
        last.tail = tail if last.tail is None or not last.tail.strip() else f"{last.tail} {tail}"


def _quote(element: _Element) -> _Element | None:
    if _is_code_block(element):
        return _code(element)
    processed = Element(element.tag)
    for child in element.iter("*"):
        _append_like(_light(child), processed)
        child.tag = _DONE
    if not _holds_text(processed):
        return None
    strip_tags(processed, "quote")
    return processed


def _is_code_block(element: _Element) -> bool:
    if element.get("lang") or element.tag == "code":
        return True
    parent = element.getparent()
    if parent is not None and "highlight" in parent.get("class", ""):
        return True
    return len(element) == 1 and element[0].tag == "code"


def _code(element: _Element) -> _Element:
    processed = deepcopy(element)
    for child in element.iter("*"):
        child.tag = _DONE
    processed.tag = "code"
    return processed


def _line_break(element: _Element) -> _Element | None:
    if not has_text(element.tail):
        return None
    processed = _light(element)
    if processed is None:
        return None
    paragraph = Element("p")
    paragraph.text = processed.tail
    return paragraph


def _division(element: _Element, tags: frozenset[str]) -> _Element | None:
    if "w3-code" in element.get("class", ""):
        return _code(element)
    if "div" not in tags:
        return None
    processed = _node(element, comments_fix=False, preserve_spaces=True)
    if processed is None or not has_text(processed.text):
        return None
    processed.attrib.clear()
    processed.tag = "p"
    return processed


def _paragraph(element: _Element, tags: frozenset[str]) -> _Element | None:
    element.attrib.clear()
    if len(element) == 0:
        return _light(element)
    paragraph = Element("p")
    for child in element.iter("*"):
        tag = child.tag
        if tag not in tags and tag != _DONE:
            continue
        processed = _node(child, comments_fix=False, preserve_spaces=True)
        if processed is not None:
            if processed.tag == "p":
                if paragraph.text:
                    paragraph.text += " " + processed.text  # raises if that is None; the page then has no text
                else:
                    paragraph.text = processed.text
                child.tag = _DONE
                continue
            paragraph.append(_inline(child, processed))
        child.tag = _DONE
    if len(paragraph) > 0:
        last = paragraph[-1]
        if last.tag == "lb" and last.tail is None:
            paragraph.remove(last)
        return paragraph
    return paragraph if paragraph.text else None


def _inline(child: _Element, processed: _Element) -> _Element:
    new = Element(child.tag)
    if processed.tag in _P_FORMATTING:
        for item in processed:
            if has_text(item.text):
                item.text = " " + item.text
            strip_tags(processed, item.tag)
        if child.tag == "hi":
            new.set("rend", child.get("rend"))
    new.text, new.tail = processed.text, processed.tail
    return new


def _table(table: _Element, tags: frozenset[str]) -> _Element | None:
    result = Element("table")
    strip_tags(table, "thead", "tbody", "tfoot")
    columns = 0
    for row in table.iter("tr"):
        columns = max(columns, sum(min(int(cell.get("colspan", 1)), MOST_COLUMNS) for cell in row.iter(_CELLS)))
    columns = min(columns, MOST_COLUMNS)
    span = {"span": str(columns)} if columns > 1 else {}
    row = Element("row", span)
    seen_header_row = seen_header = False
    for element in table.iterdescendants():
        tag = element.tag
        if tag == "tr":
            if len(row) > 0:
                result.append(row)
                row = Element("row", span)
                seen_header_row = seen_header_row or seen_header
        elif tag in _CELLS:
            is_header = tag == "th" and not seen_header_row
            seen_header = seen_header or is_header
            cell = _cell(element, tags, is_header=is_header)
            if cell.text or len(cell) > 0:
                row.append(cell)
        elif tag == "table":
            break
        element.tag = _DONE
    row.attrib.pop("span", None)
    if len(row) > 0:
        result.append(row)
    return result if len(result) > 0 else None


def _cell(element: _Element, tags: frozenset[str], *, is_header: bool) -> _Element:
    cell = Element("cell", {"role": "head"} if is_header else {})
    if len(element) == 0:
        processed = _light(element)
        if processed is not None:
            cell.text, cell.tail = processed.text, processed.tail
        return cell
    cell.text, cell.tail = element.text, element.tail
    element.tag = _DONE
    for child in element.iterdescendants():
        if child.tag in _CELLS:
            child.tag = "cell"
            processed = _node(child, preserve_spaces=True)
        elif child.tag == "hi":
            processed = _node(child, preserve_spaces=True)
        else:
            processed = handle(child, tags | {"div"})
        _append_like(processed, cell)
        child.tag = _DONE
    return cell
