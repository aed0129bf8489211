"""Writes docs/commands.md and docs/reasons.md from the code: `make docs`. A test holds them to it."""

from __future__ import annotations

from pathlib import Path

import click

from finest.cli import cli
from finest.recipe.reasons import REASONS, STAGES

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


def _help(command: click.Command, name: str) -> str:
    context = click.Context(command, info_name=name, max_content_width=110, terminal_width=110)
    return f"## {name}\n\n```\n{command.get_help(context)}\n```\n"


PAGES = {"commands.md": commands, "reasons.md": reasons}

if __name__ == "__main__":
    for page, write in PAGES.items():
        (DOCS / page).write_text(write(), encoding="utf-8")
