"""Parse an expression into a tree of nodes, or refuse it with the name and position of what is not of the language."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, cast

from lark import Lark, Token, Transformer
from lark.exceptions import UnexpectedCharacters, UnexpectedEOF, UnexpectedInput, UnexpectedToken, VisitError

from finest.errors import WhereError

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_CHARS = 4096
"""Length of an expression: room for a list of some hundred hosts."""
MAX_NODES = 256
"""Operators, functions, columns and literals of an expression, without the values of an IN list. Each node costs one
pass over the rows."""
MAX_DEPTH = 32
"""Nested operators and parentheses; more than anybody writes by hand."""
MAX_LIKES = 8
MAX_PATTERN_CHARS = 128
MAX_SINGLES = 8
"""LIKE is the only operation whose cost per character can grow with its pattern: `%a` and 120 `_` took 5.7 us a byte of
random text (measured), where patterns within these limits take at most 30 ns."""
FUNCTIONS = {"length": "integer", "lower": "text"}
"""The functions, each of one text, and the type of their result."""

_NOT_OURS = frozenset({
    "all", "and", "any", "between", "case", "cast", "collate", "distinct", "exists", "from", "glob", "group", "ilike",
    "in", "is", "join", "like", "limit", "or", "order", "regexp", "rlike", "select", "similar", "some", "union",
    "where", "with", "xor",
})  # fmt: skip
"""Words of SQL that are not of this language; a column of such a name is written in double quotes."""
_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029]")
_WORDS = {
    "NAME": "a name", "QUOTED": "a name", "STRING": "a text", "INTEGER": "a number", "DECIMAL": "a number",
    "COMPARISON": "a comparison", "RPAR": ")", "LPAR": "(", "$END": "the end",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Node:
    """An operation, a column or a literal."""

    op: str
    """`or`, `and`, `not`, `=`, `<>`, `<`, `<=`, `>`, `>=`, `in`, `like`, `null`, `+`, `-`, `*`, `/`, `negative`, the
    name of a function, `column`, or the type of a literal: `text`, `integer`, `number`, `boolean`."""
    at: int
    """Index of its first character in the expression."""
    args: tuple[Node, ...] = ()
    value: Any = None
    """The name of a column, the value of a literal, the pattern of `like`, or the values of `in`."""
    size: int = 1
    depth: int = 1
    likes: int = 0

    def walk(self) -> Iterator[Node]:
        """Yield this node and all below it."""
        yield self
        for arg in self.args:
            yield from arg.walk()


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed expression, not yet bound to columns."""

    text: str
    """The expression as written, on one line."""
    root: Node

    def columns(self) -> tuple[str, ...]:
        """Return the names of the columns that it reads, in the order of their first use."""
        return tuple(dict.fromkeys(node.value for node in self.root.walk() if node.op == "column"))


def parse(text: str) -> Expression:
    """Parse an expression in time proportional to its length.

    Raises WhereError, with the position (counted from 1) and the name of what is refused, if the text is not of the
    language or exceeds its limits.
    """
    if not text.strip():
        raise WhereError("the expression is empty; write one such as: language = 'en' AND token_count >= 100")
    if len(text) > MAX_CHARS:
        raise WhereError(f"the expression has {len(text):,} characters; at most {MAX_CHARS:,} are read")
    if found := _TEXT.search(text):
        raise WhereError(f"a control character{_position(found.start())}; an expression is plain text")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise WhereError(f"half a character{_position(error.start)}; an expression is valid UTF-8") from None
    try:
        root = cast("Node", _parser().parse(text))
    except UnexpectedInput as error:
        raise WhereError(_refusal(error, text)) from None
    except VisitError as error:
        raise error.orig_exc from None
    return Expression(re.sub(r"[\t\r\n]+", " ", text).strip(), root)  # a quoted text or name holds none of these


@cache
def _parser() -> Lark:
    grammar = resources.files("finest.where").joinpath("where.lark").read_text(encoding="utf-8")
    return Lark(grammar, parser="lalr", transformer=_Nodes(), maybe_placeholders=True)


def _refusal(error: UnexpectedInput, text: str) -> str:
    if isinstance(error, UnexpectedCharacters):
        at = error.pos_in_stream or 0
        if text[at] == "'":
            return f"the text{_position(at)} has no closing quote"
        two = text[at : at + 2]
        return f"{two if two in ('--', '/*', '||', '::', '==') else text[at]!r}{_position(at)} is not of this language"
    if isinstance(error, UnexpectedEOF) or (isinstance(error, UnexpectedToken) and error.token.type == "$END"):
        return f"the expression ends too early, after {text.rstrip()[-20:]!r}"
    assert isinstance(error, UnexpectedToken)
    token, before = error.token, (error.token_history or [None])[-1]
    if before is not None and before.type == "NAME" and before.lower() in _NOT_OURS:
        token = before
    if token.type == "NAME":
        missing = "" if token.lower() in _NOT_OURS else ", or an operator before it is missing"
        return f"{_cut(token)}{_position(token.start_pos)} is not of this language{missing}"
    wanted = sorted({_WORDS[name] for name in error.expected if name in _WORDS})
    return f"unexpected {_cut(token)}{_position(token.start_pos)}{f'; expected {_listed(wanted)}' * bool(wanted)}"


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _cut(token: Token) -> str:
    return str(token) if len(token) <= 40 else f"{token[:40]}..."


