"""Stage ftfy: repairs wrongly decoded text, as DataTrove's FTFYFormatter does; it drops no page."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from finest.recipe.stage import Rules, Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from finest.recipe.check import Check
    from finest.recipe.state import PageState
    from finest.recipe.toolbox import Toolbox


class FtfyRules(Rules):
    """Repair of wrongly decoded text by the package ftfy, with the settings of DataTrove's FTFYFormatter."""

    enabled: bool = False


def _run(state: PageState, rules: FtfyRules, _: Toolbox) -> Iterable[Check]:
    if rules.enabled:
        state.text = repaired(state.text)
    return ()


def repaired(text: str) -> str:
    """Return `FTFYFormatter().format(text)`, several times faster where there is little to repair.

    ftfy works line by line, and stops unescaping HTML at the first line with a `<`.
    """
    if not may_change(text):
        return text
    format_, lines, no_html = _formatter(), list[str](), False
    for line in _lines(text):
        no_html = no_html or "<" in line
        if not may_change(line):
            lines.append(line)
        else:
            lines.append(format_(_NO_HTML + line)[len(_NO_HTML) :] if no_html else format_(line))
    return "".join(lines)


_NO_HTML = "<\n"
"""A line after which ftfy unescapes no HTML, and in which there is nothing to repair."""


def _lines(text: str) -> list[str]:
    """Return the lines with their newlines; only `\\n` ends a line for ftfy."""
    return [line for line in re.split(r"(?<=\n)", text) if line]


def may_change(text: str) -> bool:
    """Return whether ftfy may change the text; if not, none of its steps finds anything to do.

    It unescapes HTML if there is an `&`, removes control characters, and repairs the encoding of a line in which its
    expression finds mojibake.
    """
    return "&" in text or bool(_control_characters().search(text)) or (not text.isascii() and _is_bad(text))


def _is_bad(text: str) -> bool:
    """Return whether ftfy's expression finds mojibake in a line of the text.

    Each of its alternatives has one of the telltale characters and at most seven characters, so it is applied only
    around these: it has thirty alternatives, and takes a millisecond for a page.
    """
    mojibake = _mojibake()
    found = [match.start() for match in _telltale().finditer(text)]
    if len(found) > len(text) // _LONGEST:
        return mojibake.search(text) is not None
    return any(mojibake.search(text, max(0, at - _LONGEST), at + 1 + _LONGEST) for at in found)


_LONGEST = 7
"""Characters of the longest alternative of ftfy's expression."""


@cache
def _telltale() -> re.Pattern[str]:
    """Return the characters of which each alternative of the expression of ftfy 6.3.1 has at least one."""
    from ftfy.badness import MOJIBAKE_CATEGORIES as CATEGORIES

    names = ("c1", "bad", "box", "start_punctuation", "end_punctuation", "currency", "numeric", "law", "upper_accented")
    return re.compile(f"[{''.join(CATEGORIES[name] for name in names)}ŒœÂÃÎÐ×ØÙ²³µ¹¼½¾√≈‚Ђ°]")


@cache
def _mojibake() -> re.Pattern[str]:
    """Return ftfy's expression; `^` is the start of a line, as ftfy applies it to lines."""
    from ftfy.badness import BADNESS_RE

    return re.compile(BADNESS_RE.pattern, BADNESS_RE.flags | re.MULTILINE)


@cache
def _control_characters() -> re.Pattern[str]:
    from ftfy.chardata import CONTROL_CHARS

    surrogates_and_c1 = r"\ud800-\udfff\x80-\x9f"
    return re.compile(f"[{re.escape(''.join(map(chr, CONTROL_CHARS)))}{surrogates_and_c1}]")


@cache
def _formatter() -> Callable[[str], str]:
    from datatrove.pipeline.formatters import FTFYFormatter

    formatter: Callable[[str], str] = FTFYFormatter().format
    return formatter


FTFY = Stage(
    name="ftfy", section="ftfy", rules=FtfyRules, run=_run, needs=("text",), provides=("text",), title="ftfy",
)  # fmt: skip
