"""The commands `finest refine`, `attach`, `status`, `report`, `why`, `verify`, `recipe` and `demo`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from finest.cli.groups import Commands
from finest.cli.shared import common_crawl, console, json_of, lean_imports, say, size_bytes
from finest.cli.slurm import Where, ask_on_interrupt, executor_options
from finest.errors import NO_EVIDENCE
from finest.masking import printable
from finest.recipe import SHIPPED
from finest.settings import load_settings

if TYPE_CHECKING:
    from finest.dataset.manifest import Manifest
    from finest.pipeline.options import RunOptions
    from finest.pipeline.progress import Progress
    from finest.recipe.recipe import Recipe


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
    metavar="NAME|FILE.toml",
    help=f"Recipe file, or one that comes with finest: {', '.join(SHIPPED)}.  [default: fineweb; with "
    "--language, fineweb-2 if its language model was fetched, otherwise fineweb-2-lid176]",
)
@click.option(
    "--language",
    metavar="CODE[,CODE...]|all",
    help="Languages to keep, each with the rules of FineWeb-2: de, deu or deu_Latn, or a file of finest languages add. "
    "Each becomes a configuration of the dataset.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    help="Number of worker processes.  [default: one per CPU available to this process]",
)
@click.option("--limit", type=click.IntRange(min=1), help="Judge only the first N pages of each WARC.")
@click.option(
    "--where",
    "expression",
    metavar="SQL",
    help="Only rows for which this expression is true enter the dataset, as with finest select.",
)
@click.option(
    "--engine",
    type=click.Choice(["finest", "datatrove"]),
    default="finest",
    show_default=True,
    help="datatrove runs DataTrove's own steps, several times slower, for comparison.",
)
@click.option(
    "--dedup-memory",
    metavar="SIZE",
    default="1GB",
    show_default=True,
    type=size_bytes,
    help="Memory of each process of the deduplication. 200 million rows need 1GB, larger runs 5 bytes a row; more "
    "memory saves passes over the signatures.",
)
@executor_options
@click.option(
    "--max-pause",
    type=click.FloatRange(min=0),
    default=6.0,
    show_default=True,
    metavar="HOURS",
    help="How long a server may refuse every request (403, 429, 503) before the command ends with exit status 75, so "
    "that it can be run again later. Until then, all workers pause together.",
)
@click.option("--detach", is_flag=True, help="Slurm: submit the jobs and exit; `finest attach` follows them.")
@click.option(
    "--restart", is_flag=True, help="Delete the output of an earlier run in the folder, and start from the beginning."
)
@click.option("--quiet", is_flag=True, help="Print only errors and warnings.")
def refine(
    sources: tuple[str, ...], out: str, work: Path | None, recipe_name: str | None, language: str | None,
    workers: int | None, limit: int | None, expression: str | None, engine: str, dedup_memory: int,
    where: Where, max_pause: float, detach: bool, restart: bool, quiet: bool,
) -> None:  # fmt: skip
    """Refine WARC files into a dataset.

    SOURCE is a WARC file (.warc, .warc.gz, .warc.zst), a folder, a glob, s3://bucket/key, an https address, a path of
    Common Crawl (crawl-data/CC-MAIN-..., read from S3 if there are AWS credentials, else over HTTPS), or @list.txt, a
    file with one of these per line.

    You can stop the command at any time. The same command continues where it stopped, also with another number of
    workers.

    \b
    finest refine crawl/*.warc.gz --out my-dataset
    finest refine @paths.txt --out my-dataset --workers 32
    finest refine @paths.txt --out my-dataset --language deu_Latn,fra_Latn
    finest refine @paths.txt --out my-dataset --where "token_count >= 200 AND url LIKE 'https:%'"
    finest refine @paths.txt --out s3://my-bucket/my-dataset
    finest refine crawl-data/CC-MAIN-2025-26/segments/.../warc/....warc.gz --out try --limit 1000
    finest refine @paths.txt --out my-dataset --executor slurm --total-tasks 64 --cpus-per-task 4
    """
    with lean_imports():
        from finest.pipeline.destination import destination
        from finest.pipeline.options import RunOptions
        from finest.pipeline.run import default_workers
        from finest.pipeline.run import refine as run

    if detach and where.slurm is None:
        raise click.UsageError("--detach needs --executor slurm")
    if workers and (where.slurm or where.workers):
        raise click.UsageError(
            "--workers and --total-tasks or --cpus-per-task all set the number of workers; use one of them"
        )
    settings = load_settings()
    recipe = _recipe_of(recipe_name, language, settings.cache)
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
        restart=restart, where=expression, dedup_memory=dedup_memory, slurm=where.slurm, ray=where.ray,
        max_pause_s=max_pause * 3600,
    )  # fmt: skip
    if detach:
        return _submit(options, quiet=quiet)

    def to_the_end(progress: Progress) -> Manifest:
        manifest = run(options, progress, ask_on_interrupt())
        goal.deliver(progress.say)
        return manifest

    return _to_the_end(to_the_end, goal.work, quiet=quiet)


def _recipe_of(name: str | None, language: str | None, cache: Path) -> Recipe:
    """Return the recipe that `finest refine` was asked for."""
    from finest.pipeline.languages import recipe_in_languages
    from finest.recipe.recipe import load_recipe

    if language is not None:
        return recipe_in_languages(language, name, cache, say)
    return load_recipe(name or "fineweb")


def _to_the_end(run: Callable[[Progress], Manifest], out: Path, *, quiet: bool) -> None:
    """Run the refinement and show its progress, then show the dataset."""
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


def _submit(options: RunOptions, *, quiet: bool) -> None:
    from finest.pipeline.progress import Progress
    from finest.pipeline.slurm.run import submit

    if submit(options, Progress(quiet=quiet)) is not None and not quiet:
        say(f"Follow the jobs: finest attach {options.out}\nSee the state:   finest status {options.out}")


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--cancel", is_flag=True, help="Cancel the run's jobs, and no others, instead of following them.")
@click.option("--quiet", is_flag=True, help="Print only errors and warnings.")
def attach(folder: Path, cancel: bool, quiet: bool) -> None:
    """Follow a run's Slurm jobs until they end.

    The process that submitted them need not be running any more. On Ctrl-C the command asks whether to cancel the jobs.

    \b
    finest attach my-dataset
    finest attach my-dataset --cancel
    """
    from finest.pipeline.slurm import run as slurm

    if not cancel:
        asked = ask_on_interrupt()
        return _to_the_end(lambda progress: slurm.attach(folder, progress, asked), folder, quiet=quiet)
    ids = slurm.cancel(folder)
    return say(f"cancelled: {', '.join(map(str, ids))}" if ids else "the run has no jobs left")


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(folder: Path, as_json: bool) -> None:
    """Show a run's progress, speed, time left and losses.

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
@click.option("--output", type=click.Path(path_type=Path), help="File to write.  [default: FOLDER/report.html]")
def report(folder: Path, output: Path | None) -> None:
    """Write a report on a run as one HTML page.

    The page shows how many pages each stage dropped and why, languages, throughput, and samples of dropped and kept
    pages. It loads nothing from elsewhere.

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
@click.option(
    "--source",
    "sources",
    multiple=True,
    help="Place of the WARCs, if they have moved since the run; repeatable.  [default: as the run read them]",
)
@click.option(
    "--html",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write a page for the browser: the crawled page beside its text, and what the extractor cut.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def why(page: str, folder: Path, sources: tuple[str, ...], html: Path | None, as_json: bool) -> None:
    """Show why one page was kept or dropped.

    The command shows the page's verdict, every statistic beside its threshold, and the text. With --html, it writes a
    page that shows the crawled page beside its text, each block with its score and whether it was cut. That page runs
    no script and loads nothing from elsewhere.

    \b
    finest why https://example.org/article --in my-dataset
    finest why '<urn:uuid:7742614d-033b-4e59-99a8-d90461604bd6>' --in my-dataset
    finest why https://example.org/article --in my-dataset --html why.html
    """
    from finest.cli.views.refinery import show_why, why_dict
    from finest.pipeline.why import why as ask

    settings = load_settings()
    answers = ask(folder, page, settings.cache, sources, common_crawl(settings))
    if html is not None:
        from finest.atomic_files import write_whole
        from finest.pipeline.why_page.render import render_why

        write_whole(html, render_why(answers).encode())
        say(f"Open in a browser: {printable(html.resolve())}")
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
    help="Number of pages to judge again from their WARC records. 0 checks only the files, which proves nothing about "
    "the rows.",
)
@click.option("--seed", type=int, help="Seed for a repeatable sample.  [default: random]")
@click.option(
    "--source",
    "sources",
    multiple=True,
    help="Place of the WARCs, if the ledger is gone or has no full address; repeatable.",
)
@click.option("--full", is_flag=True, help="Download a dataset from the Hub and check every row, instead of a sample.")
@click.option(
    "--parent",
    metavar="FOLDER|REPO@REVISION|ADDRESS",
    help="Dataset that this one was selected from: check that it holds the parent's rows that satisfy the expression, "
    "all of them and no others.",
)
@click.option(
    "--index", "indexes", multiple=True, type=click.Path(path_type=Path), metavar="FILE.decon",
    help="Evaluation index by which finest decontaminate left rows out, if it is not in the cache; repeatable.",
)  # fmt: skip
def verify(
    where: str, sample: int, seed: int | None, sources: tuple[str, ...], full: bool, parent: str | None,
    indexes: tuple[Path, ...],
) -> None:  # fmt: skip
    """Check a dataset against its manifest and its sources.

    The command checks manifest, hashes and Merkle root, and judges a random sample of pages again from the source
    WARCs. It calls the rows verified if at least half of the sample, and half of its kept pages, could be judged again.
    Exit status: 0 verified (or only the files checked, with --sample 0), 7 the dataset is not what its manifest says,
    75 too few pages could be judged again.

    \b
    finest verify my-dataset
    finest verify my-dataset --sample 1000 --source crawl/
    finest verify alice/web-2025-26@4c1f0c2f9a5d1f4b2f1d0a3e5b6c7d8e9f0a1b2c
    finest verify s3://my-bucket/my-dataset
    finest verify my-selection --parent my-dataset
    finest verify cleaned --parent my-dataset --index evaluations.decon
    """
    from finest.cli.views.refinery import show_verification
    from finest.pipeline.verify import verify_place

    settings = load_settings()
    if any("@" in place and not Path(place).exists() for place in (where, parent or "")):
        from finest.dataset.hub_client import quiet_client

        quiet_client()
    found = verify_place(
        where, settings.cache, common_crawl(settings), sample=sample, seed=seed, sources=sources, full=full,
        parent=parent, indexes=indexes, say=say,
    )  # fmt: skip
    show_verification(console(), found)
    if found.lacks_evidence:
        sys.exit(NO_EVIDENCE)


@click.group(cls=Commands)
def recipe() -> None:
    """Show recipes and their hashes.

    A recipe holds everything that decides which pages are kept: stages, thresholds, and versions of models and
    libraries.

    \b
    finest recipe list
    finest recipe show fineweb
    """


@recipe.command("list")
def recipe_list() -> None:
    """List the recipes that come with finest.

    \b
    finest recipe list
    """
    from finest.recipe.recipe import load_recipe

    for name in SHIPPED:
        loaded = load_recipe(name)
        click.echo(f"{name:16} {loaded.hash[:12]}  {loaded.description}")


@recipe.command("show")
@click.argument("name", default="fineweb", metavar="NAME|FILE.toml")
def recipe_show(name: str) -> None:
    """Print a recipe with every value filled in.

    \b
    finest recipe show fineweb
    """
    from finest.recipe.recipe import load_recipe

    click.echo(json_of(load_recipe(name).resolved()))


@recipe.command("fetch")
@click.argument("name", metavar="NAME|FILE.toml")
def recipe_fetch(name: str) -> None:
    """Fetch the models and the index that a recipe names.

    They are put into the cache. Commands that refine pages do this themselves. Programs that judge single pages need
    them on the machine.

    \b
    finest recipe fetch my-recipe.toml
    """
    from finest.pipeline.decontaminate.indexes import provide_index
    from finest.pipeline.quality_models import provide_models
    from finest.recipe.recipe import load_recipe

    settings = load_settings()
    recipe = load_recipe(name)
    for path in provide_models(recipe.quality_model, settings.cache, say=say):
        click.echo(path)
    if index := provide_index(recipe, settings.cache, say=say):
        click.echo(index)


@recipe.command("hash")
@click.argument("name", default="fineweb", metavar="NAME|FILE.toml")
def recipe_hash(name: str) -> None:
    """Print a recipe's hash.

    Two recipes with the same hash decide alike on every page.

    \b
    finest recipe hash my-recipe.toml
    """
    from finest.recipe.recipe import load_recipe

    click.echo(load_recipe(name).hash)


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
