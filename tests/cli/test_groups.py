"""Help lists of commands, and the spelling of flags."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from finest.cli import SECTIONS, cli
from finest.cli.groups import Commands, as_dashes

LEAVES_DOTS = ("wallet.", "subtensor.")
"""Flags that btcli's guides write with a dot; every other flag is written with dashes."""


def walk(group: click.Group, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command below a group, groups too, with the words that name it."""
    yield words, group
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from walk(command, (*words, name))
        else:
            yield (*words, name), command


COMMANDS = dict(walk(cli))
FLAGS = [
    (words, option, flag)
    for words, command in COMMANDS.items()
    for option in command.params
    if isinstance(option, click.Option)
    for flag in (*option.opts, *option.secondary_opts)
    if flag.startswith("--")
]


def help_of(words: tuple[str, ...]) -> str:
    return CliRunner().invoke(cli, [*words, "--help"], terminal_width=80, catch_exceptions=False).output


def context_of(words: tuple[str, ...]) -> click.Context:
    """The context in which the command line parses the arguments of this command."""
    context = click.Context(cli, **cli.context_settings)
    return click.Context(COMMANDS[words], parent=context) if words else context


def test_every_command_stands_in_one_section() -> None:
    """`finest --help` lists each command once, below a title that says what it is for."""
    assert list(SECTIONS) == [
        "Refine a crawl", "Score texts", "Work for the subnet", "Run a part of the subnet", "Check",
    ]  # fmt: skip
    listed = [command for commands in SECTIONS.values() for command in commands]
    assert len(listed) == len(set(listed))
    assert set(listed) == set(cli.commands.values())
    said = help_of(())
    assert [said.index(f"\n{title}:\n") for title in SECTIONS] == sorted(
        said.index(f"\n{title}:\n") for title in SECTIONS
    )


@pytest.mark.parametrize("words", [words for words, command in COMMANDS.items() if isinstance(command, click.Group)])
def test_no_line_of_a_list_of_commands_is_cut(words: tuple[str, ...]) -> None:
    """In 80 columns each command has one line that holds its whole first sentence."""
    said, group = help_of(words), COMMANDS[words]
    assert isinstance(group, Commands)
    for name, command in group.commands.items():
        first = str(command.help).split("\n\n")[0].replace("\n", " ").strip()
        assert f"  {name:{max(map(len, group.commands))}}  {first}\n" in said


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_help_has_an_example(words: tuple[str, ...]) -> None:
    """A command's help ends in a line that can be typed."""
    assert f"  {' '.join(('finest', *words))}" in help_of(words) or any(
        f"finest {' '.join(words)}" in line or '"$(command -v finest)"' in line
        for line in str(COMMANDS[words].help).splitlines()
    )


@pytest.mark.parametrize("mark", ["-", "_", "."])
def test_every_flag_is_understood_in_three_spellings(mark: str) -> None:
    """Dashes, underscores and dots mean the same flag, for every option of every command."""
    for words, option, flag in FLAGS:
        context = context_of(words)
        parser = COMMANDS[words].make_parser(context)
        value = [] if option.is_flag or option.is_eager else ["a-b_c.d"]
        typed = "--" + as_dashes(flag[2:]).replace("-", mark)
        found, _, order = parser.parse_args([typed, *value])
        assert option in order, (words, typed)
        assert not value or found[option.name] in ("a-b_c.d", ["a-b_c.d"]), "a value stays as it was typed"


def test_no_two_flags_of_a_command_are_spellings_of_one() -> None:
    """Each flag has one documented spelling, with dashes; those of wallet and subtensor keep btcli's dots."""
    for words, command in COMMANDS.items():
        flags = [flag for of, _, flag in FLAGS if of == words]
        assert len({as_dashes(flag) for flag in flags}) == len(flags), (words, flags)
        assert all(
            flag[2:] == as_dashes(flag[2:]) or flag[2:].startswith(LEAVES_DOTS) for flag in flags
        ), (words, flags)  # fmt: skip
        assert command.name == as_dashes(str(command.name))


def test_no_choice_is_changed_by_the_spelling_of_flags() -> None:
    """Click would normalise choices as it does flags: none of them holds a dash, a dot or an underscore."""
    for words, option, flag in FLAGS:
        if isinstance(option.type, click.Choice):
            assert all(choice == as_dashes(choice) and "-" not in choice for choice in option.type.choices), (
                words,
                flag,
            )


@pytest.mark.parametrize(
    ("typed", "suggested"),
    [("--hf_rep", "--hf-repo"), ("--wallet.nam", "--wallet.name"), ("--subtensor_networ", "--subtensor.network")],
)
def test_a_mistyped_flag_is_answered_in_the_documented_spelling(
    typed: str, suggested: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The suggestion is spelled as the help spells it."""
    from finest.cli import main

    monkeypatch.setattr("sys.argv", ["finest", "mine", typed, "x"])
    monkeypatch.setattr("sys.meta_path", [*sys.meta_path])  # the command leaves pandas out of its own process
    with pytest.raises(SystemExit) as raised:
        main()
    assert raised.value.code == 2
    assert suggested in capsys.readouterr().err


@pytest.mark.parametrize(
    "typed",
    [["refine", "a.warc", "--out", ""], ["refine", "--out", "b", "a.warc", ""], ["status", ""],
     ["model", "train", "a.jsonl", "--out="]],
)  # fmt: skip
def test_an_empty_name_is_not_the_current_folder(typed: list[str]) -> None:
    """A variable of a script that is not set stands there."""
    done = CliRunner().invoke(cli, typed)
    assert done.exit_code == 2 and "the name is empty; . is the current folder" in done.output
