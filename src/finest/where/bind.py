"""Bind an expression to the columns of a schema, and evaluate it on record batches.

Every value has one of four types: text, integer (64 bits), number (IEEE 754, 64 bits) or boolean. NULL is SQL's: an
operation on NULL gives NULL, AND and OR follow three-valued logic, and a row whose result is NULL is not selected.
Arithmetic is done in numbers, and a result that is not finite (a division by zero) is NULL, as is a NaN in a column. So
no value makes an evaluation fail, and each operation has one result on every machine.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from finest.errors import WhereError
from finest.where.nodes import FUNCTIONS, refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from finest.where.nodes import Expression, Node

_TYPES = {"text": pa.string(), "integer": pa.int64(), "number": pa.float64(), "boolean": pa.bool_()}
_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "=": pc.equal, "<>": pc.not_equal, "<": pc.less, "<=": pc.less_equal, ">": pc.greater, ">=": pc.greater_equal,
}  # fmt: skip
_CALCULATE: dict[str, Callable[[Any, Any], Any]] = {
    "+": pc.add, "-": pc.subtract, "*": pc.multiply, "/": pc.divide,
}  # fmt: skip
_SHOWN_COLUMNS = 40


@dataclass(frozen=True, slots=True)
class Where:
    """An expression bound to the columns of a schema."""

    expression: Expression
    columns: tuple[str, ...]
    """The columns that it reads; a batch needs no others."""

    @property
    def text(self) -> str:
        """The expression as written, on one line."""
        return self.expression.text

    def mask(self, batch: pa.RecordBatch) -> pa.BooleanArray:
        """Return for each row whether the expression is true; false and NULL both give false."""
        found = _evaluate(self.expression.root, batch)
        if isinstance(found, pa.Scalar):
            found = pa.repeat(found, batch.num_rows)
        return pc.fill_null(found, False)


def bind(expression: Expression, schema: pa.Schema) -> Where:
    """Bind an expression to a schema's columns.

    Raises WhereError, with the position, if a column is unknown (naming the nearest one) or has a type that the
    language lacks, if an operation does not fit the types of its values, or if the result is no boolean.
    """
    kind = _type(expression.root, schema)
    if kind != "boolean":
        raise WhereError(f"the expression gives {_a(kind)}, not true or false; compare it, as in: token_count >= 100")
    return Where(expression, expression.columns())


def _type(node: Node, schema: pa.Schema) -> str:
    """Return the type of a node's value, after checking everything below it."""
    kinds = [_type(arg, schema) for arg in node.args]
    if node.op == "column":
        return _column_type(node, schema)
    if node.op in _TYPES:
        return node.op
    if node.op in ("and", "or", "not"):
        for arg, kind in zip(node.args, kinds, strict=True):
            if kind != "boolean":
                raise refused(f"{node.op.upper()} joins conditions, and the value", arg.at, f"is {_a(kind)}")
        return "boolean"
    if node.op in _COMPARE:
        _require_comparable(node, kinds[0], kinds[1])
        return "boolean"
    if node.op == "in":
        for item in node.value:
            _require_comparable(item, kinds[0], item.op)
        return "boolean"
    if node.op in ("like", *FUNCTIONS) and kinds[0] != "text":
        raise refused(f"{node.op.upper()} takes a text, and the value", node.args[0].at, f"is {_a(kinds[0])}")
    if node.op in ("like", "null"):
        return "boolean"
    if node.op in FUNCTIONS:
        return FUNCTIONS[node.op]
    for arg, kind in zip(node.args, kinds, strict=True):
        if kind not in ("integer", "number"):
            raise refused("arithmetic takes numbers, and the value", arg.at, f"is {_a(kind)}")
    return "number"


def _column_type(node: Node, schema: pa.Schema) -> str:
    name = node.value
    if schema.names.count(name) != 1:
        near = get_close_matches(name, schema.names, 1)
        more = len(schema.names) - _SHOWN_COLUMNS
        listed = ", ".join(schema.names[:_SHOWN_COLUMNS]) + (f" and {more} more" if more > 0 else "")
        hint = f"; did you mean {near[0]}?" if near else ""
        raise refused(f"there is no column {name[:64]!r}", node.at, f"(columns: {listed}){hint}".lstrip())
    kind = schema.field(name).type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return "text"
    if pa.types.is_integer(kind) and kind != pa.uint64():
        return "integer"
    if pa.types.is_floating(kind):
        return "number"
    if pa.types.is_boolean(kind):
        return "boolean"
    raise refused(f"the column {name}", node.at, f"has the type {kind}, which no expression can read")


