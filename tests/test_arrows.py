"""Which part of the package may import which."""

from __future__ import annotations

import ast
from collections import defaultdict
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE = Path(__file__).parents[1] / "src" / "finest"
LAYERS = (
    {"", "capacity", "masking", "process", "sample", "system"},
    {"errors", "findings", "formatting", "reachable", "retry", "terminal"},
    {"atomic_files", "database", "examination", "recipe", "sandbox", "settings", "stores", "where"},
    {"chain", "cluster", "dataset", "devnet", "warc"},
    {"executors", "tasks"},
    {"pipeline"},
    {"api", "demo", "miner", "models", "validator"},
    {"contest", "datatrove", "doctor"},
    {"cli"},
    {"start"},
)
"""Every package and top-level module, the lowest layer first; "" is `finest/__init__.py`. A part may import parts of
lower layers, and none of its own layer."""
LAYER = {part: number for number, layer in enumerate(LAYERS) for part in layer}


@cache
def modules() -> dict[str, Path]:
    """Every module's file, by its name."""
    found = {}
    for path in SOURCE.rglob("*.py"):
        parts = path.relative_to(SOURCE.parent).with_suffix("").parts
        found[".".join(parts).removesuffix(".__init__")] = path
    return found


def part_of(module: str) -> str:
    """The package or top-level module that a module belongs to."""
    return module.partition(".")[2].partition(".")[0]


def is_for_types(node: ast.AST) -> bool:
    """Whether the statement is `if TYPE_CHECKING:`, whose imports never run."""
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def statements(node: ast.AST, *, types: bool) -> Iterator[ast.AST]:
    """Every node below `node`; without `types`, none of those under `if TYPE_CHECKING:`."""
    for child in ast.iter_child_nodes(node):
        if types or not is_for_types(child):
            yield child
            yield from statements(child, types=types)


@cache
def imports(module: str, *, types: bool) -> set[str]:
    """The modules of ours that a module imports, in functions too."""
    path = modules()[module]
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    named: set[str] = set()
    for node in statements(ast.parse(path.read_text(encoding="utf-8")), types=types):
        if isinstance(node, ast.Import):
            named |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) + 1 - node.level] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            inside = {f"{base}.{alias.name}" for alias in node.names}
            named |= inside if inside <= modules().keys() else (inside & modules().keys()) | {base}
    return (named & modules().keys()) - {module}


def test_every_part_is_in_one_layer() -> None:
    """A new package or top-level module is given its place before it is used."""
    assert sorted(part for layer in LAYERS for part in layer) == sorted({part_of(module) for module in modules()})


@pytest.mark.parametrize("part", sorted(LAYER))
def test_a_part_imports_lower_layers_only(part: str) -> None:
    """Neither what is above it nor its equals, and for types as little as for work.

    `finest` itself names the public types of every layer for type checkers alone, and imports them on demand.
    """
    wrong = {
        f"{module} imports {other}"
        for module in modules() if part_of(module) == part
        for other in imports(module, types=part != "")
        if part_of(other) != part and LAYER[part_of(other)] >= LAYER[part]
    }  # fmt: skip
    assert not wrong


def test_pages_are_judged_by_functions_that_know_nothing_else() -> None:
    """Whoever has the recipe and a page gets the same verdict: no settings, files, network or run can change it."""
    known = {part_of(other) for one in modules() if part_of(one) == "recipe" for other in imports(one, types=True)}
    assert known <= {"recipe", "errors", "masking", "process"}  # of which it takes what a stage of others may import


def test_modules_import_each_other_in_no_circle() -> None:
    """No module reaches itself by its imports, not even by one inside a function."""
    graph = {module: imports(module, types=False) for module in modules()}
    TopologicalSorter(graph).prepare()  # raises CycleError, which names a circle


def test_only_commands_and_demo_import_the_devnet() -> None:
    """The product speaks real protocols and knows of no devnet; the demo runs it on one."""
    importers: defaultdict[str, set[str]] = defaultdict(set)
    for module in modules():
        if any(part_of(other) == "devnet" for other in imports(module, types=True)):
            importers[part_of(module)].add(module)
    assert importers.keys() <= {"cli", "demo", "devnet"}, importers
