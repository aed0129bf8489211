"""Prove of spaCy's expressions what the fast splitters rely on, from their parsed form.

An alternative of an expression is dead over an alphabet if it cannot match any text of it. A chunk of letters and a few
marks can then be split without the expressions: what is alive over that alphabet takes one mark each time.

Only `build_language.py` and tests use this module: it reads the parser of Python's `re`, whose form may change.
"""

from __future__ import annotations

import importlib
import sys
from functools import cache
from typing import Any

_UNBOUNDED = 1_000_000
_MARKS = "()[]{}<>\"'`“”‘’„«»#*&_,;:!?…。，、；：！？「」『』（）【】《》؟،؛۔।·¿¡"
"""Candidates: the marks that touch words most often."""


def _parser() -> Any:
    return importlib.import_module("re._parser" if sys.version_info >= (3, 11) else "sre_parse")


@cache
def letters() -> frozenset[int]:
    """Return the code points of all letters, in Python's sense."""
    return frozenset(code for code in range(sys.maxunicode + 1) if chr(code).isalpha())


@cache
def alternatives(expression: str) -> tuple[list[Any], ...]:
    """Return the alternatives of an expression as lists of parsed items, in their order."""
    items = list(_parser().parse(expression))
    heads: list[Any] = []
    while len(items) > 1 and str(items[0][0]) == "AT":
        heads.append(items.pop(0))
    if len(items) == 1 and str(items[0][0]) == "BRANCH":
        return tuple(heads + list(branch) for branch in items[0][1][1])
    return (heads + items,)


def is_alive(items: Any, alphabet: frozenset[int]) -> bool:
    """Return whether the items may match a text of the alphabet; False is certain."""
    return all(_may_match(str(name), value, alphabet) for name, value in items)


def _may_match(name: str, value: Any, alphabet: frozenset[int]) -> bool:
    if name == "LITERAL":
        return value in alphabet
    if name == "IN":
        return _members_meet(value, alphabet)
    if name == "BRANCH":
        return any(is_alive(branch, alphabet) for branch in value[1])
    if name == "SUBPATTERN":
        return is_alive(value[3], alphabet)
    if name in ("MAX_REPEAT", "MIN_REPEAT"):
        return value[0] == 0 or is_alive(value[2], alphabet)
    if name == "ASSERT":
        return is_alive(value[1], alphabet)
    return True


def _members_meet(members: list[Any], alphabet: frozenset[int]) -> bool:
    for name, value in members:
        if str(name) not in ("LITERAL", "RANGE"):
            return True
        if str(name) == "LITERAL" and value in alphabet:
            return True
        if str(name) == "RANGE" and not alphabet.isdisjoint(range(value[0], value[1] + 1)):
            return True
    return False


def _is_single(items: list[Any]) -> bool:
    """Return whether the items match exactly one character, whatever stands beside it."""
    consuming = [(str(name), value) for name, value in items if str(name) != "AT"]
    return len(consuming) == 1 and consuming[0][0] in ("LITERAL", "IN")


def _dots(items: list[Any]) -> bool:
    """Return whether the items are `\\.\\.+`, the run of two or more dots."""
    consuming = [(str(name), value) for name, value in items if str(name) != "AT"]
    return (
        len(consuming) == 2
        and consuming[0] == ("LITERAL", ord("."))
        and consuming[1][0] == "MAX_REPEAT"
        and [(str(name), value) for name, value in consuming[1][1][2]] == [("LITERAL", ord("."))]
    )


def _width(items: Any) -> int:
    """Return the most characters that the items read, with those that they look at beside the match."""
    total = 0
    for raw, value in items:
        name = str(raw)
        if name in ("LITERAL", "NOT_LITERAL", "IN", "ANY"):
            total += 1
        elif name == "BRANCH":
            total += max(map(_width, value[1]))
        elif name == "SUBPATTERN":
            total += _width(value[3])
        elif name in ("MAX_REPEAT", "MIN_REPEAT"):
            total += min(_width(value[2]) * min(int(value[1]), _UNBOUNDED), _UNBOUNDED)
        elif name in ("ASSERT", "ASSERT_NOT"):
            total += _width(value[1])
        elif name != "AT":
            return _UNBOUNDED
    return total


def _is_anchored(items: list[Any], kind: str) -> bool:
    """Return whether the items match only at the end of a text that an affix of that kind has, and see no other end."""
    place, other = (0, "AT_END") if kind == "prefix" else (-1, "AT_BEGINNING")
    name, value = items[place]
    return str(name) == "AT" and str(value) != other and other not in str(items)


def window(expression: str, kind: str) -> int | None:
    """Return how many characters at an end of a chunk decide its affix, besides runs of dots; None: all of them."""
    found = [items for items in alternatives(expression) if not _dots(items)]
    if not all(_is_anchored(items, kind) for items in found):
        return None
    widest = max(map(_width, found))
    return None if widest >= _UNBOUNDED else widest


