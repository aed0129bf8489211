"""The tags, class names and symbols that engine `blocks-2` knows beyond those of `blocks-1`, and reading attributes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from html import unescape

from finest.recipe.extract.blocks import _LONG_NUMBER
from finest.recipe.extract.tags import INLINE, PUSHED, SPACES, TAGS, VOID, Tag

(
    H1, H2, H3, H4, H5, H6, BULLETS, NUMBERED, LIST_ITEM, DEFINED, QUOTED, PREFORMATTED, TABLE_ROOT, TABLE_ROW,
    TABLE_CELL, HEADER_CELL, CODE, IMAGE, SCRIPT, UNSCRIPTED, RUBY, RUBY_TEXT, RUBY_MARK, SPAN, HEAD, BODY, MATH,
    TEMPLATE, ANNOTATION, IDENTIFIER, NUMBER, MATH_TEXT, MATH_ROW, FRACTION, SUPER, SUB, SUB_SUPER, UNDER, OVER,
    UNDER_OVER, ROOT_OF, SQUARE_ROOT, FENCED, MATRIX, MATRIX_ROW, MATRIX_CELL,
) = range(1, 47)  # fmt: skip
"""Roles of tags. Those from ANNOTATION on belong to MathML, and have no effect outside `<math>`."""
ROLES: Mapping[str, int] = {
    name: role for name, role in dict(globals()).items() if name.isupper() and role in range(1, 47) and name != "PUSHED"
}
"""The roles by their names."""
SHADOW_MODES = ("open", "closed")
MATHML = ANNOTATION
TOKENS = (IDENTIFIER, MATH_TEXT)
"""First and last role of the elements of MathML that hold text."""

_ROLES: Mapping[int, tuple[str, ...]] = {
    H1: ("h1",), H2: ("h2",), H3: ("h3",), H4: ("h4",), H5: ("h5",), H6: ("h6",),
    BULLETS: ("ul", "dir"), NUMBERED: ("ol",), LIST_ITEM: ("li",), DEFINED: ("dd",), QUOTED: ("blockquote",),
    PREFORMATTED: ("pre",), TABLE_ROOT: ("table",), TABLE_ROW: ("tr",), TABLE_CELL: ("td",), HEADER_CELL: ("th",),
    SCRIPT: ("script",), MATH: ("math",),
}  # fmt: skip
_INLINE: Mapping[int, tuple[str, ...]] = {
    CODE: ("code", "kbd", "samp", "tt"), IMAGE: ("img",), RUBY: ("ruby", "rb"), RUBY_TEXT: ("rt",), RUBY_MARK: ("rp",),
    SPAN: ("span",), ANNOTATION: ("annotation", "annotation-xml"), IDENTIFIER: ("mi", "mo"), NUMBER: ("mn",),
    MATH_TEXT: ("mtext", "ms"), MATH_ROW: ("mrow", "mstyle", "mpadded", "semantics", "menclose", "merror"),
    FRACTION: ("mfrac",), SUPER: ("msup",), SUB: ("msub",), SUB_SUPER: ("msubsup",), UNDER: ("munder",),
    OVER: ("mover",), UNDER_OVER: ("munderover",), ROOT_OF: ("mroot",), SQUARE_ROOT: ("msqrt",), FENCED: ("mfenced",),
    MATRIX: ("mtable",), MATRIX_ROW: ("mtr", "mlabeledtr"), MATRIX_CELL: ("mtd",),
}  # fmt: skip
STRUCTURE_TAGS: Mapping[str, Tag] = {
    **TAGS,
    **{name: TAGS[name]._replace(role=role) for role, names in _ROLES.items() for name in names},
    **{name: Tag(INLINE, role=role) for role, names in _INLINE.items() for name in names},
    **dict.fromkeys(("noscript", "noframes"), Tag(PUSHED, role=UNSCRIPTED)),
    "template": TAGS["template"]._replace(role=TEMPLATE),
    "html": Tag(VOID), "head": TAGS["head"]._replace(role=HEAD), "body": Tag(VOID, role=BODY),
}  # fmt: skip
"""The tags of `blocks-1` with their roles. `<html>`, `<head>` and `<body>` that stand inside a page's text have no
effect (HTML Standard, 13.2.6.4.7); the first `<body>` or `</head>` ends whatever is open in the head."""

NUMBERS, RENDERED, SOURCE, TEX, CODE_LINE, DRAWN = (1 << i for i in range(6))
"""What a class name says: NUMBERS are the line numbers of code, RENDERED is what MathJax drew, SOURCE is MathML that a
style hides, TEX is an image of a formula whose `alt` is its TeX, CODE_LINE is one line of code, and DRAWN is a formula
that MathJax is to draw from the text between delimiters."""
CLASSES: Mapping[str, int] = {
    **dict.fromkeys(
        ("gutter", "gl", "linenos", "lineno", "linenumber", "linenumbers", "line-number", "line-numbers-rows", "ln",
         "lnt", "blob-num", "crayon-nums", "hljs-ln-numbers", "rouge-gutter", "line_number", "line_numbers",
         "pre-numbering", "react-syntax-highlighter-line-number", "lnum"), NUMBERS,
    ),
    **dict.fromkeys(("mathjax_display", "mathjax_preview", "mathjax_svg", "mathjax_chtml", "mjx-chtml"), RENDERED),
    **dict.fromkeys(("mwe-math-mathml-inline", "mwe-math-mathml-display", "katex-mathml"), SOURCE),
    **dict.fromkeys(
        ("latex", "tex", "mathtex", "mimetex", "mwe-math-fallback-image-inline", "mwe-math-fallback-image-display"),
        TEX,
    ),
    **dict.fromkeys(
        ("blob-code", "js-file-line", "crayon-line", "de1", "de2", "ace_line", "view-line", "codemirror-line"),
        CODE_LINE,
    ),
    **dict.fromkeys(("math-container", "math", "math-tex", "arithmatex"), DRAWN),
    **dict.fromkeys(("codemirror-linenumber", "codemirror-gutters", "ace_gutter"), RENDERED),
}  # fmt: skip
TEX_SOURCES = ("latex", "mimetex", "mathtex", "equation?tex=", "math?formula=", "cht=tx")
"""Parts of the address of an image that make its `alt`, or without one what follows `?`, the TeX of a formula."""

FIRST, SECOND, THIRD, ALL = "\x01", "\x02", "\x03", "\x04"
"""Children in a template: one of them, or all."""
TEMPLATES: Mapping[int, str] = {
    FRACTION: "\\frac{\x01}{\x02}", SUPER: "{\x01}^{\x02}", SUB: "{\x01}_{\x02}", SUB_SUPER: "{\x01}_{\x02}^{\x03}",
    UNDER: "\\underset{\x02}{\x01}", OVER: "\\stackrel{\x02}{\x01}", UNDER_OVER: "{\x01}_{\x02}^{\x03}",
    ROOT_OF: "\\sqrt[\x02]{\x01}", SQUARE_ROOT: "\\sqrt{\x04}", FENCED: "\\left(\x04\\right)",
    MATRIX: "\\begin{array}{\x05}\x04\\end{array}", MATH_TEXT: "\\text{\x04}",
}  # fmt: skip
"""TeX of MathML's elements; \\x05 stands for the columns of a matrix. Elements without a template, and those with fewer
children than it names, are their children one after the other."""
STACKED = "\\genfrac{}{}{0pt}{}{\x01}{\x02}"
"""A fraction without a line."""
ROWS, POWERS = (0, MATH_ROW, SQUARE_ROOT, MATRIX_CELL), (SUPER, SUB, SUB_SUPER)
"""Roles of elements whose children follow one another, and of those whose first child has scripts."""
STYLES: Mapping[int, str] = {
    ANNOTATION: "encoding", IDENTIFIER: "mathvariant", NUMBER: "mathvariant", FRACTION: "linethickness",
    MATRIX: "columnalign",
}  # fmt: skip
"""The attribute that decides over an element's TeX."""
FONTS: Mapping[str, str] = {"bold": "\\mathbf", "normal": "\\mathrm"}
LIMITS: Mapping[int, str] = {UNDER: "\x01_{\x02}", OVER: "\x01^{\x02}", UNDER_OVER: "\x01_{\x02}^{\x03}"}
"""Templates over a base that is a command, such as `\\sum`."""
SEPARATORS: Mapping[int, str] = {FENCED: ",", MATRIX: "\\\\ ", MATRIX_ROW: "& "}

