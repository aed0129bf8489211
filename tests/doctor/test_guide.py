"""The guides say what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from finest.doctor.checks import checks_for
from finest.doctor.subject import Role

DOCS = Path(__file__).parents[2] / "docs"
GUIDES = DOCS / "guides"
MINER = (GUIDES / "mine.md").read_text(encoding="utf-8")
VALIDATOR = (GUIDES / "validate.md").read_text(encoding="utf-8")
TASKS = (GUIDES / "task-server.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("guide", "role"), [(MINER, "miner"), (VALIDATOR, "validator")], ids=["miner", "validator"])
def test_every_check_is_in_the_table_of_troubles(guide: str, role: Role) -> None:
    """And the table names no check that is not there. What the miner's table has, the validator's need not repeat."""
    table = guide.partition("## When something is wrong")[2]
    rows = re.findall(r"^\| `([a-z-]+)` \| .+ \| .+ \|$", table, re.MULTILINE)
    names = [check.name for check in checks_for(role)]
    elsewhere = [] if role == "miner" else [check.name for check in checks_for("miner")]
    assert rows == [name for name in names if name not in elsewhere]


@pytest.mark.parametrize("role", ["miner", "validator"])
def test_names_of_checks_are_unique_and_needs_come_first(role: Role) -> None:
    """A check waits only for checks that stand before it in the list."""
    seen: list[str] = []
    for check in checks_for(role):
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


@pytest.mark.parametrize("guide", [MINER, VALIDATOR, TASKS], ids=["miner", "validator", "tasks"])
def test_links_lead_somewhere(guide: str) -> None:
    """A file of the project that is linked to is there, and so is the heading."""
    for target in re.findall(r"\]\(([^)]+)\)", guide):
        if target.startswith("http"):
            continue
        name, _, anchor = target.partition("#")
        text = (GUIDES / name).read_text(encoding="utf-8") if name else guide
        titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
        headings = {re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in titles}
        assert not anchor or anchor in headings, target


@pytest.mark.parametrize(("command", "role"), [("mine", "miner"), ("validate", "validator")])
def test_the_doctor_takes_the_flags_of_the_work(command: str, role: Role) -> None:
    """And its default folder is theirs."""
    from finest.cli import cli
    from finest.cli.doctor import WORK

    theirs = {flag: option for option in cli.commands[command].params for flag in option.opts}
    ours = {flag for option in cli.commands["doctor"].params for flag in option.opts}
    assert theirs.keys() <= ours
    assert theirs["--work"].default == WORK[role]
