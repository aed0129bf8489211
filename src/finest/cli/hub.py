"""The Hub's commands: publish, open."""

from __future__ import annotations

from pathlib import Path

import click

from finest.cli.shared import console, json_of, say
from finest.settings import load_settings


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--hf_repo", "--hf-repo", "repo", required=True, metavar="[OWNER/]NAME",
    help="Dataset repository; made if it is not there. Without an owner it is yours.",
)  # fmt: skip
@click.option("--private", is_flag=True, help="Only you can read it.")
def publish(folder: Path, repo: str, private: bool) -> None:
    """Publish a dataset to the Hugging Face Hub as one revision, and print that revision.

    The token is HF_TOKEN, from the environment or .env, or that of `hf auth login`. Run it again whenever it was
    stopped: there will be one commit. An earlier dataset in the repository is replaced; its revision stays readable.

    \b
    finest publish my-dataset --hf_repo my-dataset
    finest publish my-dataset --hf_repo my-company/web-2025-26 --private
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
@click.argument("where", metavar="REPO@REVISION|FOLDER")
@click.option("--rows", type=click.IntRange(min=0), default=3, show_default=True, help="Rows to show, drawn at random.")
@click.option("--seed", type=int, default=0, show_default=True, help="Draws other rows.")
@click.option("--latest", is_flag=True, help="The newest revision, where none is named.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def open_command(where: str, rows: int, seed: int, latest: bool, as_json: bool) -> None:
    """Show what a dataset is, on the Hub or in a folder: recipe, sources, sizes, root, a few rows.

    Its manifest is held against the Hub's own hashes first; then only what is shown is read.

    \b
    finest open alice/web-2025-26@4c1f0c2f9a5d1f4b2f1d0a3e5b6c7d8e9f0a1b2c
    finest open alice/web-2025-26 --latest --rows 10
    """
    load_settings()
    from finest.cli.views.hub import dataset_dict, show_dataset
    from finest.dataset.hub_client import quiet_client
    from finest.dataset.open import open_dataset

    quiet_client()
    with open_dataset(where, latest=latest, say=say) as dataset:
        sample = dataset.sample(rows, seed).to_pylist() if rows else []
        if as_json:
            click.echo(json_of(dataset_dict(dataset, sample)))
        else:
            show_dataset(console(), dataset, sample)


COMMANDS = (publish, open_command)
"""In the order in which a person meets them."""
