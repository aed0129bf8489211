"""The class of all command groups: it lists subcommands in sections, each with its full first sentence.

Cloup, a click extension, has such sections too, but importing it takes 75 ms, which would delay every command.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_NOT_CUT = 10_000
"""Characters allowed in the first sentence of a command's help, so that click wraps but never truncates it."""


class Commands(click.Group):
    """Lists subcommands by section, or under "Commands" without sections, in the order in which they were given."""

    def __init__(
        self, *args: Any, sections: Mapping[str, Sequence[click.Command]] | None = None, **more: Any
    ) -> None:  # fmt: skip
        super().__init__(*args, **more)
        self.sections = sections or {}
        for command in (command for commands in self.sections.values() for command in commands):
            self.add_command(command)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the names in the order in which the commands were added."""
        return list(self.commands)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write a table per section; the columns of all tables line up."""
        width = max(map(len, self.commands))
        for title, commands in (self.sections or {"Commands": tuple(self.commands.values())}).items():
            with formatter.section(title):
                formatter.write_dl([(f"{one.name:{width}}", one.get_short_help_str(_NOT_CUT)) for one in commands])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, and refuse an empty name of a file or folder, which would mean the current folder."""
        name, command, rest = super().resolve_command(ctx, args)
        if command is not None and not isinstance(command, click.Group) and any(_may_be_empty(one) for one in rest):
            _refuse_empty_names(click.Context(command, ctx, name), rest)
        return name, command, rest


def _may_be_empty(argument: str) -> bool:
    return not argument or (argument.startswith("-") and argument.endswith("="))


def _refuse_empty_names(context: click.Context, arguments: list[str]) -> None:
    """Raise BadParameter if one of the command's arguments that name files or folders is empty."""
    given, _, _ = context.command.make_parser(context).parse_args(list(arguments))
    for parameter in context.command.params:
        value = given.get(parameter.name or "")
        names = parameter.name in ("out", "sources") or isinstance(parameter.type, click.Path)
        if names and (value == "" or (isinstance(value, list | tuple) and "" in value)):
            raise click.BadParameter("the name is empty; . is the current folder", context, parameter)


def as_dashes(flag: str) -> str:
    """Normalise a flag's name: hf_repo and hf-repo become hf-repo, wallet.name and wallet_name become wallet-name.

    Guides write flags with dots and underscores, as btcli and DataTrove do; users type all three.
    """
    return flag.replace("_", "-").replace(".", "-")


def in_documented_spelling(error: click.NoSuchOption) -> click.NoSuchOption:
    """Respell the error's suggestions as in the help: click knows only the form of `as_dashes`."""
    options = error.ctx.command.params if error.ctx else []
    documented = {as_dashes(flag): flag for option in options for flag in (*option.opts, *option.secondary_opts)}
    close = [documented.get(flag, flag) for flag in error.possibilities or []]
    return click.NoSuchOption(error.option_name, error.message, close, error.ctx)
