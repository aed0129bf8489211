"""Leave out row groups of a Parquet file in which, by their statistics, no row can satisfy an expression."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyarrow.parquet import RowGroupMetaData

    from finest.where.nodes import Node

_MIRRORED = {"=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
Bounds = dict[str, tuple[Any, Any]]
"""The least and the greatest value of each column of a row group that states them."""


def bounds_of(group: RowGroupMetaData) -> Bounds:
    """Return the bounds of a row group's columns; those without statistics are left out."""
    found: Bounds = {}
    for number in range(group.num_columns):
        column = group.column(number)
        statistics = column.statistics
        if statistics is not None and statistics.has_min_max:
            found[column.path_in_schema] = (statistics.min, statistics.max)
    return found


def may_hold(node: Node, bounds: Bounds) -> bool:
    """Whether a row within these bounds may satisfy the expression; true if nothing is known."""
    if node.op == "and":
        return all(may_hold(arg, bounds) for arg in node.args)
    if node.op == "or":
        return any(may_hold(arg, bounds) for arg in node.args)
    if node.op in _MIRRORED:
        return _may_compare(node, bounds)
    if node.op == "in" and node.args[0].op == "column":
        return any(_within("=", item.value, bounds.get(node.args[0].value)) for item in node.value)
    if node.op == "like" and node.args[0].op == "column":
        return _may_begin(node.value, bounds.get(node.args[0].value))
    return True


def _may_compare(node: Node, bounds: Bounds) -> bool:
    left, right, op = *node.args, node.op
    if right.op == "column":
        left, right, op = right, left, _MIRRORED[op]
    if left.op != "column" or right.op not in ("text", "integer", "number", "boolean"):
        return True
    return _within(op, right.value, bounds.get(left.value))


def _within(op: str, value: Any, bound: tuple[Any, Any] | None) -> bool:
    if bound is None:
        return True
    least, greatest = bound
    if isinstance(least, str) and isinstance(value, str):  # Parquet orders texts by their UTF-8 bytes
        least, greatest, value = least.encode(), greatest.encode(), value.encode()
    elif isinstance(value, str) or not isinstance(least, (int, float)):
        return True
    tests = {
        "=": least <= value <= greatest, "<": least < value, "<=": least <= value, ">": greatest > value,
        ">=": greatest >= value,
    }  # fmt: skip
    return bool(tests[op])


def _may_begin(pattern: str, bound: tuple[Any, Any] | None) -> bool:
    """Whether a text within the bounds may begin as the pattern of LIKE does before its first wildcard."""
    begin = pattern.replace("_", "%").partition("%")[0].encode()
    if bound is None or not isinstance(bound[0], str) or not begin:
        return True
    least, greatest = bound[0].encode(), bound[1].encode()
    return least[: len(begin)] <= begin <= greatest