_GREEK = (
    "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu", "nu",
    "xi", "omicron", "pi", "rho", "varsigma", "sigma", "tau", "upsilon", "varphi", "chi", "psi", "omega",
)  # fmt: skip
_COMMANDS = (
    "\u2211 sum|\u220f prod|\u2210 coprod|\u222b int|\u222c iint|\u222e oint|\u22c3 bigcup|\u22c2 bigcap|"
    "\u2202 partial|\u2207 nabla|\u221e infty|\u2260 ne|\u2264 le|\u2265 ge|\u2248 approx|\u2261 equiv|"
    "\u223c sim|\u2245 cong|\u221d propto|\u2208 in|\u2209 notin|\u2282 subset|\u2286 subseteq|\u2283 supset|"
    "\u222a cup|\u2229 cap|\u2205 emptyset|\u2200 forall|\u2203 exists|\u00ac neg|\u2227 wedge|\u2228 vee|"
    "\u2192 to|\u2190 leftarrow|\u21d2 Rightarrow|\u21d4 Leftrightarrow|\u21a6 mapsto|\u22c5 cdot|\u2026 dots|"
    "\u22ef cdots|\u22ee vdots|\u22f1 ddots|\u2218 circ|\u2295 oplus|\u2297 otimes|\u27e8 langle|\u27e9 rangle|"
    "\u2225 parallel|\u22a5 perp|\u2220 angle|\u2032 prime|\u2113 ell|\u211d mathbb{R}|\u2115 mathbb{N}|"
    "\u2124 mathbb{Z}|\u211a mathbb{Q}|\u2102 mathbb{C}|\u210f hbar|\u03d5 phi|\u03f5 epsilon|\u0393 Gamma|"
    "\u0394 Delta|\u0398 Theta|\u039b Lambda|\u039e Xi|\u03a0 Pi|\u03a3 Sigma|\u03a5 Upsilon|\u03a6 Phi|"
    "\u03a8 Psi|\u03a9 Omega"
)
_FUNCTIONS = (
    "arg", "cos", "cosh", "cot", "coth", "det", "dim", "exp", "gcd", "inf", "ker", "lim", "ln", "log", "max",
    "min", "mod", "sec", "sin", "sinh", "sup", "tan", "tanh",
)  # fmt: skip
_DELIMITERS = {"(": "\\left(", ")": "\\right)", "[": "\\left[", "]": "\\right]", "{": "\\left\\{", "}": "\\right\\}"}
SYMBOLS: Mapping[str, str] = {
    **{chr(0x3B1 + at): f"\\{name} " for at, name in enumerate(_GREEK)},
    "\u03bf": "o",
    **{char: f"\\{name} " for char, _, name in (pair.partition(" ") for pair in _COMMANDS.split("|"))},
    **{name: f"\\{name} " for name in _FUNCTIONS},
    **_DELIMITERS,
    "\u2212": "-", "&": "\\& ", "%": "\\% ", "#": "\\# ", "\u2061": "", "\u2062": "", "\u2063": "",
}  # fmt: skip
"""TeX of the whole text of an identifier or operator."""