def _require_comparable(node: Node, one: str, other: str) -> None:
    numbers = {"integer", "number"}
    if one != other and not {one, other} <= numbers:
        raise refused("the comparison", node.at, f"is of {_a(one)} with {_a(other)}")


def _a(kind: str) -> str:
    return f"an {kind}" if kind == "integer" else f"a {kind}"


def _evaluate(node: Node, batch: pa.RecordBatch) -> Any:
    """Return an array (or a scalar, if no column is read) of one of the four Arrow types in `_TYPES`."""
    if node.op in _TYPES:
        return pa.scalar(node.value, _TYPES[node.op])
    if node.op == "column":
        return _column(batch, node.value)
    args = [_evaluate(arg, batch) for arg in node.args]
    if node.op in ("and", "or"):
        join = pc.and_kleene if node.op == "and" else pc.or_kleene
        found = args[0]
        for other in args[1:]:
            found = join(found, other)
        return found
    if node.op == "not":
        return pc.invert(args[0])
    if node.op in _COMPARE:
        return _COMPARE[node.op](*_alike(args))
    if node.op == "in":
        return _one_of(args[0], [item.value for item in node.value])
    if node.op == "like":
        return _like(args[0], node.value)
    if node.op == "null":
        return pc.is_null(args[0])
    if node.op == "lower":
        return pc.ascii_lower(args[0])
    if node.op == "length":
        return pc.utf8_length(args[0]).cast(pa.int64())
    numbers = [_number(arg) for arg in args]
    if node.op == "negative":
        return pc.negate(numbers[0])
    return _finite(_CALCULATE[node.op](*numbers))


def _column(batch: pa.RecordBatch, name: str) -> pa.Array:
    found = batch.column(batch.schema.get_field_index(name))
    if pa.types.is_dictionary(found.type):
        found = found.dictionary_decode()
    kind = found.type
    if pa.types.is_large_string(kind):
        return found.cast(pa.string())
    if pa.types.is_integer(kind):
        return found.cast(pa.int64())
    if pa.types.is_floating(kind):
        numbers = found.cast(pa.float64())
        return pc.if_else(pc.is_nan(numbers), pa.scalar(None, pa.float64()), numbers)
    return found


def _number(value: Any) -> Any:
    """Convert integers to the nearest number."""
    return value if value.type == pa.float64() else pc.cast(value, pa.float64(), safe=False)


def _finite(value: Any) -> Any:
    return pc.if_else(pc.is_finite(value), value, pa.scalar(None, pa.float64()))


def _alike(args: list[Any]) -> list[Any]:
    """Return the values of a comparison in one type: numbers, if one of them is a number."""
    return [_number(arg) for arg in args] if any(arg.type == pa.float64() for arg in args) else args


def _one_of(value: Any, items: list[Any]) -> Any:
    numbers = value.type == pa.float64() or (value.type == pa.int64() and any(type(item) is float for item in items))
    if numbers:  # is_in tells 0.0 from -0.0, a comparison does not
        number = _number(value)
        found = pc.equal(number, pa.scalar(float(items[0])))
        for item in items[1:]:
            found = pc.or_(found, pc.equal(number, pa.scalar(float(item))))
        return found
    found = pc.is_in(value, value_set=pa.array(items, value.type))
    return pc.if_else(pc.is_null(value), pa.scalar(None, pa.bool_()), found)


def _like(value: Any, pattern: str) -> Any:
    """Match the whole text: `%` stands for any characters, `_` for one; case matters, and nothing is escaped."""
    inner = pattern.strip("%")
    if "%" not in inner and "_" not in inner:
        before, after = pattern.startswith("%"), pattern.endswith("%")
        if before and after:
            return pc.match_substring(value, inner)
        if before or after:
            return pc.ends_with(value, inner) if before else pc.starts_with(value, inner)
        return pc.equal(value, pa.scalar(pattern))
    parts = map(_regex, re.sub("%+", "%", pattern))
    return pc.match_substring_regex(value, rf"\A{''.join(parts)}\z")


def _regex(character: str) -> str:
    if character in "%_":
        return "(?s:.*)" if character == "%" else "(?s:.)"
    return rf"\{character}" if character.isascii() and not character.isalnum() else character
