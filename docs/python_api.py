"""docs/reference/python.md, from the docstrings of what `import finest` and `finest.datatrove` offer."""

from __future__ import annotations

import inspect
import textwrap
from typing import Any

import finest
from finest import datatrove, errors

FUNCTIONS = ("refine", "select", "verify", "open_dataset", "judge", "extract", "load_recipe")
"""In the order in which a person meets them."""


def python() -> str:
    """The whole page."""
    kinds = [name for name in finest.__all__ if inspect.isclass(getattr(finest, name)) and not hasattr(errors, name)]
    tree = textwrap.dedent((errors.__doc__ or "").partition("\n\n")[2].partition("\n\nA message")[0])
    parts = [
        "# Python\n\nGenerated from the docstrings by `make docs`.\n",
        _prose(finest.__doc__ or ""),
        "## Functions\n",
        *(_entry(f"finest.{name}", getattr(finest, name), signature=True) for name in FUNCTIONS),
        "## Types\n",
        *(_entry(f"finest.{name}", getattr(finest, name)) for name in kinds),
        "## Errors\n",
        f"Each error is a name of `finest`: `except finest.SourceError`.\n\n```text\n{tree}\n```\n",
        "## Steps for DataTrove\n",
        _prose(datatrove.__doc__ or ""),
        *(_entry(f"finest.datatrove.{name}", getattr(datatrove, name), signature=True) for name in datatrove.__all__),
    ]
    return "\n".join(parts)


def _entry(name: str, thing: Any, *, signature: bool = False) -> str:
    """A function, or a class with its public methods and properties."""
    head = f"### {name}\n"
    call = f"```python\n{_signature(name, thing)}\n```\n" if signature else ""
    members = "" if not inspect.isclass(thing) or signature else _members(thing)
    return "\n".join(part for part in (head, call, _prose(inspect.getdoc(thing) or ""), members) if part)


def _signature(name: str, thing: Any) -> str:
    given, lines, starred = inspect.signature(thing), [], False
    for one in given.parameters.values():
        if one.kind is inspect.Parameter.KEYWORD_ONLY and not starred:
            lines, starred = [*lines, "*"], True
        typed = "" if one.annotation is inspect.Parameter.empty else f": {one.annotation}"
        default = "" if one.default is inspect.Parameter.empty else f" = {one.default!r}"
        lines.append(f"{one.name}{typed}{default}")
    result = "" if inspect.isclass(thing) else f" -> {given.return_annotation}"
    return f"{name}(\n{''.join(f'    {line},{chr(10)}' for line in lines)}){result}"


def _members(kind: type) -> str:
    """A table of what a class defines itself and explains."""
    rows = []
    for name, member in vars(kind).items():
        told = inspect.getdoc(member) if isinstance(member, property) or inspect.isfunction(member) else None
        if told and not name.startswith("_"):
            call = "()" if inspect.isfunction(member) else ""
            rows.append(f"| `{name}{call}` | {' '.join(told.partition(chr(10) * 2)[0].split())} |")
    return "\n".join(["| | |", "|---|---|", *rows, ""]) if rows else ""


def _prose(docstring: str) -> str:
    """A docstring as Markdown: what is indented in it is code."""
    parts = inspect.cleandoc(docstring).split("\n\n")
    blocks = (f"```python\n{textwrap.dedent(part)}\n```" if part.startswith("    ") else part for part in parts)
    return "\n\n".join(blocks).replace("\n```\n\n```python\n", "\n\n") + "\n"
