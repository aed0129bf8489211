"""The task server's work: tasks import, tasks show."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from finest.cli.shared import console, needs, say
from finest.settings import load_settings

if TYPE_CHECKING:
    from finest.settings import Settings
    from finest.tasks.store import Store


@click.group()
def tasks() -> None:
    """What a task server has to hand out: the WARC files of crawls, in its database.

    \b
    finest tasks import CC-MAIN-2025-26
    finest tasks show
    """


@tasks.command("import")
@click.argument("sources", nargs=-1, metavar="[CRAWL|PATHS_FILE]...")
@click.option("--all", "everything", is_flag=True, help="Every crawl that Common Crawl lists, newest first.")
def import_command(sources: tuple[str, ...], everything: bool) -> None:
    """Make the WARC files of crawls known to the task server, to be handed out in the order of import.

    A source is a crawl's name, whose list is fetched from Common Crawl, or such a list in a file (plain or gzipped).
    The database is DATABASE_URL, from the environment or .env. Run it again whenever it was stopped: what is known
    stays as it is. A server that is running hands new ones out at once.

    \b
    finest tasks import CC-MAIN-2025-26 CC-MAIN-2025-21
    finest tasks import warc.paths.gz
    finest tasks import --all
    """
    from finest.errors import SourceError, UsageError
    from finest.tasks.crawls import CommonCrawl, import_file

    settings = load_settings()
    if bool(sources) == everything:
        raise UsageError("name crawls or lists of WARC files, or give --all: finest tasks import CC-MAIN-2025-26")
    origin = CommonCrawl(settings.cc_https, settings.cc_collinfo)
    store, failed = _store(settings), []
    try:
        for source in origin.crawls(say) if everything else sources:
            try:
                by_name = source.startswith("CC-MAIN-") and not Path(source).exists()
                done = [origin.import_crawl(store, source, say)] if by_name else import_file(store, Path(source))
            except SourceError as error:
                say(f"finest: {error}")
                failed.append(source)
            else:
                for each in done:
                    click.echo(str(each))
    finally:
        store.close()
    if failed:
        raise SourceError(f"not imported: {', '.join(failed)}; the rest is. Run the same command again")


@tasks.command("show")
def show_command() -> None:
    """Crawls with their open, leased and finished WARC files, in the order in which they are handed out."""
    from rich.table import Table

    store = _store(load_settings())
    try:
        crawls = store.crawls()
    finally:
        store.close()
    table = Table("crawl", "WARCs", "open", "leased", "finished", box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for one in crawls:
        table.add_row(one.crawl, *(f"{count:,}" for count in (one.warcs, one.open, one.leased, one.finished)))
    console().print(table if crawls else "No crawl yet: finest tasks import CC-MAIN-2025-26")


def _store(settings: Settings) -> Store:
    with needs("server"):
        from finest.tasks.store import Store
    return Store.open(settings.database_url)


COMMANDS = (tasks,)
