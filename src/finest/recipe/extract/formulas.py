"""TeX from MathML, built while the page is read; `formulas.c` of the compiled core implements the same rules."""

from __future__ import annotations

import re
from collections.abc import Iterable

from finest.recipe.extract.structure_tags import (
    ALL,
    ANNOTATION,
    FIRST,
    FONTS,
    FRACTION,
    LIMITS,
    MATRIX,
    MATRIX_ROW,
    POWERS,
    ROWS,
    SECOND,
    SEPARATORS,
    STACKED,
    STYLES,
    SYMBOLS,
    TEMPLATES,
    THIRD,
    TOKENS,
)

MOST_FRAMES = 64
"""Limit on open elements of a formula; deeper ones are not opened."""
MOST_TEX = 1 << 16
"""Limit on the bytes of a formula's TeX in UTF-8; a longer formula is left out."""
MOST_FENCES = 16
"""Limit on the open delimiters of a row whose partners are looked for."""
MOST_ALIGNED = 16
"""Limit on a matrix's columns whose alignment is kept."""
COLUMNS = "\x05"
LEFT, RIGHT = "\\left", "\\right"
_FENCES = re.compile(r"\\(?:left|right)(?![A-Za-z])|\\.|[{}]")
_BREAKING = re.compile(r"[^\S\xa0]+")
_DELIMITED = re.compile(r"\\(?:left|right)(?![A-Za-z])")


class Formula:
    """A formula that is being read: a stack of open elements, each with the TeX of its children."""

    def __init__(self, *, display: bool) -> None:
        self.display = display
        self.frames: list[_Frame] = [_Frame(0, "")]
        self.tex: str | None = None
        """Text of an annotation in TeX, which replaces what the elements say."""
        self.steps = 0
        self.too_long = False

    def start(self, role: int, style: str) -> None:
        """Open an element; `style` is what `style_of` says of its attributes."""
        inside = self.frames[-1]
        if len(self.frames) == MOST_FRAMES or inside.role == ANNOTATION or inside.holds_text:
            return
        self.frames.append(_Frame(role, style))

    def end(self, role: int) -> None:
        """Close the innermost open element of that role, with those inside it."""
        self.steps += len(self.frames)
        for depth in range(len(self.frames) - 1, 0, -1):
            if self.frames[depth].role == role:
                while len(self.frames) > depth:
                    self.close()
                return

    def text(self, text: str) -> None:
        """Add text; outside of identifiers, numbers, operators, texts and annotations there is none."""
        if self.frames[-1].holds_text:
            self.frames[-1].text += text

    def close(self) -> None:
        frame = self.frames.pop()
        if frame.role == ANNOTATION:
            if frame.style:
                self.tex = " ".join(frame.text.split())
            return
        parent = self.frames[-1]
        if frame.role in POWERS and parent.role in ROWS:
            frame.take_fenced(parent)
        tex = "" if self.too_long else frame.tex()
        size = len(tex.encode())
        self.too_long |= size > MOST_TEX
        self.steps += size
        parent.add(tex)
        if frame.role == MATRIX_ROW:
            parent.columns = max(parent.columns, len(frame.children))

    def finish(self) -> str:
        """Return the TeX of the whole formula."""
        while len(self.frames) > 1:
            self.close()
        if self.tex:
            return self.tex
        tex = "".join(self.frames[0].children)
        return "" if self.too_long or len(tex.encode()) > MOST_TEX else balanced(tex)


class _Frame:
    __slots__ = ("children", "columns", "fences", "role", "style", "text")

    def __init__(self, role: int, style: str) -> None:
        self.role, self.style, self.text, self.columns = role, style, "", 0
        self.children: list[str] = []
        self.fences: list[int] = []
        """Numbers of the children that are open delimiters without a partner so far."""

    def add(self, tex: str) -> None:
        """Add a child."""
        fence = _DELIMITED.match(tex)
        if fence and fence[0] == LEFT and len(self.fences) < MOST_FENCES:
            self.fences.append(len(self.children))
        elif fence and fence[0] == RIGHT and self.fences:
            self.fences.pop()
        self.children.append(tex)

    def take_fenced(self, row: _Frame) -> None:
        """Let scripts on a closing delimiter stand on all that is delimited, which MathML made of TeX has before it."""
        fence = _DELIMITED.match(self.children[0]) if self.children else None
        if fence and fence[0] == RIGHT and row.fences:
            at = row.fences.pop()
            self.children[0] = "".join(row.children[at:]) + self.children[0]
            del row.children[at:]

    @property
    def holds_text(self) -> bool:
        return self.style != "" if self.role == ANNOTATION else TOKENS[0] <= self.role <= TOKENS[1]

    def tex(self) -> str:
        if self.holds_text:
            return _token(self.role, self.words(), self.style)
        whole = SEPARATORS.get(self.role, "").join(self.children)
        template = TEMPLATES.get(self.role, ALL)
        if self.role in LIMITS and self.children and _is_command(self.children[0]):
            template = LIMITS[self.role]
        if self.role == FRACTION and self.style:
            template = STACKED
        needed = max((ord(part) for part in template if part <= THIRD), default=0)
        if len(self.children) < needed:
            return whole
        parts = dict(zip((FIRST, SECOND, THIRD), self.children, strict=False))
        parts |= {ALL: whole, COLUMNS: self.style[: self.columns].ljust(self.columns, "c")}
        return "".join(parts.get(char, char) for char in template)

    def words(self) -> str:
        """Return the text with one space where white space is; texts keep no-break spaces as spaces."""
        if self.role != TOKENS[1]:
            return " ".join(self.text.split())
        return " ".join(filter(None, _BREAKING.split(self.text))).replace("\xa0", " ")


def _is_command(tex: str) -> bool:
    return tex.startswith("\\") and tex.find(" ") == len(tex) - 1


def _token(role: int, text: str, style: str) -> str:
    if role == TOKENS[1] or not text:
        return TEMPLATES[role].replace(ALL, text) if text else ""
    tex = SYMBOLS.get(text.lower() if text.isascii() else text) if role == TOKENS[0] else text
    if tex is None:
        tex = f"\\mathrm{{{text}}}" if len(text) > 1 and text.isascii() and text.isalpha() else text
    return f"{style}{{{tex}}}" if style else tex


def style_of(role: int, attributes: Iterable[tuple[str, str]]) -> str:
    """Return what the attributes of an element say of its TeX.

    It is the command of an identifier's font, the alignment of a matrix's columns, and otherwise not empty for
    annotations in TeX and for fractions without a line.
    """
    name = STYLES.get(role, "")
    value = next((value for key, value in attributes if key == name), "")
    if name == STYLES[TOKENS[0]]:
        return FONTS.get(value, "")
    if role == MATRIX:
        return "".join(re.findall(r"(?:^|[\t\n\f\r ])([lcr])", value))[:MOST_ALIGNED]
    if role == FRACTION:
        return value[:1] if value.startswith("0") else ""
    return "tex" if re.search("tex", value, re.IGNORECASE | re.ASCII) else ""


def balanced(tex: str) -> str:
    """Return `tex` without its `\\left` and `\\right` unless each of them has its partner in the same group."""
    depths, depth = [], 0
    for found in _FENCES.finditer(tex):
        what = found[0]
        depth += (what == "{") - (what == "}")
        if what == LEFT:
            depths.append(depth)
        if len(depths) > MOST_FRAMES or (what == RIGHT and (not depths or depths.pop() != depth)):
            return _DELIMITED.sub("", tex)
    return _DELIMITED.sub("", tex) if depths else tex