def _position(at: int | None) -> str:
    return f" at character {(at or 0) + 1}"


def refused(what: str, at: int, why: str) -> WhereError:
    """Return the error that refuses a part of an expression."""
    return WhereError(f"{what}{_position(at)} {why}")


def _node(op: str, at: int, args: tuple[Node, ...] = (), value: Any = None) -> Node:
    """Build a node; raises WhereError if the expression becomes too large."""
    size, depth = 1 + sum(arg.size for arg in args), 1 + max((arg.depth for arg in args), default=0)
    likes = (op == "like") + sum(arg.likes for arg in args)
    if size > MAX_NODES:
        raise refused("the expression", at, f"has more than {MAX_NODES} operations, columns and values")
    if depth > MAX_DEPTH:
        raise refused("the expression", at, f"is nested more than {MAX_DEPTH} deep")
    if likes > MAX_LIKES:
        raise refused("LIKE", at, f"occurs more than {MAX_LIKES} times")
    return Node(op, at, args, value, size, depth, likes)


def _not_if(negated: Token | None, node: Node) -> Node:
    return node if negated is None else _node("not", node.at, (node,))


class _Nodes(Transformer[Token, Node]):
    """Turns what the parser found into nodes, while it parses."""

    def either(self, found: list[Any]) -> Node:
        return _node("or", found[0].at, tuple(found))

    def both(self, found: list[Any]) -> Node:
        return _node("and", found[0].at, tuple(found))

    def negated(self, found: list[Any]) -> Node:
        return _node("not", found[0].start_pos, (found[1],))

    def compared(self, found: list[Any]) -> Node:
        op = "<>" if found[1] == "!=" else str(found[1])
        return _node(op, found[0].at, (found[0], found[2]))

    def between(self, found: list[Any]) -> Node:
        it, negated, low, high = found
        inside = _node("and", it.at, (_node(">=", it.at, (it, low)), _node("<=", it.at, (it, high))))
        return _not_if(negated, inside)

    def one_of(self, found: list[Any]) -> Node:
        return _not_if(found[1], _node("in", found[0].at, (found[0],), tuple(found[2:])))

    def like(self, found: list[Any]) -> Node:
        pattern = _unquoted(found[2])
        if len(pattern) > MAX_PATTERN_CHARS:
            raise refused("the pattern", found[2].start_pos, f"has more than {MAX_PATTERN_CHARS} characters")
        if pattern.count("_") > MAX_SINGLES:
            raise refused("the pattern", found[2].start_pos, f"has more than {MAX_SINGLES} times the wildcard _")
        return _not_if(found[1], _node("like", found[0].at, (found[0],), pattern))

    def is_null(self, found: list[Any]) -> Node:
        return _not_if(found[1], _node("null", found[0].at, (found[0],)))

    def calculated(self, found: list[Any]) -> Node:
        return _node(str(found[1]), found[0].at, (found[0], found[2]))

    def negative(self, found: list[Any]) -> Node:
        at, it = found[0].start_pos, found[1]
        if it.op in ("integer", "number"):
            return _node(it.op, at, (), -it.value)
        return _node("negative", at, (it,))

    def column(self, found: list[Any]) -> Node:
        name = found[0]
        if name.type == "NAME" and name.lower() == "null":
            raise refused("NULL", name.start_pos, "equals nothing, not even itself; write IS NULL or IS NOT NULL")
        if name.type == "NAME" and name.lower() in _NOT_OURS:
            raise refused(_cut(name), name.start_pos, "is not of this language")
        return _node("column", name.start_pos, (), str(name).strip('"'))

    def call(self, found: list[Any]) -> Node:
        name, args = found[0], tuple(arg for arg in found[1:] if arg is not None)
        function = name.lower()
        if function not in FUNCTIONS:
            known = " and ".join(sorted(FUNCTIONS))
            raise refused(f"the function {_cut(name)}", name.start_pos, f"is not of this language, which has {known}")
        if len(args) != 1:
            raise refused(f"the function {function}", name.start_pos, f"takes one value, not {len(args)}")
        return _node(function, name.start_pos, args)

    def string(self, found: list[Any]) -> Node:
        return _node("text", found[0].start_pos, (), _unquoted(found[0]))

    def integer(self, found: list[Any]) -> Node:
        value = int(found[0])
        if value >= 2**63:
            raise refused(_cut(found[0]), found[0].start_pos, "is larger than an integer of 64 bits")
        return _node("integer", found[0].start_pos, (), value)

    def decimal(self, found: list[Any]) -> Node:
        value = float(found[0])
        if not math.isfinite(value):
            raise refused(_cut(found[0]), found[0].start_pos, "is larger than a floating-point number of 64 bits")
        return _node("number", found[0].start_pos, (), value)

    def true(self, found: list[Any]) -> Node:
        return _node("boolean", found[0].start_pos, (), value=True)

    def false(self, found: list[Any]) -> Node:
        return _node("boolean", found[0].start_pos, (), value=False)


def _unquoted(string: Token) -> str:
    return str(string)[1:-1].replace("''", "'")