def _is_safe(mark: str, kind: str, rules: dict[str, Any], alphabet: frozenset[int]) -> bool:
    """Return whether, in texts of the alphabet, `mark` is always an affix of that kind and of length 1."""
    alive = [items for items in alternatives(rules[kind]) if is_alive(items, alphabet) and not _word(items)]
    one = frozenset((ord(mark),))
    own = [items for items in alive if _is_single(items) and is_alive(items, one)]
    return bool(own) and all(_is_single(items) or _dots(items) for items in alive)


def _word(items: list[Any]) -> str:
    """Return the letters of an alternative that is only these at the start of a chunk (`USD`); "" for any other."""
    if not _is_anchored(items, "prefix") or any(str(name) != "LITERAL" for name, _ in items[1:]):
        return ""
    word = "".join(chr(value) for _, value in items[1:])
    return word if word.isalpha() else ""


def _are_letters_plain(rules: dict[str, Any]) -> bool:
    """Return whether no expression splits letters, but for prefixes that are words."""
    return not any(
        is_alive(items, letters()) and not (kind == "prefix" and _word(items))
        for kind in ("prefix", "suffix", "infix")
        for items in alternatives(rules[kind])
    )


def _marks(rules: dict[str, Any]) -> str:
    """Return the marks that can be affixes of words of letters with nothing else alive."""
    kept = ""
    for mark in _MARKS:
        alphabet = letters() | {ord(one) for one in kept + mark}
        beside = frozenset(map(ord, kept + mark))
        alive = [
            (items, kind)
            for kind in ("prefix", "suffix")
            for items in alternatives(rules[kind])
            if is_alive(items, alphabet) and not (kind == "prefix" and _word(items))
        ]
        token = rules["token"]
        is_token = token is not None and any(
            is_alive(items, alphabet) and not is_alive(items, alphabet - beside) for items in alternatives(token)
        )
        if all(_is_single(items) and _is_anchored(items, kind) for items, kind in alive) and not is_token:
            kept += mark
    return kept


def _is_dot_rule(items: list[Any]) -> bool:
    """Return whether the items are a dot at the end of a chunk, after one or two characters of some kind."""
    consuming = [(str(name), value) for name, value in items if str(name) not in ("AT", "ASSERT")]
    looks = [value for name, value in items if str(name) == "ASSERT"]
    return (
        consuming == [("LITERAL", ord("."))]
        and _is_anchored(items, "suffix")
        and all(direction == -1 and _width(inner) <= 2 for direction, inner in looks)
    )


def _are_dots_plain(rules: dict[str, Any], alphabet: frozenset[int]) -> bool:
    """Return whether only the characters before it decide if a dot at the end of a text of the alphabet is a suffix."""
    with_dot = alphabet | {ord(".")}
    suffixes = [items for items in alternatives(rules["suffix"]) if is_alive(items, with_dot)]
    prefixes = [items for items in alternatives(rules["prefix"]) if is_alive(items, with_dot)]
    tokens = alternatives(rules["token"]) if rules["token"] else ()
    return (
        all(is_alive(items, alphabet) or _dots(items) or _is_dot_rule(items) for items in suffixes)
        and all(is_alive(items, alphabet) or _dots(items) for items in prefixes)
        and not any(is_alive(items, with_dot) for items in tokens)
    )


def analysis(rules: dict[str, Any]) -> dict[str, Any]:
    """Return what the splitters may rely on for a language of spaCy.

    `prefix_window`, `suffix_window`: see `window`. `prefix_dots`, `suffix_dots`: whether a run of two or more dots is
    an affix. `letters`: whether letters alone are one token. `digits`: the same for ASCII digits. `dots`: see
    `_are_dots_plain`. `prefixes`, `suffixes`: marks that, in a chunk of these marks and letters, are an affix of length
    1 wherever they stand at an end. `word_prefixes`: prefixes that are words, which the other claims leave out.
    """
    plain = _are_letters_plain(rules)
    marks = _marks(rules) if plain else ""
    alphabet = letters() | set(map(ord, marks))
    digits = frozenset(map(ord, "0123456789"))
    parts = ("prefix", "suffix", "infix")
    return {
        "prefix_window": window(rules["prefix"], "prefix"),
        "suffix_window": window(rules["suffix"], "suffix"),
        "prefix_dots": any(map(_dots, alternatives(rules["prefix"]))),
        "suffix_dots": any(map(_dots, alternatives(rules["suffix"]))),
        "letters": plain,
        "word_prefixes": sorted(filter(None, map(_word, alternatives(rules["prefix"])))),
        "digits": not any(is_alive(items, digits) for part in parts for items in alternatives(rules[part])),
        "dots": plain and _are_dots_plain(rules, alphabet),
        "prefixes": "".join(mark for mark in marks if _is_safe(mark, "prefix", rules, alphabet)),
        "suffixes": "".join(mark for mark in marks if _is_safe(mark, "suffix", rules, alphabet)),
    }
