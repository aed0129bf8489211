"""The command `finest demo`."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import click

from finest.cli.shared import common_crawl, console, say
from finest.settings import load_settings


@click.command()
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("demo-run"), show_default=True, help="Folder of the dataset."
)
@click.option(
    "--crawl",
    metavar="CC-MAIN-YYYY-WW",
    help="Refine the first pages of this crawl of Common Crawl instead of running the subnet.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=1000,
    show_default=True,
    help="Number of pages to refine with --crawl.",
)
@click.option(
    "--stay", is_flag=True, help="Keep the subnet running until Ctrl-C, so that you can look at it in a browser."
)
def demo(out: Path, crawl: str | None, limit: int, stay: bool) -> None:
    """Run the whole subnet on this machine for a minute.

    The demo starts a chain, a Hub, a task server, miners and a validator. One of the miners cheats, and the validator
    finds it.

    The demo needs no account and no network. Without the devnet's packages (pip install 'finest-data[devnet]', Python
    3.11) it refines the sample WARC that comes with finest, verifies the dataset and writes its report.

    \b
    finest demo
    finest demo --stay
    finest demo --crawl CC-MAIN-2025-26
    """
    settings = load_settings()
    if crawl is None and _has_devnet():
        from finest.demo.run_subnet import run_subnet

        run_subnet(out, settings.cache, console(), say, stay=stay)
        return
    from finest.cli.views.refinery import show_manifest, show_verification
    from finest.demo.run_demo import REPORT, run_demo

    if crawl is None:
        say("The subnet needs Python 3.11 and pip install 'finest-data[devnet]'. Refining only the sample.")
    found = run_demo(out, crawl, limit, settings, common_crawl(settings))
    show_manifest(console(), out, found.manifest)
    show_verification(console(), found)
    console().print(f"Look at it in a browser: {(out / REPORT).resolve()}", markup=False)


def _has_devnet() -> bool:
    """Return whether every package of the extra `devnet` is installed."""
    return all(find_spec(name) for name in ("bittensor", "fastapi", "sqlalchemy", "nanio"))