DELIMITERS = (("$$", "$$", True), ("$", "$", False), ("\\(", "\\)", False), ("\\[", "\\]", True))
"""The marks around a formula that MathJax is to draw, and whether it has a line of its own."""
LANGUAGE_PREFIXES = ("language-", "lang-")
MOST_LANGUAGE = 20
_LOWER = {code: code + 32 for code in range(0x41, 0x5B)}
_TOKEN = re.compile(r"[^\t\n\f\r ]+")
_LINE_END = re.compile(r"<br[ /]*>")
_DIGITS = re.compile(r"[0-9]{1,6}")
_LANGUAGE = re.compile(rf"[A-Za-z0-9+#._-]{{1,{MOST_LANGUAGE}}}")


def language_of(token: str) -> str:
    """Return the programming language that a class name names, in lower case, or an empty text."""
    for prefix in LANGUAGE_PREFIXES:
        if lower_ascii(token).startswith(prefix) and _LANGUAGE.fullmatch(token, len(prefix)):
            return token[len(prefix) :].lower()
    return ""


def plain_of(text: str) -> str:
    """Return text with its character references resolved."""
    return unescape(_LONG_NUMBER.sub("\ufffd", text))


def tex_of(value: str) -> str:
    """Return the TeX that an attribute holds: without the dollar signs around it, and without HTML's line ends."""
    if len(value) > 1 and value[0] == value[-1] == "$":
        value = value.strip("$")
    return plain_of(_LINE_END.sub(" ", value))


