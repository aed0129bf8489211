"""The refinery's commands: refine, status, report, why, verify, recipe, demo."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from finest.cli.shared import common_crawl, console, json_of, lean_imports, say
from finest.cli.slurm import Where, ask_on_interrupt, executor_options
from finest.errors import NO_EVIDENCE
from finest.masking import printable
from finest.recipe.recipe import SHIPPED, load_recipe
from finest.settings import load_settings

if TYPE_CHECKING:
    from finest.dataset.manifest import Manifest
    from finest.pipeline.options import RunOptions
    from finest.pipeline.progress import Progress


@click.command()
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option(
    "--out",
    required=True,
    metavar="FOLDER|ADDRESS",
    help="Folder of the dataset, or an address that fsspec knows (s3://bucket/folder).",
)
@click.option(
    "--work",
    type=click.Path(path_type=Path),
    help="Local folder of the run, if --out is an address.  [default: one in the cache, named after the address]",
)
@click.option(
    "--recipe",
    "recipe_name",
    default="fineweb",
    show_default=True,
    metavar="NAME|FILE.toml",
    help=f"Shipped: {', '.join(SHIPPED)} (experimental).",
)
@click.option("--workers", type=click.IntRange(min=1), help="Worker processes.  [default: the CPUs of this process]")
@click.option("--limit", type=click.IntRange(min=1), help="Judge only the first N pages of each WARC.")
@click.option(
    "--engine",
    type=click.Choice(["finest", "datatrove"]),
    default="finest",
    show_default=True,
    help="datatrove: its own steps, several times slower, to compare.",
)
@executor_options
@click.option("--detach", is_flag=True, help="Slurm: hand the jobs in and return; `finest attach` follows them.")
@click.option("--restart", is_flag=True, help="Throw away what an earlier run wrote in the folder.")
@click.option("--quiet", is_flag=True, help="Say nothing but errors and warnings.")
def refine(
    sources: tuple[str, ...], out: str, work: Path | None, recipe_name: str, workers: int | None, limit: int | None,
    engine: str, where: Where, detach: bool, restart: bool, quiet: bool,
) -> None:  # fmt: skip
    """Refine WARC files into a dataset.

    SOURCE is a WARC file (.warc, .warc.gz, .warc.zst), a folder, a glob, s3://bucket/key, an https address, a Common
    Crawl path (crawl-data/CC-MAIN-...: read from S3 when AWS credentials are there, else over HTTPS), or @list.txt
    with one of these a line.

    Stop it when you like: the same command goes on where it stopped, with another number of workers too.

    \b
    finest refine crawl/*.warc.gz --out my-dataset
    finest refine @paths.txt --out my-dataset --workers 32
    finest refine @paths.txt --out s3://my-bucket/my-dataset
    finest refine crawl-data/CC-MAIN-2025-26/segments/.../warc/....warc.gz --out try --limit 1000
    finest refine @paths.txt --out my-dataset --executor slurm --total_tasks 64 --cpus_per_task 4
    """
    with lean_imports():
        from finest.pipeline.destination import destination
        from finest.pipeline.options import RunOptions
        from finest.pipeline.run import default_workers
        from finest.pipeline.run import refine as run

    if detach and where.slurm is None:
        raise click.UsageError("--detach is for --executor slurm")
    if workers and (where.slurm or where.workers):
        raise click.UsageError("--workers says the same as --total_tasks and --cpus_per_task; give one of them")
    settings = load_settings()
    recipe = load_recipe(recipe_name)
    goal = destination(out, work, settings.cache)
    if goal.store and detach:
        raise click.UsageError("--detach takes a local --out; without it this command waits and copies the dataset")
    if goal.store and where.slurm and not work:
        raise click.UsageError("--executor slurm with an address as --out takes --work, a folder that all nodes share")
    goal.check(restart=restart)
    options = RunOptions(
        specs=sources, out=goal.work, recipe=recipe.without_gate() if engine == "datatrove" else recipe,
        cache=settings.cache, common_crawl=common_crawl(settings), limit=limit, engine=engine,
        workers=workers or where.workers or default_workers(),
        restart=restart, slurm=where.slurm, ray=where.ray,
    )  # fmt: skip
    if detach:
        return _hand_in(options, quiet=quiet)

    def to_the_end(progress: Progress) -> Manifest:
        manifest = run(options, progress, ask_on_interrupt())
        goal.deliver(progress.say)
        return manifest

    return _to_the_end(to_the_end, goal.work, quiet=quiet)


def _to_the_end(run: Callable[[Progress], Manifest], out: Path, *, quiet: bool) -> None:
    """Run it, showing how far it is, then show the dataset."""
    from finest.pipeline.progress import Progress

    progress = Progress(quiet=quiet)
    try:
        manifest = run(progress)
    finally:
        progress.close()
    if not quiet:
        from finest.cli.views.refinery import show_manifest

        show_manifest(console(), out, manifest)
    from finest.pipeline.remarks import remarks

    for remark in remarks(out, manifest):
        say(f"Warning: {remark}")


def _hand_in(options: RunOptions, *, quiet: bool) -> None:
    from finest.pipeline.progress import Progress
    from finest.pipeline.slurm.run import submit

    if submit(options, Progress(quiet=quiet)) is not None and not quiet:
        say(f"Follow it: finest attach {options.out}\nSee it:    finest status {options.out}")


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--cancel", is_flag=True, help="Cancel the run's jobs instead, and no others.")
@click.option("--quiet", is_flag=True, help="Say nothing but errors and warnings.")
def attach(folder: Path, cancel: bool, quiet: bool) -> None:
    """Follow a run's Slurm jobs to their end, whoever handed them in, and whatever became of that process.

    Ctrl-C asks what is to become of the jobs.

    \b
    finest attach my-dataset
    finest attach my-dataset --cancel
    """
    from finest.pipeline.slurm import run as slurm

    if not cancel:
        asked = ask_on_interrupt()
        return _to_the_end(lambda progress: slurm.attach(folder, progress, asked), folder, quiet=quiet)
    ids = slurm.cancel(folder)
    return say(f"cancelled: {', '.join(map(str, ids))}" if ids else "no job of it was left")


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def status(folder: Path, as_json: bool) -> None:
    """Show where a run is: finished slices, rates, time left, losses.

    \b
    finest status my-dataset
    """
    from finest.cli.views.refinery import show_status
    from finest.pipeline.status import status as read

    found = read(folder)
    if as_json:
        click.echo(json.dumps(asdict(found), indent=1))
    else:
        show_status(console(), folder, found)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--output", type=click.Path(path_type=Path), help="The page.  [default: FOLDER/report.html]")
def report(folder: Path, output: Path | None) -> None:
    """Write one self-contained HTML page: funnel, drops by reason, languages, throughput, real samples.

    \b
    finest report my-dataset
    """
    from finest.atomic_files import write_whole
    from finest.pipeline.report.read import report_of
    from finest.pipeline.report.render import render_report

    target = output or folder / "report.html"
    write_whole(target, render_report(report_of(folder)).encode())
    click.echo(printable(target))


@click.command()
@click.argument("page", metavar="URL|RECORD-ID")
@click.option("--in", "folder", type=click.Path(path_type=Path), required=True, help="Folder of the run.")
@click.option("--source", "sources", multiple=True, help="Where the WARCs lie now.  [default: as the run read them]")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def why(page: str, folder: Path, sources: tuple[str, ...], as_json: bool) -> None:
    """Show the verdict of one page, with its text and every statistic beside its threshold.

    \b
    finest why https://example.org/article --in my-dataset
    finest why '<urn:uuid:7742614d-033b-4e59-99a8-d90461604bd6>' --in my-dataset
    """
    from finest.cli.views.refinery import show_why, why_dict
    from finest.pipeline.why import why as ask

    settings = load_settings()
    answers = ask(folder, page, settings.cache, sources, common_crawl(settings))
    if as_json:
        click.echo(json_of([why_dict(answer) for answer in answers]))
    else:
        for answer in answers:
            show_why(console(), answer)


@click.command()
@click.argument("where", metavar="FOLDER|REPO@REVISION|ADDRESS")
@click.option(
    "--sample",
    type=click.IntRange(min=0),
    default=64,
    show_default=True,
    help="Pages to judge again from their WARC records; 0 checks the files alone, which proves nothing about the rows.",
)
@click.option("--seed", type=int, help="Draw the same sample again.  [default: random]")
@click.option(
    "--source",
    "sources",
    multiple=True,
    help="Where the WARCs lie now, if the ledger is gone or holds no whole address.",
)
@click.option("--full", is_flag=True, help="Of a dataset on the Hub, download and check every row.")
def verify(where: str, sample: int, seed: int | None, sources: tuple[str, ...], full: bool) -> None:
    """Check a dataset: manifest, hashes, Merkle root, and a random sample judged again from the source WARCs.

    Rows are verified where at least half of the sample, and half of its kept pages, could be judged again. Exit status:
    0 verified (or only the files checked, with --sample 0), 7 not what it says, 75 too little could be judged again.

    \b
    finest verify my-dataset
    finest verify my-dataset --sample 1000 --source crawl/
    finest verify alice/web-2025-26@4c1f0c2f9a5d1f4b2f1d0a3e5b6c7d8e9f0a1b2c
    finest verify s3://my-bucket/my-dataset
    """
    from finest.cli.views.refinery import show_verification
    from finest.pipeline.verify import verify_place

    settings = load_settings()
    if "@" in where and not Path(where).exists():
        from finest.dataset.hub_client import quiet_client

        quiet_client()
    found = verify_place(
        where, settings.cache, common_crawl(settings), sample=sample, seed=seed, sources=sources, full=full, say=say
    )
    show_verification(console(), found)
    if found.lacks_evidence:
        sys.exit(NO_EVIDENCE)


@click.group()
def recipe() -> None:
    """Show recipes: everything that decides what becomes of a page, as data with a hash."""


@recipe.command("list")
def recipe_list() -> None:
    """List the shipped recipes."""
    for name in SHIPPED:
        loaded = load_recipe(name)
        click.echo(f"{name:10} {loaded.hash[:12]}  {loaded.description}")


@recipe.command("show")
@click.argument("name", default="fineweb", metavar="NAME|FILE.toml")
def recipe_show(name: str) -> None:
    """Print a recipe in its resolved form, every value filled in.

    \b
    finest recipe show fineweb
    """
    click.echo(json_of(load_recipe(name).resolved()))


@recipe.command("hash")
@click.argument("name", default="fineweb", metavar="NAME|FILE.toml")
def recipe_hash(name: str) -> None:
    """Print a recipe's hash: what two people compare to know that they mean the same recipe."""
    click.echo(load_recipe(name).hash)


@click.command()
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("demo-run"), show_default=True, help="Folder of the dataset."
)
@click.option("--crawl", metavar="CC-MAIN-YYYY-WW", help="Refine the first pages of this Common Crawl instead.")
@click.option("--limit", type=click.IntRange(min=1), default=1000, show_default=True, help="Pages, with --crawl.")
@click.option("--stay", is_flag=True, help="Leave the subnet up until Ctrl-C, to look at it in a browser.")
def demo(out: Path, crawl: str | None, limit: int, stay: bool) -> None:
    """Show the whole subnet at work on this machine: chain, Hub, task server, miners, a validator, in a minute.

    One of the miners cheats: see what it gets for it.

    It needs no account and no network. Without the devnet's packages (pip install 'finest-data[devnet]', Python 3.11)
    it refines the sample WARC that ships with the project, verifies the dataset and writes its report.

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
        say("The subnet needs Python 3.11 and pip install 'finest-data[devnet]'. Refining the sample alone.")
    found = run_demo(out, crawl, limit, settings, common_crawl(settings))
    show_manifest(console(), out, found.manifest)
    show_verification(console(), found)
    console().print(f"Look at it in a browser: {(out / REPORT).resolve()}", markup=False)


def _has_devnet() -> bool:
    """Whether the extra `devnet` is installed, to its last part."""
    return all(find_spec(name) for name in ("bittensor", "fastapi", "sqlalchemy", "nanio"))


COMMANDS = (refine, attach, status, report, why, verify, recipe, demo)
"""In the order in which a person meets them."""
