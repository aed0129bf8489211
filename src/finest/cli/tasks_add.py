"""The command `finest tasks add`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from finest.cli.shared import common_crawl, say, task_store
from finest.cli.task_recipes import recipe_at
from finest.formatting import counted
from finest.settings import load_settings

if TYPE_CHECKING:
    from finest.dataset.packet import Packet
    from finest.settings import Settings

PACKET_PAGES, MAX_PACKET_PAGES = 5_000, 20_000
"""Equal to those of finest.dataset.packet, whose import would slow down the help; a test compares the two."""


@click.command("add")
@click.argument("crawl")
@click.option(
    "--recipe",
    "recipe_name",
    required=True,
    metavar="NAME|REPO@REVISION",
    help="Recipe that miners must use for this work: a shipped one, or one on the Hub, such as a winner.",
)
@click.option("--language", metavar="CODE", help="The language of the work, such as deu_Latn.")
@click.option(
    "--pages-where", metavar="EXPRESSION",
    help="Make packets of the pages of the crawl's index for which it is true, such as \"url_host_tld = 'tz'\".",
)  # fmt: skip
@click.option(
    "--packet-pages", type=click.IntRange(1, MAX_PACKET_PAGES), default=PACKET_PAGES, show_default=True,
    help="Most pages of a packet, with --pages-where.",
)  # fmt: skip
@click.option(
    "--price", type=float, default=1.0, show_default=True, metavar="NUMBER",
    help="Price of a verified token of this work: a multiple of the usual pay, at most 10.",
)  # fmt: skip
def add_command(
    crawl: str, recipe_name: str, language: str | None, pages_where: str | None, packet_pages: int, price: float
) -> None:  # fmt: skip
    """Add a language, a recipe or some pages of a crawl.

    With --language, miners refine all WARC files of the crawl in that language, with a recipe that has a table of
    languages, such as fineweb-2-lid176, or one that keeps it. Miners get such work with `finest mine --language`.
    Without --language, miners refine the WARC files that are finished at this moment once more with the recipe, for
    instance after a change of the reference recipe. With --pages-where, miners get packets of the pages that the
    crawl's index chooses, and read no others. No page is leased twice: a crawl whose files are leased whole in the same
    language has no packets, so it must not be imported. The recipe enters the server's list
    (finest tasks recipes), from which miners and validators fetch it; only miners that have it get such work, and
    validators fail a dataset that was made with another one. Run again, the command sets the price for new leases.

    \b
    finest tasks add CC-MAIN-2025-26 --recipe finest --price 1.5
    finest tasks add CC-MAIN-2025-26 --language deu_Latn --recipe fineweb-2-lid176 --price 2
    finest tasks add CC-MAIN-2025-26 --pages-where "url_host_tld = 'uk'" --recipe finest
    """
    from finest.dataset.hub_client import quiet_client
    from finest.errors import UsageError
    from finest.pipeline.languages import recipe_for_task
    from finest.recipe.recipe import SHIPPED
    from finest.tasks.work import NewWork

    settings = load_settings()
    if language:
        if recipe_name not in SHIPPED:
            raise UsageError("with --language, name a shipped recipe, which miners and validators have")
        recipe, language = recipe_for_task(language, recipe_name, settings.cache)
    else:
        quiet_client()
        recipe = recipe_at(recipe_name)
        if recipe.language.table:
            raise UsageError(f"recipe {recipe.name} needs the language of the work, for example: --language deu_Latn")
    source = None if recipe_name in SHIPPED else recipe_name
    work = NewWork(crawl, recipe.name, recipe.hash, language, pages_where, source=source)
    with task_store(settings) as store:
        if pages_where and not store.has_work(work.name):
            work = replace(work, packets=_packets(crawl, pages_where, packet_pages, settings))
        new = store.add_work(work, price)
    click.echo(f"{work.name}: {counted(new, 'new ' + ('packet' if pages_where else 'WARC'))}, price {price:g}")


def _packets(crawl: str, where: str, size: int, settings: Settings) -> tuple[Packet, ...]:
    """Return the packets of the pages that the index of a crawl chooses."""
    from finest.dataset.packet import cut
    from finest.errors import SourceError
    from finest.pipeline.options import REQUESTS_PER_S
    from finest.pipeline.pages.choose import pick

    found = pick([crawl], where, common_crawl(settings), None, say)
    say(found.saving(REQUESTS_PER_S))
    pages = [(found.files[line["source"]], int(line["offset"]), int(line["length"])) for line in found.table.lines]
    try:
        return tuple(cut(crawl, where, pages, size))
    except ValueError as error:
        raise SourceError(f"the index of {crawl} has pages that no packet may hold: {error}") from error