def delimited(text: str) -> tuple[str, bool]:
    """Return the TeX of a text that is a formula between delimiters, else an empty text; and whether it has a line."""
    text = text.strip(SPACES)
    for begin, end, display in DELIMITERS:
        if len(text) > len(begin + end) and text.startswith(begin) and text.endswith(end):
            return text[len(begin) : -len(end)], display
    return "", False


def value_of(attributes: Iterable[tuple[str, str]], name: str) -> str:
    """Return the value of the first attribute of that name, or an empty text."""
    return next((value for key, value in attributes if key == name), "")


def number_of(attributes: Iterable[tuple[str, str]], name: str, default: int) -> int:
    """Return the number of up to six digits that an attribute's value begins with, or `default`."""
    found = _DIGITS.match(value_of(attributes, name))
    return int(found[0]) if found else default


def class_bits(attributes: Iterable[tuple[str, str]]) -> int:
    """Return what the class names say, by CLASSES."""
    bits = 0
    for token in _tokens(value_of(attributes, "class")):
        bits |= CLASSES.get(lower_ascii(token), 0)
    return bits


def is_shadow(attributes: Iterable[tuple[str, str]]) -> bool:
    """Return whether a `<template>` has these attributes whose content is shown: a declarative shadow tree (HTML
    Standard, 4.12.3), also by the attribute's name before 2023.
    """
    return any(dense(value_of(attributes, name)) in SHADOW_MODES for name in ("shadowrootmode", "shadowroot"))


def keeps_lines(attributes: Iterable[tuple[str, str]]) -> bool:
    """Return whether the element's style keeps white space and line ends, as `<pre>` does."""
    return any(dense(part) == "white-space:pre" for part in value_of(attributes, "style").split(";"))


def language_in(attributes: Iterable[tuple[str, str]]) -> str:
    """Return the first programming language that the class names name, or an empty text."""
    return next(filter(None, map(language_of, _tokens(value_of(attributes, "class")))), "")


def _tokens(value: str) -> list[str]:
    return _TOKEN.findall(value)


def dense(value: str) -> str:
    """Return `value` without the white space of HTML, its ASCII letters in lower case."""
    return lower_ascii("".join(_tokens(value)))


def lower_ascii(text: str) -> str:
    """Return `text` with its ASCII letters in lower case."""
    return text.lower() if text.isascii() else text.translate(_LOWER)
