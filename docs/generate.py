"""Writes from the code what the docs say of it: `make docs`. A test holds them to it.

docs/commands.md and docs/reasons.md whole, and in docs/tasks.md the table of problems.
"""

from __future__ import annotations

from pathlib import Path

import click

from finest.cli import cli
from finest.recipe.reasons import REASONS, STAGES
from finest.tasks.problems import KINDS

DOCS = Path(__file__).parent


def commands() -> str:
    """Every command's own help."""
    parts = ["# Commands\n\nGenerated from the commands' own help by `make docs`.\n", _help(cli, "finest")]
    for name, command in cli.commands.items():
        parts.append(_help(command, f"finest {name}"))
        if isinstance(command, click.Group):
            parts += [_help(sub, f"finest {name} {word}") for word, sub in command.commands.items()]
    return "\n".join(parts)


def reasons() -> str:
    """The closed list of reasons, stage by stage."""
    lines = ["# Reasons\n", "What a verdict can be, generated from `finest/recipe/reasons.py` by `make docs`.\n"]
    for stage, question in STAGES.items():
        lines += [f"## {stage}\n", f"{question}\n", "| reason | means |", "|---|---|"]
        lines += [f"| `{r.name}` | {r.explanation} |" for r in REASONS.values() if r.stage == stage]
        lines.append("")
    return "\n".join(lines)


BEGIN, END = "<!-- problems: begin", "<!-- problems: end -->"


def tasks() -> str:
    """docs/tasks.md with the closed list of problems in its place."""
    page = (DOCS / "tasks.md").read_text(encoding="utf-8")
    head, marker, rest = page.partition(BEGIN)
    comment, _, rest = rest.partition("\n")
    rows = ["| problem | status | passes | |", "|---|---|---|---|"]
    rows += [f"| `{n}` | {k.status} | {'yes' if k.may_pass else ''} | {k.title} |" for n, k in KINDS.items()]
    return "\n".join([head + marker + comment, "", *rows, "", END]) + rest.partition(END)[2]


def _help(command: click.Command, name: str) -> str:
    context = click.Context(command, info_name=name, max_content_width=110, terminal_width=110)
    return f"## {name}\n\n```\n{command.get_help(context)}\n```\n"


PAGES = {"commands.md": commands, "reasons.md": reasons, "tasks.md": tasks}

if __name__ == "__main__":
    for page, write in PAGES.items():
        (DOCS / page).write_text(write(), encoding="utf-8")
