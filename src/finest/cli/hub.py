"""The commands `finest publish` and `finest open`."""

from __future__ import annotations

from pathlib import Path

import click

from finest.cli.shared import console, json_of, say
from finest.errors import UsageError, VerifyError
from finest.settings import load_settings


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--hf-repo", "repo", required=True, metavar="[OWNER/]NAME",
    help="Dataset repository; created if it does not exist. Without OWNER it belongs to your account.",
)  # fmt: skip
@click.option("--private", is_flag=True, help="Create the repository as a private one, which only you can read.")
def publish(folder: Path, repo: str, private: bool) -> None:
    """Publish a dataset to the Hub, and print its revision.

    The token for the Hugging Face Hub is HF_TOKEN, from the environment or .env, or the one that `hf auth login`
    stored. If the upload was stopped, run the command again: it sends what is missing. It replaces an
    earlier dataset in the repository; the earlier revision stays readable.

    \b
    finest publish my-dataset --hf-repo my-dataset
    finest publish my-dataset --hf-repo my-company/web-2025-26 --private
    """
    load_settings()
    from finest.cli.views.hub import Upload
    from finest.dataset.hub_client import quiet_client
    from finest.dataset.publish import publish as send

    quiet_client()
    with Upload(say) as upload:
        revision = send(folder, repo, private=private, say=upload.say, progress=upload.show)
    say(f"Open it:   finest open {revision}\nProve it:  finest verify {revision}")
    click.echo(revision.sha)


@click.command("open")
@click.argument("where", metavar="REPO@REVISION[/tasks/ID]|FOLDER")
@click.option(
    "--rows", type=click.IntRange(min=0), default=3, show_default=True, help="Number of rows to show, drawn at random."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the draw; another seed shows other rows.")
@click.option("--latest", is_flag=True, help="Open the newest revision if WHERE names no revision.")
@click.option("--crawl", metavar="CC-MAIN-YYYY-WW", help="Of an index, open the datasets of this crawl only.")
@click.option("--language", metavar="CODE", help="Of an index, open the datasets with rows in this language only.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def open_command(
    where: str, rows: int, seed: int, latest: bool, crawl: str | None, language: str | None, as_json: bool
) -> None:  # fmt: skip
    """Show a dataset's recipe, sources, sizes, root and a few rows.

    The dataset is on the Hub or in a folder. The command first checks the manifest against the Hub's own hashes. Then
    it reads only what it shows, instead of downloading the dataset.

    REPO may be a task server's index of accepted datasets. Then the command opens every dataset that the index names,
    at its pinned revision, and refuses each that is not the one that the index describes.

    \b
    finest open alice/web-2025-26@4c1f0c2f9a5d1f4b2f1d0a3e5b6c7d8e9f0a1b2c
    finest open alice/web-2025-26 --latest --rows 10
    finest open alice/tasks@4c1f0c2f9a5d1f4b2f1d0a3e5b6c7d8e9f0a1b2c/tasks/0197f3c2a1b07d0e8f3a5b6c7d8e9f0a
    finest open my-company/finest-index --latest --crawl CC-MAIN-2025-26
    """
    load_settings()
    from finest.cli.views.hub import dataset_dict, show_dataset
    from finest.dataset.hub import Hub
    from finest.dataset.hub_client import quiet_client
    from finest.dataset.index import is_index
    from finest.dataset.open import open_dataset, pinned

    quiet_client()
    if not Path(where).is_dir():
        hub = Hub(say=say)
        revision, root = pinned(hub, where, latest=latest, say=say)
        where = f"{revision}{f'#{root}' if root else ''}"
        if is_index(hub, revision):
            return _open_index(where, rows, seed, crawl, language, as_json=as_json)
    if crawl or language:
        raise UsageError(f"{where} is no index, so --crawl and --language select nothing; leave them out")
    with open_dataset(where, say=say) as dataset:
        sample = dataset.sample(rows, seed).to_pylist() if rows else []
        if as_json:
            click.echo(json_of(dataset_dict(dataset, sample)))
        else:
            show_dataset(console(), dataset, sample)
    return None


def _open_index(
    where: str, rows: int, seed: int, crawl: str | None, language: str | None, *, as_json: bool
) -> None:  # fmt: skip
    from finest.cli.views.index import checked, index_dict, show_index
    from finest.cli.views.steps import Steps
    from finest.dataset.index import open_index

    index = open_index(where, say=say)
    entries = index.select(crawl=crawl, language=language)
    with Steps() as steps:
        refused = index.check(entries, lambda done: checked(steps, done, len(entries)))
    good = [one for one in entries if one.task not in refused]
    sample = index.sample(good, rows, seed)
    if as_json:
        click.echo(json_of(index_dict(index, entries, refused, sample)))
    else:
        show_index(console(), index, entries, refused, sample)
    if refused:
        raise VerifyError(f"{len(refused):,} of {len(entries):,} datasets are not those that the index names")
