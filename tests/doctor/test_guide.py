"""The guides say what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from finest.doctor.checks import checks_for

DOCS = Path(__file__).parents[2] / "docs"
MINER = (DOCS / "miner.md").read_text(encoding="utf-8")
TASKS = (DOCS / "tasks.md").read_text(encoding="utf-8")


def test_every_check_is_in_the_table_of_troubles() -> None:
    """And the table names no check that is not there."""
    table = MINER.partition("## When something is wrong")[2]
    rows = re.findall(r"^\| `([a-z-]+)` \| .+ \| .+ \|$", table, re.MULTILINE)
    assert rows == [check.name for check in checks_for("miner")]


def test_names_of_checks_are_unique_and_needs_come_first() -> None:
    """A check waits only for checks that stand before it in the list."""
    seen: list[str] = []
    for check in checks_for("miner"):
        assert set(check.needs) <= set(seen), check.name
        seen.append(check.name)
    assert len(seen) == len(set(seen))


@pytest.mark.parametrize(("guide", "command"), [(MINER, "mine"), (TASKS, "serve")], ids=["miner", "tasks"])
def test_the_flags_of_a_guide_exist(guide: str, command: str) -> None:
    """Every flag in a guide's table is one of the command's."""
    from finest.cli import cli

    flags = {flag.replace("-", "_") for option in cli.commands[command].params for flag in option.opts}
    named = re.findall(r"--[a-z][a-z_-]+", "".join(re.findall(r"^\| (`--[^|]+) \|", guide, re.MULTILINE)))
    assert named
    for flag in named:
        assert flag.replace("-", "_") in flags, flag


@pytest.mark.parametrize("guide", [MINER, TASKS], ids=["miner", "tasks"])
def test_links_lead_somewhere(guide: str) -> None:
    """A file of the project that is linked to is there, and so is the heading."""
    for target in re.findall(r"\]\(([^)]+)\)", guide):
        if target.startswith("http"):
            continue
        name, _, anchor = target.partition("#")
        text = (DOCS / name).read_text(encoding="utf-8") if name else guide
        titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
        headings = {re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in titles}
        assert not anchor or anchor in headings, target
