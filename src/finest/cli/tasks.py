"""The commands `finest tasks import`, `add`, `price`, `show`, `evidence`, `canaries`, `verify` and `publish-index`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from finest.chain.options import chain_options
from finest.cli.groups import Commands
from finest.cli.shared import console, say, task_store
from finest.cli.task_recipes import recipes_command, set_recipe_command
from finest.cli.tasks_add import add_command
from finest.cli.tasks_index import publish_index
from finest.cli.tasks_merge import merge_command
from finest.errors import VerifyError
from finest.formatting import counted
from finest.settings import load_settings

if TYPE_CHECKING:
    from finest.chain.options import ChainOptions
    from finest.tasks.check_log import LogSummary, Seen

SAY_BEACONS = 100
"""Beacons between two lines about the progress; 20 are new each day, and each takes some tenths of a second."""


@click.group(cls=Commands)
def tasks() -> None:
    """Add work to a task server, and check its public log.

    \b
    finest tasks import CC-MAIN-2025-26
    finest tasks add CC-MAIN-2025-26 --recipe finest --price 1.5
    finest tasks show
    finest tasks publish-index --hf-repo my-company/finest-index
    finest tasks verify
    """


@tasks.command("import")
@click.argument("sources", nargs=-1, metavar="[CRAWL|PATHS_FILE]...")
@click.option("--all", "everything", is_flag=True, help="Import every crawl that Common Crawl lists, newest first.")
@click.option(
    "--price", type=float, metavar="NUMBER",
    help="Price of a verified token of these crawls: a multiple of the usual pay, at most 10.  [default: 1]",
)  # fmt: skip
def import_command(sources: tuple[str, ...], everything: bool, price: float | None) -> None:
    """Add the WARC files of crawls to the task server's database.

    CRAWL is the name of a crawl, whose list of WARC files the command downloads from Common Crawl. PATHS_FILE is such
    a list (plain or gzipped). The database is DATABASE_URL, from the environment or .env. The server leases the WARC
    files with the highest price first, then in the order of import. A running server leases new ones at once. If the
    import was stopped, run the command again: WARC files that were imported before stay as they are.

    \b
    finest tasks import CC-MAIN-2025-26 CC-MAIN-2025-21
    finest tasks import warc.paths.gz
    finest tasks import --all
    """
    from finest.errors import SourceError, UsageError
    from finest.tasks.crawls import CommonCrawl, import_file

    settings = load_settings()
    if bool(sources) == everything:
        raise UsageError("name crawls or lists of WARC files, or use --all: finest tasks import CC-MAIN-2025-26")
    origin = CommonCrawl(settings.cc_https, settings.cc_collinfo)
    failed = []
    with task_store(settings) as store:
        for source in origin.crawls(say) if everything else sources:
            try:
                by_name = source.startswith("CC-MAIN-") and not Path(source).exists()
                done = [origin.import_crawl(store, source, say)] if by_name else import_file(store, Path(source))
            except SourceError as error:
                say(f"finest: {error}")
                failed.append(source)
            else:
                for each in done:
                    if price is not None:
                        store.set_price(each.crawl, price)
                    click.echo(str(each))
    if failed:
        raise SourceError(f"not imported: {', '.join(failed)}; all others were. Run the same command again")


@tasks.command("price")
@click.argument("work")
@click.argument("price", type=float)
def price_command(work: str, price: float) -> None:
    """Set the price of a verified token of a crawl or other work.

    A price of 2 pays twice the usual pay. Tasks that are leased already keep their price. `finest tasks show` lists the
    names of all work.

    \b
    finest tasks price CC-MAIN-2025-26 1.5
    """
    with task_store(load_settings()) as store:
        store.set_price(work, price)
    click.echo(f"{work}: price {price:g}")


@tasks.command("show")
def show_command() -> None:
    """Show the work with its price and its WARC files.

    The work is in the order in which the server leases it: the highest price first, then the oldest.

    \b
    finest tasks show
    """
    from rich.table import Table

    with task_store(load_settings()) as store:
        crawls = store.crawls()
    names = ("work", "kind", "language", "recipe", "price", "WARCs", "open", "leased", "finished")
    table = Table(*names, box=None, pad_edge=False)
    table.columns[0].no_wrap = True
    table.columns[3].overflow = "fold"
    for column in table.columns[4:]:
        column.justify = "right"
    for one in crawls:
        counts = (f"{count:,}" for count in (one.warcs, one.open, one.leased, one.finished))
        table.add_row(one.crawl, one.kind, one.language or "", one.recipe or "any", f"{one.price:g}", *counts)
    console().print(table if crawls else "No crawl yet: finest tasks import CC-MAIN-2025-26")


@tasks.command("evidence")
@click.argument("task_id", metavar="TASK")
def evidence_command(task_id: str) -> None:
    """Show the verdicts on a task, and how to replay each of them.

    The task server is API_URL. A verdict is published once its validator's weights are revealed. It needs no wallet.

    \b
    finest tasks evidence 01980c4f2b7a7c0e9d6f1a2b3c4d5e6f
    """
    from finest.formatting import showable
    from finest.tasks.client import TaskServer

    settings = load_settings()
    server = TaskServer(settings.api_url, None, receiver=settings.api_hotkey, say=say)
    try:
        task = server.task(task_id)
    finally:
        server.close()
    for score in task.scores:
        verdict = score.verdict.replace("_", " ")
        click.echo(f"{showable(score.validator, 64)}: {verdict}, score {score.score:.3f}, block {score.block:,}")
        if score.evidence:
            click.echo(f"  finest audit --replay '{showable(score.evidence, 320)}' --task {task.id}")
        else:
            click.echo("  its evidence is not published")
    if not task.scores:
        click.echo("no verdict yet")


@tasks.command("canaries")
@click.argument("plan", metavar="FILE", type=click.Path(path_type=Path))
@click.argument("hotkeys", nargs=-1, required=True, metavar="HOTKEY...")
@click.option(
    "--share", type=click.FloatRange(0.01, 0.25), default=0.07, show_default=True,
    help="Largest share of a day's leases that are canaries.",
)  # fmt: skip
def canaries_command(plan: Path, hotkeys: tuple[str, ...], share: float) -> None:
    """Write a plan of canaries, which test the validators.

    Canaries are tasks that show whether validators read what they judge. HOTKEY are the addresses of registered hotkeys
    that belong to the operator and to no known miner. Half of their datasets, drawn by the secret in FILE, get rows
    whose texts were exchanged. Give FILE to the server and to a miner for each of the hotkeys. Nobody else may read it.

    \b
    finest tasks canaries canaries.json 5F3sa2TJAWMqDhXG6jhV4N8ko9SxwGy8TpaNS1repo5EYjQX
    finest serve --canaries canaries.json
    finest mine --canaries canaries.json --hf-repo web --wallet.name canary
    """
    from finest.tasks.canaries import create

    made = create(plan, share, hotkeys)
    click.echo(f"{plan}: up to {made.share:.0%} of the tasks are canaries of {len(made.hotkeys)} hotkeys")


@tasks.command("verify")
@click.option(
    "--state", type=click.Path(dir_okay=False, path_type=Path),
    help="File that remembers the newest entry for the next check. [default: a file per server in the cache folder]",
)  # fmt: skip
@click.option("--on-chain", is_flag=True, help="Compare the committed head and the beacons with the chain, too.")
@chain_options
def verify_command(state: Path | None, on_chain: bool, chain: ChainOptions) -> None:
    """Check the public log of the task server at API_URL.

    The log says who leased, finished and scored what, and when. The command recomputes the hash of every entry, replays
    each task, checks that no WARC was leased to more miners at a time than the lease states, recomputes which WARCs
    each lease gets, and opens the seals of revealed canaries. It remembers the newest entry: if the server later
    changes its history, the next check fails with exit status 7. It needs no wallet.

    \b
    API_URL=https://tasks.example.org finest tasks verify
    finest tasks verify --on-chain --subtensor.network finney
    """
    from finest.tasks.check_log import check_log, read_seen, write_seen
    from finest.tasks.client import TaskServer

    settings = load_settings()
    server = TaskServer(settings.api_url, None, receiver=settings.api_hotkey, say=say)
    try:
        hotkey = server.info().hotkey
        place = state or settings.cache / "task-logs" / f"{hotkey}.json"
        seen = read_seen(place)
        anchored = _anchored(hotkey, chain) if on_chain else ()
        say(f"Reading the log of {server.url}")
        summary = check_log(server.log(), seen, *anchored, lists=server.warcs_of)
    finally:
        server.close()
    beacons = _check_beacons(summary, seen.beacons_until, chain) if on_chain else 0
    write_seen(place, summary, summary.entries if on_chain else seen.beacons_until)
    click.echo(f"verified: {summary.entries:,} entries up to block {summary.block:,}, head {summary.head}")
    click.echo(", ".join(f"{count:,} {what}" for what, count in sorted(summary.events.items())) or "no task yet")
    if summary.recomputed:
        click.echo(f"{counted(summary.recomputed, 'lease')} got the WARCs that follow from the beacon and the lists")
    if on_chain:
        click.echo(f"{counted(beacons, 'new beacon')} have the hashes of their blocks on the chain")
    if seen.number:
        click.echo(f"the {seen.number:,} entries of the last check are unchanged")
    for anchor in anchored:
        click.echo(f"entry {anchor.number:,} is as the server committed it {anchor.where}")
    if summary.without_warcs:
        click.echo(f"{summary.without_warcs:,} leases are of an earlier version and do not name their WARCs")
    say(f"The next check compares with {place}")


tasks.add_command(add_command)
tasks.add_command(merge_command)
tasks.add_command(publish_index)
tasks.add_command(recipes_command)
tasks.add_command(set_recipe_command)


def _anchored(hotkey: str, options: ChainOptions) -> tuple[Seen, ...]:
    """Return the head that the server committed on the chain; raises VerifyError if it committed none."""
    from finest.chain.subnet import Chain
    from finest.tasks.check_log import Seen

    with Chain(options) as chain:
        found = chain.anchor(hotkey)
    if found is None:
        raise VerifyError(
            f"hotkey {hotkey} has committed no head of a log on subnet {options.netuid}; its operator starts the "
            "server with: finest serve --anchor. Without --on-chain the log alone is checked"
        )
    return (Seen(found[0].number, found[0].head, f"on the chain at block {found[1]:,}"),)


def _check_beacons(summary: LogSummary, until: int, options: ChainOptions) -> int:
    """Compare beacons that entries after `until` were first to use with the chain; returns how many there are."""
    from finest.chain.subnet import Chain

    new = [(block, *found) for block, found in summary.beacons.items() if found[1] > until]
    with Chain(options) as chain:
        for done, (block, stated, number) in enumerate(new):
            if done and done % SAY_BEACONS == 0:
                say(f"Compared {done:,} of {len(new):,} beacons with the chain")
            if chain.block_hash(block) != stated:
                raise VerifyError(
                    f"entry {number} of the log: the beacon is not the hash of block {block} on the chain, so the "
                    "server chose who got which WARCs"
                )
    return len(new)
