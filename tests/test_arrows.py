"""Which part of the house may import which."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "finest"
MAY_IMPORT = {
    "recipe": {"recipe", "errors"},
    "dataset": {"dataset", "recipe", "sandbox", "atomic_files", "formatting", "reachable", "errors", "settings", ""},
    "sandbox": {"sandbox", "errors", ""},
    "executors": {"executors", "cluster", "formatting", "process", "errors"},
    "cluster": {"cluster", "doctor", "atomic_files", "formatting", "errors"},
    "warc": {"warc", "recipe", "reachable", "errors", ""},
    "chain": {"chain", "errors", "settings"},
    "tasks": {"tasks", "chain", "database", "settings", "atomic_files", "formatting", "errors", ""},
    "miner": {
        "miner",
        "pipeline",
        "warc",
        "dataset",
        "recipe",
        "executors",
        "chain",
        "tasks",
        "show_hub",
        "settings",
        "atomic_files",
        "formatting",
        "errors",
        "",
    },
    "doctor": {
        "doctor",
        "cluster",
        "miner",
        "pipeline",
        "warc",
        "dataset",
        "recipe",
        "executors",
        "chain",
        "tasks",
        "validator",
        "database",
        "sandbox",
        "settings",
        "atomic_files",
        "formatting",
        "errors",
        "system",
        "",
    },
    "validator": {
        "validator",
        "pipeline",
        "warc",
        "dataset",
        "recipe",
        "chain",
        "tasks",
        "database",
        "show_hub",
        "settings",
        "atomic_files",
        "formatting",
        "process",
        "sandbox",
        "errors",
        "",
    },
    "api": {"api", "pipeline", "warc", "dataset", "recipe", "settings", "errors"},
    "datatrove": {"datatrove", "api", "warc", "recipe", "settings", "errors"},
    "pipeline": {"pipeline", "warc", "dataset", "recipe", "executors", "atomic_files", "formatting", "errors", ""},
}


def imports(path: Path) -> set[str]:
    """The parts of the house that a file imports ("" is the package itself)."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = [node.module] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for name in names:
            if name and name.split(".")[0] == "finest":
                found.add(name.partition(".")[2].partition(".")[0])
    return found


LEAVES = {"masking", "terminal"}
"""What any part may import, and which imports nothing of ours but the other."""


@pytest.mark.parametrize("part", MAY_IMPORT)
def test_a_part_imports_only_what_it_may(part: str) -> None:
    """The arrows of the house point one way."""
    for path in (SOURCE / part).rglob("*.py"):
        assert imports(path) <= MAY_IMPORT[part] | LEAVES, path


def test_only_commands_and_demo_import_the_devnet() -> None:
    """The product speaks real protocols and knows of no devnet; the demo runs it on one."""
    for path in SOURCE.rglob("*.py"):
        may = path.parent.name in {"cli", "demo"} or "devnet" in path.parts
        assert may or "devnet" not in imports(path), path


def test_nothing_imports_the_command_line() -> None:
    """`cli` is a shell over the Python functions, never the other way round."""
    for path in SOURCE.rglob("*.py"):
        assert "cli" not in imports(path) or path.parent.name == "cli", path
