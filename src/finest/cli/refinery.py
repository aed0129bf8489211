"""The commands `finest refine`, `attach`, `status` and `report`."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from finest.cli.shared import (
    common_crawl,
    console,
    dedup_memory_option,
    lean_imports,
    number_or_share,
    recipe_of,
    recipe_options,
    say,
    shard_option,
)
from finest.cli.slurm import Where, ask_on_interrupt, executor_options
from finest.masking import printable
from finest.settings import load_settings

if TYPE_CHECKING:
    from finest.dataset.manifest import Manifest
    from finest.pipeline.options import RunOptions
    from finest.pipeline.progress import Progress
    from finest.warc.source import Shard


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
@recipe_options
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    help="Number of worker processes.  [default: one per CPU available to this process]",
)
@click.option("--limit", type=click.IntRange(min=1), help="Judge only the first N pages of each WARC.")
@shard_option
@click.option(
    "--where",
    "expression",
    metavar="SQL",
    help="Which rows enter the dataset: only those for which this expression is true, as with finest select. All pages "
    "are read and judged.",
)
@click.option(
    "--pages-where",
    metavar="SQL",
    help="Which pages are read: only those for which this expression is true in the index of the crawl (its columns: "
    "https://commoncrawl.org/columnar-index). Only their ranges of the WARCs are fetched.",
)
@click.option(
    "--requests-per-second",
    "requests_per_s",
    type=click.FloatRange(min=0, min_open=True),
    default=1.0,
    show_default=True,
    help="Most requests to one host over HTTPS with --pages-where; Common Crawl asks for no more than one.",
)
@click.option(
    "--engine",
    type=click.Choice(["finest", "datatrove"]),
    default="finest",
    show_default=True,
    help="datatrove runs DataTrove's own steps, several times slower, for comparison.",
)
@dedup_memory_option
@click.option(
    "--against",
    multiple=True,
    metavar="FOLDER|REPO[@REVISION]",
    help="A finished dataset with an index, in a folder or on the Hub: pages that it has are dropped as duplicates. It "
    "stays as it is; repeatable.",
)
@click.option(
    "--keep-index",
    is_flag=True,
    help="Write the index that --against of a later run needs, about 170 bytes a page, into OUT/index; finest publish "
    "sends it with the dataset.",
)
@executor_options
@click.option(
    "--allow-missing",
    metavar="N|SHARE%",
    default="0",
    show_default=True,
    type=number_or_share,
    help="Make the dataset although so many sources, or such a share of them, cannot be read. The manifest names them. "
    "Otherwise the command ends with an error when the others are finished, and tries them again the next time.",
)
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
    workers: int | None, limit: int | None, shard: Shard | None, expression: str | None,
    pages_where: str | None, requests_per_s: float, engine: str, dedup_memory: int, against: tuple[str, ...],
    keep_index: bool, where: Where, max_pause: float, allow_missing: float, detach: bool, restart: bool, quiet: bool,
) -> None:  # fmt: skip
    """Refine WARC files into a dataset.

    SOURCE is a WARC file (.warc, .warc.gz, .warc.zst), a folder, a glob, an https address, an address of a store
    (s3://, gs://, az://, hf://datasets/..., hf://buckets/...: a file, a folder or a glob), a crawl of Common Crawl
    (CC-MAIN-2026-30, or CC-NEWS-2026-05 for a month of the news crawl), a path of Common Crawl
    (crawl-data/CC-MAIN-...), a small crawl that ships (sample:english, sample:languages), or @list.txt, a file with
    one of these per line. Common Crawl is read from S3 if there are AWS credentials, else over HTTPS.

    You can stop the command at any time. The same command continues where it stopped, also with another number of
    workers.

    \b
    finest refine sample:languages --language all --out try
    finest refine crawl/*.warc.gz --out my-dataset
    finest refine CC-MAIN-2026-30 --shard 3/90 --out part-3
    finest refine @paths.txt --out my-dataset --workers 32
    finest refine @paths.txt --out my-dataset --language deu_Latn,fra_Latn
    finest refine @paths.txt --out my-dataset --where "token_count >= 200 AND url LIKE 'https:%'"
    finest refine @paths.txt --out s3://my-bucket/my-dataset
    finest refine @april.txt --out april --against alice/web-march
    finest refine CC-MAIN-2026-30 --pages-where "content_languages = 'swh' AND url_host_tld = 'tz'" --out swahili
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
    recipe = recipe_of(recipe_name, language, settings.cache)
    goal = destination(out, work, settings.cache)
    if goal.store and detach:
        raise click.UsageError("--detach takes a local --out; without it this command waits and copies the dataset")
    if goal.store and where.slurm and not work:
        raise click.UsageError("--executor slurm with an address as --out takes --work, a folder that all nodes share")
    goal.check(restart=restart)
    options = RunOptions(
        specs=sources, out=goal.work, recipe=recipe.without_gate() if engine == "datatrove" else recipe,
        cache=settings.cache, common_crawl=common_crawl(settings), limit=limit, shard=shard, engine=engine,
        workers=workers or where.workers or default_workers(),
        restart=restart, where=expression, pages_where=pages_where,
        requests_per_s=requests_per_s, dedup_memory=dedup_memory,
        against=tuple(map(_pinned, against)), keep_index=keep_index,
        slurm=where.slurm, ray=where.ray, max_pause_s=max_pause * 3600, allow_missing=allow_missing,
    )  # fmt: skip
    if detach:
        return _submit(options, quiet=quiet)

    def to_the_end(progress: Progress) -> Manifest:
        manifest = run(options, progress, ask_on_interrupt())
        goal.deliver(progress.say)
        return manifest

    return _to_the_end(to_the_end, goal.work, quiet=quiet, against=options.against)


def _pinned(against: str) -> str:
    """Return the place of an earlier dataset; on the Hub without a revision, that of the newest one."""
    if Path(against).is_dir():
        return against
    from finest.dataset.hub_client import quiet_client
    from finest.dataset.open import open_dataset

    quiet_client()
    return str(open_dataset(against, latest=True, say=say).place)


def _to_the_end(run: Callable[[Progress], Manifest], out: Path, *, quiet: bool, against: tuple[str, ...] = ()) -> None:
    """Run the refinement and show its progress, then show the dataset."""
    from finest.pipeline.progress import Progress

    progress = Progress(quiet=quiet)
    try:
        manifest = run(progress)
    finally:
        progress.close()
    if not quiet:
        from finest.cli.views.refinery import show_manifest

        show_manifest(console(), out, manifest, against)
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
