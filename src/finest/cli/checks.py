"""The commands `finest why` and `finest verify`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from finest.cli.shared import common_crawl, console, json_of, say
from finest.errors import NO_EVIDENCE
from finest.masking import printable
from finest.settings import load_settings


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
    "--against",
    multiple=True,
    metavar="FOLDER|REPO@REVISION",
    help="Earlier dataset that this one was made against: check the pages that are dropped for its rows; repeatable.",
)
@click.option(
    "--index", "indexes", multiple=True, type=click.Path(path_type=Path), metavar="FILE.decon",
    help="Evaluation index by which finest decontaminate left rows out, if it is not in the cache; repeatable.",
)  # fmt: skip
def verify(
    where: str, sample: int, seed: int | None, sources: tuple[str, ...], full: bool, parent: str | None,
    against: tuple[str, ...], indexes: tuple[Path, ...],
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
    finest verify april --against alice/web-march@4c1f0c2f9a5d1f4b2f1d0a3e5b6c7d8e9f0a1b2c
    finest verify cleaned --parent my-dataset --index evaluations.decon
    """
    from finest.cli.views.refinery import show_verification
    from finest.pipeline.verify import verify_place

    settings = load_settings()
    if any("@" in place and not Path(place).exists() for place in (where, parent or "", *against)):
        from finest.dataset.hub_client import quiet_client

        quiet_client()
    found = verify_place(
        where, settings.cache, common_crawl(settings), sample=sample, seed=seed, sources=sources, full=full,
        parent=parent, indexes=indexes, against=against, say=say,
    )  # fmt: skip
    show_verification(console(), found)
    if found.lacks_evidence:
        sys.exit(NO_EVIDENCE)
