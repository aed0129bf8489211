"""The grammar of expressions, read by Lark, whose import takes 0.04 s: `finest.where.parse` imports this to parse."""

from __future__ import annotations

import math
from functools import cache
from importlib import resources
from typing import Any, cast

from lark import Lark, Token, Transformer
from lark.exceptions import UnexpectedCharacters, UnexpectedEOF, UnexpectedInput, UnexpectedToken, VisitError

from finest.errors import WhereError
from finest.where.nodes import FUNCTIONS, MAX_PATTERN_CHARS, MAX_SINGLES, Node, node, position, refused

_NOT_OURS = frozenset({
    "all", "and", "any", "between", "case", "cast", "collate", "distinct", "exists", "from", "glob", "group", "ilike",
    "in", "is", "join", "like", "limit", "or", "order", "regexp", "rlike", "select", "similar", "some", "union",
    "where", "with", "xor",
})  # fmt: skip
"""Words of SQL that are not of this language; a column of such a name is written in double quotes."""
_WORDS = {
    "NAME": "a name", "QUOTED": "a name", "STRING": "a text", "INTEGER": "a number", "DECIMAL": "a number",
    "COMPARISON": "a comparison", "RPAR": ")", "LPAR": "(", "$END": "the end",
}  # fmt: skip


def tree(text: str) -> Node:
    """Return the root of the tree; raises WhereError if the text is not of the language or exceeds its limits."""
    try:
        return cast("Node", _parser().parse(text))
    except UnexpectedInput as error:
        raise WhereError(_refusal(error, text)) from None
    except VisitError as error:
        raise error.orig_exc from None


@cache
def _parser() -> Lark:
    grammar = resources.files("finest.where").joinpath("where.lark").read_text(encoding="utf-8")
    return Lark(grammar, parser="lalr", transformer=_Nodes(), maybe_placeholders=True)


def _refusal(error: UnexpectedInput, text: str) -> str:
    if isinstance(error, UnexpectedCharacters):
        at = error.pos_in_stream or 0
        if text[at] == "'":
            return f"the text{position(at)} has no closing quote"
        two = text[at : at + 2]
        return f"{two if two in ('--', '/*', '||', '::', '==') else text[at]!r}{position(at)} is not of this language"
    if isinstance(error, UnexpectedEOF) or (isinstance(error, UnexpectedToken) and error.token.type == "$END"):
        return f"the expression ends too early, after {text.rstrip()[-20:]!r}"
    assert isinstance(error, UnexpectedToken)
    token, before = error.token, (error.token_history or [None])[-1]
    if before is not None and before.type == "NAME" and before.lower() in _NOT_OURS:
        token = before
    if token.type == "NAME":
        missing = "" if token.lower() in _NOT_OURS else ", or an operator before it is missing"
        return f"{_cut(token)}{position(token.start_pos)} is not of this language{missing}"
    wanted = sorted({_WORDS[name] for name in error.expected if name in _WORDS})
    return f"unexpected {_cut(token)}{position(token.start_pos)}{f'; expected {_listed(wanted)}' * bool(wanted)}"


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _cut(token: Token) -> str:
    return str(token) if len(token) <= 40 else f"{token[:40]}..."


def _not_if(negated: Token | None, it: Node) -> Node:
    return it if negated is None else node("not", it.at, (it,))


class _Nodes(Transformer[Token, Node]):
    """Turns what the parser found into nodes, while it parses."""

    def either(self, found: list[Any]) -> Node:
        return node("or", found[0].at, tuple(found))

    def both(self, found: list[Any]) -> Node:
        return node("and", found[0].at, tuple(found))

    def negated(self, found: list[Any]) -> Node:
        return node("not", found[0].start_pos, (found[1],))

    def compared(self, found: list[Any]) -> Node:
        op = "<>" if found[1] == "!=" else str(found[1])
        return node(op, found[0].at, (found[0], found[2]))

    def between(self, found: list[Any]) -> Node:
        it, negated, low, high = found
        inside = node("and", it.at, (node(">=", it.at, (it, low)), node("<=", it.at, (it, high))))
        return _not_if(negated, inside)

    def one_of(self, found: list[Any]) -> Node:
        return _not_if(found[1], node("in", found[0].at, (found[0],), tuple(found[2:])))

    def like(self, found: list[Any]) -> Node:
        pattern = _unquoted(found[2])
        if len(pattern) > MAX_PATTERN_CHARS:
            raise refused("the pattern", found[2].start_pos, f"has more than {MAX_PATTERN_CHARS} characters")
        if pattern.count("_") > MAX_SINGLES:
            raise refused("the pattern", found[2].start_pos, f"has more than {MAX_SINGLES} times the wildcard _")
        return _not_if(found[1], node("like", found[0].at, (found[0],), pattern))

    def is_null(self, found: list[Any]) -> Node:
        return _not_if(found[1], node("null", found[0].at, (found[0],)))

    def calculated(self, found: list[Any]) -> Node:
        return node(str(found[1]), found[0].at, (found[0], found[2]))

    def negative(self, found: list[Any]) -> Node:
        at, it = found[0].start_pos, found[1]
        if it.op in ("integer", "number"):
            return node(it.op, at, (), -it.value)
        return node("negative", at, (it,))

    def column(self, found: list[Any]) -> Node:
        name = found[0]
        if name.type == "NAME" and name.lower() == "null":
            raise refused("NULL", name.start_pos, "equals nothing, not even itself; write IS NULL or IS NOT NULL")
        if name.type == "NAME" and name.lower() in _NOT_OURS:
            raise refused(_cut(name), name.start_pos, "is not of this language")
        return node("column", name.start_pos, (), str(name).strip('"'))

    def call(self, found: list[Any]) -> Node:
        name, args = found[0], tuple(arg for arg in found[1:] if arg is not None)
        function = name.lower()
        if function not in FUNCTIONS:
            known = " and ".join(sorted(FUNCTIONS))
            raise refused(f"the function {_cut(name)}", name.start_pos, f"is not of this language, which has {known}")
        if len(args) != 1:
            raise refused(f"the function {function}", name.start_pos, f"takes one value, not {len(args)}")
        return node(function, name.start_pos, args)

    def string(self, found: list[Any]) -> Node:
        return node("text", found[0].start_pos, (), _unquoted(found[0]))

    def integer(self, found: list[Any]) -> Node:
        value = int(found[0])
        if value >= 2**63:
            raise refused(_cut(found[0]), found[0].start_pos, "is larger than an integer of 64 bits")
        return node("integer", found[0].start_pos, (), value)

    def decimal(self, found: list[Any]) -> Node:
        value = float(found[0])
        if not math.isfinite(value):
            raise refused(_cut(found[0]), found[0].start_pos, "is larger than a floating-point number of 64 bits")
        return node("number", found[0].start_pos, (), value)

    def true(self, found: list[Any]) -> Node:
        return node("boolean", found[0].start_pos, (), value=True)

    def false(self, found: list[Any]) -> Node:
        return node("boolean", found[0].start_pos, (), value=False)


def _unquoted(string: Token) -> str:
    return str(string)[1:-1].replace("''", "'")
