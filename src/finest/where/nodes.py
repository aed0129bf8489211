"""The tree of nodes that an expression is parsed into, within limits that bound the cost of its evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from finest.errors import WhereError

if TYPE_CHECKING:
    from collections.abc import Iterator

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


def position(at: int | None) -> str:
    """Return the words for the place of a character, counted from 1."""
    return f" at character {(at or 0) + 1}"


def refused(what: str, at: int, why: str) -> WhereError:
    """Return the error that refuses a part of an expression."""
    return WhereError(f"{what}{position(at)} {why}")


def node(op: str, at: int, args: tuple[Node, ...] = (), value: Any = None) -> Node:
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
