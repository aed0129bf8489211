"""The command `finest plan`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from finest.cli.shared import (
    common_crawl,
    console,
    dedup_memory_option,
    json_of,
    recipe_of,
    recipe_options,
    say,
    shard_option,
)
from finest.settings import load_settings

if TYPE_CHECKING:
    from finest.warc.source import CommonCrawl, Shard


@click.command()
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@recipe_options
@shard_option
@click.option(
    "--pages-where",
    metavar="SQL",
    help="Say instead what reading only the pages for which this is true in the crawl's index takes and saves.",
)
@click.option(
    "--cores", type=click.IntRange(min=1),
    help="Number of cores for the time and the memory.  [default: the CPUs available to this process]",
)  # fmt: skip
@click.option(
    "--price-per-core-hour", type=click.FloatRange(min=0), metavar="PRICE", help="Rate for the price, in any currency."
)
@dedup_memory_option
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the planned run, to check its free disk.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def plan(
    sources: tuple[str, ...], recipe_name: str | None, language: str | None, shard: Shard | None,
    pages_where: str | None, cores: int | None,
    price_per_core_hour: float | None, dedup_memory: int, out: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Forecast what refining will cost: core-hours, memory, disk.

    SOURCE is as in finest refine. The command looks at the sizes of up to 32 sources, and judges the first pages of
    some of them for some seconds, to measure the speed of this machine. It says which limits the run would exceed.
    Once the run is finished, finest status shows the forecast beside the fact.

    \b
    finest plan CC-MAIN-2026-30 --shard 3/90 --cores 64 --price-per-core-hour 0.04
    finest plan CC-MAIN-2026-30 --pages-where "content_languages = 'swh' AND url_host_tld = 'tz'"
    finest plan crawl/ --recipe finest --out my-dataset
    finest plan CC-MAIN-2026-30 --language deu_Latn,fra_Latn
    """
    from finest.cli.views.plan import show_forecast
    from finest.pipeline.forecast.limits import limits
    from finest.pipeline.forecast.look import look
    from finest.pipeline.run import default_workers

    settings = load_settings()
    if pages_where is not None:
        return _say_saving(sources, pages_where, common_crawl(settings), shard, as_json=as_json)
    recipe = recipe_of(recipe_name, language, settings.cache)
    found = look(
        sources, recipe, settings.cache, common_crawl(settings), shard=shard, cores=cores or default_workers(),
        dedup_memory=dedup_memory, say=say,
    )  # fmt: skip
    exceeded = limits(found, recipe, dedup_memory, out)
    if as_json:
        price = None if price_per_core_hour is None else found.price(price_per_core_hour)
        click.echo(json_of({**found.to_dict(), "price": price, "limits": exceeded}))
    else:
        show_forecast(console(), found, price_per_core_hour, exceeded)
    return None


def _say_saving(
    sources: tuple[str, ...], where: str, place: CommonCrawl, shard: Shard | None, *, as_json: bool
) -> None:
    """Print what reading only the pages that an index chooses takes, against reading whole files."""
    from finest.pipeline.options import REQUESTS_PER_S
    from finest.pipeline.pages.choose import pick

    found = pick(sources, where, place, shard, say)
    if as_json:
        click.echo(json_of(found.to_dict()))
        return
    click.echo(found.saving(REQUESTS_PER_S))
    if warning := found.warning():
        click.echo(f"Limit: {warning}")
