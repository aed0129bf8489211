"""The commands `finest languages ...`."""

from __future__ import annotations

from pathlib import Path

import click

from finest.cli.groups import Commands
from finest.cli.shared import console, json_of, say


@click.group(cls=Commands, invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print every setting of every language as JSON.")
@click.argument("codes", nargs=-1, metavar="[CODE]...")
@click.pass_context
def languages(context: click.Context, as_json: bool, codes: tuple[str, ...]) -> None:
    """List the languages of FineWeb-2: tokenizer, main thresholds and what to install.

    \b
    finest languages
    finest languages list deu_Latn jpn_Jpan
    finest languages add xyz_Latn --from texts.jsonl --out xyz.toml
    """
