"""The commands `finest languages ...`."""

from __future__ import annotations

from pathlib import Path

import click

from finest.cli.groups import Commands
from finest.cli.languages_fetch import fetch
from finest.cli.shared import console, json_of, say


@click.group(cls=Commands, invoke_without_command=True)
@click.pass_context
def languages(context: click.Context) -> None:
    """List the languages of FineWeb-2, and configure others.

    \b
    finest languages                                 the tokenizers, and what each needs
    finest languages list de jpn_Jpan                settings of some languages, or of all
    finest languages add xyz_Latn --from texts.jsonl --out xyz.toml
    finest languages fetch                           the model that identifies them
    """
    if context.invoked_subcommand is None:
        from finest.cli.views.language_tables import show_classes

        show_classes(console())


@languages.command("list")
@click.argument("codes", nargs=-1, metavar="[CODE]...")
@click.option("--json", "as_json", is_flag=True, help="Print every setting as JSON, with the stop words.")
def list_languages(codes: tuple[str, ...], as_json: bool) -> None:
    """List languages with their tokenizer and main thresholds.

    Without a code, all of them. What an extra is needed for is named with the command that installs it.

    \b
    finest languages list
    finest languages list de jpn_Jpan
    finest languages list swe_Latn --json
    """
    from finest.cli.views.language_tables import show_languages
    from finest.recipe.languages import chosen_settings

    chosen = chosen_settings(codes)
    if as_json:
        click.echo(json_of([one.described() for one in chosen]))
    else:
        show_languages(console(), chosen)


@languages.command("add")
@click.argument("code", metavar="CODE")
@click.option(
    "--from", "source", required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False), metavar="TEXTS",
    help="Parquet, JSONL or CSV (.gz, .zst) with a column `text`: pages in the language, before any filter.",
)  # fmt: skip
@click.option("--out", required=True, type=click.Path(path_type=Path), metavar="FILE.toml", help="The file to write.")
@click.option("--name", default="", help="The language's English name; the code if it is not given.")
@click.option(
    "--tokenizer", default="xx", show_default=True, metavar="LANGUAGE",
    help="The language of spaCy whose words are like this one's; xx splits at spaces and punctuation.",
)  # fmt: skip
def add(code: str, source: Path, out: Path, name: str, tokenizer: str) -> None:
    """Derive thresholds and stop words of another language.

    For languages that FineWeb-2 does not have. They follow from texts by FineWeb-2's published method: a limit is as
    far from the mean as English's is, in standard deviations. The threshold of the language identifier is its lowest,
    0.3, since texts alone give no other.

    \b
    finest languages add xyz_Latn --from texts.jsonl --out xyz.toml
    finest languages add xyz_Cyrl --from pages.parquet --out xyz.toml --tokenizer ru --name Xyz
    """
    from finest.atomic_files import write_whole
    from finest.cli.views.language_tables import show_languages
    from finest.cli.views.steps import Steps
    from finest.models.tables import read_rows
    from finest.recipe.languages import check_new_code, spacy_key
    from finest.recipe.languages.derive import derive_settings, to_toml
    from finest.recipe.words import tokenizer_of

    key = spacy_key(tokenizer)
    check_new_code(code)
    size = max(source.stat().st_size, 1)
    with Steps() as steps:
        rows = read_rows(source, ("text",), (), lambda read: steps("Reading", read / size, source.name))
        texts = (str(row["text"]) for row in rows)
        settings = derive_settings(code, name or code, texts, tokenizer_of(key, code), key)
    write_whole(out, to_toml(settings).encode())
    show_languages(console(), (settings,))
    say(f"{out}: thresholds and {len(settings.stop_words)} stop words of {code}")


languages.add_command(fetch)
